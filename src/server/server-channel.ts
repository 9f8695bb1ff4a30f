import { EventEmitter } from "node:events";
import type { ReadableStream, WritableStream } from "node:stream/web";
import type { SluiceError } from "../core/error.js";
import type { ChannelKey } from "../core/send/send-channel.js";
import { checkedPriority, type Priority } from "../core/wire/frame.js";
import type { Conversation } from "../driver/conversation.js";
import type { Gates } from "../driver/gate.js";
import { Outlet } from "../driver/outlet.js";
import type { Payload } from "../driver/pending-message.js";
import type { Receipt } from "../driver/receipt.js";
import type { SendBudget } from "../driver/send-bounds.js";
import { type ServerIncomingMessage, type ServerInlet, type ServerMessageData, serverInlet } from "./inlet.js";
import { payloadOf, type ServerSendData } from "./payload.js";
import { callSafely, writableOf } from "./platform.js";
import { refusedSend, refusedSendCode, requireSize } from "./send-outcome.js";
import type { ServerSendOptions } from "./server-socket.js";

export interface ServerChannelOptions {
  /** Default `"normal"`, or what the client has opened it with. */
  readonly priority?: Priority;
}

export interface ServerChannelInit {
  readonly key: ChannelKey;
  readonly name: string;
  readonly priority: Priority;
  readonly conversation: Conversation;
  readonly gates: Gates;
  readonly sendBudget: SendBudget;
  /** What this end takes for a message. */
  readonly messageBytesMax: number;
}

export interface ServerChannelEvents {
  message: [data: Buffer, isBinary: boolean];
  /** The channel has ended in both directions, or with its session. */
  close: [];
  /** `bufferedAmount` has fallen below the high-water mark. */
  drain: [];
  newListener: [event: string | symbol, listener: (...args: unknown[]) => void];
}

/**
 * A named, ordered stream of messages inside a session. The same name on both ends is the same channel.
 *
 * Messages wait, and their sender with them, until somebody takes them: `message` listeners, iteration, `readable` or
 * `incoming`. The first kind has the channel; another one throws `ERR_USAGE_CONSUMER`, and a listener that comes too late
 * hears nothing. `close` waits behind messages that listeners have not had.
 */
export class ServerChannel extends EventEmitter<ServerChannelEvents> {
  readonly #init: ServerChannelInit;
  readonly #outlet: Outlet<ServerSendData, WritableStream<ServerSendData>>;
  #priority: Priority;
  #state: "open" | "closing" | "closed" = "open";

  /** @internal */
  readonly inlet: ServerInlet;

  /** @internal */
  constructor(init: ServerChannelInit) {
    super();
    this.#init = init;
    this.#priority = init.priority;
    const { conversation, key } = init;
    this.inlet = serverInlet(
      { emit: (data, isBinary) => this.emit("message", data, isBinary), binaryOf: (data) => data },
      {
        receive: (mode) => conversation.receive(key, mode),
        take: (cost) => conversation.take(key, cost),
      },
    );
    this.#outlet = new Outlet({
      gates: init.gates,
      budget: init.sendBudget,
      bufferedBytes: () => this.bufferedAmount,
      queuedBytes: () => conversation.queuedAmount(key),
      onDrain: () => callSafely(() => this.emit("drain")),
      send: (data) => this.#write(payloadOf(data), {}),
      close: () => this.close(),
      streamOf: writableOf,
    });
    // Emitted before the listener is added: the messages follow when it is there.
    this.on("newListener", (event) => {
      if (event !== "message") return;
      this.inlet.listen();
      this.inlet.open();
    });
  }

  /**
   * Sends one message. On a closed channel nothing is sent, and the receipt says `never-written`. What a client can bring about
   * is not thrown: one that does not read (`ERR_BUFFER_FULL` above `maxBufferedAmount`), takes no message so large
   * (`ERR_MESSAGE_TOO_LARGE`) or no more channels (`ERR_TOO_MANY_CHANNELS`) loses its session, by 1013 or 1009.
   * @throws SluiceError `ERR_MESSAGE_TOO_LARGE` over `maxPayload`, `ERR_BUFFER_FULL` for one that is larger than
   * `maxBufferedAmount` by itself, `ERR_USAGE_ARGUMENT`; TypeError for what cannot be sent
   */
  send(data: ServerSendData, options: ServerSendOptions = {}): Receipt {
    const { conversation, messageBytesMax } = this.#init;
    const payload = payloadOf(data, options.binary);
    requireSize(payload, messageBytesMax);
    try {
      return this.#write(payload, options);
    } catch (error) {
      return refusedSend(error, undefined, (refusal) => conversation.abort(refusedSendCode(refusal), "", refusal));
    }
  }

  /**
   * Ends the channel in both directions, after what was accepted on either side. Where nobody takes messages any more, as
   * when a loop was left, what still comes goes by.
   */
  close(): void {
    if (this.#state !== "open") return;
    this.#state = "closing";
    this.inlet.leave("channel");
    this.#init.conversation.closeChannel(this.#init.key);
  }

  /** Holds back `message` events until `resume`: what comes waits, and the client with it. */
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
   * Iterates over the messages: strings and Buffers. Left early, it takes nothing more, and another loop goes on from
   * there. Ends with the channel, by an error if the session was lost.
   * @throws SluiceError `ERR_USAGE_CONSUMER`
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<ServerMessageData> {
    return this.inlet.iterator();
  }

  /**
   * The messages, one for each read. Cancelling it takes nothing more, and leaves the channel open: `readable` is a new
   * stream then. Ends with the channel, by an error if the session was lost.
   * @throws SluiceError `ERR_USAGE_CONSUMER`
   */
  get readable(): ReadableStream<ServerMessageData> {
    return this.inlet.readable;
  }

  /**
   * The messages as they begin, of any size. The next one comes when the one before has been read or cancelled.
   * @throws SluiceError `ERR_USAGE_CONSUMER`
   */
  get incoming(): AsyncIterable<ServerIncomingMessage> {
    return this.inlet.incoming;
  }

  /** @internal The client ends the channel: what is queued still leaves. */
  handleClosing(): void {
    if (this.#state === "open") this.#state = "closing";
  }

  /** @internal `error` says why, when it was no orderly end. */
  handleClosed(error: SluiceError | undefined): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#outlet.end();
    // Behind the messages that nobody has read: who listens late still gets them first.
    this.inlet.end(error, () => callSafely(() => this.emit("close")));
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
    this.#init.conversation.setPriority(this.#init.key, this.#priority);
  }

  /** Throws what keeps the message out, whoever's fault it is. */
  #write(payload: Payload, options: ServerSendOptions): Receipt {
    const receipt = this.#init.conversation.send(this.#init.key, payload, options);
    this.#outlet.handleSent();
    return receipt;
  }

  /** Bytes accepted and not yet acknowledged by the client. */
  get bufferedAmount(): number {
    return this.#init.conversation.bufferedAmount(this.#init.key);
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
  get writable(): WritableStream<ServerSendData> {
    return this.#outlet.stream;
  }

  /** `"closing"` from `close()` of either side until both directions have ended. */
  get state(): "open" | "closing" | "closed" {
    return this.#state;
  }
}
