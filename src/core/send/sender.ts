import { DeadlineQueue } from "../deadline-queue.js";
import { SluiceError } from "../error.js";
import { Fifo } from "../fifo.js";
import { CHANNELS_MAX, type Limits } from "../limits.js";
import type { Millis } from "../time.js";
import { frameBytes } from "../wire/encode.js";
import type { Frame, Priority } from "../wire/frame.js";
import { type AnnouncedLimits, UNANNOUNCED_LIMITS } from "../wire/parameters.js";
import { varintBytes } from "../wire/varint.js";
import { Admission } from "./admission.js";
import { cutBytes, cutChunk } from "./chunker.js";
import type { SentBatch, SentChunk } from "./in-flight.js";
import { type MessageId, type OutgoingInit, OutgoingMessage } from "./outgoing-message.js";
import { type Readiness, Scheduler } from "./scheduler.js";
import { type ChannelKey, DEFAULT_CHANNEL, SendChannel } from "./send-channel.js";

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
export type Fate = "cancelled" | "expired" | "superseded" | "never-written" | "unknown" | "too-large";

/** Frames for one numbered batch, and what acknowledging it will mean. */
export interface Draft {
  readonly frames: readonly Frame[];
  readonly chunks: readonly SentChunk[];
  readonly closes: readonly SendChannel[];
}

export interface DraftSpace {
  /** The number that the batch will have. */
  readonly number: number;
  /** Bytes for frames in this batch. */
  readonly spaceBytes: number;
  /** Bytes that the window leaves. May be negative after an overdraft. */
  readonly roomBytes: number;
  /** The most that any batch holds. */
  readonly batchBytesMax: number;
}

/** A high channel may exceed a full window by this, so that it need not wait for an ack: one chunk. */
const HIGH_OVERDRAFT_BYTES = 16 * 1024;

/** What a channel may send in its turn: more would make turns long on slow lines, whatever the chunks. */
const QUANTUM_BYTES_MAX = 16 * 1024;

/** How far ahead of the cut a source is read. Half a slab, so that the next one comes before this one is used up. */
const READ_AHEAD_BYTES = 128 * 1024;

/**
 * The outgoing half of a session: channels and their queues, and the frames that leave next. What leaves is decided
 * when it is asked for, never earlier.
 *
 * Invariant: per channel, chunks leave in the order of `send`, and a message's chunks without another's between them.
 */
export class Sender {
  readonly #emit: (event: SendEvent) => void;
  readonly #scheduler: Scheduler;
  readonly #admission = new Admission();
  readonly #channels = new Map<ChannelKey, SendChannel>();
  readonly #control: Fifo<Frame> = new Fifo();
  readonly #messages = new Map<MessageId, { message: OutgoingMessage; channel: SendChannel }>();
  /** Messages of which nothing has left, and which are dropped if that lasts. */
  readonly #perishable = new DeadlineQueue<OutgoingMessage>();
  readonly #idsUsed = new Set<number>([0]);
  #peerLimits: AnnouncedLimits = UNANNOUNCED_LIMITS;
  #messagesSent = 0;
  #unsentBytes = 0;

  constructor(limits: Pick<Limits, "chunkBytes">, emit: (event: SendEvent) => void) {
    this.#emit = emit;
    this.#scheduler = new Scheduler(Math.min(limits.chunkBytes, QUANTUM_BYTES_MAX));
    const channel = new SendChannel(DEFAULT_CHANNEL, "normal");
    channel.id = 0;
    this.#channels.set(DEFAULT_CHANNEL, channel);
  }

  addChannel(key: ChannelKey, priority: Priority): void {
    this.#channels.set(key, new SendChannel(key, priority));
  }

  /** @throws SluiceError `ERR_TOO_MANY_CHANNELS` when every wire id is taken */
  requireFreeId(): void {
    const max = Math.min(this.#peerLimits.channelsMax, CHANNELS_MAX);
    if (this.#idsUsed.size >= max) throw new SluiceError("ERR_TOO_MANY_CHANNELS", `More than ${max} channels at once`);
  }

  /**
   * Gives the channel its wire id, and announces it to the peer. Does nothing when it has one.
   * @throws SluiceError `ERR_TOO_MANY_CHANNELS`
   */
  announce(key: ChannelKey, name: Uint8Array): void {
    const channel = this.#channel(key);
    if (channel.id !== undefined) return;
    this.requireFreeId();
    let id = 1;
    while (this.#idsUsed.has(id)) id += 1;
    this.#idsUsed.add(id);
    channel.id = id;
    this.#control.push({ type: "channel-open", channel: id, priority: channel.priority, name });
  }

  setPriority(key: ChannelKey, priority: Priority): void {
    const channel = this.#channels.get(key);
    if (channel === undefined) return;
    channel.priority = priority;
    this.#scheduler.handlePriority(channel);
  }

  /** Lets everything queued leave, then tells the peer that nothing follows (CHN-05). */
  endChannel(key: ChannelKey): void {
    const channel = this.#channel(key);
    if (channel.end !== "none") return;
    channel.end = channel.id === undefined ? "seen" : "due";
    this.#scheduler.handleBacklog(channel);
  }

  /** Forgets a channel whose both directions have ended. Its wire id stays taken until the peer has seen the end. */
  removeChannel(key: ChannelKey): void {
    this.#scheduler.remove(this.#channel(key));
    this.#channels.delete(key);
  }

  send(key: ChannelKey, init: OutgoingInit & { readonly bytes?: Uint8Array }): MessageId {
    const channel = this.#channel(key);
    this.#messagesSent += 1;
    const message = new OutgoingMessage(this.#messagesSent, init);
    if (init.bytes !== undefined) message.supply(init.bytes, true);
    else if (init.totalBytes === 0) message.supply(new Uint8Array(0), true);
    const old = init.key === undefined ? undefined : channel.keyed?.get(init.key);
    if (old === undefined || !channel.messages.replace(old, message)) channel.messages.push(message);
    if (init.key !== undefined) {
      channel.keyed ??= new Map();
      channel.keyed.set(init.key, message);
    }
    if (init.expiresAt !== undefined) this.#perishable.add(message, init.expiresAt);
    channel.bufferedBytes += init.totalBytes ?? message.suppliedBytes;
    this.#unsentBytes += message.suppliedBytes;
    this.#messages.set(message.id, { message, channel });
    if (old !== undefined) this.#drop(old, channel, "superseded");
    this.#scheduler.handleBacklog(channel);
    this.#askForMore(channel);
    return message.id;
  }

  /** The message whose place another one of this key takes. */
  superseded(key: ChannelKey, messageKey: string): MessageId | undefined {
    return this.#channels.get(key)?.keyed?.get(messageKey)?.id;
  }

  /** Hands over what a source has given. Late pieces of a message that has ended otherwise are ignored. */
  supply(id: MessageId, piece: Uint8Array, ended: boolean): void {
    const known = this.#messages.get(id);
    if (known === undefined) return;
    known.message.supply(piece, ended);
    this.#unsentBytes += piece.length;
    if (known.message.totalBytes === undefined) known.channel.bufferedBytes += piece.length;
    // Where only the end of the source tells the length, it may turn out too large at any piece.
    if (known.message.suppliedBytes > this.#peerLimits.messageBytesMax) {
      this.#drop(known.message, known.channel, "too-large");
      return;
    }
    this.#askForMore(known.channel);
  }

  /** Takes a message back. `false` when all of it has left, or it has ended already. */
  cancel(id: MessageId): boolean {
    const known = this.#messages.get(id);
    if (known === undefined || known.message.stage === "written") return false;
    this.#drop(known.message, known.channel, "cancelled");
    return true;
  }

  /** Drops what should have left by now. What has begun to leave goes on: its receiver has a part of it. */
  handleDeadline(now: Millis): void {
    for (let due = this.#perishable.pollDue(now); due !== undefined; due = this.#perishable.pollDue(now)) {
      const { channel } = this.#messages.get(due.id) as { channel: SendChannel };
      this.#drop(due, channel, "expired");
    }
  }

  /** From here on nothing leaves that the peer would refuse; what waits and is too large is dropped. */
  handlePeerLimits(limits: AnnouncedLimits): void {
    this.#peerLimits = limits;
    for (const { message, channel } of this.#messages.values()) {
      const size = message.totalBytes ?? message.suppliedBytes;
      if (message.stage === "queued" && size > limits.messageBytesMax) this.#drop(message, channel, "too-large");
    }
  }

  handleAcked(batch: SentBatch): void {
    for (const channel of batch.closes) {
      this.#idsUsed.delete(channel.id as number);
      channel.end = "seen";
    }
    for (const { channel, message, bytes, last } of batch.chunks) {
      channel.bufferedBytes -= bytes;
      message.ackedBytes += bytes;
      // Of a message that has been cancelled meanwhile there is nothing more to tell.
      if (message.wantsProgress && this.#messages.has(message.id)) {
        this.#emit({ type: "progress", message: message.id, ackedBytes: message.ackedBytes });
      }
      if (!last) continue;
      this.#messages.delete(message.id);
      this.#emit({ type: "delivered", message: message.id });
    }
  }

  /**
   * Ends every message that is not delivered. Nothing leaves after this.
   * @param readNumberMax the peer has read no batch beyond this one: it has refused what came later (HSK-07)
   */
  handleEnd(readNumberMax: number): void {
    for (const { message } of this.#messages.values()) {
      // Of a message whose first pieces have left, the peer's application may have seen those.
      const isUnread = message.firstNumber === undefined || message.firstNumber > readNumberMax;
      const fate = isUnread ? "never-written" : "unknown";
      this.#emit({ type: "dropped", message: message.id, fate });
    }
    this.#messages.clear();
    this.#perishable.clear();
    this.#control.drain();
    for (const channel of this.#channels.values()) {
      channel.messages.clear();
      channel.keyed = undefined;
      channel.end = "seen";
      this.#scheduler.remove(channel);
    }
    this.#unsentBytes = 0;
  }

  /** What leaves next. `undefined` when nothing is there or nothing may. */
  pollDraft(space: DraftSpace): Draft | undefined {
    const frames: Frame[] = [];
    const chunks: SentChunk[] = [];
    const closes: SendChannel[] = [];
    let usedBytes = this.#takeControl(frames, space.spaceBytes);
    // What is left would be overtaken: a chunk by the CHANNEL_OPEN of its channel, or by the RESET before it.
    if (this.#control.length > 0) return frames.length === 0 ? undefined : { frames, chunks, closes };
    let priority: Priority | undefined;
    for (;;) {
      const rest = { ...space, spaceBytes: space.spaceBytes - usedBytes, roomBytes: space.roomBytes - usedBytes };
      const isFirstInBatch = chunks.length === 0;
      const channel = this.#scheduler.pick((candidate) => this.#readiness(candidate, rest, isFirstInBatch));
      if (channel === undefined || (priority ?? channel.priority) !== channel.priority) break;
      priority = channel.priority;
      const message = channel.messages.peek();
      let frame: Frame;
      if (message === undefined) {
        frame = { type: "channel-close", channel: channel.id as number };
        channel.end = "sent";
        closes.push(channel);
      } else {
        frame = cutChunk(channel.id as number, message, this.#size(channel, rest, isFirstInBatch) as number);
        if (message.firstNumber === undefined) this.#seal(message, channel);
        message.firstNumber ??= space.number;
        chunks.push({ channel, message, bytes: frame.payload.length, last: frame.last });
        this.#handleCut(channel, message, frame.payload.length);
      }
      frames.push(frame);
      const bytes = frameBytes(frame);
      usedBytes += bytes;
      this.#scheduler.charge(channel, bytes);
      if (frame.type === "chunk" && !frame.last) break;
    }
    return frames.length === 0 ? undefined : { frames, chunks, closes };
  }

  /** When the next message has waited for too long. */
  get nextDeadline(): Millis | undefined {
    return this.#perishable.nextDeadline;
  }

  /** Whether nothing waits to be sent; acks may still be missing. */
  get isDrained(): boolean {
    if (this.#control.length > 0) return false;
    for (const channel of this.#channels.values()) if (channel.isBacklogged) return false;
    return true;
  }

  /** Whether something could be sent if there were room for it. */
  get isWaitingForRoom(): boolean {
    for (const channel of this.#channels.values()) if ((channel.messages.peek()?.availableBytes ?? 0) > 0) return true;
    return false;
  }

  /** Whether frames wait that an ack must not overtake (CHN-08). */
  get isControlWaiting(): boolean {
    return this.#control.length > 0;
  }

  bufferedBytes(key: ChannelKey): number {
    return this.#channels.get(key)?.bufferedBytes ?? 0;
  }

  /** Whether the channel takes no more messages. */
  isEnding(key: ChannelKey): boolean {
    return this.#channels.get(key)?.end !== "none";
  }

  /** How far the channel's own end has got: `"seen"` where there was nothing to end. */
  end(key: ChannelKey): SendChannel["end"] {
    return this.#channels.get(key)?.end ?? "seen";
  }

  /** Wire ids in use, that of the default channel included. */
  get channelsCount(): number {
    return this.#idsUsed.size;
  }

  get messageBytesMax(): number {
    return this.#peerLimits.messageBytesMax;
  }

  /** Bytes read from the application or its sources, and not yet handed to a transport. */
  get unsentBytes(): number {
    return this.#unsentBytes;
  }

  #channel(key: ChannelKey): SendChannel {
    const channel = this.#channels.get(key);
    if (channel === undefined) throw new SluiceError("ERR_USAGE_CHANNEL_CLOSED", "The channel is closed");
    return channel;
  }

  #readiness(channel: SendChannel, space: DraftSpace, isFirstInBatch: boolean): Readiness {
    if (this.#size(channel, space, isFirstInBatch) !== undefined) return "ready";
    // What would not fit the emptiest batch, its number aside, must not make others wait for room: it waits for them.
    const spaceBytes = space.batchBytesMax - varintBytes(space.number);
    const ample = { ...space, spaceBytes, roomBytes: space.batchBytesMax };
    return this.#size(channel, ample, true) === undefined ? "not-ready" : "no-room";
  }

  /** How much the channel may cut now: `undefined` for nothing, 0 for an empty message or the channel's end. */
  #size(channel: SendChannel, space: DraftSpace, isFirstInBatch: boolean): number | undefined {
    const message = channel.messages.peek();
    if (message === undefined) return space.spaceBytes >= 2 ? 0 : undefined;
    const overdraft = channel.priority === "high" ? HIGH_OVERDRAFT_BYTES : 0;
    const spaceBytes = Math.min(space.spaceBytes, space.roomBytes + overdraft);
    const size = cutBytes(message, { spaceBytes, batchBytesMax: space.batchBytesMax, isFirstInBatch });
    if (size === undefined) return undefined;
    const isWhole = message.stage === "queued" && message.isEnded && size === message.availableBytes;
    return isWhole || this.#admission.admits(message, this.#peerLimits) ? size : undefined;
  }

  #handleCut(channel: SendChannel, message: OutgoingMessage, bytes: number): void {
    this.#unsentBytes -= bytes;
    if (message.stage === "written") {
      this.#admission.end(message);
      channel.messages.shift();
      this.#emit({ type: "written", message: message.id });
    } else if (message.takenBytes === bytes) {
      this.#admission.begin(message, this.#peerLimits);
      this.#emit({ type: "started", message: message.id });
    }
    this.#askForMore(channel);
  }

  /** Reads ahead for the message at the head only: the others would hold memory and send nothing. */
  #askForMore(channel: SendChannel): void {
    const message = channel.messages.peek();
    if (message?.asksForMore(READ_AHEAD_BYTES)) {
      this.#emit({ type: "pull", message: message.id, offset: message.suppliedBytes });
    }
  }

  #drop(message: OutgoingMessage, channel: SendChannel, fate: Fate): void {
    channel.messages.remove(message);
    this.#messages.delete(message.id);
    this.#seal(message, channel);
    this.#admission.end(message);
    channel.bufferedBytes -= (message.totalBytes ?? message.suppliedBytes) - message.takenBytes;
    this.#unsentBytes -= message.availableBytes;
    if (message.stage === "writing") this.#control.push({ type: "reset", channel: channel.id as number });
    this.#emit({ type: "dropped", message: message.id, fate });
    this.#askForMore(channel);
  }

  /** Neither time nor a newer message can drop it any more: it has begun to leave, or has ended. */
  #seal(message: OutgoingMessage, channel: SendChannel): void {
    this.#perishable.remove(message);
    const { key } = message;
    if (key !== undefined && channel.keyed?.get(key) === message) channel.keyed.delete(key);
  }

  #takeControl(frames: Frame[], spaceBytes: number): number {
    let usedBytes = 0;
    for (let frame = this.#control.peek(); frame !== undefined; frame = this.#control.peek()) {
      const bytes = frameBytes(frame);
      if (usedBytes + bytes > spaceBytes) break;
      this.#control.shift();
      frames.push(frame);
      usedBytes += bytes;
    }
    return usedBytes;
  }
}
