/** A smaller batch is not worth it: it would keep much more memory than it has bytes, and V8 makes it at little cost. */
const REUSED_BYTES_MIN = 48 * 1024;

/** What the largest batch takes that is cut by itself: a chunk of 64 KiB that ends its message, and its headers. */
const BUFFER_BYTES = 65 * 1024;

/** Acks come for a few batches at a time, and as many leave then. */
const FREE_BUFFERS_MAX = 8;

/**
 * The memory of large batches, used again when the peer has them: each is a buffer outside of V8's heap that lives for a round
 * trip, and of these V8 looks after a few hundred with a collection of the whole heap, a third of what a server does that
 * sends large messages on a fast line.
 *
 * Of one session: whatever a peer says of what it has received, it gets no bytes of another one. Only for platforms whose
 * transports copy what they send, and look at nothing that has arrived.
 */
export class BatchMemory {
  readonly #free: ArrayBuffer[] = [];

  /** Room for a batch of so many bytes, whatever is in it. */
  take(bytes: number): Uint8Array {
    if (bytes < REUSED_BYTES_MIN || bytes > BUFFER_BYTES) return new Uint8Array(bytes);
    return new Uint8Array(this.#free.pop() ?? new ArrayBuffer(BUFFER_BYTES), 0, bytes);
  }

  /** A batch that `take` has made room for and nobody looks at any more. */
  give({ buffer }: Uint8Array): void {
    if (!(buffer instanceof ArrayBuffer) || buffer.byteLength !== BUFFER_BYTES) return;
    if (this.#free.length < FREE_BUFFERS_MAX) this.#free.push(buffer);
  }

  /** What it keeps for batches to come, bytes. */
  get freeBytes(): number {
    return this.#free.length * BUFFER_BYTES;
  }

  /** A session that sends nothing keeps nothing. */
  clear(): void {
    this.#free.length = 0;
  }
}
