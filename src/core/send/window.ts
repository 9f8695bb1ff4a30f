import type { Millis } from "../time.js";
import { chunkBytesAt, HEADER_BYTES, startChunkBytes } from "./chunk-size.js";
import { PathModel, type PathSample, ROUND_TRIP_WINDOW_MS } from "./path-model.js";
import { QueueGuard } from "./queue-guard.js";
import { QUEUE_CHUNKS, QUEUE_MS, queueTargetMs, unevenQueueMs } from "./queue-target.js";
import { type Requests, RequestWait } from "./request-wait.js";
import { Round } from "./round.js";
import { StartUp } from "./start-up.js";
import { WindowProbe } from "./window-probe.js";

/** One acknowledgement as the controller sees it. */
export interface AckSample extends PathSample {
  /** Bytes that it covers and that no ack has covered before. */
  readonly newBytes: number;
  /** Bytes on the line that are not acknowledged yet. */
  readonly lineBytes: number;
}

/** Whatever the line: two chunks have to fit, or nothing would leave. */
const WINDOW_BYTES_MIN = 4 * 1024;

/** How fast the window follows what acks spread within a round, where they come unevenly. Arbitrary. */
const SPREAD_WEIGHT = 1 / 4;

/** Above so many times the queue that is meant to be, the line carries less than it did: what it carried is forgotten. */
const FALL = 2;

/**
 * How long, ms, and to which part of what the line holds a busy line is drained when its round trip has not been seen for
 * long. A part that is less than 1 shows the queue to be ours; much less would make small messages wait for the rest.
 */
const DRAIN_MS = 200;
const DRAIN_SHARE = 0.75;

/** Growing until the line is full, holding that, or emptying it to see how long it takes. */
export type WindowPhase = Phase["name"];

type Phase =
  | StartUp
  /** What the line holds, and the queue. */
  | { readonly name: "steady" }
  /** Less than the line holds, to see how long it takes. */
  | { readonly name: "draining"; readonly until: Millis; readonly windowBytes: number };

/**
 * How many bytes may be sent and not yet acknowledged: what the line holds, and a short queue before it. Learns from acks
 * alone, so it needs no timer: bandwidth on the receiver's clock, the shortest round trip, and a guard for queues that
 * grow all the same. After packet pairs (Keshav, 1991), BBR (Cardwell et al., 2016), HyStart (RFC 9406) and LEDBAT (RFC 6817).
 *
 * Invariant: `windowBytes` is at least two chunks, and at most the bound that it is given.
 */
export class WindowController {
  readonly #limits: { readonly chunkBytes: number; readonly windowBytes: number };
  readonly #path: PathModel;
  readonly #wait: RequestWait;
  readonly #guard = new QueueGuard();
  readonly #probe = new WindowProbe();
  #phase: Phase;
  /** A round ends when what was on the line at its beginning is acknowledged. */
  #round = new Round(0, 0, Number.NEGATIVE_INFINITY);
  /** Whether the window has held the sender back: in this round, in the one before. */
  #isLimited = false;
  #wasLimited = false;
  /** How much later than the quickest ack of a round the others are, up to the queue that is meant to be. */
  #spreadMs: Millis = 0;

  /**
   * @param limits the largest chunk, and the most that the window may grow to
   * @param roundTripMs what is known of another line to the same peer: what `path` tells until the first ack
   */
  constructor(limits: { readonly chunkBytes: number; readonly windowBytes: number }, roundTripMs?: Millis) {
    this.#limits = limits;
    this.#path = new PathModel(roundTripMs);
    this.#wait = new RequestWait(this.#path);
    this.#phase = new StartUp(this.#path, this.#wait);
  }

  /** Whether batches, or the acks of them, leave in requests: what comes meanwhile is under way, too. */
  handleRequests(requests: Requests): void {
    this.#wait.handleRequests(requests);
  }

  /** What leaves now finds nothing on the line. */
  handleIdle(now: Millis): void {
    this.#wait.handleIdle(now);
  }

  /** The sender had more, and the window did not let it. */
  handleLimited(): void {
    this.#isLimited = true;
  }

  handleAck(sample: AckSample, now: Millis): void {
    const isLimited = this.#isLimited || this.#wasLimited;
    this.#wait.handleAck(isLimited, now);
    this.#path.handleSample(sample, isLimited);
    this.#round.handleSample(sample, this.#path.net(sample));
    if (this.#phase.name === "start" && isLimited) this.#phase.handleAck(sample, this.chunkBytes);
    if (this.#phase.name === "draining" && now >= this.#phase.until) this.#handleDrained();
    if (!this.#round.isOver(sample, now)) return;
    this.#handleRound(sample, now);
    this.#round = new Round(this.#round.count + 1, sample.totalBytes + sample.lineBytes, now);
    this.#wasLimited = this.#isLimited;
    this.#isLimited = false;
  }

  /** What the acks tell of the line. */
  get path(): Pick<PathModel, "bytesPerMs" | "smoothedRoundTripMs"> {
    return this.#path;
  }

  get phase(): WindowPhase {
    return this.#phase.name;
  }

  get windowBytes(): number {
    const floorBytes = Math.max(WINDOW_BYTES_MIN, 2 * (this.chunkBytes + HEADER_BYTES));
    return Math.min(this.#limits.windowBytes, Math.max(floorBytes, Math.floor(this.#wantedBytes)));
  }

  /** What should go into one request: half of it, as while the answer to one is on its way the line carries another. */
  get requestBytes(): number {
    return this.#phase.name === "start" ? this.windowBytes : Math.ceil(this.windowBytes / 2);
  }

  /** What of the window is not open yet, as its acks go in requests. */
  shutBytes(now: Millis): number {
    return Math.ceil((this.#path.bytesPerMs ?? 0) * this.#shutMs(now));
  }

  /** When enough of it opens for another batch; `undefined` while all of it is open. */
  opensAt(now: Millis): Millis | undefined {
    const shutMs = this.#shutMs(now);
    if (shutMs === 0) return undefined;
    const batchMs = (this.chunkBytes + HEADER_BYTES) / (this.#path.bytesPerMs ?? 1);
    return now + Math.min(shutMs, Math.max(1, batchMs));
  }

  /** How large a batch should be, so that nobody waits for one for long. */
  get chunkBytes(): number {
    const { bytesPerMs, peakBytesPerMs } = this.#path;
    const bytes =
      this.#phase.name === "start"
        ? startChunkBytes(this.#phase.windowBytes, peakBytesPerMs)
        : chunkBytesAt(bytesPerMs);
    return Math.min(this.#limits.chunkBytes, bytes);
  }

  get #wantedBytes(): number {
    if (this.#phase.name !== "steady") return this.#phase.windowBytes;
    const rate = this.#path.bytesPerMs ?? 0;
    const lineBytes = rate * (this.#path.roundTripMs ?? 0);
    const queueMs = Math.max(this.#queueTargetMs, this.#wait.ms + unevenQueueMs(rate) + this.#spreadMs);
    const bytes = this.#guard.bound(lineBytes + rate * queueMs, this.#round.count);
    return Math.max(lineBytes, bytes) * this.#probe.gain;
  }

  /** The queue that is meant to stand in the line. */
  get #queueTargetMs(): Millis {
    const rate = this.#path.bytesPerMs;
    return rate === undefined ? QUEUE_MS + this.#wait.ms : queueTargetMs(rate, this.chunkBytes, this.#wait.ms);
  }

  #shutMs(now: Millis): Millis {
    return this.#phase.name === "start" ? 0 : this.#wait.shutMs(now);
  }

  #handleRound({ lineBytes }: AckSample, now: Millis): void {
    const roundTripMs = this.#path.roundTripMs;
    if (roundTripMs === undefined || this.#phase.name === "draining") return;
    if (this.#phase.name === "start") {
      const isOver = this.#phase.handleRound(this.#round, roundTripMs, this.#wasLimited);
      if (isOver) this.#phase = { name: "steady" };
      return;
    }
    const { count, quickestMs, spreadMs } = this.#round;
    const queueMs = quickestMs - roundTripMs;
    this.#spreadMs += (Math.min(QUEUE_MS, spreadMs) - this.#spreadMs) * SPREAD_WEIGHT;
    this.#handleQueue(queueMs, lineBytes);
    const isCalm = queueMs < QUEUE_MS + this.#wait.ms;
    this.#probe.handleRound(count, this.#path.bytesPerMs ?? 0, this.#wasLimited, isCalm);
    if (!this.#wasLimited || now - this.#path.roundTripAt <= ROUND_TRIP_WINDOW_MS) return;
    const windowBytes = DRAIN_SHARE * roundTripMs * (this.#path.bytesPerMs ?? 0);
    this.#path.renewRoundTrip();
    this.#phase = { name: "draining", until: now + Math.max(DRAIN_MS, roundTripMs), windowBytes };
  }

  #handleDrained(): void {
    this.#path.settleRoundTrip((QUEUE_CHUNKS * this.chunkBytes) / (this.#path.bytesPerMs ?? 1));
    this.#phase = { name: "steady" };
  }

  #handleQueue(queueMs: Millis, lineBytes: number): void {
    const { count } = this.#round;
    const targetMs = this.#queueTargetMs;
    // With a queue before it the line has sent without a pause: what came through is all that it carries now.
    const hasFallen = queueMs > FALL * targetMs && !this.#guard.isPaused(count);
    if (hasFallen) this.#path.limitRate(this.#round.bytesPerMs);
    // What was sent before the window shrank is still on the line: it has not been tried yet.
    const isTried = lineBytes <= this.windowBytes;
    this.#guard.handleRound(count, queueMs, targetMs, this.#wantedBytes, isTried);
  }
}
