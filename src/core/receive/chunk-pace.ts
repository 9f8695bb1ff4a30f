import type { Millis } from "../time.js";

/** Chunks of less say little of the line: what is between them counts for more. */
const PACED_BYTES_MIN = 16 * 1024;

/** So many of them, one behind the other, say how fast the line is: what bunches fewer than these does not. */
const RUN_CHUNKS = 32;

/** From half a gigabit a second on, in bytes per ms. */
const FAST_BYTES_PER_MS = 62_500;

/** Longer than this between two of them, ms, and the line is not that fast, or its sender waits for something, maybe an ack. */
const GAP_MS_MAX = 8;

/** Whether large chunks have been coming so fast, for a while, that what an ack costs is more than what it is worth. */
export class ChunkPace {
  #isFast = false;
  #runAt: Millis = Number.NEGATIVE_INFINITY;
  #lastAt: Millis = Number.NEGATIVE_INFINITY;
  #runChunks = 0;
  #runBytes = 0;

  handleChunk(bytes: number, now: Millis): void {
    if (bytes < PACED_BYTES_MIN) return;
    const isInRun = now - this.#lastAt < GAP_MS_MAX;
    this.#lastAt = now;
    if (!isInRun) {
      this.#isFast = false;
      return this.#begin(now);
    }
    this.#runChunks += 1;
    this.#runBytes += bytes;
    if (this.#runChunks < RUN_CHUNKS) return;
    this.#isFast = this.#runBytes >= FAST_BYTES_PER_MS * (now - this.#runAt);
    this.#begin(now);
  }

  get isFast(): boolean {
    return this.#isFast;
  }

  #begin(now: Millis): void {
    this.#runAt = now;
    this.#runChunks = 0;
    this.#runBytes = 0;
  }
}
