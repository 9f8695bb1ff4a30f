import type { Millis } from "../core/time.js";

/** As often as a page's timers come at the most (HTML, "timer initialization steps", nested timers). */
const DELAY_MS_MIN = 4;

/** A line that carries nothing is looked at four times a second. Arbitrary. */
const DELAY_MS_MAX = 250;

/**
 * When to look again at a WebSocket that somebody waits for: it does not tell when its buffer has run down. Soon at first,
 * then by how fast it has been running down; twice as late for each time that nothing has moved.
 */
export class DrainPace {
  #passedBytes: number | undefined;
  #at: Millis = 0;
  #delayMs: Millis = DELAY_MS_MIN;

  /**
   * @param passedBytes of all that was ever handed over, what the buffer holds no more
   * @param excessBytes what has to leave until something can go on
   */
  next(passedBytes: number, excessBytes: number, now: Millis): Millis {
    const movedBytes = passedBytes - (this.#passedBytes ?? passedBytes);
    const elapsedMs = now - this.#at;
    if (this.#passedBytes === undefined) this.#delayMs = DELAY_MS_MIN;
    else if (movedBytes > 0) this.#delayMs = (excessBytes * elapsedMs) / movedBytes;
    else if (elapsedMs >= this.#delayMs) this.#delayMs *= 2;
    else return this.#at + this.#delayMs;
    this.#delayMs = Math.min(Math.max(this.#delayMs, DELAY_MS_MIN), DELAY_MS_MAX);
    this.#passedBytes = passedBytes;
    this.#at = now;
    return now + this.#delayMs;
  }

  /** Nobody waits. */
  rest(): void {
    this.#passedBytes = undefined;
  }
}
