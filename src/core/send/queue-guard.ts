import type { Millis } from "../time.js";

/** It steps in above so many times the queue that is meant to be, halves at most, and lets go by so much a round. */
const SLACK = 1.25;
const CUT = 0.5;
const RECOVERY = 1.1;

/**
 * After so many rounds of giving way that have not made the queue a twentieth shorter, somebody else fills the line: the
 * window that there was before he came is held for a while. Giving way to a flow that takes all it can get would end at
 * nothing. What the window was is forgotten by a twentieth in each round without a queue.
 */
const PATIENCE = 2;
const HELP = 0.95;
const PAUSE_ROUNDS = 20;
const MEMORY = 0.95;

/** Gives way to a queue that is longer than it was meant to be, but for one that giving way does not shorten. */
export class QueueGuard {
  /** What is left of the window. */
  #share = 1;
  /** The queue when the share was last changed, and how often in a row that has not helped. */
  #queueMs: Millis = 0;
  #failures = 0;
  #pausedUntilRound = 0;
  /** The window before it had to step in. */
  #beforeBytes = 0;

  /**
   * A round trip is over.
   * @param count its number
   * @param queueMs the queue that stands in the line
   * @param targetMs the one that is meant to
   * @param isTried whether it is what this window makes: nothing of a larger one is on the line any more
   */
  handleRound(count: number, queueMs: Millis, targetMs: Millis, windowBytes: number, isTried: boolean): void {
    const limitMs = targetMs * SLACK;
    const isQueued = queueMs > limitMs;
    if (isQueued && !this.isPaused(count)) {
      if (isTried) this.#giveWay(count, queueMs, limitMs);
      return;
    }
    this.#share = Math.min(1, this.#share * RECOVERY);
    this.#queueMs = queueMs;
    if (isQueued) return;
    this.#failures = 0;
    this.#beforeBytes = Math.max(windowBytes, this.#beforeBytes * MEMORY);
  }

  /** Whether it does not give way in this round: somebody else fills the line. */
  isPaused(count: number): boolean {
    return count < this.#pausedUntilRound;
  }

  /** What it leaves of a window. */
  bound(windowBytes: number, count: number): number {
    return this.isPaused(count) ? this.#beforeBytes : windowBytes * this.#share;
  }

  #giveWay(count: number, queueMs: Millis, limitMs: Millis): void {
    this.#failures = queueMs < this.#queueMs * HELP ? 0 : this.#failures + 1;
    this.#share *= Math.max(CUT, limitMs / queueMs);
    this.#queueMs = queueMs;
    if (this.#failures <= PATIENCE) return;
    this.#share = 1;
    this.#failures = 0;
    this.#pausedUntilRound = count + PAUSE_ROUNDS;
  }
}
