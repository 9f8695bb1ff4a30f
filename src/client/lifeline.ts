import type { DialOptions } from "../core/dial/dialer.js";
import { SluiceError } from "../core/error.js";
import type { Limits } from "../core/limits.js";
import type { ChannelKey } from "../core/send/send-channel.js";
import { ClientSession } from "../core/session/client-session.js";
import { Backlog } from "../driver/backlog.js";
import { Conversation, type ConversationClosed, type ConversationEvent } from "../driver/conversation.js";
import { Gates } from "../driver/gate.js";
import type { Host } from "../driver/host.js";
import { failNeverWritten } from "../driver/outbox.js";
import type { Payload, SendOptions } from "../driver/pending-message.js";
import type { Receipt } from "../driver/receipt.js";
import { type SendBounds, SendBudget } from "../driver/send-bounds.js";
import { type WebSocketConstructor, webSocketTransport } from "../transport/browser/websocket.js";
import { SUBPROTOCOL, type Transport } from "../transport/transport.js";
import type { SessionLoss } from "./events.js";
import { watchPage } from "./page-lifecycle.js";
import { withSession } from "./url.js";

/** How a client dials, and what it goes by. */
export interface LifelineOptions {
  readonly url: string;
  /** The application's own, most wanted first. */
  readonly protocols: readonly string[];
  readonly limits: Limits;
  readonly bounds: SendBounds;
  readonly dial: DialOptions;
  readonly onSessionLost: "reopen" | "close";
  /** What `authenticate` gets, or what gives it. */
  readonly auth: unknown;
  readonly WebSocket: WebSocketConstructor | undefined;
  readonly host: Host;
}

export type LifelineEvent = Exclude<ConversationEvent, { type: "dial" | "greeted" | "closed" }>;

/** What the lifeline tells its socket, in order. */
export interface LifelineHandler {
  handleEvent(event: LifelineEvent): void;
  /** A session is open: messages may flow. What was sent before waits for `release`, unless it is the first session. */
  handleOpen(opened: { readonly protocol: string; readonly extensions: string }): void;
  /** The next session begins: opens the channels that live on. Those that it does not name have ended. */
  handleReopen(conversation: Conversation<ClientSession>): ReadonlySet<string>;
  /** A session could not be resumed. */
  handleLost(loss: SessionLoss): void;
  /** There is no next session. */
  handleClosed(event: ConversationClosed, error: SluiceError | undefined): void;
}

type Credentials = { readonly json: string | undefined } | { readonly cause: unknown };

/** Keeps a socket connected: dials for its session, brings the credentials, and begins the next session when one is lost. */
export class Lifeline {
  /** Backpressure of the channels, across sessions. */
  readonly gates: Gates;
  /** What the messages of all sessions hold together. */
  readonly budget: SendBudget;
  readonly #options: LifelineOptions;
  readonly #handler: LifelineHandler;
  readonly #unwatch: () => void;
  readonly #first: Conversation<ClientSession>;
  #conversation: Conversation<ClientSession>;
  /** What waits for the next session to be open; `undefined` while nothing has to. */
  #backlog: Backlog | undefined;
  /** The backlog whose turn comes when those who have waited for `open` have said what goes before it. */
  #released: Backlog | undefined;
  /** Channels of the next session that end behind the backlog. */
  readonly #closing: ChannelKey[] = [];
  /** Credentials for the transport of this epoch. */
  #credentials: { readonly epoch: number; readonly promise: Promise<Credentials> } | undefined;
  #extensions = "";
  /** Which session has been greeted last; a server of ours has answered at this URL if there is one. */
  #greeted: Conversation<ClientSession> | undefined;
  /** Why the attempt has failed, where this end knows better than the transport. */
  #failure: SluiceError | undefined;
  /** Whether the end has begun, by either side: then no session follows. */
  #isClosing = false;
  #isHidden = false;
  #isOnline = true;

  /** Dials at once; nothing is told from inside of this call. */
  constructor(options: LifelineOptions, handler: LifelineHandler) {
    this.#options = options;
    this.#handler = handler;
    this.budget = new SendBudget(options.bounds.maxBufferedAmount);
    this.gates = new Gates(options.bounds.highWaterMark);
    this.#first = this.#newConversation(options.dial);
    this.#conversation = this.#first;
    this.#unwatch = watchPage({
      handleLeave: () => this.#leave(),
      handleSleep: () => this.#conversation.input((session, now) => session.suspend(now)),
      handleWake: () => this.#conversation.input((session, now) => session.wake(now)),
      handleHidden: (isHidden) => {
        this.#isHidden = isHidden;
        this.#conversation.input((session, now) => {
          session.handleTimers(!isHidden, now);
          if (!isHidden) session.hurry("same", now);
        });
      },
      handleOnline: (isOnline) => {
        this.#isOnline = isOnline;
        this.#conversation.input((session, now) => {
          session.handleOffline(!isOnline, now);
          if (isOnline) session.hurry("changed", now);
        });
      },
    });
    this.#conversation.command((session, now) => session.start(now));
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

  /** Ends in order, behind everything that was sent. What waits for `open` is to be released first. */
  close(code: number, reason: string): void {
    this.#isClosing = true;
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

  get conversation(): Conversation<ClientSession> {
    return this.#conversation;
  }

  #newConversation(dial: DialOptions): Conversation<ClientSession> {
    const { limits, host } = this.#options;
    const session = new ClientSession({ attemptId: randomId(), dial, limits, ports: host });
    const onTurn = () => this.gates.handleTurn();
    const conversation: Conversation<ClientSession> = new Conversation(
      { session, host, budget: this.budget, onTurn },
      (event) => this.#handle(conversation, event),
    );
    return conversation;
  }

  #handle(conversation: Conversation<ClientSession>, event: ConversationEvent): void {
    switch (event.type) {
      case "dial":
        this.#dial(conversation, event.epoch, event.sessionId);
        return;
      case "greeted":
        this.#handleGreeted(conversation, event.epoch, event.protocol);
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

  #dial(conversation: Conversation<ClientSession>, epoch: number, sessionId: Uint8Array | undefined): void {
    const { WebSocket, url, protocols, auth } = this.#options;
    if (WebSocket === undefined) {
      return this.fail(new SluiceError("ERR_CONNECT_FAILED", "There is no WebSocket here; pass one as an option"));
    }
    this.#credentials = { epoch, promise: credentialsOf(auth) };
    let transport: Transport;
    try {
      // The application's protocols first: a server that does not know ours must see what it would see without us.
      transport = webSocketTransport(WebSocket, withSession(url, sessionId), [...protocols, SUBPROTOCOL]);
    } catch (cause) {
      const error = new SluiceError("ERR_CONNECT_FAILED", "The WebSocket could not be made", { cause });
      return this.#handleUseless(conversation, epoch, error);
    }
    const handler = conversation.attach(epoch, transport, ({ subprotocol, extensions }) => {
      if (subprotocol === SUBPROTOCOL) {
        this.#extensions = extensions;
        conversation.input((session, now) => session.handleTransportOpen(epoch, transport.batchBytesMax, now));
        return;
      }
      const error = new SluiceError("ERR_NOT_SLUICE", `The server has not selected the subprotocol "${SUBPROTOCOL}"`);
      this.#handleUseless(conversation, epoch, error);
    });
    transport.start(handler);
  }

  /**
   * This attempt leads nowhere. Where a server of ours has never answered, there is none; else something has come between
   * us and it, and may go again.
   */
  #handleUseless(conversation: Conversation<ClientSession>, epoch: number, error: SluiceError): void {
    if (this.#greeted === undefined) return this.fail(error);
    failAttempt(conversation, epoch, error);
  }

  #handleGreeted(conversation: Conversation<ClientSession>, epoch: number, protocol: string): void {
    const { protocols } = this.#options;
    if (this.#greeted !== conversation) {
      // WHATWG WebSockets, "establish a WebSocket connection": who offers protocols does not go on without one of them.
      if (protocols.length > 0 && !protocols.includes(protocol)) {
        const error = new SluiceError("ERR_CONNECT_FAILED", "The server has chosen none of the protocols offered");
        conversation.input((session, now) => session.abort(1002, "no protocol chosen", error, now));
        return;
      }
      this.#greeted = conversation;
      this.#handler.handleOpen({ protocol, extensions: this.#extensions });
    }
    void this.#introduce(conversation, epoch);
  }

  /** Gives the server the credentials, if there are any, and with that everything that waits. */
  async #introduce(conversation: Conversation<ClientSession>, epoch: number): Promise<void> {
    const asked = this.#credentials;
    if (asked?.epoch !== epoch) return;
    const credentials = await asked.promise;
    // What is said of a dial that another one has followed concerns nobody any more.
    if (this.#credentials !== asked) return;
    if ("json" in credentials) {
      conversation.input((session, now) => session.provideAuth(epoch, credentials.json, now));
      return;
    }
    const { cause } = credentials;
    const error = new SluiceError("ERR_CONNECT_FAILED", "`auth` has failed", { cause, retryable: true });
    // Where there has been a session the function can do it, and will again: what it asks may be starting anew as well.
    if (conversation === this.#first && !conversation.session.isWelcomed) return this.fail(error);
    failAttempt(conversation, epoch, error);
  }

  #handleClosed(event: ConversationClosed): void {
    const error = this.#failure ?? event.error;
    const isLost = error?.code === "ERR_SESSION_LOST";
    if (isLost && this.#options.onSessionLost === "reopen" && !this.#isClosing) return this.#reopen(event);
    this.#unwatch();
    failNeverWritten(event.losses.neverWritten);
    this.#backlog?.fail();
    this.#backlog = undefined;
    if (isLost) this.#handler.handleLost(lossOf(event));
    this.#handler.handleClosed(event, error);
  }

  #reopen(event: ConversationClosed): void {
    const lost = this.#conversation;
    const { limits, dial, host } = this.#options;
    const loss = lossOf(event);
    const next = this.#newConversation({ ...dial, connectTimeoutMs: Number.POSITIVE_INFINITY, retriesFirst: true });
    this.#conversation = next;
    this.#closing.length = 0;
    const survivors = this.#handler.handleReopen(next);
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
    next.command((session, now) => {
      session.handleTimers(!this.#isHidden, now);
      session.handleOffline(!this.#isOnline, now);
      session.start(now);
    });
  }

  /** Sends what a page that is left can send, and says that no more will come. */
  #leave(): void {
    this.#isClosing = true;
    const error = new SluiceError("ERR_CONNECTION_LOST", "The page was left");
    this.#conversation.input((session, now) => session.farewell(now));
    this.#conversation.input((session, now) => session.abort(1001, "", error, now));
  }
}

/** The attempt of this epoch has failed, and another may follow. */
function failAttempt(conversation: Conversation<ClientSession>, epoch: number, error: SluiceError): void {
  const death = { wasClean: false, code: 1006, reason: "" };
  conversation.input((session, now) => session.handleTransportClosed(epoch, death, now, error));
}

function lossOf({ losses }: ConversationClosed): SessionLoss {
  return { neverWritten: losses.neverWritten.map(({ message }) => message.control.receipt), unknown: losses.unknown };
}

/** Never rejects: nobody may be there to hear it. */
async function credentialsOf(auth: unknown): Promise<Credentials> {
  try {
    return { json: JSON.stringify(await (typeof auth === "function" ? auth() : auth)) };
  } catch (cause) {
    return { cause };
  }
}

/** 128 random bits: names an attempt to make a session (HSK-04). */
function randomId(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(16));
}
