import type { LineKind } from "../core/dial/chooser.js";
import type { DialOptions } from "../core/dial/dialer.js";
import { SluiceError } from "../core/error.js";
import type { ChannelKey } from "../core/send/send-channel.js";
import { ClientSession } from "../core/session/client-session.js";
import { Backlog } from "../driver/backlog.js";
import type { ClientConversation } from "../driver/client-conversation.js";
import type { ConversationClosed, ConversationEvent } from "../driver/conversation.js";
import { Gates } from "../driver/gate.js";
import { failNeverWritten } from "../driver/outbox.js";
import type { Payload, SendOptions } from "../driver/pending-message.js";
import { noChannels, type PlainConversation, type PlainEvent } from "../driver/plain-conversation.js";
import type { Receipt } from "../driver/receipt.js";
import { SendBudget } from "../driver/send-bounds.js";
import { foundLink } from "../transport/browser/plain-websocket.js";
import { webSocketTransport } from "../transport/browser/websocket.js";
import { SUBPROTOCOL, type Transport } from "../transport/transport.js";
import { type Credentials, credentialsOf } from "./credentials.js";
import type { FoundPlain } from "./detecting-websocket.js";
import { lossOf } from "./events.js";
import { noAnswer, notSluice, noWebSocket } from "./failures.js";
import { FramedConversation } from "./framed-conversation.js";
import { httpMaker } from "./http-kind.js";
import type { LifelineHandler } from "./lifeline-events.js";
import type { LifelineOptions } from "./lifeline-options.js";
import { watchPage } from "./page-lifecycle.js";
import { PlainMode } from "./plain-mode.js";
import { randomId } from "./platform.js";
import { probe } from "./probe.js";
import { isForeign } from "./transports.js";
import { withSession } from "./url.js";

/** Keeps a socket connected: dials for its session, brings the credentials, and begins the next session when one is lost. */
export class Lifeline {
  /** Backpressure of the channels, across sessions. */
  readonly gates: Gates;
  /** What the messages of all sessions hold together. */
  readonly budget: SendBudget;
  readonly #options: LifelineOptions;
  readonly #handler: LifelineHandler;
  readonly #unwatch: () => void;
  readonly #plainMode: PlainMode;
  #conversation: ClientConversation;
  /** What waits for the next session to be open; `undefined` while nothing has to. */
  #backlog: Backlog | undefined;
  /** The backlog whose turn comes when those who have waited for `open` have said what goes before it. */
  #released: Backlog | undefined;
  /** Channels of the next session that end behind the backlog. */
  readonly #closing: ChannelKey[] = [];
  /** Credentials for each transport that has not been let in. */
  readonly #credentials = new Map<number, Promise<Credentials>>();
  /** Kinds of transport by which a Sluice server cannot be reached here, while none has ever answered. */
  readonly #useless = new Set<LineKind>();
  #extensions = "";
  /** Which session has been greeted last; a server of ours has answered at this URL if there is one. */
  #greeted: FramedConversation | undefined;
  /** An ordinary server, which takes over from the conversation that has looked for one of ours, once that has ended. */
  #found: FoundPlain | undefined;
  /** How the socket has been told to close, while there was no server yet. */
  #closeCall: { readonly code: number; readonly reason: string } | undefined;
  /** Why the attempt has failed, where this end knows better than the transport. */
  #failure: SluiceError | undefined;
  /** Whether the end has begun, by either side: then no session follows. */
  #isClosing = false;
  /** Whether a session has been lost. */
  #hasReopened = false;
  #isHidden = false;
  #isOnline = true;

  /** Dials at once; nothing is told from inside of this call. */
  constructor(options: LifelineOptions, handler: LifelineHandler) {
    this.#options = options;
    this.#handler = handler;
    this.budget = new SendBudget(options.bounds.maxBufferedAmount);
    this.gates = new Gates(options.bounds);
    this.#plainMode = new PlainMode(options, this);
    this.#conversation = this.#plainMode.isCertain ? this.#newPlain(options.dial, 0) : this.#newFramed(options.dial);
    this.#unwatch = watchPage({
      handleLeave: () => this.#leave(),
      handleSleep: () => this.#conversation.suspend(),
      handleWake: () => this.#conversation.wake(),
      handleHidden: (isHidden) => {
        this.#isHidden = isHidden;
        this.#conversation.handleHidden(isHidden);
      },
      handleOnline: (isOnline) => {
        this.#isOnline = isOnline;
        this.#conversation.handleOnline(isOnline);
      },
    });
    this.#begin();
  }

  /** @throws SluiceError as `Conversation.send` does */
  send(channel: ChannelKey, name: string, payload: Payload, options: SendOptions): Receipt {
    // What waits and is about to be sent may be replaced: the newer message must not go before the older one.
    const waiting = this.#backlog ?? (this.#released?.hasKey(name, options.key) ? this.#released : undefined);
    return waiting === undefined
      ? this.#conversation.send(channel, payload, options)
      : waiting.send(name, payload, options);
  }

  /** Bytes accepted on a channel and not yet acknowledged. */
  bufferedAmount(channel: ChannelKey, name: string): number {
    const waiting = this.#backlog ?? this.#released;
    return this.#conversation.bufferedAmount(channel) + (waiting?.bufferedBytes(name) ?? 0);
  }

  /** Those of them that have not left. */
  queuedAmount(channel: ChannelKey, name: string): number {
    const waiting = this.#backlog ?? this.#released;
    return this.#conversation.queuedAmount(channel) + (waiting?.bufferedBytes(name) ?? 0);
  }

  /** Ends in order, behind everything that was sent. What waits for `open` is to be released first. */
  close(code: number, reason: string): void {
    this.#isClosing = true;
    this.#closeCall = { code, reason };
    this.#conversation.close(code, reason);
  }

  /** Ends a channel, behind everything that was sent on it. */
  closeChannel(channel: ChannelKey): void {
    const isWaiting = this.#backlog !== undefined || this.#released !== undefined;
    if (isWaiting) this.#closing.push(channel);
    else this.#conversation.closeChannel(channel);
  }

  /**
   * Runs `first`, whose messages go before those that wait, then sends these; at once when it calls in here again.
   * @param channels where they belong, by name
   */
  release(first: () => void, channels: (name: string) => ChannelKey | undefined): void {
    this.#released ??= this.#backlog;
    this.#backlog = undefined;
    first();
    const backlog = this.#released;
    this.#released = undefined;
    backlog?.release((name, message) => {
      const channel = channels(name);
      // A channel that does not exist takes nothing, and says so.
      this.#conversation.resend(channel ?? -1, message);
    });
    for (const channel of this.#closing.splice(0)) this.#conversation.closeChannel(channel);
  }

  /** Ends everything, at once, because of `error`. The events come later, as those of a native socket do. */
  fail(error: SluiceError): void {
    this.#failure ??= error;
    const conversation = this.#conversation;
    this.#options.host.defer(() => conversation.fail(error));
  }

  get conversation(): ClientConversation {
    return this.#conversation;
  }

  #begin(): void {
    this.#conversation.begin({ isHidden: this.#isHidden, isOnline: this.#isOnline });
  }

  #newFramed(dial: DialOptions): FramedConversation {
    const { limits, host, protocols, trace } = this.#options;
    const protocolsOffered = protocols.join(", ");
    const session = new ClientSession({ attemptId: randomId(), dial, limits, ports: host, protocolsOffered, trace });
    const onTurn = () => this.gates.handleTurn();
    const conversation: FramedConversation = new FramedConversation(
      { session, host, budget: this.budget, onTurn },
      (event) => this.#handle(conversation, event),
    );
    return conversation;
  }

  #newPlain(dial: DialOptions, losses: number): PlainConversation {
    return this.#plainMode.conversation(dial, losses, (event) => this.#handlePlain(event));
  }

  #handlePlain(event: PlainEvent): void {
    switch (event.type) {
      case "opened":
        this.#handler.handleOpen({ ...event, mode: "plain" });
        return;
      case "greeting":
        this.#plainMode.handleGreeted();
        return;
      case "closed":
        this.#handleClosed(event);
        return;
      default:
        this.#handler.handleEvent(event);
    }
  }

  #handle(conversation: FramedConversation, event: ConversationEvent): void {
    switch (event.type) {
      case "dial":
        this.#credentials.set(event.line, credentialsOf(this.#options.auth));
        if (event.kind === "http") void this.#dialHttp(conversation, event.line, event.sessionId);
        else this.#dialWebSocket(conversation, event.line, event.sessionId);
        return;
      case "greeted":
        this.#handleGreeted(conversation, event.protocol);
        return;
      case "introduce":
        void this.#introduce(conversation, event.line);
        return;
      case "detached":
      case "abandoned":
        this.#credentials.delete(event.line);
        if (event.type === "detached") this.#handler.handleEvent(event);
        return;
      case "closed":
        this.#handleClosed(event);
        return;
      case "closing":
        this.#isClosing = true;
        this.#handler.handleEvent(event);
        return;
      default:
        this.#handler.handleEvent(event);
    }
  }

  #dialWebSocket(conversation: FramedConversation, line: number, sessionId: Uint8Array | undefined): void {
    const { WebSocket: Native, url, protocols } = this.#options;
    if (Native === undefined) return this.fail(noWebSocket());
    const handlers = {
      onPlain: (found: FoundPlain) => this.#handleFound(conversation, line, found),
      onSilent: () => conversation.input((session, now) => session.hasten(line, now)),
      onBlocked: (error: SluiceError) => conversation.failAttempt(line, error),
    };
    const WebSocket = this.#plainMode.isPossible ? this.#plainMode.detecting(Native, handlers) : Native;
    // The application's protocols first: a server that does not know ours must see what it would see without us.
    const offer = [...protocols, SUBPROTOCOL];
    let transport: Transport;
    try {
      transport = webSocketTransport(WebSocket, withSession(url, sessionId), offer, this.#options.task);
    } catch (cause) {
      const error = new SluiceError("ERR_CONNECT_FAILED", "The WebSocket could not be made", { cause });
      return this.#handleUseless(conversation, line, "websocket", error);
    }
    const handler = conversation.attach(line, transport, ({ subprotocol, extensions }) => {
      if (subprotocol === SUBPROTOCOL) {
        this.#extensions = extensions;
        conversation.input((session, now) => session.handleTransportOpen(line, transport, now));
        return;
      }
      this.#handleUseless(conversation, line, "websocket", notSluice());
    });
    transport.start(handler);
  }

  async #dialHttp(conversation: FramedConversation, line: number, sessionId: Uint8Array | undefined): Promise<void> {
    const { fetch, url, host, downlink, greeted } = this.#options;
    const make = httpMaker();
    if (fetch === undefined || make === undefined) return conversation.failAttempt(line, notSluice());
    if (!greeted.has(url)) {
      // What HELLO says is not for everybody: a server that is not known is asked first what it is.
      const answer = await probe(fetch, url, host);
      // Given up meanwhile.
      if (!this.#credentials.has(line) || conversation !== this.#conversation) return;
      if (answer === "other") return this.#handleUseless(conversation, line, "http", notSluice());
      if (answer === "unknown") return conversation.failAttempt(line, noAnswer());
      this.#plainMode.handleGreeted();
    }
    const transport = make(fetch, host, withSession(url, sessionId), { downlink });
    const handler = conversation.attach(line, transport, () =>
      conversation.input((session, now) => session.handleTransportOpen(line, transport, now)),
    );
    transport.start({
      ...handler,
      handleClosed: (death) => {
        if (isForeign(death.httpStatus)) this.#handleUseless(conversation, line, "http", notSluice());
        handler.handleClosed(death);
      },
    });
  }

  #handleFound(conversation: FramedConversation, line: number, found: FoundPlain): void {
    if (conversation !== this.#conversation) return found.socket.close();
    if (!this.#plainMode.isPossible) {
      // Another socket of the page has met our server meanwhile.
      found.socket.close();
      return this.#handleUseless(conversation, line, "websocket", notSluice());
    }
    this.#found = found;
    // Nothing has left, so it gives back everything that waits.
    conversation.fail(notSluice());
  }

  /** Goes on as an ordinary client. Nothing is lost: the application has not heard of any session. */
  #continuePlain(found: FoundPlain, { losses }: ConversationClosed): void {
    const { dial } = this.#options;
    const plain = this.#newPlain(dial, 0);
    this.#conversation = plain;
    this.#handler.handleReopen(plain, noChannels());
    for (const { channel, message } of losses.neverWritten) {
      if (plain.channelName(channel) !== undefined) plain.resend(channel, message);
      else message.fail("never-written", noChannels());
    }
    if (this.#closeCall !== undefined) plain.close(this.#closeCall.code, this.#closeCall.reason);
    plain.handleHidden(this.#isHidden);
    plain.adopt(foundLink(found), found.mayGreet);
  }

  /**
   * This attempt leads nowhere. Where a server of ours has never answered, and no kind of transport is left to try, there
   * is none; else something has come between us and it, and may go again.
   */
  #handleUseless(conversation: FramedConversation, line: number, kind: LineKind, error: SluiceError): void {
    const { kinds = ["websocket"] } = this.#options.dial;
    this.#useless.add(kind);
    const isHopeless = this.#greeted === undefined && kinds.every((each) => this.#useless.has(each));
    if (isHopeless) return this.fail(error);
    conversation.failAttempt(line, error);
  }

  #handleGreeted(conversation: FramedConversation, protocol: string): void {
    const { protocols } = this.#options;
    this.#plainMode.handleGreeted();
    if (this.#greeted !== conversation) {
      // WHATWG WebSockets, "establish a WebSocket connection": who offers protocols does not go on without one of them.
      if (protocols.length > 0 && !protocols.includes(protocol)) {
        const error = new SluiceError("ERR_CONNECT_FAILED", "The server has chosen none of the protocols offered");
        conversation.input((session, now) => session.abort(1002, "no protocol chosen", error, now));
        return;
      }
      this.#greeted = conversation;
      this.#handler.handleOpen({ protocol, extensions: this.#extensions, mode: "framed" });
    }
  }

  /** Gives the server the credentials, if there are any, and with that everything that waits. */
  async #introduce(conversation: FramedConversation, line: number): Promise<void> {
    const asked = this.#credentials.get(line);
    if (asked === undefined) return;
    const credentials = await asked;
    // What is said of a dial that has failed meanwhile concerns nobody any more.
    if (this.#credentials.get(line) !== asked) return;
    this.#credentials.delete(line);
    if ("json" in credentials) {
      conversation.input((session, now) => session.provideAuth(line, credentials.json, now));
      return;
    }
    const { cause } = credentials;
    const error = new SluiceError("ERR_CONNECT_FAILED", "`auth` has failed", { cause, retryable: true });
    // Where there has been a session the function can do it, and will again: what it asks may be starting anew as well.
    if (!this.#hasReopened && !conversation.session.isWelcomed) return this.fail(error);
    conversation.failAttempt(line, error);
  }

  #handleClosed(event: ConversationClosed): void {
    const found = this.#found;
    this.#found = undefined;
    if (found !== undefined) return this.#continuePlain(found, event);
    const error = this.#failure ?? event.error;
    const isLost = error?.code === "ERR_SESSION_LOST";
    if (isLost && this.#options.onSessionLost === "reopen" && !this.#isClosing) return this.#reopen(event, error);
    this.#unwatch();
    failNeverWritten(event.losses.neverWritten);
    this.#backlog?.fail();
    this.#backlog = undefined;
    if (isLost) this.#handler.handleLost(lossOf(event));
    this.#handler.handleClosed(event, error);
  }

  #reopen(event: ConversationClosed, error: SluiceError): void {
    const lost = this.#conversation;
    this.#hasReopened = true;
    const { limits, dial: first, host } = this.#options;
    const loss = lossOf(event);
    const dial = { ...first, connectTimeoutMs: Number.POSITIVE_INFINITY, retriesFirst: true };
    const losses = this.#plainMode.lossesAfter(lost);
    const next = losses === undefined ? this.#newFramed(dial) : this.#newPlain(dial, losses);
    this.#conversation = next;
    this.#credentials.clear();
    this.#closing.length = 0;
    const survivors = this.#handler.handleReopen(next, error);
    // A session that was lost before it was open leaves its backlog to the next one, behind what it has not written.
    const waiting = this.#backlog;
    const backlog = new Backlog({
      host,
      messageBytesMax: limits.messageBytesMax,
      budget: this.budget,
      onTurn: () => this.gates.handleTurn(),
    });
    this.#backlog = backlog;
    for (const leftover of event.losses.neverWritten) {
      const name = lost.channelName(leftover.channel);
      if (name === undefined || (name !== "" && !survivors.has(name))) failNeverWritten([leftover]);
      else backlog.add(name, leftover.message);
    }
    waiting?.release((name, message) => backlog.add(name, message));
    this.#handler.handleLost(loss);
    this.#begin();
  }

  /** Sends what a page that is left can send, and says that no more will come. */
  #leave(): void {
    this.#isClosing = true;
    const error = new SluiceError("ERR_CONNECTION_LOST", "The page was left");
    this.#conversation.leave(error);
  }
}
