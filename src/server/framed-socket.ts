import { randomBytes } from "node:crypto";
import { SluiceError } from "../core/error.js";
import type { Limits } from "../core/limits.js";
import { type ChannelKey, DEFAULT_CHANNEL } from "../core/send/send-channel.js";
import { ID_BYTES } from "../core/session/handshake.js";
import { checkedPriority, type Priority } from "../core/wire/frame.js";
import { Conversation, type ConversationEvent, type Stats } from "../driver/conversation.js";
import { CHANNEL_HELD_BYTES, Mailbox, MailboxBudget } from "../driver/mailbox.js";
import type { Receipt } from "../driver/receipt.js";
import type { Transport, TransportName } from "../transport/transport.js";
import { payloadOf, type ServerSendData } from "./payload.js";
import { bufferOf, callSafely, nodeHost } from "./platform.js";
import { ServerChannel, type ServerChannelOptions } from "./server-channel.js";
import {
  checkedClose,
  HIGH_WATER_BYTES,
  neverWritten,
  type PingData,
  pingArguments,
  type SendCallback,
  type ServerSendOptions,
  ServerSocket,
  sendArguments,
} from "./server-socket.js";

export interface FramedSocketInit {
  readonly transport: Transport;
  readonly limits: Limits;
  /** The application protocol chosen; empty for none. */
  readonly protocol: string;
  /** Decides on the client's credentials. Whatever it returns is the principal, but `false`, `null` or `undefined`. */
  readonly authenticate: ((auth: unknown) => unknown) | undefined;
  /** The session exists: the application may see the socket. */
  readonly onEstablished: (socket: FramedSocket) => void;
}

/** The server's end of a session. */
export class FramedSocket extends ServerSocket {
  readonly mode = "framed";
  readonly protocol: string;
  readonly id: string;
  readonly #sessionId: Uint8Array = randomBytes(ID_BYTES);
  readonly #authenticate: FramedSocketInit["authenticate"];
  readonly #onEstablished: FramedSocketInit["onEstablished"];
  readonly #conversation: Conversation;
  readonly #mailboxes: MailboxBudget;
  /** Channels that the client has opened and nobody has been told of. */
  readonly #unseenChannels: Mailbox<ServerChannel>;
  /** Messages of the default channel that came with the session: nobody can have listened to them yet. */
  readonly #earlyMessages: Mailbox<{ data: Buffer; isBinary: boolean }>;
  readonly #channels = new Map<ChannelKey, ServerChannel>();
  readonly #transport: Transport;
  #readyState: 0 | 1 | 2 | 3 = ServerSocket.CONNECTING;
  #principal: unknown;

  constructor(init: FramedSocketInit) {
    super();
    this.protocol = init.protocol;
    this.id = bufferOf(this.#sessionId).toString("hex");
    this.#authenticate = init.authenticate;
    this.#onEstablished = init.onEstablished;
    this.#transport = init.transport;
    this.#conversation = new Conversation(
      {
        side: { role: "server", sessionId: this.#sessionId, protocol: nodeHost.encodeUtf8(init.protocol) },
        limits: init.limits,
        host: nodeHost,
      },
      (event) => this.#handle(event),
    );
    this.#mailboxes = new MailboxBudget(init.limits.reassemblyBytesMax, () => {
      const error = new SluiceError("ERR_PEER_VIOLATION", "Too much has come on channels that nobody listens to");
      this.#conversation.abort(1009, "nobody listens", error);
    });
    this.#unseenChannels = new Mailbox(this.#mailboxes, (channel) => callSafely(() => this.emit("channel", channel)));
    this.#earlyMessages = new Mailbox(this.#mailboxes, ({ data, isBinary }) =>
      callSafely(() => this.emit("message", data, isBinary)),
    );
    // Emitted before the listener is added: the channels follow when it is there.
    this.on("newListener", (event) => {
      if (event === "channel") nodeHost.defer(() => this.#unseenChannels.open());
    });
    this.#conversation.attach(init.transport);
  }

  override send(data: ServerSendData, options?: ServerSendOptions | SendCallback, callback?: SendCallback): Receipt {
    const [sendOptions, onAccepted] = sendArguments(options, callback);
    const receipt = this.#conversation.send(DEFAULT_CHANNEL, payloadOf(data, sendOptions.binary), sendOptions);
    if (onAccepted === undefined) return receipt;
    if (receipt.state !== "queued") {
      const isCancelled = receipt.state === "cancelled";
      const error = isCancelled ? new SluiceError("ERR_CANCELLED", "The message was cancelled") : neverWritten();
      nodeHost.defer(() => onAccepted(error));
    } else {
      this.#conversation.whenBuffered(DEFAULT_CHANNEL, HIGH_WATER_BYTES, () => onAccepted());
    }
    return receipt;
  }

  override close(code?: number, reason?: string | Buffer): void {
    const checked = checkedClose(code, reason);
    if (this.#readyState >= ServerSocket.CLOSING) return;
    this.#readyState = ServerSocket.CLOSING;
    this.#conversation.close(checked.code, checked.reason);
  }

  override terminate(): void {
    if (this.#readyState === ServerSocket.CLOSED) return;
    this.#readyState = ServerSocket.CLOSING;
    this.#transport.terminate();
    // `close` comes later, as with `ws`.
    nodeHost.defer(() => this.#conversation.fail());
  }

  override ping(data?: PingData | SendCallback, mask?: boolean | SendCallback, callback?: SendCallback): void {
    const [payload, onAccepted] = pingArguments(data, mask, callback);
    this.#conversation.ping(payload);
    if (onAccepted === undefined) return;
    const isClosed = this.#readyState === ServerSocket.CLOSED;
    nodeHost.defer(() => onAccepted(isClosed ? neverWritten() : undefined));
  }

  override channel(name: string, options: ServerChannelOptions = {}): ServerChannel {
    const priority = options.priority === undefined ? undefined : checkedPriority(options.priority);
    if (this.#readyState >= ServerSocket.CLOSING) {
      throw new SluiceError("ERR_USAGE_CHANNEL_CLOSED", "The socket is closing or closed");
    }
    const key = this.#conversation.openChannel(String(name), priority);
    const known = this.#channels.get(key);
    if (known === undefined) return this.#addChannel(key, String(name), priority ?? "normal");
    if (priority !== undefined) known.priority = priority;
    return known;
  }

  override stats(): Stats {
    return this.#conversation.stats;
  }

  override get readyState(): number {
    return this.#readyState;
  }

  override get extensions(): string {
    return "";
  }

  override get transport(): TransportName | null {
    return this.#conversation.transport;
  }

  override get bufferedAmount(): number {
    return this.#conversation.bufferedAmount(DEFAULT_CHANNEL);
  }

  override get principal(): unknown {
    return this.#principal;
  }

  #handle(event: ConversationEvent): void {
    switch (event.type) {
      case "hello":
        void this.#admit(event.auth);
        return;
      case "established":
        this.#readyState = ServerSocket.OPEN;
        // As with `ws`, who awaits `connection` is in time to listen.
        setImmediate(() => this.#earlyMessages.open());
        this.#onEstablished(this);
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
        this.#message(event.channel, event.data as Uint8Array, !event.text);
        return;
      case "ping":
      case "pong":
        this.emit(event.type, bufferOf(event.payload));
        return;
      case "closing":
        this.#readyState = ServerSocket.CLOSING;
        return;
      case "closed":
        this.#closed(event);
        return;
      default:
    }
  }

  /** Runs the application's check. What it throws stays here: the client learns that it was refused, not why. */
  async #admit(auth: string | undefined): Promise<void> {
    try {
      if (this.#authenticate !== undefined) {
        this.#principal = await this.#authenticate(auth === undefined ? undefined : JSON.parse(auth));
        if (this.#principal === undefined || this.#principal === null || this.#principal === false) {
          throw new SluiceError("ERR_REFUSED", "`authenticate` has refused the client");
        }
      }
      this.#conversation.accept(this.#sessionId);
    } catch (cause) {
      this.#conversation.abort(1008, "unauthorized", new SluiceError("ERR_REFUSED", "Refused", { cause }));
    }
  }

  #message(key: ChannelKey, data: Uint8Array, isBinary: boolean): void {
    if (key === DEFAULT_CHANNEL) this.#earlyMessages.handle({ data: bufferOf(data), isBinary }, data.length);
    else this.#channels.get(key)?.handleMessage(data, isBinary);
  }

  #addChannel(key: ChannelKey, name: string, priority: Priority): ServerChannel {
    const channel = new ServerChannel({
      key,
      name,
      priority,
      conversation: this.#conversation,
      budget: this.#mailboxes,
    });
    this.#channels.set(key, channel);
    return channel;
  }

  #closed(end: { code: number; reason: string; error: SluiceError | undefined }): void {
    const wasSeen = this.#readyState !== ServerSocket.CONNECTING;
    this.#readyState = ServerSocket.CLOSED;
    for (const channel of this.#channels.values()) channel.handleClosed();
    this.#channels.clear();
    if (!wasSeen) return;
    this.#earlyMessages.finish(() => {
      // An `error` that nobody listens to would end the process, and this one a peer can cause.
      const { error } = end;
      if (error !== undefined && this.listenerCount("error") > 0) callSafely(() => this.emit("error", error));
      this.emit("close", end.code, Buffer.from(end.reason));
    });
  }
}
