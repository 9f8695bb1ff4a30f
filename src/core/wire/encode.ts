import { type Content, isUnencoded } from "../content.js";
import { ChunkFlag, type ChunkFrame, type Frame, FrameType, type Parameters, PRIORITIES } from "./frame.js";
import { varintBytes, writeVarint } from "./varint.js";

/** A chunk on its way out. */
export interface OutgoingChunk extends Omit<ChunkFrame, "payload"> {
  readonly payload: Content;
}

export type OutgoingFrame = Exclude<Frame, ChunkFrame> | OutgoingChunk;

/** Bytes that `frame` takes in a batch. Exact: `encodeBatch` allocates by it. */
export function frameBytes(frame: OutgoingFrame): number {
  switch (frame.type) {
    case "greeting":
    case "hello":
    case "welcome":
      return 1 + sized(parametersBytes(frame.parameters));
    case "ack":
      return (
        1 +
        varintBytes(frame.number) +
        varintBytes(frame.bytes) +
        varintBytes(frame.receivedTicks) +
        varintBytes(frame.delayTicks)
      );
    case "chunk":
      return chunkHeaderBytes(frame.totalBytes, frame.payload.length) + frame.payload.length;
    case "close":
    case "abort":
      return 1 + varintBytes(frame.code) + sized(frame.reason.length);
    case "channel-credit":
      return 2 + varintBytes(frame.bytes);
    case "ping":
    case "pong":
      return 1 + sized(frame.payload.length);
    case "detach":
      return 1;
    case "goaway":
      return 1 + varintBytes(frame.delayMs);
    case "channel-open":
      return 3 + sized(frame.name.length);
    case "channel-close":
    case "reset":
      return 2;
    case "reject":
      return 2 + varintBytes(frame.message) + varintBytes(frame.code);
    case "admit":
      return 2 + varintBytes(frame.message);
  }
}

/**
 * Bytes of a chunk before its payload.
 * @param totalBytes what it announces; `undefined` where it announces nothing
 */
export function chunkHeaderBytes(totalBytes: number | undefined, payloadBytes: number): number {
  const total = totalBytes === undefined ? 0 : varintBytes(totalBytes);
  return 2 + total + varintBytes(payloadBytes);
}

/**
 * One batch: its number (0 for an unnumbered one), then its frames (BAT-01).
 * @param memory makes room for so many bytes, all of which are written; the platform by default
 */
export function encodeBatch(
  number: number,
  frames: readonly OutgoingFrame[],
  memory?: { take(bytes: number): Uint8Array },
): Uint8Array {
  let size = varintBytes(number);
  for (const frame of frames) size += frameBytes(frame);
  const target = memory === undefined ? new Uint8Array(size) : memory.take(size);
  let offset = writeVarint(target, 0, number);
  for (const frame of frames) offset = writeFrame(target, offset, frame);
  return target;
}

function writeFrame(target: Uint8Array, start: number, frame: OutgoingFrame): number {
  let offset = start;
  switch (frame.type) {
    case "greeting":
    case "hello":
    case "welcome": {
      target[offset++] = HANDSHAKE_TYPE[frame.type];
      offset = writeVarint(target, offset, parametersBytes(frame.parameters));
      for (const [id, value] of frame.parameters) {
        offset = writeVarint(target, offset, id);
        offset = writeSized(target, offset, value);
      }
      return offset;
    }
    case "ack":
      target[offset++] = FrameType.ACK;
      offset = writeVarint(target, offset, frame.number);
      offset = writeVarint(target, offset, frame.bytes);
      offset = writeVarint(target, offset, frame.receivedTicks);
      return writeVarint(target, offset, frame.delayTicks);
    case "chunk":
      target[offset++] =
        FrameType.CHUNK |
        (frame.first ? ChunkFlag.FIRST : 0) |
        (frame.last ? ChunkFlag.LAST : 0) |
        (frame.first && frame.text ? ChunkFlag.TEXT : 0) |
        (frame.totalBytes === undefined ? 0 : ChunkFlag.TOTAL);
      target[offset++] = frame.channel;
      if (frame.totalBytes !== undefined) offset = writeVarint(target, offset, frame.totalBytes);
      return writeContent(target, offset, frame.payload);
    case "close":
    case "abort":
      target[offset++] = frame.type === "close" ? FrameType.CLOSE : FrameType.ABORT;
      offset = writeVarint(target, offset, frame.code);
      return writeSized(target, offset, frame.reason);
    case "channel-credit":
      target[offset++] = FrameType.CHANNEL_CREDIT;
      target[offset++] = frame.channel;
      return writeVarint(target, offset, frame.bytes);
    case "ping":
    case "pong":
      target[offset++] = frame.type === "ping" ? FrameType.PING : FrameType.PONG;
      return writeSized(target, offset, frame.payload);
    case "detach":
      target[offset++] = FrameType.DETACH;
      return offset;
    case "goaway":
      target[offset++] = FrameType.GOAWAY;
      return writeVarint(target, offset, frame.delayMs);
    case "channel-open":
      target[offset++] = FrameType.CHANNEL_OPEN;
      target[offset++] = frame.channel;
      target[offset++] = PRIORITIES.indexOf(frame.priority);
      return writeSized(target, offset, frame.name);
    case "channel-close":
    case "reset":
      target[offset++] = frame.type === "reset" ? FrameType.RESET : FrameType.CHANNEL_CLOSE;
      target[offset++] = frame.channel;
      return offset;
    case "reject":
      target[offset++] = FrameType.REJECT;
      target[offset++] = frame.channel;
      offset = writeVarint(target, offset, frame.message);
      return writeVarint(target, offset, frame.code);
    case "admit":
      target[offset++] = FrameType.ADMIT;
      target[offset++] = frame.channel;
      return writeVarint(target, offset, frame.message);
  }
}

const HANDSHAKE_TYPE = {
  greeting: FrameType.GREETING,
  hello: FrameType.HELLO,
  welcome: FrameType.WELCOME,
} as const;

function sized(length: number): number {
  return varintBytes(length) + length;
}

function parametersBytes(parameters: Parameters): number {
  let size = 0;
  for (const [id, value] of parameters) size += varintBytes(id) + sized(value.length);
  return size;
}

function writeContent(target: Uint8Array, offset: number, content: Content): number {
  if (!isUnencoded(content)) return writeSized(target, offset, content);
  const start = writeVarint(target, offset, content.length);
  content.writeTo(target, start);
  return start + content.length;
}

function writeSized(target: Uint8Array, offset: number, bytes: Uint8Array): number {
  const start = writeVarint(target, offset, bytes.length);
  target.set(bytes, start);
  return start + bytes.length;
}
