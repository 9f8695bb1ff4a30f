import type { Millis } from "../time.js";
import { BASE_BYTES, PathModel, type PathSample, ROUND_TRIP_WINDOW_MS } from "./path-model.js";

/** One acknowledgement as the controller sees it. */
export interface AckSample extends PathSample {
  /** Bytes that it covers and that no ack has covered before. */
  readonly newBytes: number;
  /** Bytes on the line that are not acknowledged yet. */
  readonly lineBytes: number;
}

const KIB = 1024;

/**
 * The queue that is let stand in the line so that it is never idle, ms. With 15 a line of 10 Mbit/s and 40 ms is 98 % full;
 * 20 gain half a percent and cost every chat line 5 ms.
 */
const QUEUE_MS = 15;

/** On slow lines it holds two chunks all the same: two are acknowledged together. */
const QUEUE_CHUNKS = 2;

/** A chunk takes about this long on the line, ms: nobody waits for one for longer. */
const CHUNK_MS = 10;

/** Chunks on slow lines, bytes, below a bandwidth in bytes per ms (0.5 and 2 Mbit/s): less is not worth its headers. */
const CHUNK_FLOORS = [
  { below: 62, bytes: KIB },
  { below: 250, bytes: 2 * KIB },
] as const;
const CHUNK_FLOOR_BYTES = 4 * KIB;

/** Room for what stands around a chunk's payload, bytes: else a batch of the smallest chunk could not hold it (MSG-06). */
const HEADER_BYTES = 128;

/** Whatever the line: two chunks have to fit, or nothing would leave. */
const WINDOW_BYTES_MIN = 4 * KIB;

/** The first window: 130 ms on a line of 1 Mbit/s, and three round trips from what 10 Mbit/s and 40 ms need. */
const START_BYTES = 16 * KIB;

/** How far start-up goes beyond what has come through: the news is a round trip old, and what is too much queues. */
const START_GAIN = 1.5;

/** Start-up ends when a queue shows in so many acks of a round, ms, or when rounds have not brought more bandwidth. */
const START_QUEUE_MS = 0.75 * QUEUE_MS;
const START_SAMPLES = 3;
const START_ROUNDS = 3;
const START_GROWTH = 1.25;

/** One round in so many asks for more, and goes on with it while that helps: the window would else never grow. */
const PROBE_ROUNDS = 8;
const PROBE_GAIN = 1.15;
const PROBE_GROWTH = 1.05;

/** The guard steps in above so many times the queue that is meant to be, halves at most, and lets go by so much a round. */
const GUARD_SLACK = 1.25;
const GUARD_CUT = 0.5;
const GUARD_RECOVERY = 1.1;

/** Rounds of giving way that did not help, until it is left for a while: then somebody else fills the line. */
const GUARD_PATIENCE = 2;
const GUARD_PAUSE_ROUNDS = 20;

/** How long, and to how little, a busy line is drained when its round trip has not been seen for long, ms and chunks. */
const DRAIN_MS = 200;
const DRAIN_CHUNKS = 4;

type Phase =
  /** Grows by half in a round trip, until the line is full. */
  | { readonly name: "start"; readonly windowBytes: number; readonly bestRate: number; readonly staleRounds: number }
  /** What the line holds, and the queue. */
  | { readonly name: "steady" }
  /** Nearly empty, to see how long the line takes. */
  | { readonly name: "draining"; readonly until: Millis };

/**
 * How many bytes may be sent and not yet acknowledged: what the line holds, and a short queue before it. Learns from acks
 * alone, so it needs no timer: bandwidth on the receiver's clock, the shortest round trip, and a guard for queues that
 * grow all the same. After BBR (Cardwell et al., 2016), HyStart (RFC 9406) and LEDBAT (RFC 6817).
 *
 * Invariant: `windowBytes` is at least two chunks, and at most the bound that it is given.
 */
export class WindowController {
  readonly #limits: { readonly chunkBytes: number; readonly windowBytes: number };
  readonly #path = new PathModel();
  #phase: Phase = { name: "start", windowBytes: START_BYTES, bestRate: 0, staleRounds: 0 };
  /** A round ends when what was on the line at its beginning is acknowledged. */
  #round = { count: 0, endBytes: 0, samples: 0, quickestMs: Number.POSITIVE_INFINITY };
  /** Whether the window has held the sender back: in this round, in the one before. */
  #isLimited = false;
  #wasLimited = false;
  /** What the guard leaves of the window, and how it has gone with that. */
  #guard = { share: 1, queueMs: 0, failures: 0, pausedUntilRound: 0 };
  /** The last round that has asked for more, and the bandwidth before it. */
  #probe = { isOn: false, atRound: 0, rate: 0 };

  /** @param limits the largest chunk, and the most that the window may grow to */
  constructor(limits: { readonly chunkBytes: number; readonly windowBytes: number }) {
    this.#limits = limits;
  }

  /** The sender had more, and the window did not let it. */
  handleLimited(): void {
    this.#isLimited = true;
  }

  handleAck(sample: AckSample, now: Millis): void {
    const isLimited = this.#isLimited || this.#wasLimited;
    this.#path.handleSample(sample, isLimited);
    this.#round.samples += 1;
    this.#round.quickestMs = Math.min(this.#round.quickestMs, this.#path.net(sample));
    if (this.#phase.name === "start") this.#handleStart(this.#phase, sample, isLimited);
    if (this.#phase.name === "draining" && now >= this.#phase.until) this.#phase = { name: "steady" };
    if (sample.totalBytes < this.#round.endBytes) return;
    this.#handleRound(now);
    const count = this.#round.count + 1;
    const endBytes = sample.totalBytes + sample.lineBytes;
    this.#round = { count, endBytes, samples: 0, quickestMs: Number.POSITIVE_INFINITY };
    this.#wasLimited = this.#isLimited;
    this.#isLimited = false;
  }

  get windowBytes(): number {
    const floorBytes = Math.max(WINDOW_BYTES_MIN, 2 * (this.chunkBytes + HEADER_BYTES));
    return Math.min(this.#limits.windowBytes, Math.max(floorBytes, Math.floor(this.#wantedBytes)));
  }

  /** How large a batch should be, so that nobody waits for one for long: a power of two, or what a slow line can bear. */
  get chunkBytes(): number {
    const rate = this.#path.bytesPerMs;
    if (rate === undefined || this.#phase.name === "start") return Math.min(this.#limits.chunkBytes, BASE_BYTES);
    const floorBytes = CHUNK_FLOORS.find(({ below }) => rate < below)?.bytes ?? CHUNK_FLOOR_BYTES;
    const power = 2 ** Math.floor(Math.log2(rate * CHUNK_MS));
    return Math.min(this.#limits.chunkBytes, Math.max(floorBytes + HEADER_BYTES, power));
  }

  get #wantedBytes(): number {
    if (this.#phase.name === "start") return this.#phase.windowBytes;
    if (this.#phase.name === "draining") return DRAIN_CHUNKS * this.chunkBytes;
    const rate = this.#path.bytesPerMs ?? 0;
    const lineBytes = rate * (this.#path.roundTripMs ?? 0);
    const bytes = Math.max(lineBytes, (lineBytes + rate * this.#queueTargetMs) * this.#guard.share);
    return bytes * (this.#probe.isOn ? PROBE_GAIN : 1);
  }

  /** The queue that is meant to stand in the line. */
  get #queueTargetMs(): Millis {
    const rate = this.#path.bytesPerMs;
    return rate === undefined ? QUEUE_MS : Math.max(QUEUE_MS, (QUEUE_CHUNKS * this.chunkBytes) / rate);
  }

  /** Grows by what is acknowledged, not beyond what the line has shown a use for, and ends when a queue shows. */
  #handleStart(phase: Extract<Phase, { name: "start" }>, sample: AckSample, isLimited: boolean): void {
    const roundTripMs = this.#path.roundTripMs ?? 0;
    const rate = this.#path.bytesPerMs;
    // The quickest of some: what comes late in a round stands behind what the round itself has sent in bursts.
    const queueMs = this.#round.quickestMs - roundTripMs;
    if (rate !== undefined && queueMs > START_QUEUE_MS && this.#round.samples >= START_SAMPLES) {
      this.#phase = { name: "steady" };
      return;
    }
    if (!isLimited) return;
    const useful = rate === undefined ? this.#limits.windowBytes : START_GAIN * rate * (roundTripMs + QUEUE_MS);
    const grown = phase.windowBytes + sample.newBytes;
    this.#phase = { ...phase, windowBytes: Math.max(phase.windowBytes, Math.min(useful, grown)) };
  }

  #handleRound(now: Millis): void {
    const roundTripMs = this.#path.roundTripMs;
    if (roundTripMs === undefined || this.#phase.name === "draining") return;
    if (this.#phase.name === "start") return this.#handleStartRound(this.#phase);
    const queueMs = this.#round.quickestMs - roundTripMs;
    this.#handleGuard(queueMs);
    this.#handleProbe(queueMs);
    if (!this.#wasLimited || now - this.#path.roundTripAt <= ROUND_TRIP_WINDOW_MS) return;
    this.#path.renewRoundTrip();
    this.#phase = { name: "draining", until: now + Math.max(DRAIN_MS, roundTripMs) };
  }

  #handleStartRound(phase: Extract<Phase, { name: "start" }>): void {
    const rate = this.#path.bytesPerMs ?? 0;
    const hasGrown = rate === 0 || rate > phase.bestRate * START_GROWTH || !this.#wasLimited;
    const staleRounds = hasGrown ? 0 : phase.staleRounds + 1;
    const isFull = staleRounds >= START_ROUNDS;
    this.#phase = isFull ? { name: "steady" } : { ...phase, bestRate: Math.max(rate, phase.bestRate), staleRounds };
  }

  /** Asks for more now and then, and goes on as long as that helps: what a round has asked for shows in the next but one. */
  #handleProbe(queueMs: Millis): void {
    const rate = this.#path.bytesPerMs ?? 0;
    const age = this.#round.count - this.#probe.atRound;
    const hasHelped = age === 2 && rate > this.#probe.rate * PROBE_GROWTH && queueMs < QUEUE_MS;
    const isOn = this.#wasLimited && (hasHelped || age >= PROBE_ROUNDS);
    this.#probe = isOn ? { isOn, atRound: this.#round.count, rate } : { ...this.#probe, isOn };
  }

  /** Gives way to a queue that is longer than it was meant to be, but for one that giving way does not shorten. */
  #handleGuard(queueMs: Millis): void {
    const { share, failures, pausedUntilRound } = this.#guard;
    const { count } = this.#round;
    const limitMs = this.#queueTargetMs * GUARD_SLACK;
    if (queueMs <= limitMs || count < pausedUntilRound) {
      const kept = queueMs <= limitMs ? 0 : failures;
      this.#guard = { share: Math.min(1, share * GUARD_RECOVERY), queueMs, failures: kept, pausedUntilRound };
      return;
    }
    const missed = queueMs < this.#guard.queueMs * 0.95 ? 0 : failures + 1;
    this.#guard =
      missed > GUARD_PATIENCE
        ? { share: 1, queueMs, failures: 0, pausedUntilRound: count + GUARD_PAUSE_ROUNDS }
        : { share: share * Math.max(GUARD_CUT, limitMs / queueMs), queueMs, failures: missed, pausedUntilRound };
  }
}
