import { CHUNK_BYTES_MIN } from "../limits.js";
import { type Millis, millisToTicks } from "../time.js";
import type { AckFrame } from "../wire/frame.js";
import type { BatchOrder } from "./batch-order.js";
import { ChunkPace } from "./chunk-pace.js";

/** Batches that carry a chunk worth the name are acknowledged in pairs (ACK-06). */
const CHUNKS_PER_ACK = 2;

/** Where they come at half a gigabit a second and more, so many at a time, and none waits longer than this for the others, ms. */
const FAST_CHUNKS_PER_ACK = 8;
const FAST_ACK_DELAY_MS = 4;

/**
 * From this size on, each by itself: a pair of them is too much of a window. But where they follow each other at once, in ms,
 * the window is large, and an ack costs the page a tenth of what the chunk does.
 */
const LARGE_CHUNK_BYTES = 16 * 1024;
const QUICK_CHUNK_MS = 2;

/**
 * So is one that comes so long after the one before, ms: on slow lines, a pair of them is too much of a window, too. What comes
 * still later is no upload on any line, and its ack may well go along with an answer.
 */
const SLOW_CHUNK_MS = { min: 8, max: 50 } as const;

/** Everything is acknowledged after this at the latest (ACK-06). */
const ACK_DELAY_MS = 20;

/** Where an ack may cost a request: half a round trip between two of them, within these bounds, ms (ACK-06). */
const SPACING_MIN_MS = 50;
const SPACING_MAX_MS = 200;

/** Decides when to acknowledge, and says it in absolute values. */
export class AckPolicy {
  readonly #order: BatchOrder;
  readonly #roundTripMs: () => Millis | undefined;
  #delayMs = ACK_DELAY_MS;
  #isCostly = false;
  /** Where acks are costly: the next one does not leave alone before. */
  #notBefore: Millis = Number.NEGATIVE_INFINITY;
  #chunksPending = 0;
  readonly #pace = new ChunkPace();
  /** When the last of them came. */
  #chunkAt: Millis = Number.NEGATIVE_INFINITY;
  /** When the oldest unacknowledged batch has to be acknowledged; `undefined` while all are. */
  #deadline: Millis | undefined;

  /** @param roundTripMs as far as this end knows */
  constructor(order: BatchOrder, roundTripMs: () => Millis | undefined = () => undefined) {
    this.#order = order;
    this.#roundTripMs = roundTripMs;
  }

  handleBatch(bytes: number, now: Millis): void {
    if (bytes >= CHUNK_BYTES_MIN) {
      this.#pace.handleChunk(bytes, now);
      const gapMs = now - this.#chunkAt;
      const isLarge = !this.#pace.isFast && bytes >= LARGE_CHUNK_BYTES && gapMs >= QUICK_CHUNK_MS;
      const isAlone = isLarge || (gapMs >= SLOW_CHUNK_MS.min && gapMs < SLOW_CHUNK_MS.max);
      this.#chunksPending += isAlone ? FAST_CHUNKS_PER_ACK : 1;
      this.#chunkAt = now;
    }
    this.#deadline ??= now + (this.#pace.isFast ? Math.min(this.#delayMs, FAST_ACK_DELAY_MS) : this.#delayMs);
  }

  /** A batch came that had been accepted before: its sender has missed the ack, so it is said again at once. */
  handleDuplicate(now: Millis): void {
    this.#deadline = now;
  }

  /**
   * Whether timers come when they are asked for. Where they do not (a hidden page), every batch is acknowledged at once:
   * the peer's sending must not hang on a timer that comes once a second.
   */
  handleTimers(areReliable: boolean): void {
    this.#delayMs = areReliable ? ACK_DELAY_MS : 0;
  }

  /** Whether an ack that leaves alone costs a request: then they are fewer, but for pages whose timers do not come in time. */
  handleCost(isCostly: boolean): void {
    this.#isCostly = isCostly;
  }

  /** What was due is not due any more: the handshake on another transport says it, or nobody has to know. */
  clear(): void {
    this.#deadline = undefined;
    this.#chunksPending = 0;
  }

  /** Everything accepted so far, be it nothing, whether or not it was said before (RES-05). */
  restate(now: Millis): AckFrame {
    this.handleSent(now);
    return this.#frame(now);
  }

  /** Whether an ack has to leave now, even alone. */
  isDue(now: Millis): boolean {
    return this.#deadline !== undefined && now >= this.#earliest && (this.#isEnough || now >= this.#deadline);
  }

  /** The ack to send now, if there is anything new to say: it rides along with any batch that leaves. */
  peek(now: Millis): AckFrame | undefined {
    return this.#deadline === undefined ? undefined : this.#frame(now);
  }

  /** What `peek` gave has left. */
  handleSent(now: Millis): void {
    this.clear();
    const spacingMs = Math.max(SPACING_MIN_MS, (this.#roundTripMs() ?? 0) / 2);
    this.#notBefore = now + Math.min(SPACING_MAX_MS, spacingMs);
  }

  /** When `isDue` turns true by itself. */
  get nextDeadline(): Millis | undefined {
    if (this.#deadline === undefined) return undefined;
    const isSoon = this.#isCostly && this.#isEnough;
    return isSoon ? this.#earliest : Math.max(this.#deadline, this.#earliest);
  }

  get #isEnough(): boolean {
    return this.#chunksPending >= (this.#pace.isFast ? FAST_CHUNKS_PER_ACK : CHUNKS_PER_ACK);
  }

  get #earliest(): Millis {
    return this.#isCostly && this.#delayMs > 0 ? this.#notBefore : Number.NEGATIVE_INFINITY;
  }

  #frame(now: Millis): AckFrame {
    const { number, bytes } = this.#order;
    const receivedAt = this.#order.receivedAt(now);
    const receivedTicks = millisToTicks(receivedAt);
    return { type: "ack", number, bytes, receivedTicks, delayTicks: millisToTicks(now - receivedAt) };
  }
}
