import { EventEmitter } from "node:events";
import type { ChannelKey } from "../core/send/send-channel.js";
import { checkedPriority, type Priority } from "../core/wire/frame.js";
import type { Conversation } from "../driver/conversation.js";
import { Mailbox, type MailboxBudget } from "../driver/mailbox.js";
import type { Receipt } from "../driver/receipt.js";
import { payloadOf, type ServerSendData } from "./payload.js";
import { bufferOf, callSafely } from "./platform.js";
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
}

interface ServerChannelEvents {
  message: [data: Buffer, isBinary: boolean];
  close: [];
  newListener: [event: string | symbol, listener: (...args: unknown[]) => void];
}

/**
 * A named, ordered stream of messages inside a session. The same name on both ends is the same channel. Messages wait for
 * the first listener, within the bound of unfinished messages, and `close` waits behind them.
 */
export class ServerChannel extends EventEmitter<ServerChannelEvents> {
  readonly #init: ServerChannelInit;
  readonly #mailbox: Mailbox<{ data: Buffer; isBinary: boolean }>;
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
    // Emitted before the listener is added: the messages follow when it is there.
    this.on("newListener", (event) => {
      if (event === "message") queueMicrotask(() => this.#mailbox.open());
    });
  }

  /**
   * Sends one message. On a closed channel nothing is sent, and the receipt says `never-written`.
   * @throws SluiceError `ERR_MESSAGE_TOO_LARGE`; TypeError for what cannot be sent
   */
  send(data: ServerSendData, options: ServerSendOptions = {}): Receipt {
    return this.#init.conversation.send(this.#init.key, payloadOf(data, options.binary), options);
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

  /** `"closing"` from `close()` of either side until both directions have ended. */
  get state(): "open" | "closing" | "closed" {
    return this.#state;
  }
}
