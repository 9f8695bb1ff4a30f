import {
  CHANNEL_NAME_BYTES_MAX,
  CHUNK_BYTES_MIN,
  CLOSE_REASON_BYTES_MAX,
  PARAMETERS_MAX,
  PING_BYTES_MAX,
} from "../limits.js";
import { ChunkFlag, carriage, type Frame, FrameType, PRIORITIES, type Violation } from "./frame.js";
import { readVarint, varintBytesAt } from "./varint.js";

/** Close codes that stand for what happened at one end, and never travel (RFC 6455, 7.4.1; CLS-10). */
const NEVER_SENT: ReadonlySet<number> = new Set([1004, 1005, 1006, 1015]);

/**
 * Reads one batch frame by frame, so that garbage behind good frames costs nothing until it is reached and no table
 * of frames is ever built from a peer's bytes. Payloads are views of the batch. Never throws; after a violation
 * the reader stays at it.
 *
 * Invariant: `0 <= offset <= batch.length`, and every call of `next` that gives a frame moves `offset` forward.
 */
export class BatchReader {
  readonly #batch: Uint8Array;
  #offset = 0;
  #violation: Violation | undefined;
  #number = 0;

  constructor(batch: Uint8Array) {
    this.#batch = batch;
    const number = this.#varint();
    if (number !== undefined) this.#number = number;
    // An empty batch has no meaning, and would let a peer spend our time for one byte (BAT-02).
    if (this.#violation === undefined && this.#offset === batch.length) this.#fail("empty batch");
  }

  /** The next frame, or `undefined` at the end of the batch or at a violation. */
  next(): Frame | undefined {
    if (this.#violation !== undefined || this.#offset === this.#batch.length) return undefined;
    const frame = this.#frame();
    if (this.#violation !== undefined || frame === undefined) return undefined;
    const allowed = carriage(frame.type);
    if (allowed !== "either" && (allowed === "numbered") !== this.#number > 0) {
      return this.#fail(`${frame.type} in ${this.#number > 0 ? "a numbered" : "an unnumbered"} batch`);
    }
    return frame;
  }

  /** The batch's number; 0 for an unnumbered one. */
  get number(): number {
    return this.#number;
  }

  /** What is wrong with the batch, as far as it has been read. */
  get violation(): Violation | undefined {
    return this.#violation;
  }

  #frame(): Frame | undefined {
    const type = this.#byte();
    if (type === undefined) return undefined;
    if ((type & 0xf0) === FrameType.CHUNK) return this.#chunk(type & 0x0f);
    switch (type) {
      case FrameType.GREETING:
        return this.#handshake("greeting");
      case FrameType.HELLO:
        return this.#handshake("hello");
      case FrameType.WELCOME:
        return this.#handshake("welcome");
      case FrameType.ACK:
        return this.#ack();
      case FrameType.CHANNEL_CREDIT:
        return this.#channelCredit();
      case FrameType.PING:
      case FrameType.PONG: {
        const payload = this.#sized(PING_BYTES_MAX);
        return payload === undefined ? undefined : { type: type === FrameType.PING ? "ping" : "pong", payload };
      }
      case FrameType.ABORT:
        return this.#close("abort");
      case FrameType.CLOSE:
        return this.#close("close");
      case FrameType.DETACH:
        return { type: "detach" };
      case FrameType.GOAWAY: {
        const delayMs = this.#varint();
        return delayMs === undefined ? undefined : { type: "goaway", delayMs };
      }
      case FrameType.CHANNEL_OPEN:
        return this.#channelOpen();
      case FrameType.CHANNEL_CLOSE:
      case FrameType.RESET: {
        const channel = this.#byte();
        if (channel === undefined) return undefined;
        return { type: type === FrameType.RESET ? "reset" : "channel-close", channel };
      }
      case FrameType.REJECT:
        return this.#reject();
      case FrameType.ADMIT:
        return this.#admit();
      default:
        return this.#fail(`unknown frame 0x${type.toString(16)}`);
    }
  }

  #handshake(type: "greeting" | "hello" | "welcome"): Frame | undefined {
    const size = this.#varint();
    if (size === undefined) return undefined;
    const end = this.#offset + size;
    if (end > this.#batch.length) return this.#fail("truncated parameters");
    const parameters = new Map<number, Uint8Array>();
    while (this.#offset < end) {
      const id = this.#varint();
      if (id === undefined) return undefined;
      const value = this.#sized(end - this.#offset);
      if (value === undefined) return undefined;
      if (parameters.has(id)) return this.#fail(`parameter ${id} twice`);
      if (parameters.size === PARAMETERS_MAX) return this.#fail("too many parameters");
      parameters.set(id, value);
    }
    return this.#offset === end ? { type, parameters } : this.#fail("parameter beyond its frame");
  }

  #ack(): Frame | undefined {
    const number = this.#varint();
    const bytes = this.#varint();
    const receivedTicks = this.#varint();
    const delayTicks = this.#varint();
    if (number === undefined || bytes === undefined || receivedTicks === undefined || delayTicks === undefined) {
      return undefined;
    }
    return { type: "ack", number, bytes, receivedTicks, delayTicks };
  }

  #channelCredit(): Frame | undefined {
    const channel = this.#byte();
    const bytes = this.#varint();
    return channel === undefined || bytes === undefined ? undefined : { type: "channel-credit", channel, bytes };
  }

  #chunk(flags: number): Frame | undefined {
    const channel = this.#byte();
    if (channel === undefined) return undefined;
    const first = (flags & ChunkFlag.FIRST) !== 0;
    const last = (flags & ChunkFlag.LAST) !== 0;
    const text = (flags & ChunkFlag.TEXT) !== 0;
    const hasTotal = (flags & ChunkFlag.TOTAL) !== 0;
    if (!first && text) return this.#fail("TEXT on a later chunk");
    if (hasTotal && (!first || last)) return this.#fail("TOTAL on a chunk that is not the first of several");
    const totalBytes = hasTotal ? this.#varint() : undefined;
    if (hasTotal && totalBytes === undefined) return undefined;
    const payload = this.#sized(this.#batch.length);
    if (payload === undefined) return undefined;
    if (!last && payload.length < CHUNK_BYTES_MIN) return this.#fail("short chunk that is not the last");
    return { type: "chunk", channel, first, last, text, totalBytes, payload };
  }

  #close(type: "close" | "abort"): Frame | undefined {
    const code = this.#varint();
    if (code === undefined) return undefined;
    if (code !== 0 && (code < 1000 || code > 4999 || NEVER_SENT.has(code))) return this.#fail("bad close code");
    const reason = this.#sized(CLOSE_REASON_BYTES_MAX);
    return reason === undefined ? undefined : { type, code, reason };
  }

  #channelOpen(): Frame | undefined {
    const channel = this.#byte();
    const urgency = this.#byte();
    const name = this.#sized(CHANNEL_NAME_BYTES_MAX);
    if (channel === undefined || urgency === undefined || name === undefined) return undefined;
    const priority = PRIORITIES[urgency];
    if (priority === undefined) return this.#fail(`unknown priority ${urgency}`);
    return { type: "channel-open", channel, priority, name };
  }

  #reject(): Frame | undefined {
    const channel = this.#byte();
    const message = this.#varint();
    const code = this.#varint();
    if (channel === undefined || message === undefined || code === undefined) return undefined;
    return { type: "reject", channel, message, code };
  }

  #admit(): Frame | undefined {
    const channel = this.#byte();
    const message = this.#varint();
    return channel === undefined || message === undefined ? undefined : { type: "admit", channel, message };
  }

  #byte(): number | undefined {
    const byte = this.#violation === undefined ? this.#batch[this.#offset] : undefined;
    if (byte === undefined) return this.#fail("truncated frame");
    this.#offset += 1;
    return byte;
  }

  #varint(): number | undefined {
    if (this.#violation !== undefined) return undefined;
    const value = readVarint(this.#batch, this.#offset);
    if (value === undefined) return this.#fail("truncated or oversized integer");
    this.#offset += varintBytesAt(this.#batch, this.#offset) as number;
    return value;
  }

  #sized(max: number): Uint8Array | undefined {
    const size = this.#varint();
    if (size === undefined) return undefined;
    if (size > max) return this.#fail("field longer than allowed");
    if (this.#offset + size > this.#batch.length) return this.#fail("truncated field");
    const value = this.#batch.subarray(this.#offset, this.#offset + size);
    this.#offset += size;
    return value;
  }

  /** Keeps the first violation: what follows from it explains nothing. */
  #fail(reason: string): undefined {
    this.#violation ??= { code: 1002, reason };
    return undefined;
  }
}
