import { SluiceError } from "../error.js";
import { Fifo } from "../fifo.js";
import { CHANNELS_MAX, type Limits } from "../limits.js";
import type { BatchEnd, WaitingFor } from "../trace.js";
import { frameBytes, type OutgoingFrame } from "../wire/encode.js";
import type { Frame, Priority } from "../wire/frame.js";
import type { AnnouncedLimits } from "../wire/parameters.js";
import { cutChunk } from "./chunker.js";
import { type ChannelSpace, cutSize, type Draft, type DraftSpace, readinessOf } from "./draft.js";
import type { SentBatch, SentChunk } from "./in-flight.js";
import type { MessageId, OutgoingInit } from "./outgoing-message.js";
import { OutgoingMessages, type SendEvent } from "./outgoing-messages.js";
import { type Ask, type Readiness, Scheduler } from "./scheduler.js";
import { type ChannelKey, DEFAULT_CHANNEL, SendChannel } from "./send-channel.js";

/** What a channel may send in its turn: more would make turns long on slow lines, whatever the chunks. */
const QUANTUM_BYTES_MAX = 16 * 1024;

/**
 * The outgoing half of a session: channels and their queues, and the frames that leave next. What leaves is decided
 * when it is asked for, never earlier.
 *
 * Invariant: per channel, chunks leave in the order of `send`, and a message's chunks without another's between them.
 */
export class Sender {
  /** What has been sent and has no fate yet. */
  readonly messages: OutgoingMessages;
  readonly #scheduler: Scheduler;
  readonly #channels = new Map<ChannelKey, SendChannel>();
  readonly #control: Fifo<Frame> = new Fifo();
  /** Wire ids in use, until the peer has seen the end of their channels. */
  readonly #byId = new Map<number, SendChannel>();
  /** What the peer allows. */
  #channelsMax = CHANNELS_MAX;
  #isWaitingForRoom = false;

  constructor(limits: Pick<Limits, "chunkBytes">, emit: (event: SendEvent) => void) {
    this.messages = new OutgoingMessages(emit, this.#control);
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
    const max = this.#channelsMax;
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

  send(key: ChannelKey, init: OutgoingInit): MessageId {
    const channel = this.#channel(key);
    const message = this.messages.add(channel, init);
    this.#scheduler.handleBacklog(channel);
    return message;
  }

  /** The message whose place another one of this key takes. */
  superseded(key: ChannelKey, messageKey: string): MessageId | undefined {
    return this.#channels.get(key)?.keyed?.get(messageKey)?.id;
  }

  /** From here on nothing leaves that is larger than the peer wants; sources do, as its application may take them (CRD-07). */
  handlePeerLimits(limits: AnnouncedLimits): void {
    this.#channelsMax = Math.min(limits.channelsMax, CHANNELS_MAX);
    this.messages.handlePeerLimits(limits);
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
    const channel = this.#byId.get(id);
    if (channel !== undefined) this.messages.handleAdmit(channel, ordinal);
  }

  /** The peer does not take a message, or not the rest of it. */
  handleReject(id: number, ordinal: number, code: number): void {
    const channel = this.#byId.get(id);
    if (channel !== undefined) this.messages.handleReject(channel, ordinal, code);
  }

  handleAcked(batch: SentBatch): void {
    this.#scheduler.handleAcked(batch.batch.length);
    for (const channel of batch.closes) {
      this.#byId.delete(channel.id as number);
      channel.end = "seen";
    }
    for (const chunk of batch.chunks) this.messages.handleAcked(chunk);
  }

  /**
   * Ends every message that is not delivered. Nothing leaves after this.
   * @param readNumberMax the peer has read no batch beyond this one: it has refused what came later (HSK-07)
   */
  handleEnd(readNumberMax: number): void {
    this.messages.handleEnd(readNumberMax);
    this.#control.drain();
    for (const channel of this.#channels.values()) {
      channel.messages.clear();
      channel.keyed = undefined;
      channel.overLimit = undefined;
      channel.end = "seen";
      this.#scheduler.remove(channel);
    }
  }

  /** What leaves next. `undefined` when nothing is there or nothing may. */
  pollDraft(space: DraftSpace): Draft | undefined {
    const frames: OutgoingFrame[] = [];
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
    const { number, spaceBytes, extraBytes, roomBytes, batchBytesMax, isAmple } = space;
    const [overdraftBytes, isFirstInBatch] = [0, true];
    const offer = { number, spaceBytes, extraBytes, roomBytes, batchBytesMax, isAmple, overdraftBytes, isFirstInBatch };
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
      let frame: OutgoingFrame;
      if (message === undefined) {
        frame = { type: "channel-close", channel: channel.id as number };
        channel.end = "sent";
        closes.push(channel);
      } else {
        offer.overdraftBytes = this.#scheduler.overdraftBytes(channel);
        frame = cutChunk(channel.id as number, message, cutSize(channel, offer) as number);
        const chunk = { message, bytes: frame.payload.length, last: frame.last };
        chunks.push(chunk);
        this.messages.handleCut(chunk, space.number);
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

  /** Whether nothing waits to be sent; acks may still be missing. */
  get isDrained(): boolean {
    if (this.#control.length > 0) return false;
    for (const channel of this.#channels.values()) {
      if (channel.isBacklogged || (this.messages.hasVerdicts && channel.awaitsVerdict)) return false;
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
    const readiness = readinessOf(channel, { ...space, overdraftBytes, isFirstInBatch: true });
    if (readiness === "ready") return "other channels";
    if (readiness === "no-room") return "window";
    // All of it is there, or more than a chunk of it: it is not the source.
    return message.isEnded || message.availableBytes >= space.batchBytesMax ? "credit" : "source";
  }

  /** Whether frames wait that an ack must not overtake (CHN-08). */
  get isControlWaiting(): boolean {
    return this.#control.length > 0;
  }

  /** How many they are. */
  get controlCount(): number {
    return this.#control.length;
  }

  bufferedBytes(key: ChannelKey): number {
    return this.#channels.get(key)?.bufferedBytes ?? 0;
  }

  /** Bytes of this channel accepted, of which nothing has left. */
  queuedBytes(key: ChannelKey): number {
    const channel = this.#channels.get(key);
    return channel === undefined ? 0 : channel.bufferedBytes - channel.inFlightBytes;
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

  #channel(key: ChannelKey): SendChannel {
    const channel = this.#channels.get(key);
    if (channel === undefined) throw new SluiceError("ERR_USAGE_CHANNEL_CLOSED", "The channel is closed");
    return channel;
  }

  #ask(channel: SendChannel, space: ChannelSpace): Readiness {
    const readiness = readinessOf(channel, space);
    if (readiness === "no-room") this.#isWaitingForRoom = true;
    return readiness;
  }

  #takeControl(frames: OutgoingFrame[], spaceBytes: number): number {
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
