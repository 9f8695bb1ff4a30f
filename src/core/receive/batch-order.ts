import type { Millis } from "../time.js";

/** What a batch number means to this receiver (BAT-04). */
export type Verdict = "next" | "duplicate" | "gap";

/**
 * The numbered batches that have been accepted: each exactly once, in order.
 *
 * Invariant: `number` is the highest accepted, and all below it were accepted before it.
 */
export class BatchOrder {
  #number = 0;
  #bytes = 0;
  #receivedAt: Millis | undefined;

  /** Judges the number of an arriving batch, and accepts it when it is the next one. */
  accept(number: number, bytes: number, now: Millis): Verdict {
    if (number <= this.#number) return "duplicate";
    if (number > this.#number + 1) return "gap";
    this.#number = number;
    this.#bytes += bytes;
    this.#receivedAt = now;
    return "next";
  }

  get number(): number {
    return this.#number;
  }

  /** Bytes of all accepted batches. */
  get bytes(): number {
    return this.#bytes;
  }

  /** When the last one was accepted; `absent` while there is none. */
  receivedAt(absent: Millis): Millis {
    return this.#receivedAt ?? absent;
  }
}
