import type { Millis } from "../time.js";

interface AckSample {
  readonly receivedAt: Millis;
  readonly roundTripTimeMs: Millis;
  readonly ackedBytes: number;
}

/** Weight of a new sample in the smoothed round trip time (RFC 6298, 2.3). */
const RTT_WEIGHT = 1 / 8;

/** Bandwidth is read over spans of at least this on the receiver's clock: shorter ones measure its jitter. */
const SPAN_MS = 250;

/** What the acks tell about the path, for `stats()`. Rates are read on the receiver's clock. */
export class PathEstimator {
  readonly #guessMs: Millis | undefined;
  #roundTripTimeMs: Millis | undefined;
  #bandwidthBitsPerSecond: number | undefined;
  #spanStart: { receivedAt: Millis; ackedBytes: number } | undefined;

  /** @param roundTripTimeMs what is known of another path to the same peer: a guess until the first ack */
  constructor(roundTripTimeMs?: Millis) {
    this.#guessMs = roundTripTimeMs;
  }

  handleAck(sample: AckSample): void {
    const known = this.#roundTripTimeMs ?? sample.roundTripTimeMs;
    this.#roundTripTimeMs = known + (sample.roundTripTimeMs - known) * RTT_WEIGHT;
    const start = this.#spanStart;
    const elapsedMs = start === undefined ? 0 : sample.receivedAt - start.receivedAt;
    if (start !== undefined && elapsedMs < SPAN_MS) return;
    if (start !== undefined) {
      this.#bandwidthBitsPerSecond = ((sample.ackedBytes - start.ackedBytes) * 8000) / elapsedMs;
    }
    this.#spanStart = { receivedAt: sample.receivedAt, ackedBytes: sample.ackedBytes };
  }

  /** Smoothed, without the receiver's ack delay; `undefined` before the first ack to this end. */
  get roundTripTimeMs(): Millis | undefined {
    return this.#roundTripTimeMs ?? this.#guessMs;
  }

  /** What went through lately; less than the line could carry when less was sent. */
  get bandwidthBitsPerSecond(): number | undefined {
    return this.#bandwidthBitsPerSecond;
  }
}
