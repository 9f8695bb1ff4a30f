import { batchStream, framedBytes } from "../http/batch-stream.js";

/** Bytes that wait for the client to say that it has them, before the sender is told to wait. Arbitrary. */
const KEPT_BYTES_MAX = 1024 * 1024;

/**
 * What goes down a line, by position from 1: kept until the client says that it has it, as an answer may get lost.
 *
 * Invariant: `acknowledged <= sent <= last`; everything between `acknowledged` and `last` is kept.
 */
export class Outgoing {
  readonly #kept = new Map<number, Uint8Array>();
  #acknowledged = 0;
  #sent = 0;
  #last = 0;
  #keptBytes = 0;
  #unsentBytes = 0;

  push(batch: Uint8Array): void {
    this.#last += 1;
    this.#kept.set(this.#last, batch);
    this.#keptBytes += batch.length;
    this.#unsentBytes += batch.length;
  }

  /** The client has everything up to `position`, which is at most `sent`. Returns whether that is news. */
  acknowledge(position: number): boolean {
    if (position <= this.#acknowledged) return false;
    while (this.#acknowledged < position) {
      this.#acknowledged += 1;
      this.#keptBytes -= this.at(this.#acknowledged).length;
      this.#kept.delete(this.#acknowledged);
    }
    return true;
  }

  /** Whether there is a batch behind `position` that the client does not have yet. */
  hasAfter(position: number): boolean {
    return this.nextAfter(position) <= this.#last;
  }

  /** What to bring to a client behind `position`: it may have more by now, from another answer. */
  nextAfter(position: number): number {
    return Math.max(position, this.#acknowledged) + 1;
  }

  /** The batch at `position`, which is kept: beyond `acknowledged`. */
  at(position: number): Uint8Array {
    return this.#kept.get(position) as Uint8Array;
  }

  /** Everything up to `position` is in an answer now. */
  handleSent(position: number): void {
    while (this.#sent < position) {
      this.#sent += 1;
      this.#unsentBytes -= this.at(this.#sent).length;
    }
  }

  /** A body of what is kept behind `position`: one batch, and more while they fit into `bytesMax`; none for 0. */
  take(
    position: number,
    bytesMax: number,
  ): { readonly body: Uint8Array; readonly first: number; readonly last: number } {
    const first = this.nextAfter(position);
    const batches: Uint8Array[] = [];
    let last = first - 1;
    for (let bytes = 0; bytes < bytesMax && last < this.#last; last++) {
      const batch = this.at(last + 1);
      bytes += framedBytes(batch);
      if (bytes > bytesMax && batches.length > 0) break;
      batches.push(batch);
    }
    this.handleSent(last);
    return { body: batchStream(batches), first, last };
  }

  clear(): void {
    this.#kept.clear();
    this.#keptBytes = 0;
    this.#unsentBytes = 0;
    this.#acknowledged = this.#last;
    this.#sent = this.#last;
  }

  /** The position of the last batch that the client is known to have. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** The position of the last batch that is in an answer. */
  get sent(): number {
    return this.#sent;
  }

  /** Bytes that no answer has taken yet, and those that are kept beyond the bound. */
  get bufferedBytes(): number {
    return this.#unsentBytes + Math.max(0, this.#keptBytes - this.#unsentBytes - KEPT_BYTES_MAX);
  }
}
