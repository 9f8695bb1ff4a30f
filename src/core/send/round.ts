import type { Millis } from "../time.js";
import type { PathSample } from "./path-model.js";

/** It lasts at least so long, ms: when an event loop is held up, all acks of a shorter one may be late. */
const ROUND_MS_MIN = 30;

/** What it says of the line counts if it has so many acks: the quickest of one or two may have been held up. */
const SAMPLES_MIN = 3;

/** What the acks of one round trip have said: until all is acknowledged that was on the line at its beginning. */
export class Round {
  readonly count: number;
  readonly #endBytes: number;
  readonly #startedAt: Millis;
  /** The shortest of their round trips, less what large chunks take by themselves. */
  quickestMs: Millis = Number.POSITIVE_INFINITY;
  #samples = 0;
  #sumMs: Millis = 0;
  #first: PathSample | undefined;
  #last: PathSample | undefined;
  /** The longest time between two of them at the receiver, and what came behind it. */
  #gap = { ms: 0, bytes: 0 };

  /** @param endBytes it is over when so much of the session is acknowledged */
  constructor(count: number, endBytes: number, startedAt: Millis) {
    this.count = count;
    this.#endBytes = endBytes;
    this.#startedAt = startedAt;
  }

  handleSample(sample: PathSample, netMs: Millis): void {
    this.#samples += 1;
    this.quickestMs = Math.min(this.quickestMs, netMs);
    this.#sumMs += netMs;
    this.#first ??= sample;
    const last = this.#last ?? sample;
    const gapMs = sample.receivedAt - last.receivedAt;
    if (gapMs > this.#gap.ms) this.#gap = { ms: gapMs, bytes: sample.totalBytes - last.totalBytes };
    this.#last = sample;
  }

  isOver({ totalBytes }: PathSample, now: Millis): boolean {
    return totalBytes >= this.#endBytes && now - this.#startedAt >= ROUND_MS_MIN;
  }

  /** Whether it counts what they have said of the line. */
  get hasSaidEnough(): boolean {
    return this.#samples >= SAMPLES_MIN;
  }

  /** How much later than the quickest they are on average. */
  get spreadMs(): Millis {
    return this.hasSaidEnough ? this.#sumMs / this.#samples - this.quickestMs : 0;
  }

  /** What came through, on the receiver's clock, but for its longest pause: a receiver that stalls is no slow line. */
  get bytesPerMs(): number {
    const [first, last] = [this.#first, this.#last];
    if (!this.hasSaidEnough || first === undefined || last === undefined) return Number.POSITIVE_INFINITY;
    const receivedMs = last.receivedAt - first.receivedAt - this.#gap.ms;
    return (last.totalBytes - first.totalBytes - this.#gap.bytes) / Math.max(1, receivedMs);
  }
}
