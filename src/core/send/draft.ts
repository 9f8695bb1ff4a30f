import { MESSAGE_COST_BYTES } from "../limits.js";
import type { BatchEnd } from "../trace.js";
import type { OutgoingFrame } from "../wire/encode.js";
import { varintBytes } from "../wire/varint.js";
import { cutBytes } from "./chunker.js";
import type { SentChunk } from "./in-flight.js";
import { HIGH_TOKENS_MAX, type Readiness } from "./scheduler.js";
import type { SendChannel } from "./send-channel.js";

// How much a channel may put into a batch. Invariant: asking changes nothing, so it can be asked for as often as one likes.

/** Frames for one numbered batch, and what acknowledging it will mean. */
export interface Draft {
  readonly frames: readonly OutgoingFrame[];
  readonly chunks: readonly SentChunk[];
  readonly closes: readonly SendChannel[];
  /** Why nothing more is in it. */
  readonly end: BatchEnd;
}

export interface DraftSpace {
  /** The number that the batch will have. */
  readonly number: number;
  /** Bytes for frames in this batch. */
  readonly spaceBytes: number;
  /** What the last chunk of a message may take beyond that, where it stands alone. */
  readonly extraBytes: number;
  /** Bytes that the window leaves. May be negative after an overdraft. */
  readonly roomBytes: number;
  /** The most that any batch holds. */
  readonly batchBytesMax: number;
  /** Whether the window holds so many of them that one more or less does not matter. */
  readonly isAmple: boolean;
}

/** What one channel may put into the batch. */
export interface ChannelSpace extends DraftSpace {
  /** What it may send even where the window is full. */
  readonly overdraftBytes: number;
  readonly isFirstInBatch: boolean;
}

/** Whether the channel may cut something now, or waits for room, or for something of its own. */
export function readinessOf(channel: SendChannel, space: ChannelSpace): Readiness {
  if (cutSize(channel, space) !== undefined) return "ready";
  // What would not fit the emptiest batch, its number aside, must not make others wait for room: it waits for them.
  const { number, batchBytesMax, overdraftBytes } = space;
  const spaceBytes = batchBytesMax - varintBytes(number);
  const roomBytes = batchBytesMax;
  // Not spread: see `pollDraft`.
  const [extraBytes, isFirstInBatch, isAmple] = [0, true, false];
  const emptiest = {
    number,
    spaceBytes,
    extraBytes,
    roomBytes,
    batchBytesMax,
    isAmple,
    overdraftBytes,
    isFirstInBatch,
  };
  return cutSize(channel, emptiest) === undefined ? "not-ready" : "no-room";
}

/** How much the channel may cut now: `undefined` for nothing, 0 for an empty message or the channel's end. */
export function cutSize(channel: SendChannel, space: ChannelSpace): number | undefined {
  const message = channel.messages.peek();
  if (message === undefined) {
    // A verdict that is still to come names the channel by its wire id, which must not have gone to another (CRD-07).
    const isOver = space.spaceBytes >= 2 && !channel.awaitsVerdict;
    return isOver ? 0 : undefined;
  }
  const { roomBytes, overdraftBytes, isFirstInBatch } = space;
  // Nothing goes beyond what the transport buffers.
  const isOverdraft = overdraftBytes > roomBytes && roomBytes !== Number.NEGATIVE_INFINITY;
  const limitBytes = isOverdraft ? overdraftBytes : roomBytes;
  const spaceBytes = Math.min(space.spaceBytes, limitBytes);
  const wholeBytes = Math.min(space.spaceBytes + space.extraBytes, limitBytes);
  const batchBytesMax = isOverdraft ? Math.min(space.batchBytesMax, HIGH_TOKENS_MAX) : space.batchBytesMax;
  const creditBytes = channel.creditBytes - channel.usedBytes - (message.stage === "queued" ? MESSAGE_COST_BYTES : 0);
  const isAmple = space.isAmple && !isOverdraft;
  return cutBytes(message, { spaceBytes, wholeBytes, batchBytesMax, isAmple, isFirstInBatch, creditBytes });
}
