import type { Millis } from "../time.js";
import type { PathModel, PathSample } from "./path-model.js";
import { QUEUE_MS, queueTargetMs } from "./queue-target.js";
import type { RequestWait } from "./request-wait.js";
import type { Round } from "./round.js";

const KIB = 1024;

/**
 * The first window: 50 ms on a line of 1 Mbit/s. Its four chunks are acknowledged in two pairs, whose distance at the
 * receiver tells what the line carries.
 */
const START_BYTES = 6 * KIB;

/**
 * A window of up to so many bytes grows by three for each that is acknowledged, then by one: after two round trips it has
 * caught up with the TCP below, which begins with 14 KiB (RFC 6928) and doubles. More than that would wait in the kernel.
 */
const QUICK_BYTES = 24 * KIB;
const QUICK_GAIN = 3;

/** What one ack may add takes about this long on the line, ms: all of it leaves at once, ahead of the next small message. */
const BURST_MS = 15;

/**
 * How far start-up goes beyond what has come through in the round trip before, and while nothing is known of that, bytes:
 * 20 ms on a line of 100 Mbit/s.
 */
const GAIN = 2;
const BLIND_BYTES = 256 * KIB;

/** Start-up is over when a queue shows in two rounds, ms, or when so many rounds have each not brought a quarter more. As in RFC 9406 and BBR. */
const FULL_QUEUE_MS = 0.75 * QUEUE_MS;
/** On a long line, this part of the round trip: a kernel with BBR spaces what a small window lets leave over more than that. */
const FULL_SHARE = 1 / 8;
/** What has waited longer, or for more than this part of a long round trip, as it may wait for TCP, adds nothing. */
const WAIT_SHARE = 1 / 4;
const STALE_ROUNDS = 3;
/** Where requests are waited for, it takes a round longer to show what one has asked for. */
const STALE_ROUNDS_BY_REQUEST = 4;
const GROWTH = 1.25;

/** The window until the line is full: it doubles in a round trip. Who never fills the line stays in it. */
export class StartUp {
  readonly name = "start";
  readonly #path: PathModel;
  readonly #wait: RequestWait;
  #windowBytes: number = START_BYTES;
  #bestRate = 0;
  #staleRounds = 0;
  /** Whether a queue has shown in the round before. Start-up is over when it shows in this one, too. */
  #isFull = false;

  constructor(path: PathModel, wait: RequestWait) {
    this.#path = path;
    this.#wait = wait;
  }

  /**
   * The sender has been held back, and an ack has come. Grows by what that covers, not beyond what the line has shown it
   * could carry, and until a queue shows.
   * @param chunkBytes the chunks that leave next
   */
  handleAck(sample: PathSample & { readonly newBytes: number }, chunkBytes: number): void {
    if (this.#isFull) return;
    const { bytesPerMs: rate, peakBytesPerMs: peak, roundTripMs = 0 } = this.#path;
    const { ms: requestMs, requests } = this.#wait;
    // What was sent a round trip ago has come through: as much again is on its way.
    const holdMs = roundTripMs + (QUEUE_MS + (requests === "posts" ? requestMs / 2 : requestMs));
    const passed = rate === undefined ? BLIND_BYTES : GAIN * rate * holdMs;
    const useful =
      peak === undefined ? passed : Math.min(passed, peak * (roundTripMs + queueTargetMs(peak, chunkBytes, requestMs)));
    const isQuick = peak !== undefined && this.#windowBytes < QUICK_BYTES;
    // Its bytes have waited: more of them would wait longer. What is small yet waits for itself.
    const waitedMs = this.#path.net(sample) - roundTripMs;
    const isLate = waitedMs > requestMs + Math.max(FULL_QUEUE_MS, WAIT_SHARE * roundTripMs);
    const hasWaited = isLate && (requests === "none" || requests === "posts");
    if (hasWaited && !isQuick) return;
    const quickBytes = isQuick ? Math.min(QUICK_GAIN * sample.newBytes, peak * (BURST_MS + requestMs)) : 0;
    const grown = this.#windowBytes + Math.max(sample.newBytes, quickBytes);
    this.#windowBytes = Math.max(this.#windowBytes, Math.min(useful, grown));
  }

  /**
   * The quickest ack of a whole round tells of a queue: the others stand behind what the round itself has sent in bursts.
   * @param wasLimited whether the sender was held back in the round before
   * @returns whether start-up is over
   */
  handleRound({ hasSaidEnough, quickestMs }: Round, roundTripMs: Millis, wasLimited: boolean): boolean {
    const { ms: requestMs, requests } = this.#wait;
    const rate = this.#path.bytesPerMs ?? 0;
    const queueMs = quickestMs - roundTripMs;
    const isFull = rate > 0 && queueMs > Math.max(FULL_QUEUE_MS, FULL_SHARE * roundTripMs) + requestMs && hasSaidEnough;
    const hasGrown = rate === 0 || rate > this.#bestRate * GROWTH || !wasLimited;
    this.#staleRounds = hasGrown ? 0 : this.#staleRounds + 1;
    const staleRoundsMax = requests === "none" ? STALE_ROUNDS : STALE_ROUNDS_BY_REQUEST;
    if (this.#staleRounds >= staleRoundsMax || (this.#isFull && isFull)) {
      // From here on the rate is known better.
      this.#path.forgetPeak();
      return true;
    }
    // Less by what of the queue is too much.
    if (isFull) this.#windowBytes *= Math.min(1, (roundTripMs + (QUEUE_MS + requestMs)) / (roundTripMs + queueMs));
    this.#bestRate = Math.max(rate, this.#bestRate);
    this.#isFull = isFull;
    return false;
  }

  get windowBytes(): number {
    return this.#windowBytes;
  }
}
