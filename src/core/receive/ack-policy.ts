import { CHUNK_BYTES_MIN } from "../limits.js";
import { type Millis, millisToTicks } from "../time.js";
import type { AckFrame } from "../wire/frame.js";
import type { BatchOrder } from "./batch-order.js";

/** Batches that carry a chunk worth the name are acknowledged in pairs (ACK-06). */
const CHUNKS_PER_ACK = 2;

/** From this size on, each by itself: a pair of them is too much of a window. */
const LARGE_CHUNK_BYTES = 16 * 1024;

/** Everything is acknowledged after this at the latest (ACK-06). */
const ACK_DELAY_MS = 20;

/** Decides when to acknowledge, and says it in absolute values. */
export class AckPolicy {
  readonly #order: BatchOrder;
  #delayMs = ACK_DELAY_MS;
  #chunksPending = 0;
  /** When the oldest unacknowledged batch has to be acknowledged; `undefined` while all are. */
  #deadline: Millis | undefined;

  constructor(order: BatchOrder) {
    this.#order = order;
  }

  handleBatch(bytes: number, now: Millis): void {
    if (bytes >= CHUNK_BYTES_MIN) this.#chunksPending += bytes >= LARGE_CHUNK_BYTES ? CHUNKS_PER_ACK : 1;
    this.#deadline ??= now + this.#delayMs;
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

  /** Another transport: the handshake has said what was accepted, or `restate` says it. */
  handleAttached(): void {
    this.handleSent();
  }

  /** Everything accepted so far, be it nothing, whether or not it was said before (RES-05). */
  restate(now: Millis): AckFrame {
    this.handleSent();
    return this.#frame(now);
  }

  /** Whether an ack has to leave now, even alone. */
  isDue(now: Millis): boolean {
    return this.#deadline !== undefined && (this.#chunksPending >= CHUNKS_PER_ACK || now >= this.#deadline);
  }

  /** The ack to send now, if there is anything new to say: it rides along with any batch that leaves. */
  peek(now: Millis): AckFrame | undefined {
    return this.#deadline === undefined ? undefined : this.#frame(now);
  }

  /** What `peek` gave has left. */
  handleSent(): void {
    this.#deadline = undefined;
    this.#chunksPending = 0;
  }

  /** When `isDue` turns true by itself. */
  get nextDeadline(): Millis | undefined {
    return this.#deadline;
  }

  #frame(now: Millis): AckFrame {
    const { number, bytes } = this.#order;
    const receivedAt = this.#order.receivedAt(now);
    const receivedTicks = millisToTicks(receivedAt);
    return { type: "ack", number, bytes, receivedTicks, delayTicks: millisToTicks(now - receivedAt) };
  }
}
