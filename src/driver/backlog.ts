import { DeadlineQueue } from "../core/deadline-queue.js";
import { SluiceError } from "../core/error.js";
import { Alarm } from "./alarm.js";
import type { Host } from "./host.js";
import { neverWritten } from "./outbox.js";
import { cancelled, expired, type Payload, PendingMessage, type SendOptions, superseded } from "./pending-message.js";
import { type Receipt, ReceiptControl } from "./receipt.js";
import type { SendBudget } from "./send-bounds.js";

/** A place in the backlog: the message in it may be replaced. */
interface Waiting {
  readonly channel: string;
  message: PendingMessage;
}

/** What waits of one channel. */
interface Lane {
  bytes: number;
  readonly keyed: Map<string, Waiting>;
}

export interface BacklogOptions {
  readonly host: Pick<Host, "now" | "setTimer">;
  /** The limit of this end: that of the next peer is not known yet. */
  readonly messageBytesMax: number;
  readonly budget: SendBudget;
  /** Something has ended while it waited. */
  readonly onTurn: () => void;
}

/**
 * Messages between two sessions, in their order: those that the one before has never written, and what is sent until the
 * next one is open. Nothing of them has left as far as anybody knows, so their time runs, and keys replace.
 */
export class Backlog {
  readonly #options: BacklogOptions;
  readonly #waiting = new Set<Waiting>();
  readonly #lanes = new Map<string, Lane>();
  readonly #perishable = new DeadlineQueue<Waiting>();
  readonly #alarm: Alarm;

  constructor(options: BacklogOptions) {
    this.#options = options;
    this.#alarm = new Alarm(options.host, () => this.#expire());
  }

  /** Takes over a message that no session has sent. Its receipt goes on. */
  add(channel: string, message: PendingMessage): void {
    message.requeue();
    const old = this.#keyed(channel, message.key);
    const waiting = old ?? { channel, message };
    const replaced = old?.message;
    if (old !== undefined) this.#forget(old);
    waiting.message = message;
    this.#remember(waiting);
    const takeBack = () => {
      if (waiting.message !== message || !this.#take(waiting)) return false;
      message.fail("cancelled", message.failure ?? cancelled());
      this.#options.onTurn();
      return true;
    };
    message.handleAccepted({ takeBack });
    replaced?.fail("cancelled", superseded());
  }

  /** @throws SluiceError `ERR_MESSAGE_TOO_LARGE`, `ERR_BUFFER_FULL`, `ERR_USAGE_ARGUMENT` */
  send(channel: string, payload: Payload, options: SendOptions): Receipt {
    const { host, messageBytesMax, budget } = this.#options;
    const message = new PendingMessage(payload, options, host.now());
    if (options.signal?.aborted) return ReceiptControl.ended("cancelled", cancelled());
    if (message.heldBytes > messageBytesMax) {
      const text = `A message of ${message.totalBytes} bytes is over the limit of ${messageBytesMax}`;
      throw new SluiceError("ERR_MESSAGE_TOO_LARGE", text);
    }
    budget.require(message, this.#keyed(channel, message.key)?.message);
    this.add(channel, message);
    budget.hold(message);
    return message.receipt;
  }

  /** Hands everything on, oldest first. What `post` takes back meanwhile is left out. */
  release(post: (channel: string, message: PendingMessage) => void): void {
    for (const waiting of this.#waiting) {
      this.#take(waiting);
      post(waiting.channel, waiting.message);
    }
  }

  /**
   * Takes out the oldest ones, one after the other.
   * @param handOver gives what to do about a message once it is out; `undefined` to leave it, and those behind it, in here
   */
  pump(handOver: (message: PendingMessage) => (() => void) | undefined): void {
    for (const waiting of this.#waiting) {
      const run = handOver(waiting.message);
      if (run === undefined) return;
      this.#take(waiting);
      run();
    }
  }

  /** Takes everything out, oldest first. */
  drain(): PendingMessage[] {
    const messages: PendingMessage[] = [];
    this.release((_channel, message) => messages.push(message));
    return messages;
  }

  /** There is no next session. */
  fail(): void {
    this.release((_channel, message) => message.fail("never-written", neverWritten()));
  }

  /** Whether a message of this key waits, whose place another one would take. */
  hasKey(channel: string, key: string | undefined): boolean {
    return this.#keyed(channel, key) !== undefined;
  }

  /** How many messages wait. */
  get size(): number {
    return this.#waiting.size;
  }

  bufferedBytes(channel: string): number {
    return this.#lanes.get(channel)?.bytes ?? 0;
  }

  #keyed(channel: string, key: string | undefined): Waiting | undefined {
    return key === undefined ? undefined : this.#lanes.get(channel)?.keyed.get(key);
  }

  #expire(): void {
    const now = this.#options.host.now();
    for (let due = this.#perishable.pollDue(now); due !== undefined; due = this.#perishable.pollDue(now)) {
      this.#take(due);
      due.message.fail("expired", expired());
    }
    this.#alarm.set(this.#perishable.nextDeadline);
    this.#options.onTurn();
  }

  /** `false` when it does not wait any more. */
  #take(waiting: Waiting): boolean {
    if (!this.#waiting.delete(waiting)) return false;
    this.#forget(waiting);
    return true;
  }

  /** One that has its place already keeps it. */
  #remember(waiting: Waiting): void {
    const { channel, message } = waiting;
    this.#waiting.add(waiting);
    const lane = this.#lanes.get(channel) ?? { bytes: 0, keyed: new Map<string, Waiting>() };
    this.#lanes.set(channel, lane);
    lane.bytes += message.totalBytes ?? 0;
    if (message.key !== undefined) lane.keyed.set(message.key, waiting);
    if (message.expiresAt !== undefined) this.#perishable.add(waiting, message.expiresAt);
    this.#alarm.set(this.#perishable.nextDeadline);
  }

  #forget(waiting: Waiting): void {
    const { channel, message } = waiting;
    const lane = this.#lanes.get(channel) as Lane;
    lane.bytes -= message.totalBytes ?? 0;
    if (message.key !== undefined) lane.keyed.delete(message.key);
    this.#perishable.remove(waiting);
    this.#alarm.set(this.#perishable.nextDeadline);
  }
}
