import { EventEmitter } from "node:events";
import type { ReadableStream, WritableStream } from "node:stream/web";
import { SluiceError } from "../core/error.js";
import type { Stats } from "../driver/conversation.js";
import type { Gates } from "../driver/gate.js";
import { Outlet } from "../driver/outlet.js";
import type { SendOptions } from "../driver/pending-message.js";
import type { Receipt } from "../driver/receipt.js";
import type { SendBudget } from "../driver/send-bounds.js";
import type { TransportName } from "../transport/transport.js";
import type { ConnectionView } from "./connection-view.js";
import {
  addDomListener,
  type DomListener,
  domAttribute,
  removeDomListener,
  type ServerDomEvents,
  setDomAttribute,
} from "./dom-listeners.js";
import { type ServerIncomingMessage, type ServerInlet, type ServerMessageData, serverInlet } from "./inlet.js";
import type { ServerSendData } from "./payload.js";
import { callSafely, nodeHost, writableOf } from "./platform.js";
import { isBinaryType, receivedData, type ServerBinaryType } from "./received-data.js";
import type { ServerChannel, ServerChannelOptions } from "./server-channel.js";

/** Options of `send`, those of `ws` and of Sluice. `compress` and `mask` of `ws` are accepted and ignored. */
export interface ServerSendOptions extends SendOptions {
  /** Whether the message is binary. Default: unless `data` is a string. */
  readonly binary?: boolean | undefined;
  readonly compress?: boolean | undefined;
  /** Only `true`: a message is given whole, as a Blob if it is large. */
  readonly fin?: boolean | undefined;
  readonly mask?: boolean | undefined;
}

/** What a ping or pong carries. */
export type PingData = string | number | Buffer | Uint8Array | ArrayBuffer | undefined;

/** Called with an error when the message was not accepted, else once less than `highWaterMark` has yet to leave. */
export type SendCallback = (error?: Error) => void;

export interface ServerSocketEvents {
  /** A Buffer, unless `binaryType` asks for something else. */
  message: [data: Buffer, isBinary: boolean];
  /** The end, once; 1006 for one without a close handshake. A line that is cut is none. */
  close: [code: number, reason: Buffer];
  /** Why the socket has ended; `close` follows. */
  error: [error: SluiceError];
  ping: [data: Buffer];
  pong: [data: Buffer];
  /** The client has opened a channel. */
  channel: [channel: ServerChannel];
  /** The line is cut, and the session waits for its client. */
  park: [];
  /** The client has come back. */
  resume: [];
  /** `bufferedAmount` has fallen below the high-water mark. */
  drain: [];
  newListener: [event: string | symbol, listener: (...args: unknown[]) => void];
}

// As loose as those of `ws`, so that our sockets go where the type of its sockets is asked for.
// biome-ignore lint/suspicious/noExplicitAny: whatever event a listener takes.
type AnyListener = ((event: any) => void) | { handleEvent(event: any): void };
// biome-ignore lint/suspicious/noExplicitAny: likewise.
type AnyHandler = ((event: any) => void) | null;

interface DomListenerOptions {
  readonly once?: boolean | undefined;
}

type DomAttribute<Type extends keyof ServerDomEvents> =
  | ((this: ServerSocket, event: ServerDomEvents[Type]) => void)
  | null;

/**
 * One client, as a socket of `ws` shows it, and channels, receipts and statistics besides. Events: `message` (a Buffer and
 * whether it is binary), `close`, `error` (only when somebody listens), `ping`, `pong`, `channel`; `park` when the line
 * is cut and the session waits for its client, `resume` when it has come back. What is sent meanwhile follows then.
 * `drain` when less than the high-water mark has yet to leave again. `addEventListener` and the handler attributes take
 * `message`, `close` and `error` as `ws` does.
 */
export abstract class ServerSocket extends EventEmitter<ServerSocketEvents> {
  static readonly CONNECTING = 0;
  static readonly OPEN = 1;
  static readonly CLOSING = 2;
  static readonly CLOSED = 3;
  // On the prototype, as with `ws`: see below the class.
  declare readonly CONNECTING: 0;
  declare readonly OPEN: 1;
  declare readonly CLOSING: 2;
  declare readonly CLOSED: 3;

  readonly #outlet: Outlet<ServerSendData, WritableStream<ServerSendData>>;
  readonly #inlet: ServerInlet;
  #binaryType: ServerBinaryType = "nodebuffer";

  /** @internal */
  constructor(gates: Gates, budget: SendBudget) {
    super();
    this.#outlet = new Outlet({
      gates,
      budget,
      bufferedBytes: () => this.bufferedAmount,
      queuedBytes: () => this.queuedAmount,
      onDrain: () => callSafely(() => this.emit("drain")),
      send: (data) => this.write(data),
      close: () => this.close(1000),
      streamOf: writableOf,
    });
    this.#inlet = serverInlet(
      {
        emit: (data, isBinary) => this.emit("message", this.#received(data, isBinary), isBinary),
        binaryOf: (data) => this.#received(data, true),
      },
      { receive: (mode) => this.handleConsumer(mode), take: (cost) => this.handleTaken(cost) },
    );
    // Emitted before the listener is added: what has waited follows when it is there.
    this.on("newListener", (event) => {
      if (event === "message") this.#inlet.listen();
      if (event === "channel") nodeHost.defer(() => this.handleChannelListener());
    });
  }

  /** @internal A message has been accepted. */
  protected handleSent(): void {
    this.#outlet.handleSent();
  }

  /** @internal Sends, and throws what keeps the message out, whoever's fault it is. */
  protected abstract write(data: ServerSendData): Receipt;
  /** @internal What of `bufferedAmount` has not left. */
  protected abstract readonly queuedAmount: number;

  /** @internal Nothing is sent any more. */
  protected handleEnd(): void {
    this.#outlet.end();
  }

  /** @internal Where the messages of the default channel go in. */
  protected get inlet(): ServerInlet {
    return this.#inlet;
  }

  /** @internal Somebody wants to know of channels. */
  protected handleChannelListener(): void {}
  /** @internal Somebody takes messages, whole or as they begin. */
  protected abstract handleConsumer(mode: "messages" | "incoming"): void;
  /** @internal The application has taken what cost so much. */
  protected abstract handleTaken(cost: number): void;

  /** As with `ws`: types other than `message`, `close`, `error` and `open` are ignored. */
  addEventListener<Type extends keyof ServerDomEvents>(
    type: Type,
    listener: DomListener<Type>,
    options?: DomListenerOptions,
  ): void;
  addEventListener(type: string, listener: AnyListener, options?: DomListenerOptions): void;
  addEventListener(type: string, listener: AnyListener, options?: DomListenerOptions): void {
    addDomListener(this as EventEmitter, type, listener, { once: options?.once });
  }

  removeEventListener<Type extends keyof ServerDomEvents>(type: Type, listener: DomListener<Type>): void;
  removeEventListener(type: string, listener: AnyListener): void;
  removeEventListener(type: string, listener: AnyListener): void {
    removeDomListener(this as EventEmitter, type, listener);
  }

  /** What binary messages are given as, from the next one on. Default `"nodebuffer"`; other values are ignored. */
  get binaryType(): ServerBinaryType {
    return this.#binaryType;
  }

  set binaryType(value: ServerBinaryType) {
    if (isBinaryType(value)) this.#binaryType = value;
  }

  get onopen(): AnyHandler {
    return domAttribute(this as EventEmitter, "open") as AnyHandler;
  }

  set onopen(value: DomAttribute<"open">) {
    setDomAttribute(this as EventEmitter, "open", value);
  }

  get onmessage(): AnyHandler {
    return domAttribute(this as EventEmitter, "message") as AnyHandler;
  }

  set onmessage(value: DomAttribute<"message">) {
    setDomAttribute(this as EventEmitter, "message", value);
  }

  get onclose(): AnyHandler {
    return domAttribute(this as EventEmitter, "close") as AnyHandler;
  }

  set onclose(value: DomAttribute<"close">) {
    setDomAttribute(this as EventEmitter, "close", value);
  }

  get onerror(): AnyHandler {
    return domAttribute(this as EventEmitter, "error") as AnyHandler;
  }

  set onerror(value: DomAttribute<"error">) {
    setDomAttribute(this as EventEmitter, "error", value);
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
  get writable(): WritableStream<ServerSendData> {
    return this.#outlet.stream;
  }

  /** Holds back `message` events until `resume`: what comes waits, and the client with it. `close` waits behind that. */
  pause(): void {
    // As with `ws`.
    if (this.readyState !== ServerSocket.CONNECTING && this.readyState !== ServerSocket.CLOSED) this.#inlet.pause();
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
   * Iterates over the messages, strings and Buffers, instead of `message` events: not when somebody has listened to these.
   * Left early, it takes nothing more, and another loop goes on from there. Ends with the socket, by an error if that was
   * no close handshake.
   * @throws SluiceError `ERR_USAGE_CONSUMER`
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<ServerMessageData> {
    return this.#inlet.iterator();
  }

  /**
   * The messages, one for each read, instead of `message` events. Cancelling it takes nothing more, and leaves the socket
   * open: `readable` is a new stream then. Ends as iteration does.
   * @throws SluiceError `ERR_USAGE_CONSUMER`
   */
  get readable(): ReadableStream<ServerMessageData> {
    return this.#inlet.readable;
  }

  /**
   * The messages as they begin, of any size, instead of `message` events. The next one comes when the one before has been
   * read or cancelled. Ends as iteration does.
   * @throws SluiceError `ERR_USAGE_CONSUMER`
   */
  get incoming(): AsyncIterable<ServerIncomingMessage> {
    return this.#inlet.incoming;
  }

  /** 1 open, 2 closing, 3 closed: the server sees a socket when it is open. */
  abstract readonly readyState: 0 | 1 | 2 | 3;
  /** The application's protocol; empty for none. */
  abstract readonly protocol: string;
  /** Empty: as with `ws`, only the sockets of clients have one. The URL is in the `request` of `connection`. */
  get url(): string {
    return "";
  }
  /** Empty: no extension is negotiated. */
  abstract readonly extensions: string;
  /** `"framed"` for clients that speak Sluice, `"plain"` for any other WebSocket client. */
  abstract readonly mode: "framed" | "plain";
  /** What carries the session now; `null` while it is parked, and once it is closed. */
  abstract readonly transport: TransportName | null;
  /** Bytes accepted on the default channel and not yet acknowledged; in plain mode, not yet handed to the kernel. */
  abstract readonly bufferedAmount: number;
  /** Public id of the session, 32 hexadecimal digits; may be logged. */
  abstract readonly id: string;
  /** What `authenticate` has returned; `undefined` without it. */
  abstract readonly principal: unknown;
  /**
   * What libraries made for `ws` read of the connection. In framed mode: the addresses of the session's first connection,
   * `encrypted`, and the event `finish`.
   */
  abstract readonly _socket: ConnectionView | null;

  /**
   * Sends one message on the default channel. Once the socket is closing nothing is sent; the callback gets an error. What a
   * client can bring about is not thrown: a client that does not read (`ERR_BUFFER_FULL` above `maxBufferedAmount`) or takes
   * no message so large (`ERR_MESSAGE_TOO_LARGE`) is told to the callback, and without one the session is ended, by 1013 or 1009.
   * @throws SluiceError `ERR_MESSAGE_TOO_LARGE` over `maxPayload`, `ERR_BUFFER_FULL` for one that is larger than
   * `maxBufferedAmount` by itself, `ERR_USAGE_ARGUMENT`; TypeError for what cannot be sent
   */
  abstract send(data: ServerSendData, callback?: SendCallback): Receipt;
  abstract send(data: ServerSendData, options: ServerSendOptions, callback?: SendCallback): Receipt;

  /**
   * Closes after everything accepted has been delivered, or nothing has moved for the close timeout.
   * @param code as in RFC 6455, 7.4, without 1004, 1005, 1006 and 1015
   * @throws TypeError for another code, RangeError for a reason over 123 bytes
   */
  abstract close(code?: number, reason?: string | Buffer): void;
  /** Cuts the connection at once. */
  abstract terminate(): void;
  /**
   * Sends a ping between the chunks; the client answers by itself. At most 125 bytes. A socket that is parked answers in place
   * of its client, so that heartbeats of libraries do not end what can be resumed.
   */
  abstract ping(callback?: SendCallback): void;
  abstract ping(data: PingData, callback?: SendCallback): void;
  abstract ping(data: PingData, mask?: boolean, callback?: SendCallback): void;
  /** Sends a pong that nobody has asked for; pings are answered without it. At most 125 bytes. */
  abstract pong(callback?: SendCallback): void;
  abstract pong(data: PingData, callback?: SendCallback): void;
  abstract pong(data: PingData, mask?: boolean, callback?: SendCallback): void;
  /**
   * The channel of this name, opened if the client has not opened it yet.
   * @param name 1 to 256 bytes of UTF-8
   * @throws SluiceError `ERR_USAGE_ARGUMENT`, `ERR_TOO_MANY_CHANNELS`, `ERR_USAGE_CHANNEL_CLOSED` (closing or closed),
   * `ERR_NOT_SLUICE` in plain mode
   */
  abstract channel(name: string, options?: ServerChannelOptions): ServerChannel;
  /** What is going on, as a plain object. In plain mode, what a WebSocket knows of that. */
  abstract stats(): Stats;

  #received(data: Buffer, isBinary: boolean): Buffer {
    return receivedData(data, isBinary, this.#binaryType) as Buffer;
  }
}

for (const name of ["CONNECTING", "OPEN", "CLOSING", "CLOSED"] as const) {
  for (const owner of [ServerSocket, ServerSocket.prototype]) {
    Object.defineProperty(owner, name, { value: ServerSocket[name], enumerable: true, writable: false });
  }
}

const NO_OPTIONS: ServerSendOptions = Object.freeze({});

/**
 * The options among the arguments of `send`: `ws` lets them be left out before the callback.
 * @throws SluiceError `ERR_USAGE_ARGUMENT` for a message in fragments: sent as two, they would be something else
 */
export function sendOptionsOf(options: ServerSendOptions | SendCallback | undefined): ServerSendOptions {
  if (options === undefined || options === null || typeof options === "function") return NO_OPTIONS;
  if (options.fin === false) throw new SluiceError("ERR_USAGE_ARGUMENT", "A message is sent whole, without fragments");
  return options;
}

/** The callback among them. */
export function sendCallbackOf(
  options: ServerSendOptions | SendCallback | undefined,
  callback: SendCallback | undefined,
): SendCallback | undefined {
  return typeof options === "function" ? options : callback;
}

/**
 * Code and reason of a close, as `ws` checks them.
 * @throws TypeError, RangeError
 */
export function checkedClose(
  code: number | undefined,
  reason: string | Buffer | undefined,
): { code: number; reason: string } {
  if (code === undefined) return { code: 1005, reason: "" };
  const isDefined =
    (code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) || (code >= 3000 && code <= 4999);
  if (!Number.isInteger(code) || !isDefined) throw new TypeError("First argument must be a valid error code number");
  const text = reason === undefined ? "" : reason.toString();
  if (Buffer.byteLength(text) > 123) throw new RangeError("The message must not be greater than 123 bytes");
  return { code, reason: text };
}

/**
 * The payload and the callback of a ping or pong: `ws` lets all but the callback be left out.
 * @throws RangeError as `ws` does for the payload of a control frame
 */
export function pingArguments(
  data: PingData | SendCallback,
  mask: boolean | SendCallback | undefined,
  callback: SendCallback | undefined,
): [Buffer, SendCallback | undefined] {
  if (typeof data === "function") return pingArguments(undefined, undefined, data);
  if (typeof mask === "function") return pingArguments(data, undefined, mask);
  const payload = Buffer.from(typeof data === "number" ? String(data) : ((data ?? "") as Buffer));
  if (payload.length > 125) throw new RangeError("The data size must not be greater than 125 bytes");
  return [payload, callback];
}
