import type { Violation } from "./frame.js";
import { readVarint, varintBytes, varintBytesAt, writeVarint } from "./varint.js";

/**
 * Cuts a byte stream (a request or response body) into batches, each behind its length as a varint (BAT-06).
 * A WebSocket keeps message boundaries and needs none of this. Takes the stream in pieces of any size.
 *
 * Invariant: holds at most one incomplete batch, `heldBytes <= batchBytesMax + 8`, and copies each byte once.
 */
export class BatchStreamReader {
  readonly #batchBytesMax: number;
  readonly #header = new Uint8Array(8);
  #headerBytes = 0;
  /** The batch being filled; `undefined` while its length is still being read. */
  #body: Uint8Array | undefined;
  #bodyBytes = 0;
  #violation: Violation | undefined;

  constructor(batchBytesMax: number) {
    this.#batchBytesMax = batchBytesMax;
  }

  /** Takes the next piece and returns the batches that it completes. */
  push(piece: Uint8Array): Uint8Array[] {
    const batches: Uint8Array[] = [];
    let offset = 0;
    while (offset < piece.length && this.#violation === undefined) {
      if (this.#body === undefined) {
        this.#header[this.#headerBytes++] = piece[offset++] as number;
        this.#begin();
        continue;
      }
      const part = piece.subarray(offset, offset + this.#body.length - this.#bodyBytes);
      this.#body.set(part, this.#bodyBytes);
      this.#bodyBytes += part.length;
      offset += part.length;
      if (this.#bodyBytes < this.#body.length) break;
      batches.push(this.#body);
      this.#body = undefined;
      this.#headerBytes = 0;
    }
    return batches;
  }

  /** What is wrong with the stream; nothing behind it is read. */
  get violation(): Violation | undefined {
    return this.#violation;
  }

  /** Bytes of the incomplete batch at the end. Not 0 at the end of a body means that it was truncated. */
  get heldBytes(): number {
    return this.#headerBytes + (this.#body === undefined ? 0 : this.#bodyBytes);
  }

  /** Starts a batch once its length is complete. */
  #begin(): void {
    if (this.#headerBytes < (varintBytesAt(this.#header, 0) as number)) return;
    const size = readVarint(this.#header, 0);
    if (size === undefined || size > this.#batchBytesMax || size === 0) {
      this.#violation = { code: size === 0 ? 1002 : 1009, reason: "batch length out of bounds" };
      this.#headerBytes = 0;
      return;
    }
    this.#body = new Uint8Array(size);
    this.#bodyBytes = 0;
  }
}

/** `batch` behind its length, as it stands in a stream. */
export function framedBatch(batch: Uint8Array): Uint8Array {
  const header = varintBytes(batch.length);
  const framed = new Uint8Array(header + batch.length);
  writeVarint(framed, 0, batch.length);
  framed.set(batch, header);
  return framed;
}
