import type { Millis } from "../time.js";
import type { OutgoingMessage } from "./outgoing-message.js";
import type { SendChannel } from "./send-channel.js";

/** A chunk inside a batch that is on its way. */
export interface SentChunk {
  readonly message: OutgoingMessage;
  readonly bytes: number;
  readonly last: boolean;
}

/** A numbered batch that the peer has not acknowledged. */
export interface SentBatch {
  readonly number: number;
  /** What goes over the line, and goes again as it is (BAT-05). */
  readonly batch: Uint8Array;
  /** When it was handed to the present transport, or to the last that had it. */
  sentAt: Millis;
  readonly chunks: readonly SentChunk[];
  /** Channels whose CHANNEL_CLOSE it carries: their wire ids are free again once it is acknowledged (CHN-06). */
  readonly closes: readonly SendChannel[];
  /** Whether it carries a CHANNEL_OPEN. */
  readonly opens: boolean;
}

/** What a transport has had before it carries the session. */
export interface EarlySent {
  /** The last numbered batch; 0 for none. */
  readonly number: number;
  /** When it was handed those that another transport had as well, by number. */
  readonly times: ReadonlyMap<number, Millis>;
}

const NOTHING_SENT: EarlySent = { number: 0, times: new Map() };

/** Acknowledged batches are dropped from the array in portions of this many: moving the rest for each would cost more. */
const COMPACT_AT = 64;

/**
 * The numbered batches between this end and the peer's session (ACK-02): those on the present transport, and behind them
 * those that have yet to be sent again on it (RES-06).
 *
 * Invariant: `ackedNumber <= lineNumber <= sentNumber`; `bytes` is the sum over the batches from the first to the last of
 * them, `lineBytes` that up to the middle one.
 */
export class InFlight {
  #batches: SentBatch[] = [];
  /** Where the batches begin that are not acknowledged, and where those that the present transport has not had. */
  #head = 0;
  #cursor = 0;
  #sentNumber = 0;
  #sentBytes = 0;
  #ackedNumber = 0;
  #ackedBytes = 0;
  #lineBytes = 0;
  #openingNumber = 0;

  add(batch: SentBatch): void {
    this.#batches.push(batch);
    this.#cursor = this.#batches.length;
    this.#sentNumber = batch.number;
    if (batch.opens) this.#openingNumber = batch.number;
    this.#sentBytes += batch.batch.length;
    this.#lineBytes += batch.batch.length;
  }

  /** The batches that an ack newly covers; `undefined` when no honest receiver could have sent it (ACK-05). */
  take(number: number, bytes: number): SentBatch[] | undefined {
    if (number > this.lineNumber) return undefined;
    const taken = this.#takeUpTo(number);
    // An older ack than one before is no fault, only late (ACK-04).
    if (number < this.#ackedNumber) return taken;
    return bytes === this.#ackedBytes ? taken : undefined;
  }

  /** Whether a peer that is resuming may say that it has accepted everything up to `number` (RES-05). */
  canSettle(number: number): boolean {
    return number >= this.#ackedNumber && number <= this.#sentNumber;
  }

  /** The batches that the peer's RECEIVED newly covers, whichever transport has carried them. `canSettle` must hold. */
  settle(number: number): SentBatch[] {
    return this.#takeUpTo(number);
  }

  /**
   * Another transport: everything that is not acknowledged has to be sent on it, from the oldest on.
   * @param early what it has had while another one carried the session, or before that
   */
  rewind(early: EarlySent = NOTHING_SENT): void {
    this.#cursor = this.#head;
    this.#lineBytes = 0;
    for (let batch = this.due; batch !== undefined && batch.number <= early.number; batch = this.due) {
      // The acks that come on this line tell of this line.
      batch.sentAt = early.times.get(batch.number) ?? batch.sentAt;
      this.#cursor += 1;
      this.#lineBytes += batch.batch.length;
    }
  }

  /** The first batch behind this number that is not acknowledged, on whichever transport. */
  after(number: number): SentBatch | undefined {
    return this.#batches[this.#head + Math.max(0, number - this.#ackedNumber)];
  }

  /** The batch to send again next; `undefined` when the present transport has had them all. */
  get due(): SentBatch | undefined {
    return this.#batches[this.#cursor];
  }

  /** `due` has been handed to the present transport. */
  handleReplayed(now: Millis): void {
    const batch = this.#batches[this.#cursor] as SentBatch;
    batch.sentAt = now;
    this.#cursor += 1;
    this.#lineBytes += batch.batch.length;
  }

  get nextNumber(): number {
    return this.#sentNumber + 1;
  }

  /** The highest number given. */
  get sentNumber(): number {
    return this.#sentNumber;
  }

  /** The last batch that is not acknowledged and opens a channel; 0 for none (CHN-10). */
  get openingNumber(): number {
    return this.#openingNumber > this.#ackedNumber ? this.#openingNumber : 0;
  }

  /** Bytes not acknowledged. */
  get bytes(): number {
    return this.#sentBytes - this.#ackedBytes;
  }

  /** Those of them that the present transport has had. */
  get lineBytes(): number {
    return this.#lineBytes;
  }

  get sentBytes(): number {
    return this.#sentBytes;
  }

  get ackedBytes(): number {
    return this.#ackedBytes;
  }

  /** The highest number that the present transport has had. */
  get lineNumber(): number {
    return this.#ackedNumber + this.#cursor - this.#head;
  }

  #takeUpTo(number: number): SentBatch[] {
    const taken: SentBatch[] = [];
    for (let batch = this.#batches[this.#head]; batch !== undefined && batch.number <= number; ) {
      if (this.#head < this.#cursor) this.#lineBytes -= batch.batch.length;
      else this.#cursor += 1;
      this.#head += 1;
      this.#ackedNumber = batch.number;
      this.#ackedBytes += batch.batch.length;
      taken.push(batch);
      batch = this.#batches[this.#head];
    }
    this.#compact();
    return taken;
  }

  #compact(): void {
    if (this.#head < COMPACT_AT && this.#head < this.#batches.length) return;
    this.#batches = this.#batches.slice(this.#head);
    this.#cursor -= this.#head;
    this.#head = 0;
  }
}
