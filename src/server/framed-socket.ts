import { SluiceError } from "../core/error.js";
import type { Limits } from "../core/limits.js";
import { BatchMemory } from "../core/send/batch-memory.js";
import { type ChannelKey, DEFAULT_CHANNEL } from "../core/send/send-channel.js";
import { ServerSession } from "../core/session/server-session.js";
import type { Admission } from "../core/session/session-types.js";
import type { TraceEvent } from "../core/trace.js";
import type { Priority } from "../core/wire/frame.js";
import { Conversation, type ConversationClosed, type ConversationEvent, type Stats } from "../driver/conversation.js";
import { Gates } from "../driver/gate.js";
import { CHANNEL_HELD_BYTES, Mailbox, UNSEEN_CHANNELS_MAX, unseenError } from "../driver/mailbox.js";
import { failNeverWritten } from "../driver/outbox.js";
import type { Receipt } from "../driver/receipt.js";
import { type SendBounds, SendBudget } from "../driver/send-bounds.js";
import { traceRelay } from "../driver/trace-relay.js";
import type { Transport, TransportHandler, TransportName } from "../transport/transport.js";
import { priorityOf } from "./checked-options.js";
import { type ConnectionEnds, ConnectionView } from "./connection-view.js";
import type { ServerInlet } from "./inlet.js";
import { payloadOf, type ServerSendData } from "./payload.js";
import { bufferOf, callSafely, nodeHost } from "./platform.js";
import { failureOf, neverWritten, refusedSend, refusedSendCode, requireSize } from "./send-outcome.js";
import { ServerChannel, type ServerChannelOptions } from "./server-channel.js";
import {
  checkedClose,
  type PingData,
  pingArguments,
  type SendCallback,
  type ServerSendOptions,
  ServerSocket,
  sendCallbackOf,
  sendOptionsOf,
} from "./server-socket.js";
import { UnansweredPings } from "./unanswered-pings.js";

export interface FramedSocketInit {
  readonly sessionId: Uint8Array;
  readonly limits: Limits;
  readonly bounds: SendBounds;
  /** The application protocol chosen; empty for none. */
  readonly protocol: string;
  readonly principal: unknown;
  /** Of the session's first connection. */
  readonly ends: ConnectionEnds;
  readonly keeper: SocketKeeper;
  readonly trace?: ServerTrace | undefined;
}

/** @param socket the `id` of the socket whose session it is about */
export type ServerTrace = (event: TraceEvent, socket: string) => void;

/** Who keeps the socket while it has no transport. */
export interface SocketKeeper {
  /** The session exists: the application may see the socket. */
  handleEstablished(): void;
  /** The transport of this epoch is gone; another one may come, or has come already. */
  handleParked(epoch: number): void;
  /** The client has what it needs for the next resume. */
  handleConfirmed(): void;
  handleClosed(): void;
  /** The session may hold more or fewer bytes than before. */
  handleTurn(heldBytes: number): void;
}

/** The server's end of a session, on whichever transport. */
export class FramedSocket extends ServerSocket {
  readonly mode = "framed";
  readonly protocol: string;
  readonly id: string;
  readonly #keeper: SocketKeeper;
  readonly #gates: Gates;
  readonly #budget: SendBudget;
  readonly #messageBytesMax: number;
  readonly #conversation: Conversation<ServerSession>;
  /** Channels that the client has opened and nobody has been told of. */
  readonly #unseenChannels: Mailbox<ServerChannel>;
  readonly #channels = new Map<ChannelKey, ServerChannel>();
  readonly #pings = new UnansweredPings(nodeHost, () => this.#answerPings());
  #readyState: 0 | 1 | 2 | 3 = ServerSocket.CONNECTING;
  #principal: unknown;
  readonly #ends: ConnectionEnds;
  /** Made when it is asked for first, as few do. */
  #connectionView: ConnectionView | undefined;

  constructor(init: FramedSocketInit) {
    const { limits, bounds, sessionId, keeper } = init;
    const gates = new Gates(bounds);
    const budget = new SendBudget(bounds.maxBufferedAmount);
    super(gates, budget);
    this.#budget = budget;
    this.#gates = gates;
    this.#messageBytesMax = limits.messageBytesMax;
    this.protocol = init.protocol;
    this.id = bufferOf(sessionId).toString("hex");
    this.#principal = init.principal;
    this.#ends = init.ends;
    this.#keeper = keeper;
    const protocol = nodeHost.encodeUtf8(init.protocol);
    const { id } = this;
    const trace = init.trace && traceRelay((event) => init.trace?.(event, id), nodeHost);
    const session = new ServerSession({
      sessionId,
      protocol,
      limits,
      ports: nodeHost,
      trace,
      memory: new BatchMemory(),
    });
    const onTurn = () => {
      gates.handleTurn();
      keeper.handleTurn(this.#conversation.heldBytes + this.#unseenChannels.length * CHANNEL_HELD_BYTES);
    };
    const options = { session, host: nodeHost, budget, onTurn };
    this.#conversation = new Conversation(options, (event) => this.#handle(event));
    this.#unseenChannels = new Mailbox({
      itemsMax: UNSEEN_CHANNELS_MAX,
      deliver: (channel) => callSafely(() => this.emit("channel", channel)),
      onExceeded: () => this.#conversation.abort(1009, "nobody listens", unseenError()),
    });
  }

  /**
   * @internal A transport of the client, which has been let in.
   * @returns what the transport reports to from here on
   */
  admit(transport: Transport, admission: Admission, principal: unknown): TransportHandler {
    this.#principal = principal;
    const handler = this.#conversation.attach(admission.hello.epoch, transport);
    this.#conversation.input((session, now) => session.attach(admission, now));
    return handler;
  }

  /** @internal Whether a client that has accepted so many batches can be given this session. */
  canAttach(received: number): boolean {
    return this.#conversation.session.canAttach(received);
  }

  /** @internal Asks the client to come back on another transport. */
  recall(delayMs: number): void {
    this.#conversation.input((session, now) => session.recall(delayMs, now));
  }

  /** @internal Memory is short, or is not any more: the client may send less ahead. */
  handleScarcity(isScarce: boolean): void {
    this.#conversation.input((session, now) => session.handleScarcity(isScarce, now));
  }

  /** @internal The session is not kept any longer. A client that is there learns by the code that it may come again. */
  expire(error: SluiceError, code: 1012 | 1013 = 1013): void {
    this.#conversation.abort(code, "", error);
  }

  override send(data: ServerSendData, options?: ServerSendOptions | SendCallback, callback?: SendCallback): Receipt {
    const sendOptions = sendOptionsOf(options);
    const onAccepted = sendCallbackOf(options, callback);
    const payload = payloadOf(data, sendOptions.binary);
    requireSize(payload, this.#messageBytesMax);
    let receipt: Receipt;
    try {
      receipt = this.#conversation.send(DEFAULT_CHANNEL, payload, sendOptions);
    } catch (error) {
      return refusedSend(error, onAccepted, (refusal) => this.#giveUp(refusal));
    }
    this.handleSent();
    if (onAccepted !== undefined) this.#callBackOf(receipt, onAccepted);
    return receipt;
  }

  override close(code?: number, reason?: string | Buffer): void {
    // As with `ws`: who passes on the end of another socket, 1006 perhaps, may be late.
    if (this.#readyState >= ServerSocket.CLOSING) return;
    const checked = checkedClose(code, reason);
    this.#readyState = ServerSocket.CLOSING;
    this.#leave();
    this.#conversation.close(checked.code, checked.reason);
  }

  override terminate(): void {
    if (this.#readyState === ServerSocket.CLOSED) return;
    this.#readyState = ServerSocket.CLOSING;
    this.#leave();
    // Nothing more is taken from here on; nothing of it leaves, as `fail` is faster.
    this.#conversation.close(1000, "");
    // `close` comes later, as with `ws`.
    nodeHost.defer(() => {
      this.#conversation.fail(new SluiceError("ERR_CONNECTION_LOST", "The socket was terminated"));
    });
  }

  override ping(data?: PingData | SendCallback, mask?: boolean | SendCallback, callback?: SendCallback): void {
    const [payload, onAccepted] = pingArguments(data, mask, callback);
    if (this.#readyState === ServerSocket.OPEN) {
      this.#pings.add(payload);
      if (this.transport === null) this.#answerPings();
      else this.#conversation.ping(payload);
    }
    this.#callBack(onAccepted);
  }

  override pong(data?: PingData | SendCallback, mask?: boolean | SendCallback, callback?: SendCallback): void {
    const [payload, onAccepted] = pingArguments(data, mask, callback);
    if (this.#readyState === ServerSocket.OPEN) {
      this.#conversation.command((session, now) => session.pong(payload, now));
    }
    this.#callBack(onAccepted);
  }

  override channel(name: string, options: ServerChannelOptions = {}): ServerChannel {
    const priority = priorityOf(options);
    if (this.#readyState >= ServerSocket.CLOSING) {
      throw new SluiceError("ERR_USAGE_CHANNEL_CLOSED", "The socket is closing or closed");
    }
    const key = this.#conversation.openChannel(name, priority);
    const known = this.#channels.get(key);
    if (known === undefined) return this.#addChannel(key, name, priority ?? "normal");
    if (priority !== undefined) known.priority = priority;
    return known;
  }

  override stats(): Stats {
    return this.#conversation.stats;
  }

  override get readyState(): 0 | 1 | 2 | 3 {
    return this.#readyState;
  }

  override get extensions(): string {
    return "";
  }

  override get _socket(): ConnectionView {
    if (this.#connectionView === undefined) {
      this.#connectionView = new ConnectionView(this.#ends);
      if (this.#readyState === ServerSocket.CLOSED) this.#connectionView.finish();
    }
    return this.#connectionView;
  }

  override get transport(): TransportName | null {
    return this.#conversation.transport;
  }

  protected override get queuedAmount(): number {
    return this.#conversation.queuedAmount(DEFAULT_CHANNEL);
  }

  override get bufferedAmount(): number {
    return this.#conversation.bufferedAmount(DEFAULT_CHANNEL);
  }

  override get principal(): unknown {
    return this.#principal;
  }

  #handle(event: ConversationEvent): void {
    switch (event.type) {
      case "established":
        this.#readyState = ServerSocket.OPEN;
        // As with `ws`, who awaits `connection` is in time to listen.
        setImmediate(() => this.inlet.open());
        this.#keeper.handleEstablished();
        return;
      case "detached":
        this.#keeper.handleParked(event.line);
        callSafely(() => this.emit("park"));
        this.#answerPings();
        return;
      case "resumed":
        callSafely(() => this.emit("resume"));
        return;
      case "confirmed":
        this.#keeper.handleConfirmed();
        return;
      case "channel": {
        const channel = this.#addChannel(event.channel, event.name, event.priority);
        this.#unseenChannels.handle(channel);
        return;
      }
      case "channel-closing":
        this.#channels.get(event.channel)?.handleClosing();
        return;
      case "channel-closed":
        this.#handleChannelClosed(event.channel);
        return;
      case "message":
      case "incoming":
      case "piece":
      case "incoming-reset":
        this.#inletOf(event.channel)?.handle(event);
        return;
      case "pong":
        this.#pings.handlePong(bufferOf(event.payload));
        this.emit("pong", bufferOf(event.payload));
        return;
      case "ping":
        this.emit("ping", bufferOf(event.payload));
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

  /**
   * An `error` that nobody listens to would end the process, and this one a peer can cause. What this end has cut, or has
   * found cut when it was closing, is no error with `ws`: a stream over the socket would fail by being destroyed.
   */
  #isToldOf(error: SluiceError): boolean {
    return error.code !== "ERR_CONNECTION_LOST" && this.listenerCount("error") > 0;
  }

  /** In place of a client that is not there, or that nothing is heard of. */
  #answerPings(): void {
    const payload = this.#pings.take();
    if (payload === undefined || this.#readyState !== ServerSocket.OPEN) return;
    nodeHost.defer(() => callSafely(() => this.emit("pong", payload)));
  }

  /** Not in `send` itself, which is called for each small message: who makes closures makes room for them first. */
  #callBackOf(receipt: Receipt, onAccepted: SendCallback): void {
    const callBack = () => onAccepted(failureOf(receipt));
    if (receipt.state === "queued") this.#conversation.whenRoom(this, callBack);
    else nodeHost.defer(callBack);
  }

  #giveUp(error: SluiceError): void {
    this.#conversation.abort(refusedSendCode(error), "", error);
  }

  /** @internal Throws what keeps the message out, whoever's fault it is. */
  protected override write(data: ServerSendData): Receipt {
    const receipt = this.#conversation.send(DEFAULT_CHANNEL, payloadOf(data), {});
    this.handleSent();
    return receipt;
  }

  #callBack(onAccepted: SendCallback | undefined): void {
    if (onAccepted === undefined) return;
    const isOpen = this.#readyState === ServerSocket.OPEN;
    nodeHost.defer(() => onAccepted(isOpen ? undefined : neverWritten()));
  }

  protected override handleChannelListener(): void {
    this.#unseenChannels.open();
  }

  protected override handleConsumer(mode: "messages" | "incoming"): void {
    this.#conversation.receive(DEFAULT_CHANNEL, mode);
  }

  protected override handleTaken(cost: number): void {
    this.#conversation.take(DEFAULT_CHANNEL, cost);
  }

  #inletOf(channel: ChannelKey): ServerInlet | undefined {
    return channel === DEFAULT_CHANNEL ? this.inlet : this.#channels.get(channel)?.inlet;
  }

  #handleChannelClosed(key: ChannelKey): void {
    const channel = this.#channels.get(key);
    if (channel === undefined) return;
    this.#channels.delete(key);
    channel.handleClosed(undefined);
    // Nothing can be done with it; else one after the other would pile up while nobody listens.
    if (!channel.inlet.isHolding) this.#unseenChannels.remove(channel);
  }

  /** What nobody takes any more must not hold up an end that the application has asked for. */
  #leave(): void {
    this.inlet.leave("socket");
    for (const channel of this.#channels.values()) channel.inlet.leave("socket");
  }

  #addChannel(key: ChannelKey, name: string, priority: Priority): ServerChannel {
    const channel = new ServerChannel({
      key,
      name,
      priority,
      conversation: this.#conversation,
      gates: this.#gates,
      sendBudget: this.#budget,
      messageBytesMax: this.#messageBytesMax,
    });
    this.#channels.set(key, channel);
    return channel;
  }

  #closed(end: ConversationClosed): void {
    const wasSeen = this.#readyState !== ServerSocket.CONNECTING;
    failNeverWritten(end.losses.neverWritten);
    this.#keeper.handleClosed();
    this.#readyState = ServerSocket.CLOSED;
    this.#pings.take();
    this.handleEnd();
    // Before `close`: streams over the socket look for it in this order.
    callSafely(() => this.#connectionView?.finish());
    const { error } = end;
    for (const channel of this.#channels.values()) channel.handleClosed(error);
    this.#channels.clear();
    this.inlet.end(error, () => {
      if (!wasSeen) return;
      if (error !== undefined && this.#isToldOf(error)) callSafely(() => this.emit("error", error));
      this.emit("close", end.code, Buffer.from(end.reason));
    });
  }
}
