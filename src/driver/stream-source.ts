import { SluiceError } from "../core/error.js";
import type { Source } from "./pending-message.js";

/** The part of `ReadableStream` that is used: the type itself belongs to the platforms. */
export interface ReadableStreamLike {
  readonly locked: boolean;
  getReader(): StreamReader;
}

interface StreamReader {
  read(): Promise<{ readonly done: boolean; readonly value?: unknown }>;
  cancel(reason: unknown): Promise<void>;
}

/**
 * What is kept of the beginning of a stream, bytes: a session that has not been let in may have read so much, and the next
 * one starts from the beginning. Early data and what is read ahead of it are less.
 */
const KEPT_BYTES_MAX = 512 * 1024;

const END = new Uint8Array(0);

/** A `ReadableStream<Uint8Array>`, read piece by piece, as it has them. */
export class StreamSource implements Source {
  /** Only its end tells. */
  readonly totalBytes = undefined;
  readonly #stream: ReadableStreamLike;
  #reader: StreamReader | undefined;
  /** The pieces at its beginning, without gaps. */
  readonly #kept: Uint8Array[] = [];
  #keptBytes = 0;
  #readBytes = 0;
  /** The read under way, of the piece at `#readBytes`. */
  #pending: Promise<Uint8Array> | undefined;

  /** @throws TypeError for a stream that somebody else reads */
  constructor(stream: ReadableStreamLike) {
    if (stream.locked) throw new TypeError("A ReadableStream that is locked cannot be sent.");
    this.#stream = stream;
  }

  start(): void {
    this.#reader ??= this.#stream.getReader();
  }

  /** The next piece, of any length; an empty one at the end. */
  read(offset: number): Promise<Uint8Array> {
    if (offset < this.#readBytes) return this.#again(offset);
    this.#pending ??= this.#next().finally(() => {
      this.#pending = undefined;
    });
    return this.#pending;
  }

  cancel(reason: SluiceError): void {
    // Whoever has cancelled does not care how the stream takes it.
    this.#reader?.cancel(reason).catch(() => {});
  }

  async #next(): Promise<Uint8Array> {
    this.start();
    for (;;) {
      const { done, value } = await (this.#reader as StreamReader).read();
      if (done) return END;
      if (!isBytes(value)) throw new TypeError("A stream that is sent has to give pieces of type Uint8Array");
      if (value.length === 0) continue;
      if (this.#keptBytes === this.#readBytes && this.#keptBytes < KEPT_BYTES_MAX) {
        this.#kept.push(value);
        this.#keptBytes += value.length;
      } else {
        this.#kept.length = 0;
      }
      this.#readBytes += value.length;
      return value;
    }
  }

  async #again(offset: number): Promise<Uint8Array> {
    let start = 0;
    for (const piece of this.#kept) {
      if (start === offset) return piece;
      start += piece.length;
    }
    throw new Error("A stream cannot be read twice");
  }
}

/** A brand, not `instanceof`: values come from other realms. */
function isBytes(value: unknown): value is Uint8Array {
  return ArrayBuffer.isView(value) && Object.prototype.toString.call(value) === "[object Uint8Array]";
}

/**
 * All of a source, for those who cannot send a part of a message.
 * @throws SluiceError `ERR_MESSAGE_TOO_LARGE`, `ERR_SOURCE_FAILED`
 */
export async function collect(source: Source, bytesMax: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const piece = await source.read(size, bytesMax).catch((cause: unknown) => {
      throw sourceFailed(cause);
    });
    if (piece.length === 0) break;
    size += piece.length;
    if (size > bytesMax) {
      throw new SluiceError("ERR_MESSAGE_TOO_LARGE", `The stream is longer than the limit of ${bytesMax} bytes`);
    }
    pieces.push(piece);
  }
  const bytes = new Uint8Array(size);
  let filled = 0;
  for (const piece of pieces) {
    bytes.set(piece, filled);
    filled += piece.length;
  }
  return bytes;
}

export function sourceFailed(cause: unknown): SluiceError {
  return new SluiceError("ERR_SOURCE_FAILED", "The Blob, File or stream could not be read to its end", { cause });
}
