import type { SluiceError } from "../core/error.js";
import type { ChannelKey } from "../core/send/send-channel.js";
import { checkedPriority, type Priority } from "../core/wire/frame.js";
import type { Host } from "../driver/host.js";
import { Outlet } from "../driver/outlet.js";
import { refused, type SendOptions } from "../driver/pending-message.js";
import type { Receipt } from "../driver/receipt.js";
import { defineHandlers, initHandlers } from "./event-handlers.js";
import type { ChannelEventMap, ChannelHandlers } from "./events.js";
import type { SluiceBinaryType } from "./incoming.js";
import { type ClientInlet, clientInlet, type Feed, type IncomingMessage, type MessageData, targetOf } from "./inlet.js";
import type { Lifeline } from "./lifeline.js";
import { messageEvent } from "./message-event.js";
import { payloadOf, type SendData } from "./payload.js";
import { writableOf } from "./platform.js";
import type { TaskQueue } from "./task-queue.js";
import type { AnyListener, ListenerOptions, TypedEventTargetConstructor } from "./typed-event-target.js";

export interface ChannelOptions {
  /** Default `"normal"`, or what the peer has opened it with. */
  readonly priority?: Priority;
}

/** What a channel is made of; the socket hands it over. */
export interface ChannelInit {
  readonly name: string;
  readonly priority: Priority;
  /** The session of the moment; the channel may go on in another. */
  readonly lifeline: () => Lifeline;
  readonly tasks: TaskQueue;
  readonly origin: string;
  readonly host: Pick<Host, "contentOf" | "encodeUtf8">;
}

/** No session has a channel of this key. */
const NO_CHANNEL: ChannelKey = -1;

const ChannelEventTarget: TypedEventTargetConstructor<ChannelEventMap, ChannelHandlers> = EventTarget as never;

/**
 * A named, ordered stream of messages inside a session, with a priority of its own. The same name on both ends is the
 * same channel. Events: `message`, `drain`, and `close` once it has ended in both directions.
 *
 * Messages wait, and their sender with them, until somebody takes them: listeners, iteration, `readable` or `incoming`. The
 * first kind has the channel; another one throws `ERR_USAGE_CONSUMER`, and a listener that comes too late hears nothing.
 * `close` waits behind messages that listeners have not had.
 */
export class Channel extends ChannelEventTarget {
  readonly #init: ChannelInit;
  readonly #outlet: Outlet<SendData, WritableStream<SendData>>;
  #priority: Priority;
  #binaryType: SluiceBinaryType = "blob";
  #state: "open" | "closing" | "closed" = "open";

  /** @internal What the session of the moment calls it. */
  key: ChannelKey;
  /** @internal */
  readonly inlet: ClientInlet;

  /** @internal */
  constructor(init: ChannelInit, key: ChannelKey) {
    super();
    initHandlers(this);
    this.#init = init;
    this.key = key;
    this.#priority = init.priority;
    const lifeline = init.lifeline();
    const inletInit = {
      tasks: init.tasks,
      encodeUtf8: init.host.encodeUtf8,
      isHeardClosing: true,
      binaryType: () => this.#binaryType,
      dispatch: (data: MessageData) => this.dispatchEvent(messageEvent(data, init.origin)),
    };
    this.inlet = clientInlet(inletInit, targetOf(lifeline.conversation, key));
    this.#outlet = new Outlet({
      gates: lifeline.gates,
      budget: lifeline.budget,
      bufferedBytes: () => this.bufferedAmount,
      queuedBytes: () => this.#lifeline.queuedAmount(this.key, this.name),
      onDrain: () => init.tasks.push(() => this.dispatchEvent(new Event("drain"))),
      send: (data) => this.send(data),
      close: () => this.close(),
      streamOf: writableOf,
    });
  }

  /**
   * Sends one message.
   * @returns what becomes of it; on a closed channel nothing is sent, and the receipt says `never-written`
   * @throws SluiceError `ERR_MESSAGE_TOO_LARGE`, `ERR_BUFFER_FULL`, `ERR_USAGE_ARGUMENT`; TypeError for what cannot be sent
   */
  send(data: SendData, options: SendOptions = {}): Receipt {
    const payload = payloadOf(data, this.#init.host.contentOf);
    if (this.#state !== "open") return refused(options, "channel");
    const receipt = this.#lifeline.send(this.key, this.name, payload, options);
    this.#outlet.handleSent();
    return receipt;
  }

  /**
   * Ends the channel in both directions, after what was accepted on either side. Where nobody takes messages any more, as
   * when a loop was left, what still comes goes by.
   */
  close(): void {
    if (this.#state !== "open") return;
    this.#state = "closing";
    this.inlet.leave("channel");
    this.#lifeline.closeChannel(this.key);
  }

  override addEventListener<Type extends keyof ChannelEventMap>(
    type: Type,
    listener: ((event: ChannelEventMap[Type]) => unknown) | null,
    options?: boolean | ListenerOptions,
  ): void;
  override addEventListener(type: string, listener: AnyListener, options?: boolean | ListenerOptions): void;
  override addEventListener(type: string, listener: AnyListener, options?: boolean | ListenerOptions): void {
    super.addEventListener(type, listener, options);
    if (type !== "message" || listener === null) return;
    this.inlet.listen();
    this.inlet.open();
  }

  /** Holds back `message` events until `resume`: what comes waits, and its sender with it. */
  pause(): void {
    this.inlet.pause();
  }

  /** Lets `message` events go on. */
  resume(): void {
    this.inlet.resume();
  }

  /** Whether `pause` holds `message` events back. */
  get isPaused(): boolean {
    return this.inlet.isPaused;
  }

  /**
   * Iterates over the messages. Left early, it takes nothing more, and another loop goes on from there. Ends with the
   * channel, by an error if the session was lost.
   * @throws SluiceError `ERR_USAGE_CONSUMER`
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<MessageData> {
    return this.inlet.iterator();
  }

  /**
   * The messages, one for each read. Cancelling it takes nothing more, and leaves the channel open: `readable` is a new
   * stream then. Ends with the channel, by an error if the session was lost.
   * @throws SluiceError `ERR_USAGE_CONSUMER`
   */
  get readable(): ReadableStream<MessageData> {
    return this.inlet.readable;
  }

  /**
   * The messages as they begin, of any size. The next one comes when the one before has been read or cancelled.
   * @throws SluiceError `ERR_USAGE_CONSUMER`
   */
  get incoming(): AsyncIterable<IncomingMessage> {
    return this.inlet.incoming;
  }

  /** @internal It goes on in another session, under this key. */
  handleReopened(conversation: Feed, key: ChannelKey, error: SluiceError): void {
    this.key = key;
    this.inlet.rebind(targetOf(conversation, key), error);
  }

  /** @internal The peer ends the channel: what is queued still leaves. */
  handleClosing(): void {
    if (this.#state === "open") this.#state = "closing";
  }

  /** @internal `error` says why, when it was no orderly end. */
  handleClosed(error: SluiceError | undefined): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    // The next session gives its number to another channel.
    this.key = NO_CHANNEL;
    this.#outlet.end();
    // Behind the messages that nobody has read: who listens late still gets them first.
    this.inlet.end(error, () => this.#init.tasks.push(() => this.dispatchEvent(new Event("close"))));
  }

  /** The name, the same on both ends. */
  get name(): string {
    return this.#init.name;
  }

  /** Whose turn it is. Set, it takes effect at once, also in the middle of a message. Throws SluiceError `ERR_USAGE_ARGUMENT`. */
  get priority(): Priority {
    return this.#priority;
  }

  set priority(value: Priority) {
    this.#priority = checkedPriority(value);
    this.#lifeline.conversation.setPriority(this.key, this.#priority);
  }

  /** Bytes accepted and not yet acknowledged by the peer. */
  get bufferedAmount(): number {
    return this.#lifeline.bufferedAmount(this.key, this.name);
  }

  /** Resolved while less than the high-water mark has yet to leave, and once the channel is closed; else it resolves then. */
  get ready(): Promise<void> {
    return this.#outlet.ready;
  }

  /** The high-water mark less what has yet to leave, in bytes: negative above it, 0 once the channel is closed. */
  get desiredSize(): number {
    return this.#outlet.desiredSize;
  }

  /**
   * Takes messages as fast as they are delivered: one for each write, which ends below the high-water mark. Closing it
   * closes the channel; aborting it takes back what of its messages has not left, and leaves the channel open.
   */
  get writable(): WritableStream<SendData> {
    return this.#outlet.stream;
  }

  /** What binary messages become: `"blob"` (default) or `"arraybuffer"`. Other values are ignored. */
  get binaryType(): SluiceBinaryType {
    return this.#binaryType;
  }

  set binaryType(value: SluiceBinaryType) {
    if (value === "blob" || value === "arraybuffer") this.#binaryType = value;
  }

  /** `"closing"` from `close()` of either side until both directions have ended. */
  get state(): "open" | "closing" | "closed" {
    return this.#state;
  }

  get #lifeline(): Lifeline {
    return this.#init.lifeline();
  }
}

defineHandlers(Channel.prototype, ["message", "drain", "close"]);
