import { SluiceError } from "../error.js";
import { Fifo } from "../fifo.js";
import { invariant } from "../invariant.js";
import type { Limits } from "../limits.js";
import type { Ports } from "../ports.js";
import type { MessageId, OutgoingInit } from "../send/outgoing-message.js";
import { type ChannelKey, DEFAULT_CHANNEL } from "../send/send-channel.js";
import type { Millis } from "../time.js";
import type { Trace } from "../trace.js";
import type { Priority } from "../wire/frame.js";
import type { SessionEvent } from "./events.js";
import { Exchange } from "./exchange.js";
import { MessageTrace } from "./message-trace.js";
import type { SessionOptions } from "./session-types.js";

/**
 * What the application asks of a session, and what it is told. Nothing in here knows of a transport: what is accepted waits
 * for one, or for the next.
 *
 * Invariant: time does not go back, and no event is left from one input to the next.
 */
export abstract class ApplicationSide {
  protected readonly limits: Limits;
  protected readonly ports: Ports;
  protected readonly exchange: Exchange;
  protected readonly trace: Trace | undefined;
  /** When the input, or the poll, began that makes events. */
  protected inputAt: Millis = 0;
  readonly #events: Fifo<SessionEvent> = new Fifo();
  readonly #messageTrace: MessageTrace | undefined;
  #lastNow: Millis = Number.NEGATIVE_INFINITY;

  constructor(options: SessionOptions) {
    this.limits = options.limits;
    this.ports = options.ports;
    this.trace = options.trace;
    this.#messageTrace = options.trace === undefined ? undefined : new MessageTrace(options.trace);
    this.exchange = new Exchange(options, (event) => this.emit(event));
  }

  /**
   * Opens a channel, or returns the one that the peer has opened under this name.
   * @throws SluiceError `ERR_USAGE_ARGUMENT`, `ERR_TOO_MANY_CHANNELS`, `ERR_USAGE_CHANNEL_CLOSED` (still closing)
   */
  openChannel(name: string, priority: Priority, now: Millis): ChannelKey {
    this.begin(now);
    return this.exchange.channels.open(name, priority);
  }

  setPriority(channel: ChannelKey, priority: Priority, now: Millis): void {
    this.begin(now);
    this.exchange.sender.setPriority(channel, priority);
  }

  /** Flushes the channel, then ends it in both directions. */
  closeChannel(channel: ChannelKey, now: Millis): void {
    this.begin(now);
    this.exchange.channels.close(channel);
  }

  /** @throws SluiceError `ERR_USAGE_CHANNEL_CLOSED`, `ERR_TOO_MANY_CHANNELS`, `ERR_MESSAGE_TOO_LARGE` */
  send(channel: ChannelKey, init: OutgoingInit, now: Millis): MessageId {
    this.begin(now);
    const { sender, channels } = this.exchange;
    if (this.isSendClosed(channel)) {
      throw new SluiceError("ERR_USAGE_CHANNEL_CLOSED", "The channel is closed");
    }
    const max = this.messageBytesMax;
    const size = init.bytes?.length ?? 0;
    if (size > max)
      throw new SluiceError("ERR_MESSAGE_TOO_LARGE", `A message of ${size} bytes is over the limit of ${max}`);
    channels.announce(channel);
    const message = sender.send(channel, init);
    this.#messageTrace?.handleSent(message, channel, init.totalBytes, now);
    return message;
  }

  /** Answers a `pull`: the next bytes of the message, and whether they are its last. */
  supply(message: MessageId, piece: Uint8Array, ended: boolean, now: Millis): void {
    this.begin(now);
    this.exchange.sender.messages.supply(message, piece, ended);
  }

  /**
   * How the application takes what comes on the channel from here on: whole messages, or each as it begins, in pieces.
   * Before that nothing comes on it beyond a first credit; the default channel hands on whole messages from the start.
   */
  receive(channel: ChannelKey, mode: "messages" | "incoming", now: Millis): void {
    this.begin(now);
    this.exchange.inbound.receive(channel, mode);
  }

  /** The application has taken `cost` of what it was handed. Returns whether there is something to tell the peer. */
  take(channel: ChannelKey, cost: number): boolean {
    const { inbound } = this.exchange;
    inbound.take(channel, cost);
    return inbound.isCreditDue;
  }

  /** Memory is short, or is not any more: the peer is granted less for the time. */
  handleScarcity(isScarce: boolean, now: Millis): void {
    this.begin(now);
    this.exchange.inbound.handleScarcity(isScarce);
  }

  /** Takes a message back, also in its middle. `false` when all of it has left. */
  cancel(message: MessageId, now: Millis): boolean {
    this.begin(now);
    return this.exchange.sender.messages.cancel(message);
  }

  pollEvent(): SessionEvent | undefined {
    return this.#events.shift();
  }

  /** Whether the end has begun, by either side: nothing more is accepted from the application. */
  get isClosing(): boolean {
    return this.exchange.closing.state.name !== "open";
  }

  /** Whether the channel takes no more messages. */
  isSendClosed(channel: ChannelKey): boolean {
    return this.isClosing || this.exchange.sender.isEnding(channel);
  }

  /** The largest message that both ends take, as far as the peer has said. */
  get messageBytesMax(): number {
    return Math.min(this.exchange.sender.messages.bytesMax, this.limits.messageBytesMax);
  }

  /** The message whose place one of this key would take; `undefined` where it would queue behind the others. */
  superseded(channel: ChannelKey, key: string): MessageId | undefined {
    return this.exchange.sender.superseded(channel, key);
  }

  /** Bytes of this channel accepted and not yet acknowledged. */
  bufferedBytes(channel: ChannelKey = DEFAULT_CHANNEL): number {
    return this.exchange.sender.bufferedBytes(channel);
  }

  /** Those of them that have not left. */
  queuedBytes(channel: ChannelKey): number {
    return this.exchange.sender.queuedBytes(channel);
  }

  /** Bytes accepted, or read ahead, of which nothing has left. */
  get unsentBytes(): number {
    return this.exchange.sender.messages.unsentBytes;
  }

  /** Bytes that the session keeps: to be sent, to be sent again, and received but not taken by the application. */
  get heldBytes(): number {
    const { sender, outbound, inbound } = this.exchange;
    return sender.messages.unsentBytes + outbound.heldBytes + inbound.untakenBytes;
  }

  /** Every input begins with this. */
  protected begin(now: Millis): void {
    invariant(now >= this.#lastNow, "time does not go back");
    invariant(this.#events.length === 0, "events are polled before the next input");
    this.#lastNow = now;
    this.inputAt = now;
  }

  protected emit(event: SessionEvent): void {
    this.#messageTrace?.handleEvent(event, this.inputAt);
    this.#events.push(event);
  }
}
