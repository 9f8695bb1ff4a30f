import { CHUNK_BYTES_MIN } from "../limits.js";
import { type Millis, millisToTicks } from "../time.js";
import type { AckFrame } from "../wire/frame.js";
import type { BatchOrder } from "./batch-order.js";

/** Batches that carry a chunk worth the name are acknowledged in pairs (ACK-06). */
const CHUNKS_PER_ACK = 2;

/** Everything is acknowledged after this at the latest (ACK-06). */
const ACK_DELAY_MS = 20;

/** Decides when to acknowledge, and says it in absolute values. */
export class AckPolicy {
  readonly #order: BatchOrder;
  #chunksPending = 0;
  /** When the oldest unacknowledged batch has to be acknowledged; `undefined` while all are. */
  #deadline: Millis | undefined;

  constructor(order: BatchOrder) {
    this.#order = order;
  }

  handleBatch(bytes: number, now: Millis): void {
    if (bytes >= CHUNK_BYTES_MIN) this.#chunksPending += 1;
    this.#deadline ??= now + ACK_DELAY_MS;
  }

  /** A batch came that had been accepted before: its sender has missed the ack, so it is said again at once. */
  handleDuplicate(now: Millis): void {
    this.#deadline = now;
  }

  /** Whether an ack has to leave now, even alone. */
  isDue(now: Millis): boolean {
    return this.#deadline !== undefined && (this.#chunksPending >= CHUNKS_PER_ACK || now >= this.#deadline);
  }

  /** The ack to send now, if there is anything new to say: it rides along with any batch that leaves. */
  peek(now: Millis): AckFrame | undefined {
    if (this.#deadline === undefined) return undefined;
    const { number, bytes, receivedAt } = this.#order;
    return {
      type: "ack",
      number,
      bytes,
      receivedTicks: millisToTicks(receivedAt),
      delayTicks: millisToTicks(now - receivedAt),
    };
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
}
