import { DeadlineQueue } from "../deadline-queue.js";
import { SluiceError } from "../error.js";
import { Fifo } from "../fifo.js";
import { CHANNELS_MAX, type Limits, MESSAGE_COST_BYTES } from "../limits.js";
import type { Millis } from "../time.js";
import type { BatchEnd, WaitingFor } from "../trace.js";
import { frameBytes } from "../wire/encode.js";
import type { ChunkFrame, Frame, Priority } from "../wire/frame.js";
import { type AnnouncedLimits, UNANNOUNCED_LIMITS } from "../wire/parameters.js";
import { varintBytes } from "../wire/varint.js";
import { cutBytes, cutChunk } from "./chunker.js";
import type { SentBatch, SentChunk } from "./in-flight.js";
import { type MessageId, type OutgoingInit, OutgoingMessage } from "./outgoing-message.js";
import { type Ask, HIGH_TOKENS_MAX, type Readiness, Scheduler } from "./scheduler.js";
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
export type Fate = "cancelled" | "expired" | "superseded" | "never-written" | "unknown" | "too-large" | "refused";

/** Frames for one numbered batch, and what acknowledging it will mean. */
export interface Draft {
  readonly frames: readonly Frame[];
  readonly chunks: readonly SentChunk[];
  readonly closes: readonly SendChannel[];
  /** Why nothing more is in it. */
  readonly end: BatchEnd;
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

/** What one channel may put into the batch. */
interface ChannelSpace extends DraftSpace {
  /** What it may send even where the window is full. */
  readonly overdraftBytes: number;
  readonly isFirstInBatch: boolean;
}

/** REJECT of a message for its size; every other code says that the peer did not want to wait for its rest (CRD-08). */
const REJECTED_SIZE = 1009;

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
  readonly #channels = new Map<ChannelKey, SendChannel>();
  readonly #control: Fifo<Frame> = new Fifo();
  readonly #messages = new Map<MessageId, { message: OutgoingMessage; channel: SendChannel }>();
  /** Messages of which nothing has left, and which are dropped if that lasts. */
  readonly #perishable = new DeadlineQueue<OutgoingMessage>();
  /** Wire ids in use, until the peer has seen the end of their channels. */
  readonly #byId = new Map<number, SendChannel>();
  #peerLimits: AnnouncedLimits = UNANNOUNCED_LIMITS;
  #messagesSent = 0;
  #unsentBytes = 0;
  #isWaitingForRoom = false;
  /** Whether the peer can still say what becomes of messages over its limit. */
  #hasVerdicts = true;

  constructor(limits: Pick<Limits, "chunkBytes">, emit: (event: SendEvent) => void) {
    this.#emit = emit;
    this.#scheduler = new Scheduler(Math.min(limits.chunkBytes, QUANTUM_BYTES_MAX));
    const channel = new SendChannel(DEFAULT_CHANNEL, "normal");
    channel.id = 0;
    this.#byId.set(0, channel);
    this.#channels.set(DEFAULT_CHANNEL, channel);
  }

  addChannel(key: ChannelKey, priority: Priority): void {
    this.#channels.set(key, new SendChannel(key, priority));
  }

  /** @throws SluiceError `ERR_TOO_MANY_CHANNELS` when every wire id is taken */
  requireFreeId(): void {
    const max = Math.min(this.#peerLimits.channelsMax, CHANNELS_MAX);
    if (this.#byId.size >= max) throw new SluiceError("ERR_TOO_MANY_CHANNELS", `More than ${max} channels at once`);
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
    while (this.#byId.has(id)) id += 1;
    this.#byId.set(id, channel);
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

  send(key: ChannelKey, init: OutgoingInit & { readonly bytes?: Uint8Array | undefined }): MessageId {
    const channel = this.#channel(key);
    this.#messagesSent += 1;
    const message = new OutgoingMessage(this.#messagesSent, init, init.bytes === undefined);
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

  /** From here on nothing leaves that is larger than the peer wants; sources do, as its application may take them (CRD-07). */
  handlePeerLimits(limits: AnnouncedLimits): void {
    this.#peerLimits = limits;
    for (const { message, channel } of this.#messages.values()) {
      const isOver = !message.isSource && message.suppliedBytes > limits.messageBytesMax;
      if (message.stage === "queued" && isOver) this.#drop(message, channel, "too-large");
    }
  }

  /** Lets a frame leave that must not be lost, before all messages. */
  control(frame: Frame): void {
    this.#control.push(frame);
  }

  /** What the peer grants. Old news and channels that have ended are of no account. */
  handleCredit(id: number, bytes: number): void {
    const channel = this.#byId.get(id);
    if (channel !== undefined) channel.creditBytes = Math.max(channel.creditBytes, bytes);
  }

  /** The peer's application takes a message although it is over the limit. */
  handleAdmit(id: number, ordinal: number): void {
    const message = this.#byId.get(id)?.overLimit?.get(ordinal);
    if (message === undefined) return;
    message.isAdmitted = true;
    if (message.isAcked) this.#deliver(message);
  }

  /** The peer does not take a message, or not the rest of it. */
  handleReject(id: number, ordinal: number, code: number): void {
    const channel = this.#byId.get(id);
    const head = channel?.messages.peek();
    const isSize = code === REJECTED_SIZE;
    // What has left whole by now was quick enough.
    const message =
      (isSize ? channel?.overLimit?.get(ordinal) : undefined) ?? (head?.ordinal === ordinal ? head : undefined);
    if (channel === undefined || message === undefined) return;
    this.#drop(message, channel, isSize ? "too-large" : "refused");
  }

  /** The peer takes nothing more from its application, and says nothing more but acks: no verdict comes any more. */
  handlePeerClose(): void {
    this.#hasVerdicts = false;
    for (const channel of this.#byId.values()) {
      for (const message of [...(channel.overLimit?.values() ?? [])]) {
        if (!message.isAdmitted) this.#drop(message, channel, "too-large");
      }
    }
  }

  handleAcked(batch: SentBatch): void {
    this.#scheduler.handleAcked(batch.batch.length);
    for (const channel of batch.closes) {
      this.#byId.delete(channel.id as number);
      channel.end = "seen";
    }
    for (const { channel, message, bytes, last } of batch.chunks) {
      channel.bufferedBytes -= bytes;
      message.ackedBytes += bytes;
      // Of a message that has been cancelled meanwhile there is nothing more to tell.
      if (message.wantsProgress && this.#messages.has(message.id)) {
        this.#emit({ type: "progress", message: message.id, ackedBytes: message.ackedBytes });
      }
      if (!last || !this.#messages.has(message.id)) continue;
      message.isAcked = true;
      if (message.isAdmitted || !this.#isOverLimit(message)) this.#deliver(message);
      else if (!this.#hasVerdicts) this.#drop(message, channel, "too-large");
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
      channel.overLimit = undefined;
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
    this.#isWaitingForRoom = false;
    let usedBytes = this.#takeControl(frames, space.spaceBytes);
    // What is left would be overtaken: a chunk by the CHANNEL_OPEN of its channel, or by the RESET before it.
    if (this.#control.length > 0) return frames.length === 0 ? undefined : { frames, chunks, closes, end: "control" };
    let end: BatchEnd = "drained";
    let priority: Priority | undefined;
    // One for the whole batch, and one question about it: a thousand small messages may leave in it. Field by field: spreading
    // takes V8 4 µs where a number is an integer now and infinite then, more than all the rest here.
    const { number, spaceBytes, roomBytes, batchBytesMax } = space;
    const offer = { number, spaceBytes, roomBytes, batchBytesMax, overdraftBytes: 0, isFirstInBatch: true };
    const ask: Ask = (candidate, overdraftBytes) => {
      offer.overdraftBytes = overdraftBytes;
      return this.#ask(candidate, offer);
    };
    for (;;) {
      offer.spaceBytes = spaceBytes - usedBytes;
      offer.roomBytes = roomBytes - usedBytes;
      offer.isFirstInBatch = chunks.length === 0;
      const channel = this.#scheduler.pick(ask);
      if (channel === undefined) {
        if (this.#isWaitingForRoom) end = "no-room";
        break;
      }
      if ((priority ?? channel.priority) !== channel.priority) {
        end = "priority";
        break;
      }
      priority = channel.priority;
      const message = channel.messages.peek();
      let frame: Frame;
      if (message === undefined) {
        frame = { type: "channel-close", channel: channel.id as number };
        channel.end = "sent";
        closes.push(channel);
      } else {
        offer.overdraftBytes = this.#scheduler.overdraftBytes(channel);
        frame = cutChunk(channel.id as number, message, this.#size(channel, offer) as number);
        this.#account(message, channel, frame);
        message.firstNumber ??= space.number;
        chunks.push({ channel, message, bytes: frame.payload.length, last: frame.last });
        this.#handleCut(channel, message, frame.payload.length);
      }
      frames.push(frame);
      const bytes = frameBytes(frame);
      usedBytes += bytes;
      this.#scheduler.charge(channel, bytes);
      if (frame.type === "chunk" && !frame.last) {
        end = "chunk";
        break;
      }
    }
    return frames.length === 0 ? undefined : { frames, chunks, closes, end };
  }

  /** When the next message has waited for too long. */
  get nextDeadline(): Millis | undefined {
    return this.#perishable.nextDeadline;
  }

  /** Whether nothing waits to be sent; acks may still be missing. */
  get isDrained(): boolean {
    if (this.#control.length > 0) return false;
    for (const channel of this.#channels.values()) {
      if (channel.isBacklogged || (this.#hasVerdicts && (channel.overLimit?.size ?? 0) > 0)) return false;
    }
    return true;
  }

  /** Whether the last poll has found something that lacked nothing but room. */
  get isWaitingForRoom(): boolean {
    return this.#isWaitingForRoom;
  }

  /** Why the head of the channel has not left; `undefined` where nothing waits, and what is to be sent again is not asked for. */
  waitingFor(key: ChannelKey, space: DraftSpace): WaitingFor | undefined {
    const channel = this.#channels.get(key);
    const message = channel?.messages.peek();
    if (channel === undefined || message === undefined) return undefined;
    if (message.availableBytes === 0 && !message.isEnded) return "source";
    if (space.roomBytes === Number.NEGATIVE_INFINITY) return "transport";
    const overdraftBytes = this.#scheduler.overdraftBytes(channel);
    const readiness = this.#readiness(channel, { ...space, overdraftBytes, isFirstInBatch: true });
    if (readiness === "ready") return "other channels";
    if (readiness === "no-room") return "window";
    // All of it is there, or more than a chunk of it: it is not the source.
    return message.isEnded || message.availableBytes >= space.batchBytesMax ? "credit" : "source";
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
    return this.#byId.size;
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

  #ask(channel: SendChannel, space: ChannelSpace): Readiness {
    const readiness = this.#readiness(channel, space);
    if (readiness === "no-room") this.#isWaitingForRoom = true;
    return readiness;
  }

  #readiness(channel: SendChannel, space: ChannelSpace): Readiness {
    if (this.#size(channel, space) !== undefined) return "ready";
    // What would not fit the emptiest batch, its number aside, must not make others wait for room: it waits for them.
    const { number, batchBytesMax, overdraftBytes } = space;
    const spaceBytes = batchBytesMax - varintBytes(number);
    const roomBytes = batchBytesMax;
    const ample = { number, spaceBytes, roomBytes, batchBytesMax, overdraftBytes, isFirstInBatch: true };
    return this.#size(channel, ample) === undefined ? "not-ready" : "no-room";
  }

  /** How much the channel may cut now: `undefined` for nothing, 0 for an empty message or the channel's end. */
  #size(channel: SendChannel, space: ChannelSpace): number | undefined {
    const message = channel.messages.peek();
    if (message === undefined) {
      // A verdict that is still to come names the channel by its wire id, which must not have gone to another (CRD-07).
      const isOver = space.spaceBytes >= 2 && (channel.overLimit?.size ?? 0) === 0;
      return isOver ? 0 : undefined;
    }
    const { roomBytes, overdraftBytes, isFirstInBatch } = space;
    // Nothing goes beyond what the transport buffers.
    const isOverdraft = overdraftBytes > roomBytes && roomBytes !== Number.NEGATIVE_INFINITY;
    const spaceBytes = Math.min(space.spaceBytes, isOverdraft ? overdraftBytes : roomBytes);
    const batchBytesMax = isOverdraft ? Math.min(space.batchBytesMax, HIGH_TOKENS_MAX) : space.batchBytesMax;
    const creditBytes = channel.creditBytes - channel.usedBytes - (message.stage === "queued" ? MESSAGE_COST_BYTES : 0);
    return cutBytes(message, { spaceBytes, batchBytesMax, isFirstInBatch, creditBytes });
  }

  /** A piece is cut: it uses credit, and what may happen to a message that waits cannot happen to this one any more. */
  #account(message: OutgoingMessage, channel: SendChannel, chunk: ChunkFrame): void {
    channel.usedBytes += chunk.payload.length;
    if (chunk.first) {
      this.#seal(message, channel);
      channel.usedBytes += MESSAGE_COST_BYTES;
      channel.messagesBegun += 1;
      message.ordinal = channel.messagesBegun;
    }
    if (!this.#isOverLimit(message)) return;
    channel.overLimit ??= new Map();
    channel.overLimit.set(message.ordinal, message);
  }

  #isOverLimit(message: OutgoingMessage): boolean {
    return (message.totalBytes ?? message.takenBytes) > this.#peerLimits.messageBytesMax;
  }

  #deliver(message: OutgoingMessage): void {
    this.#messages.get(message.id)?.channel.overLimit?.delete(message.ordinal);
    this.#messages.delete(message.id);
    this.#emit({ type: "delivered", message: message.id });
  }

  #handleCut(channel: SendChannel, message: OutgoingMessage, bytes: number): void {
    this.#unsentBytes -= bytes;
    if (message.stage === "written") {
      channel.messages.shift();
      this.#emit({ type: "written", message: message.id });
    } else if (message.takenBytes === bytes) {
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
    channel.overLimit?.delete(message.ordinal);
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
