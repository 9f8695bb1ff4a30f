import type { Millis } from "../time.js";
import { CHUNK_MS, chunkFloorBytes } from "./chunk-size.js";
import { BASE_BYTES, PathModel, type PathSample, ROUND_TRIP_WINDOW_MS } from "./path-model.js";
import { Round } from "./round.js";

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

/** On quick lines it is shorter, bytes, ms: many routers and switches queue 256 KiB at most, and lose what finds that full. */
const QUEUE_BYTES_MAX = 128 * KIB;
const QUEUE_MS_MIN = 8;

/**
 * Where batches or acks go in requests, they wait for the next one: a round trip, or what acks keep between
 * them at least, ms (ACK-06). So much more has to be under way.
 */
const REQUEST_MS_MIN = 50;
/** POSTs are waited for no shorter than this: each costs both ends some work. Arbitrary. */
const POST_MS_MIN = 30;

/**
 * And no shorter than acks keep between them: the peer may take the line for a longer one (ACK-06). What came of a window in
 * such a time would else be taken for all that the line carries, and the next window be smaller still.
 */
const ACK_GAP_MS_MAX = 250;
const ACK_GAP_WEIGHT = 1 / 8;

/**
 * On slow lines it holds two chunks all the same: two are acknowledged together. Of those that take so long, ms, that each is
 * acknowledged by itself (ACK-06), one and a half.
 */
const QUEUE_CHUNKS = 2;
const QUEUE_CHUNKS_SLOW = 1.5;
const SLOW_CHUNK_MS = 8;

/** Room for what stands around a chunk's payload, bytes: else a batch of the smallest chunk could not hold it (MSG-06). */
const HEADER_BYTES = 128;

/** Whatever the line: two chunks have to fit, or nothing would leave. */
const WINDOW_BYTES_MIN = 4 * KIB;

/**
 * The first window: 50 ms on a line of 1 Mbit/s. Its four chunks are acknowledged in two pairs, whose distance at the
 * receiver tells what the line carries. Later chunks are a fourth of the window, too, and no larger than 8 KiB.
 */
const START_BYTES = 6 * KIB;
const START_CHUNKS = 4;
const START_CHUNK_BYTES_MAX = 8 * KIB;

/**
 * A window of up to so many bytes grows by three for each that is acknowledged, then by one: after two round trips it has
 * caught up with the TCP below, which begins with 14 KiB (RFC 6928) and doubles. More than that would wait in the kernel.
 */
const START_QUICK_BYTES = 24 * KIB;
const START_QUICK_GAIN = 3;

/** What one ack may add takes about this long on the line, ms: all of it leaves at once, ahead of the next small message. */
const START_BURST_MS = 15;

/**
 * How far start-up goes beyond what has come through in the round trip before, and while nothing is known of that, bytes:
 * 20 ms on a line of 100 Mbit/s.
 */
const START_GAIN = 2;
const START_BLIND_BYTES = 256 * KIB;

/** Start-up is over when a queue shows in two rounds, ms, or when so many rounds have each not brought a quarter more. As in RFC 9406 and BBR. */
const START_QUEUE_MS = 0.75 * QUEUE_MS;
/** What has waited longer, or for more than this part of a long round trip, as it may wait for TCP, adds nothing. */
const START_WAIT_SHARE = 1 / 4;
const START_ROUNDS = 3;
/** Where requests are waited for, it takes a round longer to show what one has asked for. */
const START_ROUNDS_BY_REQUEST = 4;
const START_GROWTH = 1.25;

/** How fast the window follows what acks spread within a round, where they come unevenly. Arbitrary. */
const SPREAD_WEIGHT = 1 / 4;

/** One round in so many asks for more, and goes on with it while that helps: the window would else never grow. */
const PROBE_ROUNDS = 8;
const PROBE_GAIN = 1.15;
const PROBE_GROWTH = 1.05;

/** The guard steps in above so many times the queue that is meant to be, halves at most, and lets go by so much a round. */
const GUARD_SLACK = 1.25;
const GUARD_CUT = 0.5;
const GUARD_RECOVERY = 1.1;

/** Above so many times the queue that is meant to be, the line carries less than it did: what it carried is forgotten. */
const GUARD_FALL = 2;

/**
 * After so many rounds of giving way that have not made the queue a twentieth shorter, somebody else fills the line: the
 * window that there was before he came is held for a while. Giving way to a flow that takes all it can get would end at
 * nothing. What the window was is forgotten by a twentieth in each round without a queue.
 */
const GUARD_PATIENCE = 2;
const GUARD_HELP = 0.95;
const GUARD_PAUSE_ROUNDS = 20;
const GUARD_MEMORY = 0.95;

/**
 * How long, ms, and to which part of what the line holds a busy line is drained when its round trip has not been seen for
 * long. A part that is less than 1 shows the queue to be ours; much less would make small messages wait for the rest.
 */
const DRAIN_MS = 200;
const DRAIN_SHARE = 0.75;

/**
 * What leaves in requests: nothing, the acks of batches, or the batches themselves. `posts`: of what should go into one request,
 * one at a time or, half a round trip apart, two.
 */
export type Requests = "none" | "acks" | "batches" | "posts";

/** Growing until the line is full, holding that, or emptying it to see how long it takes. */
export type WindowPhase = Phase["name"];

type Phase =
  /** Doubles in a round trip, until the line is full. Changed in place: who never fills the line stays in it. */
  | {
      readonly name: "start";
      windowBytes: number;
      bestRate: number;
      staleRounds: number;
      /** Whether a queue has shown in the round before. Start-up is over when it shows in this one, too. */
      isFull: boolean;
    }
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
  #phase: Phase = { name: "start", windowBytes: START_BYTES, bestRate: 0, staleRounds: 0, isFull: false };
  /** A round ends when what was on the line at its beginning is acknowledged. */
  #round = new Round(0, 0, Number.NEGATIVE_INFINITY);
  /** Whether the window has held the sender back: in this round, in the one before. */
  #isLimited = false;
  #wasLimited = false;
  /** What the guard leaves of the window, how it has gone with that, and the window before it had to step in. */
  #guard = { share: 1, queueMs: 0, failures: 0, pausedUntilRound: 0, beforeBytes: 0 };
  /** How much later than the quickest ack of a round the others are, up to the queue that is meant to be. */
  #spreadMs: Millis = 0;
  /** Whether batches leave in requests, or their acks do. */
  #requests: Requests = "none";
  /** How long acks keep between them, where they are waited for. */
  #ackGapMs: Millis = 0;
  /** When room was last made for sure: by an ack, or as nothing was on the line. */
  #openedAt: Millis = 0;
  /** The last round that has asked for more, and the bandwidth before it. */
  #probe = { isOn: false, atRound: 0, rate: 0 };

  /**
   * @param limits the largest chunk, and the most that the window may grow to
   * @param roundTripMs what is known of another line to the same peer: what `path` tells until the first ack
   */
  constructor(limits: { readonly chunkBytes: number; readonly windowBytes: number }, roundTripMs?: Millis) {
    this.#limits = limits;
    this.#path = new PathModel(roundTripMs);
  }

  /** Whether batches, or the acks of them, leave in requests: what comes meanwhile is under way, too. */
  handleRequests(requests: Requests): void {
    this.#requests = requests;
  }

  /** What leaves now finds nothing on the line. */
  handleIdle(now: Millis): void {
    this.#openedAt = now;
  }

  /** The sender had more, and the window did not let it. */
  handleLimited(): void {
    this.#isLimited = true;
  }

  handleAck(sample: AckSample, now: Millis): void {
    const isLimited = this.#isLimited || this.#wasLimited;
    // What the sender had no room for has waited for this ack.
    if (isLimited) this.#ackGapMs += (Math.min(ACK_GAP_MS_MAX, now - this.#openedAt) - this.#ackGapMs) * ACK_GAP_WEIGHT;
    this.#openedAt = now;
    this.#path.handleSample(sample, isLimited);
    this.#round.handleSample(sample, this.#path.net(sample));
    if (this.#phase.name === "start") this.#handleStart(this.#phase, sample, isLimited);
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

  /**
   * What of the window is not open yet. An ack that goes by request tells at once of what has come piece by piece: from one
   * to the next the window opens at the pace of the line, or each would send a burst.
   */
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

  /** How large a batch should be, so that nobody waits for one for long: a power of two, or what a slow line can bear. */
  get chunkBytes(): number {
    const rate = this.#path.bytesPerMs;
    if (this.#phase.name === "start") return this.#startChunkBytes(this.#phase.windowBytes);
    if (rate === undefined) return Math.min(this.#limits.chunkBytes, BASE_BYTES);
    const floorBytes = chunkFloorBytes(rate);
    const power = 2 ** Math.floor(Math.log2(rate * CHUNK_MS));
    return Math.min(this.#limits.chunkBytes, Math.max(floorBytes + HEADER_BYTES, power));
  }

  get #wantedBytes(): number {
    if (this.#phase.name === "start") return this.#phase.windowBytes;
    if (this.#phase.name === "draining") return this.#phase.windowBytes;
    const { share, beforeBytes, pausedUntilRound } = this.#guard;
    const rate = this.#path.bytesPerMs ?? 0;
    const lineBytes = rate * (this.#path.roundTripMs ?? 0);
    const queueMs = Math.max(this.#queueTargetMs, this.#requestMs + unevenQueueMs(rate) + this.#spreadMs);
    const isPaused = this.#round.count < pausedUntilRound;
    const bytes = isPaused ? beforeBytes : (lineBytes + rate * queueMs) * share;
    return Math.max(lineBytes, bytes) * (this.#probe.isOn ? PROBE_GAIN : 1);
  }

  /** The queue that is meant to stand in the line. */
  get #queueTargetMs(): Millis {
    const rate = this.#path.bytesPerMs;
    return rate === undefined ? this.#baseQueueMs : this.#queueMs(rate);
  }

  /** The queue that is meant to stand in a line of this bandwidth. */
  #queueMs(rate: number): Millis {
    const chunkMs = this.chunkBytes / rate;
    const isSlow = chunkMs >= SLOW_CHUNK_MS && this.#requests === "none";
    const chunks = isSlow ? QUEUE_CHUNKS_SLOW : QUEUE_CHUNKS;
    return this.#requestMs + Math.max(unevenQueueMs(rate), chunks * chunkMs);
  }

  #shutMs(now: Millis): Millis {
    if (this.#requests !== "acks" || this.#phase.name === "start") return 0;
    return Math.max(0, this.#openedAt + this.#requestMs - now);
  }

  get #baseQueueMs(): Millis {
    return QUEUE_MS + this.#requestMs;
  }

  /** How long something waits for the next request, be it an ack or the room that it makes. */
  get #requestMs(): Millis {
    if (this.#requests === "none") return 0;
    const roundTripMs = this.#path.roundTripMs ?? 0;
    const leastMs = this.#requests === "posts" ? POST_MS_MIN : Math.max(REQUEST_MS_MIN, roundTripMs + QUEUE_MS);
    return Math.max(leastMs, roundTripMs, this.#ackGapMs);
  }

  /** A part of the window, so that its acks are many. */
  #startChunkBytes(windowBytes: number): number {
    const peak = this.#path.peakBytesPerMs;
    const shortBytes = peak === undefined ? BASE_BYTES : Math.max(chunkFloorBytes(peak), peak * CHUNK_MS);
    const bytes = Math.min(windowBytes / START_CHUNKS - HEADER_BYTES, shortBytes, START_CHUNK_BYTES_MAX);
    return Math.min(this.#limits.chunkBytes, Math.max(KIB + HEADER_BYTES, Math.floor(bytes)));
  }

  /** Grows by what is acknowledged, not beyond what the line has shown it could carry, and until a queue shows. */
  #handleStart(phase: Extract<Phase, { name: "start" }>, sample: AckSample, isLimited: boolean): void {
    const roundTripMs = this.#path.roundTripMs ?? 0;
    const rate = this.#path.bytesPerMs;
    if (!isLimited || phase.isFull) return;
    const peak = this.#path.peakBytesPerMs;
    // What was sent a round trip ago has come through: as much again is on its way.
    const holdMs = roundTripMs + (this.#requests === "posts" ? QUEUE_MS + this.#requestMs / 2 : this.#baseQueueMs);
    const passed = rate === undefined ? START_BLIND_BYTES : START_GAIN * rate * holdMs;
    const useful = peak === undefined ? passed : Math.min(passed, peak * (roundTripMs + this.#queueMs(peak)));
    const isQuick = peak !== undefined && phase.windowBytes < START_QUICK_BYTES;
    // Its bytes have waited: more of them would wait longer. What is small yet waits for itself.
    const waitedMs = this.#path.net(sample) - roundTripMs;
    const isLate = waitedMs > this.#requestMs + Math.max(START_QUEUE_MS, START_WAIT_SHARE * roundTripMs);
    const hasWaited = isLate && (this.#requests === "none" || this.#requests === "posts");
    if (hasWaited && !isQuick) return;
    const quickBytes = isQuick
      ? Math.min(START_QUICK_GAIN * sample.newBytes, peak * (START_BURST_MS + this.#requestMs))
      : 0;
    const grown = phase.windowBytes + Math.max(sample.newBytes, quickBytes);
    phase.windowBytes = Math.max(phase.windowBytes, Math.min(useful, grown));
  }

  #handleRound({ lineBytes }: AckSample, now: Millis): void {
    const roundTripMs = this.#path.roundTripMs;
    if (roundTripMs === undefined || this.#phase.name === "draining") return;
    if (this.#phase.name === "start") return this.#handleStartRound(this.#phase, roundTripMs);
    const queueMs = this.#round.quickestMs - roundTripMs;
    this.#spreadMs += (Math.min(QUEUE_MS, this.#round.spreadMs) - this.#spreadMs) * SPREAD_WEIGHT;
    this.#handleGuard(queueMs, lineBytes);
    this.#handleProbe(queueMs);
    if (!this.#wasLimited || now - this.#path.roundTripAt <= ROUND_TRIP_WINDOW_MS) return;
    const windowBytes = DRAIN_SHARE * roundTripMs * (this.#path.bytesPerMs ?? 0);
    this.#path.renewRoundTrip();
    this.#phase = { name: "draining", until: now + Math.max(DRAIN_MS, roundTripMs), windowBytes };
  }

  /** The quickest ack of a whole round tells of a queue: the others stand behind what the round itself has sent in bursts. */
  #handleStartRound(phase: Extract<Phase, { name: "start" }>, roundTripMs: Millis): void {
    const { hasSaidEnough, quickestMs } = this.#round;
    const rate = this.#path.bytesPerMs ?? 0;
    const queueMs = quickestMs - roundTripMs;
    const isFull = rate > 0 && queueMs > START_QUEUE_MS + this.#requestMs && hasSaidEnough;
    // Less by what of the queue is too much.
    const fitting = isFull ? Math.min(1, (roundTripMs + this.#baseQueueMs) / (roundTripMs + queueMs)) : 1;
    const windowBytes = phase.windowBytes * fitting;
    const hasGrown = rate === 0 || rate > phase.bestRate * START_GROWTH || !this.#wasLimited;
    const staleRounds = hasGrown ? 0 : phase.staleRounds + 1;
    const staleRoundsMax = this.#requests === "none" ? START_ROUNDS : START_ROUNDS_BY_REQUEST;
    if (staleRounds >= staleRoundsMax || (phase.isFull && isFull)) {
      // From here on the rate is known better.
      this.#path.forgetPeak();
      this.#phase = { name: "steady" };
    } else {
      phase.windowBytes = windowBytes;
      phase.bestRate = Math.max(rate, phase.bestRate);
      phase.staleRounds = staleRounds;
      phase.isFull = isFull;
    }
  }

  #handleDrained(): void {
    this.#path.settleRoundTrip((QUEUE_CHUNKS * this.chunkBytes) / (this.#path.bytesPerMs ?? 1));
    this.#phase = { name: "steady" };
  }

  /** Asks for more now and then, and goes on as long as that helps: what a round has asked for shows in the next but one. */
  #handleProbe(queueMs: Millis): void {
    const rate = this.#path.bytesPerMs ?? 0;
    const age = this.#round.count - this.#probe.atRound;
    const hasHelped = age === 2 && rate > this.#probe.rate * PROBE_GROWTH && queueMs < this.#baseQueueMs;
    const isOn = this.#wasLimited && (hasHelped || age >= PROBE_ROUNDS);
    this.#probe = isOn ? { isOn, atRound: this.#round.count, rate } : { ...this.#probe, isOn };
  }

  /** Gives way to a queue that is longer than it was meant to be, but for one that giving way does not shorten. */
  #handleGuard(queueMs: Millis, lineBytes: number): void {
    const { share, failures, pausedUntilRound, beforeBytes } = this.#guard;
    const { count } = this.#round;
    const limitMs = this.#queueTargetMs * GUARD_SLACK;
    const recovered = { ...this.#guard, share: Math.min(1, share * GUARD_RECOVERY), queueMs };
    if (queueMs <= limitMs) {
      const remembered = Math.max(this.#wantedBytes, beforeBytes * GUARD_MEMORY);
      this.#guard = { ...recovered, failures: 0, beforeBytes: remembered };
    } else if (count < pausedUntilRound) {
      this.#guard = recovered;
    } else {
      // With a queue before it the line has sent without a pause: what came through is all that it carries now.
      if (queueMs > GUARD_FALL * this.#queueTargetMs) this.#path.limitRate(this.#round.bytesPerMs);
      // What was sent before the window shrank is still on the line: it has not been tried yet.
      if (lineBytes > this.windowBytes) return;
      const missed = queueMs < this.#guard.queueMs * GUARD_HELP ? 0 : failures + 1;
      this.#guard =
        missed > GUARD_PATIENCE
          ? { share: 1, queueMs, failures: 0, pausedUntilRound: count + GUARD_PAUSE_ROUNDS, beforeBytes }
          : { ...this.#guard, share: share * Math.max(GUARD_CUT, limitMs / queueMs), queueMs, failures: missed };
    }
  }
}

/** The queue that keeps a line of this bandwidth busy while acks come a little unevenly. */
function unevenQueueMs(rate: number): Millis {
  return Math.min(QUEUE_MS, Math.max(QUEUE_MS_MIN, QUEUE_BYTES_MAX / rate));
}
