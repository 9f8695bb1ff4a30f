import { CHUNK_BYTES_MIN } from "../limits.js";
import { chunkHeaderBytes, type OutgoingChunk } from "../wire/encode.js";
import type { OutgoingMessage } from "./outgoing-message.js";

/**
 * What may join a batch that already holds a message. Larger pieces travel alone: a receiver gets a batch whole, so
 * a chat line would wait for the upload's chunk behind it.
 */
const COALESCED_BYTES_MAX = 4096;

/** What counts as a whole batch, of what it may hold: numbers and acks take a little. */
const WHOLE_SHARE = 15 / 16;

/** Room for one chunk. */
export interface ChunkSpace {
  /** Bytes left in the batch, header included. */
  readonly spaceBytes: number;
  /** The same for what is left of a message, as the first in its batch. */
  readonly wholeBytes: number;
  /** The most that a batch holds: the measure for a cut that is worth its header. */
  readonly batchBytesMax: number;
  /** Whether there will soon be room for as much as a batch holds, and more room than that. */
  readonly isAmple: boolean;
  readonly isFirstInBatch: boolean;
  /** What the peer's credit leaves, bytes of payload. */
  readonly creditBytes: number;
}

/**
 * How many bytes of `message` to cut next: all that is left where it fits, else a piece that is worth its header.
 * `undefined` when it has to wait, for room or for its source.
 */
export function cutBytes(message: OutgoingMessage, space: ChunkSpace): number | undefined {
  const available = message.availableBytes;
  const wholeHeader = chunkHeaderBytes(undefined, available);
  const wholeBytes = space.isFirstInBatch ? space.wholeBytes : space.spaceBytes;
  if (message.isEnded && available <= space.creditBytes && available + wholeHeader <= wholeBytes) {
    return space.isFirstInBatch || available <= COALESCED_BYTES_MAX ? available : undefined;
  }
  if (!space.isFirstInBatch) return undefined;
  const header = chunkHeaderBytes(announcedTotal(message), space.spaceBytes);
  const size = Math.min(available, space.spaceBytes - header, space.creditBytes);
  // Half a batch: less would be the silly windows of RFC 1122, 4.2.3.4.
  const leastBytes = Math.max(CHUNK_BYTES_MIN, Math.floor(space.batchBytesMax / 2));
  // Of a large window the rest is not worth the second batch, its ack, and the copy of what is put together again.
  const isCutShort = size < Math.min(available, space.creditBytes, Math.floor(space.batchBytesMax * WHOLE_SHARE));
  return size < leastBytes || (space.isAmple && isCutShort) ? undefined : size;
}

/** Cuts `size` bytes, as `cutBytes` gave them, off the front of `message`. */
export function cutChunk(channel: number, message: OutgoingMessage, size: number): OutgoingChunk {
  const first = message.stage === "queued";
  const last = message.isEnded && size === message.availableBytes;
  const totalBytes = last ? undefined : announcedTotal(message);
  const payload = message.take(size);
  message.stage = last ? "written" : "writing";
  return { type: "chunk", channel, first, last, text: message.text, totalBytes, payload };
}

function announcedTotal(message: OutgoingMessage): number | undefined {
  return message.stage === "queued" ? message.totalBytes : undefined;
}
