import { Fifo } from "../fifo.js";
import type { Millis } from "../time.js";
import type { OutgoingMessage } from "./outgoing-message.js";
import type { SendChannel } from "./send-channel.js";

/** A chunk inside a batch that is on its way. */
export interface SentChunk {
  readonly channel: SendChannel;
  readonly message: OutgoingMessage;
  readonly bytes: number;
  readonly last: boolean;
}

/** A numbered batch that the peer has not acknowledged. */
export interface SentBatch {
  readonly number: number;
  readonly bytes: number;
  readonly sentAt: Millis;
  readonly chunks: readonly SentChunk[];
  /** Channels whose CHANNEL_CLOSE it carries: their wire ids are free again once it is acknowledged (CHN-06). */
  readonly closes: readonly SendChannel[];
}

/**
 * The numbered batches between this end and the peer's session (ACK-02).
 *
 * Invariant: `ackedNumber <= sentNumber`, and `bytes` is the sum over the batches between them.
 */
export class InFlight {
  readonly #batches: Fifo<SentBatch> = new Fifo();
  #sentNumber = 0;
  #sentBytes = 0;
  #ackedNumber = 0;
  #ackedBytes = 0;

  add(batch: SentBatch): void {
    this.#batches.push(batch);
    this.#sentNumber = batch.number;
    this.#sentBytes += batch.bytes;
  }

  /** The batches that an ack newly covers; `undefined` when no honest receiver could have sent it (ACK-05). */
  take(number: number, bytes: number): SentBatch[] | undefined {
    if (number > this.#sentNumber) return undefined;
    const taken: SentBatch[] = [];
    for (
      let batch = this.#batches.peek();
      batch !== undefined && batch.number <= number;
      batch = this.#batches.peek()
    ) {
      this.#batches.shift();
      this.#ackedNumber = batch.number;
      this.#ackedBytes += batch.bytes;
      taken.push(batch);
    }
    // An older ack than one before is no fault, only late (ACK-04).
    if (number < this.#ackedNumber) return taken;
    return bytes === this.#ackedBytes ? taken : undefined;
  }

  get nextNumber(): number {
    return this.#sentNumber + 1;
  }

  get bytes(): number {
    return this.#sentBytes - this.#ackedBytes;
  }

  get sentBytes(): number {
    return this.#sentBytes;
  }

  get ackedBytes(): number {
    return this.#ackedBytes;
  }
}
