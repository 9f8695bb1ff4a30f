import { SluiceError } from "../core/error.js";
import type { Limits } from "../core/limits.js";
import { type ChannelKey, DEFAULT_CHANNEL } from "../core/send/send-channel.js";
import { checkedPriority } from "../core/wire/frame.js";
import { Conversation, type ConversationEvent, type Stats } from "../driver/conversation.js";
import type { Host } from "../driver/host.js";
import { CHANNEL_HELD_BYTES, Mailbox, MailboxBudget } from "../driver/mailbox.js";
import type { SendOptions } from "../driver/outbox.js";
import { type Receipt, ReceiptControl } from "../driver/receipt.js";
import { type WebSocketConstructor, webSocketTransport } from "../transport/browser/websocket.js";
import { SUBPROTOCOL, type TransportName } from "../transport/transport.js";
import { Channel, type ChannelOptions } from "./channel.js";
import { EventHandlers, type Handler } from "./event-handlers.js";
import {
  type ChannelEvent,
  channelEvent,
  closeEvent,
  errorEvent,
  type SluiceCloseEvent,
  type SluiceErrorEvent,
  type SluiceSocketEventMap,
} from "./events.js";
import { dataOf, type SluiceBinaryType } from "./incoming.js";
import { limitsOf, type SluiceSocketOptions, webSocketOf } from "./options.js";
import { payloadOf, type SendData } from "./payload.js";
import { browserHost, TaskQueue } from "./platform.js";
import type { TypedEventTargetConstructor } from "./typed-event-target.js";
import { parseProtocols, parseUrl, syntaxError } from "./url.js";

export type ConnectionState = "connecting" | "connected" | "closed";

type ReadyState = 0 | 1 | 2 | 3;

const SocketEventTarget: TypedEventTargetConstructor<SluiceSocketEventMap> = EventTarget;

/**
 * A `WebSocket` whose messages keep moving: large ones are cut into chunks that let the others pass. It has every
 * member of the standard interface (WHATWG WebSockets), and channels, receipts and statistics besides.
 */
export class SluiceSocket extends SocketEventTarget {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSING = 2;
  static readonly CLOSED = 3;
  readonly CONNECTING = 0;
  readonly OPEN = 1;
  readonly CLOSING = 2;
  readonly CLOSED = 3;

  readonly #url: string;
  /** The `origin` of every `message` event. */
  readonly #origin: string;
  readonly #protocols: readonly string[];
  readonly #host: Host;
  readonly #limits: Limits;
  readonly #tasks = new TaskQueue();
  readonly #handlers: EventHandlers = new EventHandlers(this);
  readonly #channels = new Map<ChannelKey, Channel>();
  readonly #conversation: Conversation;
  readonly #mailboxes: MailboxBudget;
  /** Channels that the peer has opened and nobody has been told of. */
  readonly #unseenChannels: Mailbox<Channel>;
  #readyState: ReadyState = SluiceSocket.CONNECTING;
  #connectionState: ConnectionState = "connecting";
  #protocol = "";
  #extensions = "";
  #mode: "framed" | null = null;
  #binaryType: SluiceBinaryType = "blob";
  #transport: TransportName | null = null;
  /** Bytes given to `send()` when nothing is sent any more: they count, as the standard says. */
  #discardedBytes = 0;
  #handleGreeted: () => void = () => {};
  /** The server has greeted and chosen a protocol to go on with: before that, nothing may leave (NEG-05). */
  readonly #greeted: Promise<void> = new Promise((resolve) => {
    this.#handleGreeted = resolve;
  });
  /** Why the connection attempt has failed, where this end knows better than the transport. */
  #failure: SluiceError | undefined;

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
    this.#url = parseUrl(url);
    this.#origin = new URL(this.#url).origin;
    this.#protocols = parseProtocols(protocols);
    this.#limits = limitsOf(options);
    const WebSocket = webSocketOf(options);
    this.#host = browserHost();
    this.#conversation = new Conversation(
      {
        side: { role: "client", attemptId: randomId(), auth: "pending" },
        limits: this.#limits,
        host: this.#host,
      },
      (event) => this.#handle(event),
    );
    this.#mailboxes = new MailboxBudget(this.#limits.reassemblyBytesMax, () => {
      const error = new SluiceError("ERR_PEER_VIOLATION", "Too much has come on channels that nobody listens to");
      this.#conversation.abort(1009, "nobody listens", error);
    });
    this.#unseenChannels = new Mailbox(this.#mailboxes, (channel) =>
      this.#tasks.push(() => this.dispatchEvent(channelEvent(channel))),
    );
    this.#dial(WebSocket);
    void this.#introduce(options.auth);
  }

  /**
   * Sends one message on the default channel. Before `open` it is queued; after `close` it is discarded, as the standard
   * says, with a receipt that says `never-written`.
   * @throws SluiceError `ERR_MESSAGE_TOO_LARGE`; TypeError for what cannot be sent
   */
  send(data: SendData, options: SendOptions = {}): Receipt {
    if (arguments.length === 0)
      throw new TypeError("Failed to execute 'send': 1 argument required, but only 0 present.");
    const payload = payloadOf(data, this.#host.encodeUtf8);
    if (this.#readyState >= SluiceSocket.CLOSING) {
      this.#discardedBytes += payload.type === "source" ? payload.source.totalBytes : payload.bytes.length;
      return ReceiptControl.ended(
        "never-written",
        new SluiceError("ERR_NEVER_WRITTEN", "The socket is closing or closed"),
      );
    }
    return this.#conversation.send(DEFAULT_CHANNEL, payload, options);
  }

  /**
   * Closes after everything accepted has been delivered, or nothing has moved for the close timeout.
   * @param code 1000 or 3000 to 4999
   * @param reason at most 123 bytes of UTF-8
   * @throws DOMException `InvalidAccessError` for another code, `SyntaxError` for a longer reason
   */
  close(code?: number, reason?: string): void {
    const checked = code === undefined ? undefined : clampedUnsignedShort(code);
    if (checked !== undefined && checked !== 1000 && (checked < 3000 || checked > 4999)) {
      const message = `The close code must be either 1000, or between 3000 and 4999. ${checked} is neither.`;
      throw new DOMException(message, "InvalidAccessError");
    }
    const text = reason === undefined ? "" : String(reason);
    if (this.#host.encodeUtf8(text).length > 123)
      throw syntaxError("The close reason must not be longer than 123 bytes.");
    if (this.#readyState >= SluiceSocket.CLOSING) return;
    this.#readyState = SluiceSocket.CLOSING;
    // A reason without a code goes as 1000, as in the standard's close frame.
    this.#conversation.close(checked ?? (text === "" ? 1005 : 1000), text);
  }

  /**
   * The channel of this name, opened if the peer has not opened it yet.
   * @param name 1 to 256 bytes of UTF-8
   * @throws SluiceError `ERR_USAGE_ARGUMENT`, `ERR_TOO_MANY_CHANNELS`, `ERR_USAGE_CHANNEL_CLOSED` (closing or closed)
   */
  channel(name: string, options: ChannelOptions = {}): Channel {
    const priority = options.priority === undefined ? undefined : checkedPriority(options.priority);
    if (this.#readyState >= SluiceSocket.CLOSING) {
      throw new SluiceError("ERR_USAGE_CHANNEL_CLOSED", "The socket is closing or closed");
    }
    const key = this.#conversation.openChannel(String(name), priority);
    const known = this.#channels.get(key);
    if (known === undefined) return this.#addChannel(key, String(name), priority ?? "normal");
    if (priority !== undefined) known.priority = priority;
    return known;
  }

  override addEventListener<Type extends keyof SluiceSocketEventMap>(
    type: Type,
    listener: ((event: SluiceSocketEventMap[Type]) => unknown) | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  override addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  override addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void {
    super.addEventListener(type, listener, options);
    if (type === "channel" && listener !== null) this.#unseenChannels.open();
  }

  /** What is going on, as a plain object. */
  stats(): Stats {
    return this.#conversation.stats;
  }

  /** The URL, serialised. */
  get url(): string {
    return this.#url;
  }

  /** 0 connecting, 1 open, 2 closing, 3 closed. */
  get readyState(): number {
    return this.#readyState;
  }

  /** The application's protocol that the server has chosen; empty before `open` and for none. */
  get protocol(): string {
    return this.#protocol;
  }

  get extensions(): string {
    return this.#extensions;
  }

  /** Bytes accepted by `send()` of this socket and not yet acknowledged by the peer. Never falls after `close`. */
  get bufferedAmount(): number {
    return this.#conversation.bufferedAmount(DEFAULT_CHANNEL) + this.#discardedBytes;
  }

  /** What binary messages become: `"blob"` (default) or `"arraybuffer"`. Other values are ignored. */
  get binaryType(): SluiceBinaryType {
    return this.#binaryType;
  }

  set binaryType(value: SluiceBinaryType) {
    if (value === "blob" || value === "arraybuffer") this.#binaryType = value;
  }

  /** What carries the session now; `null` while nothing does. */
  get transport(): TransportName | null {
    return this.#transport;
  }

  /** `"framed"` when both ends speak Sluice; `null` before that is known. */
  get mode(): "framed" | null {
    return this.#mode;
  }

  get connectionState(): ConnectionState {
    return this.#connectionState;
  }

  get onopen(): Handler<Event> {
    return this.#handlers.get("open");
  }

  set onopen(value: Handler<Event>) {
    this.#handlers.set("open", value);
  }

  get onmessage(): Handler<MessageEvent> {
    return this.#handlers.get("message");
  }

  set onmessage(value: Handler<MessageEvent>) {
    this.#handlers.set("message", value);
  }

  get onerror(): Handler<SluiceErrorEvent> {
    return this.#handlers.get("error");
  }

  set onerror(value: Handler<SluiceErrorEvent>) {
    this.#handlers.set("error", value);
  }

  get onclose(): Handler<SluiceCloseEvent> {
    return this.#handlers.get("close");
  }

  set onclose(value: Handler<SluiceCloseEvent>) {
    this.#handlers.set("close", value);
  }

  get onchannel(): Handler<ChannelEvent> {
    return this.#handlers.get("channel");
  }

  set onchannel(value: Handler<ChannelEvent>) {
    this.#handlers.set("channel", value);
  }

  #dial(WebSocket: WebSocketConstructor | undefined): void {
    if (WebSocket === undefined) {
      this.#fail(new SluiceError("ERR_CONNECT_FAILED", "There is no WebSocket here; pass one as an option"));
      return;
    }
    try {
      // The application's protocols first: a server that does not know ours must see what it would see without us.
      const transport = webSocketTransport(WebSocket, this.#url, [...this.#protocols, SUBPROTOCOL]);
      this.#conversation.attach(transport, (subprotocol, extensions) =>
        this.#handleTransportOpen(subprotocol, extensions),
      );
    } catch (cause) {
      this.#fail(new SluiceError("ERR_CONNECT_FAILED", "The WebSocket could not be made", { cause }));
    }
  }

  #handleTransportOpen(subprotocol: string, extensions: string): boolean {
    if (subprotocol === SUBPROTOCOL) {
      this.#extensions = extensions;
      return true;
    }
    this.#fail(new SluiceError("ERR_NOT_SLUICE", `The server has not selected the subprotocol "${SUBPROTOCOL}"`));
    return false;
  }

  /** Gives the server the credentials, if there are any, and with that everything that waits. */
  async #introduce(auth: unknown): Promise<void> {
    let credentials: string | undefined;
    try {
      credentials = JSON.stringify(await (typeof auth === "function" ? auth() : auth));
    } catch (cause) {
      this.#fail(new SluiceError("ERR_CONNECT_FAILED", "`auth` has failed", { cause, retryable: true }));
      return;
    }
    await this.#greeted;
    this.#conversation.provideAuth(credentials);
  }

  /** Gives the attempt up. The events come later, as those of a native socket do. */
  #fail(error: SluiceError): void {
    this.#failure ??= error;
    this.#host.defer(() => this.#conversation.fail());
  }

  #handle(event: ConversationEvent): void {
    switch (event.type) {
      case "open":
        this.#handleOpen(event.protocol);
        return;
      case "channel": {
        const channel = this.#addChannel(event.channel, event.name, event.priority);
        this.#unseenChannels.handle(channel, CHANNEL_HELD_BYTES);
        return;
      }
      case "channel-closing":
        this.#channels.get(event.channel)?.handleClosing();
        return;
      case "channel-closed":
        this.#channels.get(event.channel)?.handleClosed();
        this.#channels.delete(event.channel);
        return;
      case "message":
        if (event.channel !== DEFAULT_CHANNEL) this.#channels.get(event.channel)?.handleMessage(event.data);
        else this.#tasks.push(() => this.#message(event.data));
        return;
      case "closing":
        this.#tasks.push(() => {
          if (this.#readyState < SluiceSocket.CLOSING) this.#readyState = SluiceSocket.CLOSING;
        });
        return;
      case "closed":
        this.#close(event);
        return;
      default:
    }
  }

  #handleOpen(protocol: string): void {
    // WHATWG WebSockets, "establish a WebSocket connection": who offers protocols does not go on without one of them.
    if (this.#protocols.length > 0 && !this.#protocols.includes(protocol)) {
      const error = new SluiceError("ERR_CONNECT_FAILED", "The server has chosen none of the protocols offered");
      this.#conversation.abort(1002, "no protocol chosen", error);
      return;
    }
    this.#handleGreeted();
    this.#tasks.push(() => this.#open(protocol));
  }

  #addChannel(key: ChannelKey, name: string, priority: Channel["priority"]): Channel {
    const channel = new Channel({
      key,
      name,
      priority,
      conversation: this.#conversation,
      tasks: this.#tasks,
      budget: this.#mailboxes,
      origin: this.#origin,
      encodeUtf8: this.#host.encodeUtf8,
    });
    this.#channels.set(key, channel);
    return channel;
  }

  #open(protocol: string): void {
    if (this.#readyState !== SluiceSocket.CONNECTING) return;
    this.#readyState = SluiceSocket.OPEN;
    this.#protocol = protocol;
    this.#mode = "framed";
    this.#setConnection("connected", this.#conversation.transport);
    this.dispatchEvent(new Event("open"));
  }

  #message(data: string | Uint8Array): void {
    // As in the standard, what comes after `close()` is not shown.
    if (this.#readyState !== SluiceSocket.OPEN) return;
    const init = { data: dataOf(data, this.#binaryType), origin: this.#origin };
    this.dispatchEvent(new MessageEvent("message", init));
  }

  #close(end: { code: number; reason: string; wasClean: boolean; error: SluiceError | undefined }): void {
    for (const channel of this.#channels.values()) channel.handleClosed();
    this.#channels.clear();
    this.#tasks.push(() => {
      this.#readyState = SluiceSocket.CLOSED;
      this.#setConnection("closed", null);
      const error = this.#failure ?? end.error;
      if (error !== undefined) this.dispatchEvent(errorEvent(error));
      this.dispatchEvent(closeEvent(end));
    });
  }

  #setConnection(state: ConnectionState, transport: TransportName | null): void {
    const changed = { state: state !== this.#connectionState, transport: transport !== this.#transport };
    this.#connectionState = state;
    this.#transport = transport;
    if (changed.transport) this.dispatchEvent(new Event("transportchange"));
    if (changed.state) this.dispatchEvent(new Event("connectionstatechange"));
  }
}

/** 128 random bits: names a connection attempt (HSK-04). */
function randomId(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(16));
}

/** WebIDL `[Clamp] unsigned short`. */
function clampedUnsignedShort(value: unknown): number {
  const number = Math.min(Math.max(Number(value), 0), 65_535);
  return Number.isNaN(number) ? 0 : Math.round(number);
}
