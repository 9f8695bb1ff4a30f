import { DeadlineQueue } from "../deadline-queue.js";
import type { Fifo } from "../fifo.js";
import { IdTable } from "../id-table.js";
import { MESSAGE_COST_BYTES } from "../limits.js";
import type { Millis } from "../time.js";
import type { Frame } from "../wire/frame.js";
import { type AnnouncedLimits, UNANNOUNCED_LIMITS } from "../wire/parameters.js";
import type { SentChunk } from "./in-flight.js";
import { type MessageId, type OutgoingInit, OutgoingMessage } from "./outgoing-message.js";
import type { SendChannel } from "./send-channel.js";

/** What became of messages and sources, in order. */
export type SendEvent =
  /** Its first piece has left, and it is not the last. */
  | { readonly type: "started"; readonly message: MessageId }
  | { readonly type: "written"; readonly message: MessageId }
  | { readonly type: "progress"; readonly message: MessageId; readonly ackedBytes: number }
  | { readonly type: "delivered"; readonly message: MessageId }
  | { readonly type: "dropped"; readonly message: MessageId; readonly fate: Fate }
  | { readonly type: "pull"; readonly message: MessageId; readonly offset: number };

/** How a message ended that was not delivered. */
export type Fate = "cancelled" | "expired" | "superseded" | "never-written" | "unknown" | "too-large" | "refused";

/** REJECT of a message for its size; every other code says that the peer did not want to wait for its rest (CRD-08). */
const REJECTED_SIZE = 1009;

/** How far ahead of the cut a source is read. Half a slab, so that the next one comes before this one is used up. */
const READ_AHEAD_BYTES = 128 * 1024;

/**
 * The messages of this end, on all channels, from `send` until their fate is known, and the sources that they are read
 * from. When they leave is the affair of the `Sender`.
 *
 * Invariant: every message ends once, `delivered` or `dropped`, and nothing is told of it afterwards. `unsentBytes` is
 * the sum of their `availableBytes`.
 */
export class OutgoingMessages {
  /** The largest that the peer takes without having been asked, as far as it has said. */
  bytesMax: number = UNANNOUNCED_LIMITS.messageBytesMax;
  /** Whether the peer can still say what becomes of those over its limit. */
  hasVerdicts = true;
  readonly #emit: (event: SendEvent) => void;
  readonly #control: Fifo<Frame>;
  readonly #known = new IdTable<OutgoingMessage>();
  /** Messages of which nothing has left, and which are dropped if that lasts. */
  readonly #perishable = new DeadlineQueue<OutgoingMessage>();
  #sent = 0;
  #unsentBytes = 0;

  /** @param control what leaves before all messages: the end of one in its middle */
  constructor(emit: (event: SendEvent) => void, control: Fifo<Frame>) {
    this.#emit = emit;
    this.#control = control;
  }

  /** Takes a message in, in the place of another one where it has the key of one that waits. */
  add(channel: SendChannel, init: OutgoingInit): MessageId {
    this.#sent += 1;
    const message = new OutgoingMessage(this.#sent, channel, init);
    if (!message.isEnded && init.totalBytes === 0) message.supply(new Uint8Array(0), true);
    const { key } = init;
    const old = key === undefined ? undefined : channel.keyed?.get(key);
    if (old === undefined || !channel.messages.replace(old, message)) channel.messages.push(message);
    if (key !== undefined) {
      channel.keyed ??= new Map();
      channel.keyed.set(key, message);
    }
    if (init.expiresAt !== undefined) this.#perishable.add(message, init.expiresAt);
    channel.bufferedBytes += init.totalBytes ?? message.suppliedBytes;
    this.#unsentBytes += message.suppliedBytes;
    this.#known.set(message.id, message);
    if (old !== undefined) this.#drop(old, "superseded");
    this.#askForMore(channel);
    return message.id;
  }

  /** Hands over what a source has given. Late pieces of a message that has ended otherwise are ignored. */
  supply(id: MessageId, piece: Uint8Array, ended: boolean): void {
    const message = this.#known.get(id);
    if (message === undefined) return;
    message.supply(piece, ended);
    this.#unsentBytes += piece.length;
    if (message.totalBytes === undefined) message.channel.bufferedBytes += piece.length;
    this.#askForMore(message.channel);
  }

  /** Takes a message back. `false` when all of it has left, or it has ended already. */
  cancel(id: MessageId): boolean {
    const message = this.#known.get(id);
    if (message === undefined || message.stage === "written") return false;
    this.#drop(message, "cancelled");
    return true;
  }

  /** Drops what should have left by now. What has begun to leave goes on: its receiver has a part of it. */
  handleDeadline(now: Millis): void {
    for (let due = this.#perishable.pollDue(now); due !== undefined; due = this.#perishable.pollDue(now)) {
      this.#drop(due, "expired");
    }
  }

  /** From here on nothing leaves that is larger than the peer wants; sources do, as its application may take them (CRD-07). */
  handlePeerLimits({ messageBytesMax }: Pick<AnnouncedLimits, "messageBytesMax">): void {
    this.bytesMax = messageBytesMax;
    for (const message of this.#known.values()) {
      const isOver = !message.isSource && message.suppliedBytes > messageBytesMax;
      if (message.stage === "queued" && isOver) this.#drop(message, "too-large");
    }
  }

  /**
   * A piece of the message at the head is cut: it uses credit, and what may happen to a message that waits cannot happen to
   * this one any more.
   * @param number the batch that it leaves in
   */
  handleCut({ message, bytes, last }: SentChunk, number: number): void {
    const { channel } = message;
    const isFirst = message.ordinal === 0;
    channel.usedBytes += bytes;
    channel.inFlightBytes += bytes;
    if (isFirst) {
      this.#seal(message);
      channel.usedBytes += MESSAGE_COST_BYTES;
      channel.messagesBegun += 1;
      message.ordinal = channel.messagesBegun;
      message.firstNumber = number;
    }
    if (this.#isOverLimit(message)) this.#contest(message);
    this.#unsentBytes -= bytes;
    if (last) {
      channel.messages.shift();
      this.#emit({ type: "written", message: message.id });
    } else if (isFirst) {
      this.#emit({ type: "started", message: message.id });
    }
    this.#askForMore(channel);
  }

  /** The peer has a piece. */
  handleAcked({ message, bytes, last }: SentChunk): void {
    const { channel } = message;
    channel.bufferedBytes -= bytes;
    channel.inFlightBytes -= bytes;
    message.ackedBytes += bytes;
    // Of a message that has been cancelled meanwhile there is nothing more to tell.
    if (this.#known.get(message.id) === undefined) return;
    if (message.wantsProgress) this.#emit({ type: "progress", message: message.id, ackedBytes: message.ackedBytes });
    if (!last) return;
    const contest = channel.overLimit?.get(message.ordinal);
    if (contest !== undefined) contest.isAcked = true;
    if (contest === undefined || contest.isAdmitted || !this.#isOverLimit(message)) this.#deliver(message);
    else if (!this.hasVerdicts) this.#drop(message, "too-large");
  }

  /** The peer's application takes a message although it is over the limit. */
  handleAdmit(channel: SendChannel, ordinal: number): void {
    const contest = channel.overLimit?.get(ordinal);
    if (contest === undefined) return;
    contest.isAdmitted = true;
    if (contest.isAcked) this.#deliver(contest.message);
  }

  /** The peer does not take a message, or not the rest of it. */
  handleReject(channel: SendChannel, ordinal: number, code: number): void {
    const head = channel.messages.peek();
    const isSize = code === REJECTED_SIZE;
    // What has left whole by now was quick enough.
    const message =
      (isSize ? channel.overLimit?.get(ordinal)?.message : undefined) ?? (head?.ordinal === ordinal ? head : undefined);
    if (message !== undefined) this.#drop(message, isSize ? "too-large" : "refused");
  }

  /** The peer takes nothing more from its application, and says nothing more but acks: no verdict comes any more. */
  handlePeerClose(): void {
    this.hasVerdicts = false;
    for (const message of this.#known.values()) {
      if (message.channel.overLimit?.get(message.ordinal)?.isAdmitted === false) this.#drop(message, "too-large");
    }
  }

  /**
   * Ends every message that is not delivered.
   * @param readNumberMax the peer has read no batch beyond this one: it has refused what came later (HSK-07)
   */
  handleEnd(readNumberMax: number): void {
    for (const message of this.#known.values()) {
      // Of a message whose first pieces have left, the peer's application may have seen those.
      const isUnread = message.firstNumber === undefined || message.firstNumber > readNumberMax;
      const fate = isUnread ? "never-written" : "unknown";
      this.#emit({ type: "dropped", message: message.id, fate });
    }
    this.#known.clear();
    this.#perishable.clear();
    this.#unsentBytes = 0;
  }

  /** When the next message has waited for too long. */
  get nextDeadline(): Millis | undefined {
    return this.#perishable.nextDeadline;
  }

  /** Bytes read from the application or its sources, and not yet handed to a transport. */
  get unsentBytes(): number {
    return this.#unsentBytes;
  }

  #isOverLimit(message: OutgoingMessage): boolean {
    return (message.totalBytes ?? message.takenBytes) > this.bytesMax;
  }

  /** The peer has yet to say what becomes of it. */
  #contest(message: OutgoingMessage): void {
    const { channel, ordinal } = message;
    channel.overLimit ??= new Map();
    if (!channel.overLimit.has(ordinal)) channel.overLimit.set(ordinal, { message, isAdmitted: false, isAcked: false });
  }

  #deliver(message: OutgoingMessage): void {
    message.channel.overLimit?.delete(message.ordinal);
    this.#known.delete(message.id);
    this.#emit({ type: "delivered", message: message.id });
  }

  /** Reads ahead for the message at the head only: the others would hold memory and send nothing. */
  #askForMore(channel: SendChannel): void {
    const message = channel.messages.peek();
    if (message?.asksForMore(READ_AHEAD_BYTES)) {
      this.#emit({ type: "pull", message: message.id, offset: message.suppliedBytes });
    }
  }

  #drop(message: OutgoingMessage, fate: Fate): void {
    const { channel } = message;
    channel.messages.remove(message);
    this.#known.delete(message.id);
    this.#seal(message);
    channel.overLimit?.delete(message.ordinal);
    channel.bufferedBytes -= (message.totalBytes ?? message.suppliedBytes) - message.takenBytes;
    this.#unsentBytes -= message.availableBytes;
    if (message.stage === "writing") this.#control.push({ type: "reset", channel: channel.id as number });
    this.#emit({ type: "dropped", message: message.id, fate });
    this.#askForMore(channel);
  }

  /** Neither time nor a newer message can drop it any more: it has begun to leave, or has ended. */
  #seal(message: OutgoingMessage): void {
    this.#perishable.remove(message);
    const { key, channel } = message;
    if (key !== undefined && channel.keyed?.get(key) === message) channel.keyed.delete(key);
  }
}
