import type { Millis } from "../time.js";

/** One acknowledged batch, the newest that an ack covers. */
export interface PathSample {
  /** When it was handed to the transport, and when its ack came, on this end's clock. */
  readonly sentAt: Millis;
  readonly ackedAt: Millis;
  /** When it arrived, on the receiver's clock. */
  readonly receivedAt: Millis;
  /** From handing it over to its ack, without the receiver's ack delay. */
  readonly roundTripTimeMs: Millis;
  /** Its length. */
  readonly bytes: number;
  /** Bytes of the session sent before and with it. */
  readonly totalBytes: number;
}

/** A rate is read over at least this: less measures the jitter of event loops. */
const SPAN_MS = 50;

/** How long a maximum of the bandwidth counts: round trips, and at least this. */
const BANDWIDTH_ROUND_TRIPS = 10;
const BANDWIDTH_WINDOW_MS = 1000;

/** Weight of a new sample in the smoothed round trip (RFC 6298, 2.3). */
const SMOOTHING = 1 / 8;

/** How long a minimum of the round trip counts: routes change. */
export const ROUND_TRIP_WINDOW_MS = 10_000;

/** The chunk that round trips are told of: what start-up sends. */
export const BASE_BYTES: number = 4 * 1024 + 128;

/** It was the line that has spaced two batches where they were sent within this part of their distance. */
const SPACING_SENT = 0.25;

/** The clocks on the wire count in steps of 0.1 ms: shorter distances are not known better. */
const SPACING_MS_MIN = 0.1;

/** Points remembered to read rates over. Bounds memory where acks come faster than spans pass. */
const POINTS_MAX = 512;

/** What the acks tell of the line: how much it carries, and how long it takes when nothing is in the way. */
export class PathModel {
  readonly #points: PathSample[] = [];
  /** Falling maxima of the rate, newest last. */
  #rates: { readonly at: Millis; readonly bytesPerMs: number }[] = [];
  #peakBytesPerMs: number | undefined;
  #isPeakWanted = true;
  /** The highest peak that there was, wanted or not. */
  #shownBytesPerMs = 0;
  /** Smoothed, with all that waits in the line; a guess until the first sample. */
  #smoothedMs: Millis | undefined;
  #isGuess = true;
  #quickest: { readonly at: Millis; readonly roundTripMs: Millis } | undefined;
  /** What it was when the line was last emptied to see it anew. */
  #knownMs: Millis | undefined;

  /** @param smoothedMs what is known of another line to the same peer: a guess until the first sample */
  constructor(smoothedMs?: Millis) {
    this.#smoothedMs = smoothedMs;
  }

  /** @param isLimited whether the window was what held the sender back: else the rate says what was sent, not what fits */
  handleSample(sample: PathSample, isLimited: boolean): void {
    this.#smooth(sample.roundTripTimeMs);
    this.#handleRoundTrip(sample);
    this.#handleSpacing(sample);
    const rate = this.#rate(sample);
    this.#remember(sample);
    if (rate === undefined) return;
    const known = this.bytesPerMs;
    if (!isLimited && known !== undefined && rate < known) return;
    while (this.#rates.length > 0 && (this.#rates.at(-1)?.bytesPerMs as number) <= rate) this.#rates.pop();
    this.#rates.push({ at: sample.ackedAt, bytesPerMs: rate });
    const roundTripMs = this.roundTripMs ?? 0;
    const oldest = sample.ackedAt - Math.max(BANDWIDTH_WINDOW_MS, BANDWIDTH_ROUND_TRIPS * roundTripMs);
    while (this.#rates.length > 1 && (this.#rates[0]?.at as number) < oldest) this.#rates.shift();
  }

  /** The most that went through lately; `undefined` before there is a sample. */
  get bytesPerMs(): number | undefined {
    return this.#rates[0]?.bytesPerMs;
  }

  /**
   * The most that two batches sent together have shown by their distance at the receiver: what the line carries, or more
   * where they were read together. `undefined` before there is such a pair.
   */
  get peakBytesPerMs(): number | undefined {
    return this.#peakBytesPerMs;
  }

  /** The bandwidth is known better than by distances. */
  forgetPeak(): void {
    this.#peakBytesPerMs = undefined;
    this.#isPeakWanted = false;
  }

  /** Smoothed, without the receiver's ack delay; `undefined` before the first sample where nothing was guessed. */
  get smoothedRoundTripMs(): Millis | undefined {
    return this.#smoothedMs;
  }

  /** The round trip of a small chunk over an empty line. */
  get roundTripMs(): Millis | undefined {
    return this.#quickest?.roundTripMs;
  }

  /** When the round trip was last seen so short. */
  get roundTripAt(): Millis {
    return this.#quickest?.at ?? 0;
  }

  /**
   * The round trip of a sample, less what a larger chunk than the usual takes on the line by itself.
   * @param leastBytesPerMs what the line carries at least
   */
  net(sample: PathSample, leastBytesPerMs: number = this.#peakBytesPerMs ?? 0): Millis {
    const extraBytes = Math.max(0, sample.bytes - BASE_BYTES);
    const rate = Math.max(this.bytesPerMs ?? 0, leastBytesPerMs);
    if (extraBytes === 0 || rate === 0) return sample.roundTripTimeMs;
    return Math.max(0, sample.roundTripTimeMs - extraBytes / rate);
  }

  /** The line carries no more than this now, whatever it did lately. */
  limitRate(bytesPerMs: number): void {
    const newest = this.#rates.at(-1);
    if (newest === undefined || bytesPerMs >= (this.#rates[0]?.bytesPerMs as number)) return;
    this.#rates = [{ at: newest.at, bytesPerMs }];
  }

  /** The line is being emptied: what it takes then is the truth, whatever it took before. */
  renewRoundTrip(): void {
    this.#knownMs = this.#quickest?.roundTripMs;
    this.#quickest = undefined;
  }

  /**
   * The line has been empty.
   * @param slackMs as much more than before is no longer line: batches that left together have waited for each other
   */
  settleRoundTrip(slackMs: Millis): void {
    const [found, knownMs] = [this.#quickest, this.#knownMs];
    if (found === undefined || knownMs === undefined || found.roundTripMs - knownMs > slackMs) return;
    this.#quickest = { at: found.at, roundTripMs: Math.min(knownMs, found.roundTripMs) };
  }

  #smooth(roundTripMs: Millis): void {
    const known = this.#isGuess ? roundTripMs : (this.#smoothedMs as Millis);
    this.#smoothedMs = known + (roundTripMs - known) * SMOOTHING;
    this.#isGuess = false;
  }

  /** Batches that were sent together arrive as far apart as the line has spaced them. */
  #handleSpacing(sample: PathSample): void {
    const before = this.#points.at(-1);
    if (before === undefined || !this.#isPeakWanted) return;
    const receivedMs = sample.receivedAt - before.receivedAt;
    if (receivedMs < 0 || sample.sentAt - before.sentAt > receivedMs * SPACING_SENT) return;
    const rate = (sample.totalBytes - before.totalBytes) / Math.max(receivedMs, SPACING_MS_MIN);
    this.#peakBytesPerMs = Math.max(this.#peakBytesPerMs ?? 0, rate);
    this.#shownBytesPerMs = Math.max(this.#shownBytesPerMs, rate);
  }

  #handleRoundTrip(sample: PathSample): void {
    // By the most that was ever shown: less, as is known of a line that start-up has left too early, would make it too short,
    // and all that comes later look like a queue.
    const roundTripMs = this.net(sample, this.#shownBytesPerMs);
    const known = this.#quickest;
    const isStale = known !== undefined && sample.ackedAt - known.at > ROUND_TRIP_WINDOW_MS * 1.5;
    if (known === undefined || isStale || roundTripMs <= known.roundTripMs) {
      this.#quickest = { at: sample.ackedAt, roundTripMs };
    }
  }

  /** Points that stand closely together give way to the newest, so that there is room for a span of them on any line. */
  #remember(sample: PathSample): void {
    const gapMs = (2 * Math.max(SPAN_MS, this.roundTripMs ?? 0)) / POINTS_MAX;
    const before = this.#points.at(-2);
    if (before !== undefined && sample.receivedAt - before.receivedAt < gapMs) this.#points.pop();
    this.#points.push(sample);
  }

  /** Read on the receiver's clock, which no queue on the way back disturbs; not faster than it was sent. */
  #rate(sample: PathSample): number | undefined {
    const spanMs = Math.max(SPAN_MS, this.roundTripMs ?? 0);
    let from: PathSample | undefined;
    while (this.#points.length > 0) {
      const point = this.#points[0] as PathSample;
      const next = this.#points[1];
      const isLongEnough = sample.receivedAt - point.receivedAt >= spanMs;
      if (isLongEnough) from = point;
      const isDispensable = next !== undefined && sample.receivedAt - next.receivedAt >= spanMs;
      if (!isDispensable && this.#points.length < POINTS_MAX) break;
      this.#points.shift();
    }
    if (from === undefined) return undefined;
    const receivedMs = sample.receivedAt - from.receivedAt;
    const sentMs = sample.sentAt - from.sentAt;
    return (sample.totalBytes - from.totalBytes) / Math.max(receivedMs, sentMs);
  }
}
