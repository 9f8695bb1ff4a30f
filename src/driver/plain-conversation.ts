import { Dialer, type DialOptions } from "../core/dial/dialer.js";
import { SluiceError } from "../core/error.js";
import { TRY_LATER } from "../core/session/session-end.js";
import { isDue, type Millis } from "../core/time.js";
import { isGreeting } from "../core/wire/greeting.js";
import type { PlainLink } from "../transport/plain.js";
import type { TransportDeath, TransportName } from "../transport/transport.js";
import { Alarm } from "./alarm.js";
import type { ClientConversation, Surroundings } from "./client-conversation.js";
import type { ConversationClosed, ConversationEvent, Stats } from "./conversation.js";
import type { Host } from "./host.js";
import { neverWritten } from "./outbox.js";
import { type Payload, type PendingMessage, refused, type SendOptions } from "./pending-message.js";
import { PlainClosing } from "./plain-closing.js";
import { PlainOutbox } from "./plain-outbox.js";
import type { Receipt } from "./receipt.js";
import type { SendBudget } from "./send-bounds.js";

/** The only channel that an ordinary server knows. */
const DEFAULT_CHANNEL = 0;

/** What a page that is left may still hand over beyond the gate: as in framed mode. */
const FAREWELL_BYTES = 64 * 1024;

/** What the application learns of a plain conversation. */
export type PlainEvent =
  | { readonly type: "opened"; readonly protocol: string; readonly extensions: string }
  | Extract<ConversationEvent, { type: "message" }>
  /** It is a Sluice server after all: `closed` follows. */
  | { readonly type: "greeting" }
  | ConversationClosed;

export interface PlainOptions {
  readonly host: Host;
  readonly budget: SendBudget;
  readonly dial: DialOptions;
  /** Connections in a row that have been lost, up to this one: it waits longer the more there were, and not after none. */
  readonly losses: number;
  /** Makes a link that begins to connect. May throw. */
  readonly connect: () => PlainLink;
  /** Of each attempt, ms. */
  readonly handshakeTimeoutMs: Millis;
  /** How long `close` waits while nothing moves, ms. */
  readonly closeTimeoutMs: Millis;
  /** The longest stream: it has to be read before it can leave. */
  readonly messageBytesMax: number;
  /** Whether a lost connection is followed by another one: then a server that asks for that is heard. */
  readonly reopens: boolean;
  /** Whether somebody waits for `bufferedAmount` to fall. */
  readonly isAwaited: () => boolean;
  readonly onTurn: () => void;
}

/** Where it is. A link belongs to it from its dial on. */
type State =
  | { readonly name: "idle" }
  | { readonly name: "dialling"; readonly link: PlainLink; readonly deadline: Millis }
  /** `mayGreet`: nothing has come yet, and the server has selected our subprotocol. */
  | { readonly name: "open"; readonly link: PlainLink; readonly mayGreet: boolean }
  | { readonly name: "ended" };

/**
 * A conversation with an ordinary WebSocket server: one connection, from the first dial until it is lost. Nobody
 * acknowledges anything, there is one channel, and nothing is cut into pieces; but what is sent waits here, where it can
 * still be replaced, taken back, or expire, until the WebSocket is about to send it.
 */
export class PlainConversation implements ClientConversation {
  readonly #options: PlainOptions;
  readonly #onEvent: (event: PlainEvent) => void;
  readonly #dialer: Dialer;
  readonly #alarm: Alarm;
  readonly #outbox: PlainOutbox;
  readonly #counts = { messagesReceived: 0, bytesReceived: 0 };
  #state: State = { name: "idle" };
  /** How it is to be closed, once everything has been handed over. */
  #closing: PlainClosing | undefined;
  /** A turn is due at the end of the running script. */
  #isDeferred = false;

  constructor(options: PlainOptions, onEvent: (event: PlainEvent) => void) {
    const { host, budget, dial, losses, messageBytesMax } = options;
    this.#options = options;
    this.#onEvent = onEvent;
    // As if the losses before were failures of this one.
    const baseMs = dial.backoff.baseMs * 2 ** Math.min(Math.max(losses - 1, 0), 30);
    this.#dialer = new Dialer({ ...dial, backoff: { ...dial.backoff, baseMs } }, () => host.random());
    this.#alarm = new Alarm(host, () => this.#handleAlarm());
    this.#outbox = new PlainOutbox({ host, budget, messageBytesMax, onTurn: () => this.#turn() });
  }

  begin({ isHidden, isOnline }: Surroundings): void {
    this.#outbox.isHidden = isHidden;
    this.#dialer.handleOffline(!isOnline);
    this.#dialer.start(this.#now);
    if (this.#options.losses > 0) {
      this.#dialer.handleFailure(this.#now);
      return this.#turn();
    }
    // Nothing is told from inside of this call.
    this.#options.host.defer(() => {
      if (this.#dialer.state.name === "dialling" && this.#state.name === "idle") this.#dial();
    });
  }

  /**
   * Begins with a link that is open.
   * @param mayGreet whether the server has said that it speaks our protocol
   */
  adopt(link: PlainLink, mayGreet: boolean): void {
    this.#dialer.start(this.#now);
    this.#start(link, mayGreet);
    this.#turn();
  }

  send(channel: number, payload: Payload, options: SendOptions): Receipt {
    if (channel !== DEFAULT_CHANNEL) return refused(options, "channel");
    if (this.#isEnding) return refused(options, "socket");
    const receipt = this.#outbox.send(payload, options);
    this.#defer();
    return receipt;
  }

  resend(channel: number, message: PendingMessage): void {
    if (channel !== DEFAULT_CHANNEL || this.#isEnding) message.fail("never-written", neverWritten());
    else this.#outbox.add(message);
    this.#defer();
  }

  /** @throws SluiceError `ERR_NOT_SLUICE` */
  openChannel(): never {
    throw noChannels();
  }

  setPriority(): void {}

  closeChannel(): void {}

  /** A WebSocket knows no credit: what comes, comes. */
  receive(): void {}

  take(): void {}

  close(code: number, reason: string): void {
    if (this.#isEnding) return;
    if (this.#state.name !== "open" && this.#outbox.isEmpty) {
      // WHATWG WebSockets, `close()` while CONNECTING: the connection fails.
      return this.fail(new SluiceError("ERR_CONNECT_FAILED", "Closed before the connection was established"));
    }
    const timeoutMs = this.#options.closeTimeoutMs;
    this.#closing = new PlainClosing({ code, reason, timeoutMs }, this.#passedBytes, this.#now);
    this.#hurry();
    this.#defer();
  }

  /** Ends it at once; the peer is told what a page may tell. */
  abort(code: number, reason: string, error: SluiceError): void {
    this.#end({ wasClean: false, code, reason }, error);
  }

  /** Ends it and its link at once. */
  fail(error: SluiceError): void {
    this.#end({ wasClean: false, code: 1006, reason: "" }, error);
  }

  suspend(): void {
    // An open connection may outlive it: if not, the platform says so when the page is awake.
    if (this.#state.name === "open" || this.#state.name === "ended") return;
    this.#drop();
    this.#dialer.suspend();
    this.#turn();
  }

  wake(): void {
    if (this.#dialer.wake()) this.#dial();
    this.#turn();
  }

  handleHidden(isHidden: boolean): void {
    this.#outbox.isHidden = isHidden;
    if (!isHidden) this.#hurry();
    this.#turn();
  }

  handleOnline(isOnline: boolean): void {
    this.#dialer.handleOffline(!isOnline);
    if (isOnline) this.#hurry();
  }

  leave(error: SluiceError): void {
    const state = this.#state;
    if (state.name === "open") {
      this.#outbox.pump(state.link, FAREWELL_BYTES);
      // The browser closes it with 1001, which a page cannot.
      state.link.abandon();
      this.#state = { name: "idle" };
    }
    this.#end({ wasClean: false, code: 1001, reason: "" }, error);
  }

  bufferedAmount(channel: number): number {
    return channel === DEFAULT_CHANNEL ? this.#outbox.queuedBytes + this.#linkBytes : 0;
  }

  /** What is in the WebSocket has not left: its buffer is all that is known of the line. */
  queuedAmount(channel: number): number {
    return this.bufferedAmount(channel);
  }

  channelName(channel: number): string | undefined {
    return channel === DEFAULT_CHANNEL ? "" : undefined;
  }

  get transport(): TransportName | null {
    return this.#state.name === "open" ? "websocket" : null;
  }

  /** `losses` of the next conversation, when this one was lost: it starts anew where something has come. */
  get losses(): number {
    return (this.#counts.messagesReceived > 0 ? 0 : this.#options.losses) + 1;
  }

  /** As far as anything is known. */
  get stats(): Stats {
    const bufferedAmount = this.bufferedAmount(DEFAULT_CHANNEL);
    return {
      transport: this.transport,
      roundTripTimeMs: undefined,
      bandwidthBitsPerSecond: undefined,
      windowBytes: Number.POSITIVE_INFINITY,
      inFlightBytes: 0,
      queuedBytes: bufferedAmount,
      ...this.#outbox.counts,
      ...this.#counts,
      resumes: 0,
      channels: { "": { bufferedAmount, priority: "normal", waitingFor: bufferedAmount > 0 ? "transport" : null } },
    };
  }

  #dial(): void {
    let link: PlainLink;
    try {
      link = this.#options.connect();
    } catch (cause) {
      // It would throw again.
      return this.fail(new SluiceError("ERR_CONNECT_FAILED", "The WebSocket could not be made", { cause }));
    }
    this.#state = { name: "dialling", link, deadline: this.#now + this.#options.handshakeTimeoutMs };
    this.#start(link, false);
    this.#turn();
  }

  /** Old links have nothing to say. */
  #start(link: PlainLink, mayGreet: boolean): void {
    if (this.#state.name === "idle") this.#state = { name: "dialling", link, deadline: Number.POSITIVE_INFINITY };
    const isOurs = () => "link" in this.#state && this.#state.link === link;
    link.start({
      handleOpen: ({ subprotocol, extensions }) => {
        if (!isOurs()) return;
        this.#state = { name: "open", link, mayGreet };
        this.#dialer.handleWelcome();
        this.#onEvent({ type: "opened", protocol: subprotocol, extensions });
        this.#turn();
      },
      handleMessage: (data) => {
        if (isOurs()) this.#handleMessage(link, data);
      },
      handleClosed: (death) => {
        if (isOurs()) this.#handleDeath(death);
      },
    });
  }

  #handleMessage(link: PlainLink, data: string | Uint8Array): void {
    if (this.#state.name === "open" && this.#state.mayGreet) {
      this.#state = { name: "open", link, mayGreet: false };
      if (typeof data !== "string" && isGreeting(data)) {
        this.#onEvent({ type: "greeting" });
        return this.fail(new SluiceError("ERR_SESSION_LOST", "The server speaks Sluice after all"));
      }
    }
    this.#counts.messagesReceived += 1;
    this.#counts.bytesReceived += typeof data === "string" ? this.#options.host.encodeUtf8(data).length : data.length;
    this.#onEvent({ type: "message", channel: DEFAULT_CHANNEL, text: typeof data === "string", data, cost: 0 });
    // Timers of hidden pages are rare; this is as good a moment to look at the buffer.
    this.#turn();
  }

  #handleDeath(death: TransportDeath): void {
    const { name } = this.#state;
    this.#state = { name: "idle" };
    if (name === "dialling") {
      return this.#handleAttemptFailed(new SluiceError("ERR_CONNECT_FAILED", "No connection could be made"));
    }
    const isAskedBack = this.#options.reopens && TRY_LATER.has(death.code) && this.#closing === undefined;
    if (death.code !== 1006 && !isAskedBack) return this.#end(death, undefined);
    const [code, what] =
      this.#closing === undefined
        ? (["ERR_SESSION_LOST", "The connection was lost, and an ordinary server keeps no sessions"] as const)
        : (["ERR_CONNECTION_LOST", "The line was cut while the socket was closing"] as const);
    this.#end(death, new SluiceError(code, what));
  }

  #handleAttemptFailed(error: SluiceError): void {
    this.#drop();
    if (!this.#dialer.retriesFirst) return this.fail(error);
    this.#dialer.handleFailure(this.#now);
    this.#turn();
  }

  #handleAlarm(): void {
    const now = this.#now;
    if (isDue(this.#dialer.giveUpAt, now)) {
      return this.fail(new SluiceError("ERR_CONNECT_FAILED", "No connection could be made in time"));
    }
    if (isDue(this.#closing?.nextDeadline, now)) {
      return this.fail(new SluiceError("ERR_CONNECTION_LOST", "Nothing has moved for the close timeout"));
    }
    if (this.#state.name === "dialling" && isDue(this.#state.deadline, now)) {
      return this.#handleAttemptFailed(new SluiceError("ERR_CONNECT_FAILED", "The handshake took too long"));
    }
    if (this.#dialer.poll(now, "deadline")) this.#dial();
    this.#turn();
  }

  #hurry(): void {
    if (this.#dialer.poll(this.#now, "hurry")) this.#dial();
  }

  /** What follows from what the application asks for happens when its script has ended: it may think again. */
  #defer(): void {
    if (this.#isDeferred) return;
    this.#isDeferred = true;
    this.#options.host.defer(() => {
      this.#isDeferred = false;
      this.#turn();
    });
  }

  /** Hands over what may leave, and looks again when there may be room for more. */
  #turn(): void {
    const state = this.#state;
    if (state.name === "ended") return;
    if (state.name === "open") {
      this.#outbox.pump(state.link);
      const closing = this.#closing;
      if (closing?.handleTurn(this.#passedBytes, this.#outbox.isEmpty, this.#now)) {
        state.link.close(closing.code, closing.reason);
      }
    }
    this.#options.onTurn();
    const handshake = this.#state.name === "dialling" ? this.#state.deadline : undefined;
    const deadlines = [this.#dialer.nextDeadline, this.#closing?.nextDeadline, handshake, this.#pollDeadline];
    const next = Math.min(...deadlines.map((deadline) => deadline ?? Number.POSITIVE_INFINITY));
    this.#alarm.set(next === Number.POSITIVE_INFINITY ? undefined : next);
  }

  /** What has left by now. */
  get #passedBytes(): number {
    return this.#outbox.passedBytes(this.#linkBytes);
  }

  /** Nothing tells that the buffer of a WebSocket runs down, so somebody has to look, while anybody waits for it. */
  get #pollDeadline(): Millis | undefined {
    const isAwaited = !this.#outbox.isEmpty || this.#options.isAwaited() || this.#closing !== undefined;
    return this.#outbox.pollDeadline(this.#state.name === "open" && isAwaited, this.#linkBytes);
  }

  get #linkBytes(): number {
    return this.#state.name === "open" ? this.#state.link.bufferedBytes : 0;
  }

  get #isEnding(): boolean {
    return this.#state.name === "ended" || this.#closing !== undefined;
  }

  get #now(): Millis {
    return this.#options.host.now();
  }

  /** Leaves the link, if there is one. */
  #drop(): void {
    if ("link" in this.#state) this.#state.link.terminate();
    this.#state = { name: "idle" };
  }

  #end(death: TransportDeath, error: SluiceError | undefined): void {
    if (this.#state.name === "ended") return;
    this.#drop();
    this.#state = { name: "ended" };
    this.#dialer.stop();
    this.#alarm.set(undefined);
    const losses = this.#outbox.end();
    const { code, reason, wasClean } = death;
    this.#onEvent({ type: "closed", code, reason, wasClean, error, transportCode: code, losses });
    this.#options.onTurn();
  }
}

/** An ordinary server knows no channels. */
export function noChannels(): SluiceError {
  return new SluiceError("ERR_NOT_SLUICE", "The server is an ordinary WebSocket server, and knows no channels");
}
