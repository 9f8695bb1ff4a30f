/** What is wrong with a stream of batches. */
export interface StreamViolation {
  /** A WebSocket close code: 1002 for a batch of no bytes, 1009 for one over the limit. */
  readonly code: 1002 | 1009;
  readonly reason: string;
}

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
  #violation: StreamViolation | undefined;

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
  get violation(): StreamViolation | undefined {
    return this.#violation;
  }

  /** Bytes of the incomplete batch at the end. Not 0 at the end of a body means that it was truncated. */
  get heldBytes(): number {
    return this.#headerBytes + (this.#body === undefined ? 0 : this.#bodyBytes);
  }

  /** Starts a batch once its length is complete. */
  #begin(): void {
    const headerBytes = 1 << ((this.#header[0] as number) >> 6);
    if (this.#headerBytes < headerBytes) return;
    let size = (this.#header[0] as number) & 0x3f;
    // Inexact above 2^53, and far above the limit then.
    for (let i = 1; i < headerBytes; i++) size = size * 0x100 + (this.#header[i] as number);
    if (size > this.#batchBytesMax || size === 0) {
      this.#violation = { code: size === 0 ? 1002 : 1009, reason: "batch length out of bounds" };
      this.#headerBytes = 0;
      return;
    }
    this.#body = new Uint8Array(size);
    this.#bodyBytes = 0;
  }
}

/** The length that stands before `batch` in a stream. */
function lengthPrefix(batch: Uint8Array): Uint8Array {
  const { length } = batch;
  if (length < 0x40) return Uint8Array.of(length);
  if (length < 0x4000) return Uint8Array.of(0x40 | (length >> 8), length & 0xff);
  return Uint8Array.of(0x80 | (length >> 24), (length >> 16) & 0xff, (length >> 8) & 0xff, length & 0xff);
}

/** Bytes that `batch` takes in a stream. */
export function framedBytes(batch: Uint8Array): number {
  const { length } = batch;
  return length + (length < 0x40 ? 1 : length < 0x4000 ? 2 : 4);
}

/** `batches`, each of less than 1 GiB, as they stand in a stream. */
export function batchStream(batches: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const stream = new Uint8Array(batches.reduce((bytes, batch) => bytes + framedBytes(batch), 0));
  let offset = 0;
  for (const batch of batches) {
    const prefix = lengthPrefix(batch);
    stream.set(prefix, offset);
    stream.set(batch, offset + prefix.length);
    offset += prefix.length + batch.length;
  }
  return stream;
}

/** Bytes of `batches`, as they are counted where they are made. */
export function sizeOf(batches: readonly Uint8Array[]): number {
  return batches.reduce((bytes, { length }) => bytes + length, 0);
}

/** How many of `batches` go along in a stream of `bytesMax`: one, and as many more as fit. */
export function fittingCount(batches: readonly Uint8Array[], bytesMax: number): number {
  let bytes = 0;
  const end = batches.findIndex((batch, index) => {
    bytes += framedBytes(batch);
    return index > 0 && bytes > bytesMax;
  });
  return end === -1 ? batches.length : end;
}
