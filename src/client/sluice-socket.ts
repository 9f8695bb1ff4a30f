import { SluiceError } from "../core/error.js";
import { type ChannelKey, DEFAULT_CHANNEL } from "../core/send/send-channel.js";
import { checkedPriority } from "../core/wire/frame.js";
import type { Stats } from "../driver/conversation.js";
import type { Host } from "../driver/host.js";
import { UNSEEN_CHANNELS_MAX, unseenError } from "../driver/mailbox.js";
import { Outlet } from "../driver/outlet.js";
import { refused, type SendOptions } from "../driver/pending-message.js";
import type { Receipt } from "../driver/receipt.js";
import type { TransportName } from "../transport/transport.js";
import type { Channel, ChannelOptions } from "./channel.js";
import { ChannelSet } from "./channel-set.js";
import { closeArguments } from "./close-arguments.js";
import { defineHandlers, initHandlers } from "./event-handlers.js";
import {
  channelEvent,
  closeEvent,
  errorEvent,
  type SluiceSocketEventMap,
  type SluiceSocketHandlers,
  sessionLostEvent,
} from "./events.js";
import type { SluiceBinaryType } from "./incoming.js";
import { type ClientInlet, clientInlet, type IncomingMessage, type MessageData, targetOf } from "./inlet.js";
import { describeInterface } from "./interface.js";
import { Lifeline } from "./lifeline.js";
import type { LifelineEvent } from "./lifeline-events.js";
import { lifelineOptionsOf } from "./lifeline-options.js";
import { messageEvent } from "./message-event.js";
import { CHANNEL_NAMES, requireNames, SOCKET_NAMES } from "./option-names.js";
import type { SluiceSocketOptions } from "./options.js";
import { payloadOf, type SendData } from "./payload.js";
import { browserHost, writableOf } from "./platform.js";
import { type ConnectionState, type ReadyState, SocketState } from "./socket-state.js";
import { TaskQueue } from "./task-queue.js";
import type { AnyListener, ListenerOptions, TypedEventTargetConstructor } from "./typed-event-target.js";
import { parseUrl } from "./url.js";
import { withDefaults } from "./with-defaults.js";

const SocketEventTarget: TypedEventTargetConstructor<SluiceSocketEventMap, SluiceSocketHandlers> = EventTarget as never;

/**
 * A `WebSocket` whose messages keep moving: large ones are cut into chunks that let the others pass. It has every
 * member of the standard interface (WHATWG WebSockets), and channels, receipts and statistics besides.
 */
export class SluiceSocket extends SocketEventTarget {
  // On the class and its prototype, as those of the standard: see `describeInterface`.
  declare static readonly CONNECTING: 0;
  declare static readonly OPEN: 1;
  declare static readonly CLOSING: 2;
  declare static readonly CLOSED: 3;
  declare readonly CONNECTING: 0;
  declare readonly OPEN: 1;
  declare readonly CLOSING: 2;
  declare readonly CLOSED: 3;

  /**
   * A subclass with other defaults, for libraries that take a WebSocket class and know no options of ours:
   * `createClient({ webSocketImpl: SluiceSocket.with({ onSessionLost: "close" }) })`. Options that are given to its
   * constructor go before those; of what a library may give
   * there besides, no notice is taken.
   * @throws SluiceError `ERR_USAGE_ARGUMENT` for a bad option
   */
  static with(defaults: SluiceSocketOptions): typeof SluiceSocket {
    // biome-ignore lint/complexity/noThisInStatic: the subclass of a subclass has the defaults of both.
    return withDefaults(this, defaults);
  }

  readonly #url: string;
  /** The `origin` of every `message` event. */
  readonly #origin: string;
  readonly #host: Host;
  readonly #tasks = new TaskQueue();
  readonly #state = new SocketState((change) => this.dispatchEvent(new Event(change)));
  readonly #lifeline: Lifeline;
  readonly #channels: ChannelSet;
  readonly #outlet: Outlet<SendData, WritableStream<SendData>>;
  readonly #inlet: ClientInlet;
  #binaryType: SluiceBinaryType = "blob";
  /** Bytes given to `send()` when nothing is sent any more: they count, as the standard says. */
  #discardedBytes = 0;

  /**
   * Connects at once.
   * @param url ws, wss, http or https; relative to the page
   * @param protocols the application's own subprotocols, most wanted first
   * @throws DOMException `SyntaxError` for a bad URL or protocol; SluiceError `ERR_USAGE_ARGUMENT` for a bad option
   */
  constructor(url: string | URL, protocols: string | string[] = [], options: SluiceSocketOptions = {}) {
    if (arguments.length === 0)
      throw new TypeError("Failed to construct 'SluiceSocket': 1 argument required, but only 0 present.");
    super();
    // A subclass may be in the hands of a library that has options of its own for WebSockets.
    if (new.target === SluiceSocket) requireNames("the options", options, SOCKET_NAMES);
    initHandlers(this);
    this.#url = parseUrl(url);
    this.#origin = new URL(this.#url).origin;
    this.#host = browserHost();
    const channelInit = {
      lifeline: () => this.#lifeline,
      tasks: this.#tasks,
      origin: this.#origin,
      host: this.#host,
    };
    this.#channels = new ChannelSet(channelInit, {
      itemsMax: UNSEEN_CHANNELS_MAX,
      deliver: (channel) => this.#tasks.push(() => this.dispatchEvent(channelEvent(channel))),
      onExceeded: () => this.#lifeline.conversation.abort(1009, "nobody listens", unseenError()),
    });
    const lifelineOptions = lifelineOptionsOf(this.#url, protocols, options, this.#host, this.#tasks);
    this.#lifeline = new Lifeline(lifelineOptions, {
      handleEvent: (event) => this.#handle(event),
      handleOpen: (opened) => {
        const { conversation } = this.#lifeline;
        const { transport } = conversation;
        this.#tasks.push(() => {
          // A session that is lost by now is not told of.
          if (conversation !== this.#lifeline.conversation || !this.#state.handleOpen(opened, transport)) return;
          // What `open` handlers send goes before what waits for the new session.
          this.#release(() => this.dispatchEvent(new Event("open")));
        });
      },
      handleReopen: (conversation, error) => {
        this.#tasks.push(() => this.#state.handleReopen());
        this.#inlet.rebind(targetOf(conversation, DEFAULT_CHANNEL), error);
        return this.#channels.reopen(conversation, error);
      },
      handleLost: (loss) => this.#tasks.push(() => this.dispatchEvent(sessionLostEvent(loss))),
      handleClosed: (end, error) => this.#close(end, error),
    });
    this.#outlet = new Outlet({
      gates: this.#lifeline.gates,
      budget: this.#lifeline.budget,
      bufferedBytes: () => this.#lifeline.bufferedAmount(DEFAULT_CHANNEL, ""),
      queuedBytes: () => this.#lifeline.queuedAmount(DEFAULT_CHANNEL, ""),
      onDrain: () => this.#tasks.push(() => this.dispatchEvent(new Event("drain"))),
      send: (data) => this.send(data),
      close: () => this.close(1000),
      streamOf: writableOf,
    });
    const inletInit = {
      tasks: this.#tasks,
      encodeUtf8: this.#host.encodeUtf8,
      // As in the standard: what comes after `close()` is not shown.
      isHeardClosing: false,
      binaryType: () => this.#binaryType,
      dispatch: (data: MessageData) => this.dispatchEvent(messageEvent(data, this.#origin)),
    };
    this.#inlet = clientInlet(inletInit, targetOf(this.#lifeline.conversation, DEFAULT_CHANNEL));
    // As in the standard: to whoever listens, be it nobody.
    this.#inlet.open();
  }

  /**
   * Sends one message on the default channel. Before `open` it is queued; after `close` it is discarded, as the standard
   * says, with a receipt that says `never-written`.
   * @throws SluiceError `ERR_MESSAGE_TOO_LARGE`, `ERR_BUFFER_FULL`, `ERR_USAGE_ARGUMENT`; TypeError for what cannot be sent
   */
  send(data: SendData, options: SendOptions = {}): Receipt {
    if (arguments.length === 0)
      throw new TypeError("Failed to execute 'send': 1 argument required, but only 0 present.");
    const payload = payloadOf(data, this.#host.contentOf);
    if (this.#state.isClosing) {
      this.#discardedBytes += payload.type === "source" ? (payload.source.totalBytes ?? 0) : payload.bytes.length;
      return refused(options, "socket");
    }
    const receipt = this.#lifeline.send(DEFAULT_CHANNEL, "", payload, options);
    this.#outlet.handleSent();
    return receipt;
  }

  /**
   * Closes after everything accepted has been delivered, or nothing has moved for the close timeout.
   * @param code 1000 or 3000 to 4999
   * @param reason at most 123 bytes of UTF-8
   * @throws DOMException `InvalidAccessError` for another code, `SyntaxError` for a longer reason
   */
  close(code: number | undefined = undefined, reason?: string): void {
    const end = closeArguments(code, reason, this.#host.encodeUtf8);
    if (this.#state.isClosing) return;
    this.#state.handleClosing();
    this.#inlet.leave("socket");
    this.#channels.leave();
    // What waits for `open` will not see it any more, and was accepted all the same.
    this.#release(() => {});
    this.#lifeline.close(end.code, end.reason);
  }

  /**
   * The channel of this name, opened if the peer has not opened it yet.
   * @param name 1 to 256 bytes of UTF-8
   * @throws SluiceError `ERR_USAGE_ARGUMENT`, `ERR_TOO_MANY_CHANNELS`, `ERR_USAGE_CHANNEL_CLOSED` (closing or closed),
   * `ERR_NOT_SLUICE` in plain mode
   */
  channel(name: string, options: ChannelOptions = {}): Channel {
    requireNames("the options of a channel", options, CHANNEL_NAMES);
    const priority = options.priority === undefined ? undefined : checkedPriority(options.priority);
    if (this.#state.isClosing) {
      throw new SluiceError("ERR_USAGE_CHANNEL_CLOSED", "The socket is closing or closed");
    }
    const key = this.#lifeline.conversation.openChannel(name, priority);
    return this.#channels.want(key, name, priority);
  }

  override addEventListener<Type extends keyof SluiceSocketEventMap>(
    type: Type,
    listener: ((event: SluiceSocketEventMap[Type]) => unknown) | null,
    options?: boolean | ListenerOptions,
  ): void;
  override addEventListener(type: string, listener: AnyListener, options?: boolean | ListenerOptions): void;
  override addEventListener(type: string, listener: AnyListener, options?: boolean | ListenerOptions): void {
    if (arguments.length < 2) throw new TypeError("Failed to execute 'addEventListener': 2 arguments required.");
    super.addEventListener(type, listener, options);
    if (listener === null) return;
    if (type === "channel") this.#channels.openUnseen();
    if (type === "message") this.#inlet.listen();
  }

  /** Holds back `message` events until `resume`: what comes waits, and the server with it. */
  pause(): void {
    this.#inlet.pause();
  }

  /** Lets `message` events go on. */
  resume(): void {
    this.#inlet.resume();
  }

  /** Whether `pause` holds `message` events back. */
  get isPaused(): boolean {
    return this.#inlet.isPaused;
  }

  /**
   * Iterates over the messages, instead of `message` events: not when somebody has listened to these. Left early, it takes
   * nothing more, and another loop goes on from there. It goes on in the next session when one is lost, and ends with the
   * socket, by an error if that was no close handshake.
   * @throws SluiceError `ERR_USAGE_CONSUMER`
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<MessageData> {
    return this.#inlet.iterator();
  }

  /**
   * The messages, one for each read, instead of `message` events. Cancelling it takes nothing more, and leaves the socket
   * open: `readable` is a new stream then. It goes on and ends as iteration does.
   * @throws SluiceError `ERR_USAGE_CONSUMER`
   */
  get readable(): ReadableStream<MessageData> {
    return this.#inlet.readable;
  }

  /**
   * The messages as they begin, of any size, instead of `message` events. The next one comes when the one before has been
   * read or cancelled. It goes on and ends as iteration does.
   * @throws SluiceError `ERR_USAGE_CONSUMER`
   */
  get incoming(): AsyncIterable<IncomingMessage> {
    return this.#inlet.incoming;
  }

  /** What is going on in the session that there is now. In plain mode, what a WebSocket knows of that. */
  stats(): Stats {
    return this.#lifeline.conversation.stats;
  }

  /** The URL, serialised. */
  get url(): string {
    return this.#url;
  }

  /** 0 connecting, 1 open, 2 closing, 3 closed. */
  get readyState(): ReadyState {
    return this.#state.readyState;
  }

  /** The application's protocol that the server has chosen; empty before `open` and for none. */
  get protocol(): string {
    return this.#state.protocol;
  }

  /** The extensions of the WebSocket that has carried the session first; empty before `open`, and over HTTP. */
  get extensions(): string {
    return this.#state.extensions;
  }

  /** Bytes accepted by `send()` of this socket and not yet acknowledged by the peer. Never falls after `close`. */
  get bufferedAmount(): number {
    return this.#lifeline.bufferedAmount(DEFAULT_CHANNEL, "") + this.#discardedBytes;
  }

  /** Resolved while less than the high-water mark has yet to leave, and once the socket is closed; else it resolves then. */
  get ready(): Promise<void> {
    return this.#outlet.ready;
  }

  /** The high-water mark less what has yet to leave, in bytes: negative above it, 0 once the socket is closed. */
  get desiredSize(): number {
    return this.#outlet.desiredSize;
  }

  /**
   * Takes messages as fast as they are delivered: one for each write, which ends below the high-water mark. Closing it
   * closes the socket with 1000; aborting it takes back what of its messages has not left, and leaves the socket open.
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

  /** What carries the session now; `null` while nothing does. Changes are told by `transportchange`. */
  get transport(): TransportName | null {
    return this.#state.transport;
  }

  /** `"framed"` when both ends speak Sluice, `"plain"` when the server is any other; `null` before that is known. */
  get mode(): "framed" | "plain" | null {
    return this.#state.mode;
  }

  /** How the session is, also while it has no line. Changes are told by `connectionstatechange`. */
  get connectionState(): ConnectionState {
    return this.#state.connectionState;
  }

  #handle(event: LifelineEvent): void {
    switch (event.type) {
      case "channel":
        return this.#channels.handleOpened(event.channel, event.name, event.priority);
      case "channel-closing":
        return this.#channels.get(event.channel)?.handleClosing();
      case "channel-closed":
        return this.#channels.handleEnded(event.channel);
      case "message":
      case "incoming":
      case "piece":
      case "incoming-reset":
        return this.#inletOf(event.channel)?.handle(event);
      case "detached":
        this.#tasks.push(() => this.#state.handleDetached());
        return;
      case "established":
      case "resumed":
      case "renamed": {
        const { transport } = this.#lifeline.conversation;
        this.#tasks.push(() => this.#state.handleAttached(transport));
        return;
      }
      case "closing":
        this.#tasks.push(() => this.#state.handleClosing());
        return;
      default:
    }
  }

  #inletOf(channel: ChannelKey): ClientInlet | undefined {
    return channel === DEFAULT_CHANNEL ? this.#inlet : this.#channels.get(channel)?.inlet;
  }

  #release(first: () => void): void {
    this.#lifeline.release(first, (name) => (name === "" ? DEFAULT_CHANNEL : this.#channels.keyOf(name)));
  }

  #close(end: { code: number; reason: string; wasClean: boolean }, error: SluiceError | undefined): void {
    this.#channels.end(error);
    this.#outlet.end();
    const tell = () => {
      this.#state.handleClosed();
      if (error !== undefined) this.dispatchEvent(errorEvent(error));
      this.dispatchEvent(closeEvent(end));
    };
    this.#inlet.end(error, () => this.#tasks.push(tell));
    this.#tasks.end();
  }
}

defineHandlers(SluiceSocket.prototype, ["open", "message", "error", "close", "channel", "drain", "sessionlost"]);
describeInterface(SluiceSocket);
