import { EventEmitter } from "node:events";
import type { WritableStream } from "node:stream/web";
import type { ChannelKey } from "../core/send/send-channel.js";
import { checkedPriority, type Priority } from "../core/wire/frame.js";
import type { Conversation } from "../driver/conversation.js";
import type { Gates } from "../driver/gate.js";
import { Mailbox, type MailboxBudget } from "../driver/mailbox.js";
import { Outlet } from "../driver/outlet.js";
import type { Receipt } from "../driver/receipt.js";
import type { SendBudget } from "../driver/send-bounds.js";
import { payloadOf, type ServerSendData } from "./payload.js";
import { bufferOf, callSafely, writableOf } from "./platform.js";
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
  readonly budget: MailboxBudget;
  readonly gates: Gates;
  readonly sendBudget: SendBudget;
}

interface ServerChannelEvents {
  message: [data: Buffer, isBinary: boolean];
  close: [];
  drain: [];
  newListener: [event: string | symbol, listener: (...args: unknown[]) => void];
}

/**
 * A named, ordered stream of messages inside a session. The same name on both ends is the same channel. Messages wait for
 * the first listener, within the bound of unfinished messages, and `close` waits behind them.
 */
export class ServerChannel extends EventEmitter<ServerChannelEvents> {
  readonly #init: ServerChannelInit;
  readonly #mailbox: Mailbox<{ data: Buffer; isBinary: boolean }>;
  readonly #outlet: Outlet<ServerSendData, WritableStream<ServerSendData>>;
  #priority: Priority;
  #state: "open" | "closing" | "closed" = "open";

  /** @internal */
  constructor(init: ServerChannelInit) {
    super();
    this.#init = init;
    this.#priority = init.priority;
    this.#mailbox = new Mailbox(init.budget, ({ data, isBinary }) =>
      callSafely(() => this.emit("message", data, isBinary)),
    );
    this.#outlet = new Outlet({
      gates: init.gates,
      budget: init.sendBudget,
      bufferedBytes: () => this.bufferedAmount,
      onDrain: () => callSafely(() => this.emit("drain")),
      send: (data) => this.send(data),
      close: () => this.close(),
      streamOf: writableOf,
    });
    // Emitted before the listener is added: the messages follow when it is there.
    this.on("newListener", (event) => {
      if (event === "message") queueMicrotask(() => this.#mailbox.open());
    });
  }

  /**
   * Sends one message. On a closed channel nothing is sent, and the receipt says `never-written`.
   * @throws SluiceError `ERR_MESSAGE_TOO_LARGE`, `ERR_BUFFER_FULL`, `ERR_USAGE_ARGUMENT`; TypeError for what cannot be sent
   */
  send(data: ServerSendData, options: ServerSendOptions = {}): Receipt {
    const receipt = this.#init.conversation.send(this.#init.key, payloadOf(data, options.binary), options);
    this.#outlet.handleSent();
    return receipt;
  }

  /** Ends the channel in both directions, after what was accepted on either side. */
  close(): void {
    if (this.#state !== "open") return;
    this.#state = "closing";
    this.#init.conversation.closeChannel(this.#init.key);
  }

  /** @internal */
  handleMessage(data: Uint8Array, isBinary: boolean): void {
    this.#mailbox.handle({ data: bufferOf(data), isBinary }, data.length);
  }

  /** @internal The client ends the channel: what is queued still leaves. */
  handleClosing(): void {
    if (this.#state === "open") this.#state = "closing";
  }

  /** @internal */
  handleClosed(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#outlet.end();
    // Behind the messages that nobody has read: who listens late still gets them first.
    this.#mailbox.finish(() => this.emit("close"));
  }

  get name(): string {
    return this.#init.name;
  }

  get priority(): Priority {
    return this.#priority;
  }

  /** Takes effect at once, also in the middle of a message. Throws SluiceError `ERR_USAGE_ARGUMENT`. */
  set priority(value: Priority) {
    this.#priority = checkedPriority(value);
    this.#init.conversation.setPriority(this.#init.key, this.#priority);
  }

  /** Bytes accepted and not yet acknowledged by the client. */
  get bufferedAmount(): number {
    return this.#init.conversation.bufferedAmount(this.#init.key);
  }

  /** Resolved while `bufferedAmount` is below the high-water mark, and once the channel is closed; else it resolves then. */
  get ready(): Promise<void> {
    return this.#outlet.ready;
  }

  /** The high-water mark less `bufferedAmount`: negative above it, 0 once the channel is closed. */
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
