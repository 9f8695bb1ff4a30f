import type { SluiceError } from "../core/error.js";
import type { ChannelKey } from "../core/send/send-channel.js";
import type { SessionEvent } from "../core/session/events.js";
import type { Session } from "../core/session/session.js";
import type { Millis } from "../core/time.js";
import type { WaitingFor } from "../core/trace.js";
import type { Priority } from "../core/wire/frame.js";
import type { Transport, TransportHandler, TransportName } from "../transport/transport.js";
import type { Host } from "./host.js";
import { type Losses, neverWritten, Outbox } from "./outbox.js";
import { cancelled, type Payload, PendingMessage, refused, type SendOptions } from "./pending-message.js";
import { type Receipt, ReceiptControl } from "./receipt.js";
import type { SendBudget } from "./send-bounds.js";
import { SessionDriver } from "./session-driver.js";

/** What is gathered behind each other before any of it leaves. A small chunk: the first of it waits for the last. */
const GATHERED_BYTES_MAX = 16 * 1024;

/** Who knows whether more may be sent: a socket, or a channel. */
interface HasRoom {
  /** Bytes; 0 or less for no room. */
  readonly desiredSize: number;
}

type EngineClosed = Extract<SessionEvent, { type: "closed" }>;

/** The end of a session, and what is known of its messages. Whoever gets it ends those that were never written. */
export type ConversationClosed = EngineClosed & { readonly losses: Losses };

/** What an application learns of its session; the events of single messages go to their receipts. */
export type ConversationEvent =
  | Exclude<SessionEvent, { type: "started" | "written" | "progress" | "delivered" | "dropped" | "pull" | "closed" }>
  /** `transport` is another one: an HTTP line has found another way down. */
  | { readonly type: "renamed" }
  | ConversationClosed;

/** What is going on, for people and dashboards. A plain object, cheap enough to read every second. */
export interface Stats {
  /** What carries the session now; `null` while nothing does. */
  readonly transport: TransportName | null;
  /** Smoothed round trip to the peer's session, ms; `undefined` before it is known. */
  readonly roundTripTimeMs: number | undefined;
  /** What the line has shown to carry; less than it could where less was sent. Of this end's direction; `undefined` before that. */
  readonly bandwidthBitsPerSecond: number | undefined;
  /** How many bytes may be sent and not yet acknowledged. */
  readonly windowBytes: number;
  /** How many are. */
  readonly inFlightBytes: number;
  /** Bytes accepted or read ahead, and not yet sent. */
  readonly queuedBytes: number;
  /** Messages that `send` has taken, in this session. */
  readonly messagesSent: number;
  /** Messages that have come, or begun to come where they are taken so. */
  readonly messagesReceived: number;
  /** Bytes of batches that have left, each counted once, however often it had to be sent. */
  readonly bytesSent: number;
  /** Bytes of batches that have come. */
  readonly bytesReceived: number;
  /** Resumes of this session. */
  readonly resumes: number;
  /** Per channel, the default one under the empty name: bytes accepted and not yet acknowledged, and what they wait for. */
  readonly channels: Readonly<Record<string, ChannelStats>>;
}

export interface ChannelStats {
  /** Bytes accepted and not yet acknowledged by the peer. */
  readonly bufferedAmount: number;
  readonly priority: Priority;
  /**
   * Why the message at its head has not left: as much is on its way as the line needs, the transport has to pass on what it
   * has, the peer's application to take what came, the Blob or stream to give more, or others go first. `null`: none waits.
   */
  readonly waitingFor: WaitingFor | null;
}

/** One end of a session with everything around the engine that both platforms share. */
export class Conversation<S extends Session = Session> {
  readonly #driver: SessionDriver<S>;
  readonly #outbox: Outbox;
  readonly #host: Host;
  readonly #budget: SendBudget;
  readonly #onEvent: (event: ConversationEvent) => void;
  readonly #onTurn: () => void;
  readonly #channels = new Map<ChannelKey, { name: string; priority: Priority }>([
    [0, { name: "", priority: "normal" }],
  ]);
  /** Callbacks that wait for room, oldest first. */
  #waiting: { gate: HasRoom; run: () => void }[] = [];
  /** What the session has said since it has been there; `new` until somebody has greeted. */
  #state: "new" | "detached" | "attached" | "ended" = "new";
  #messagesSent = 0;
  #messagesReceived = 0;

  constructor(
    options: {
      readonly session: S;
      readonly host: Host;
      /** What all messages of the socket together may hold. */
      readonly budget: SendBudget;
      readonly onTurn?: () => void;
    },
    onEvent: (event: ConversationEvent) => void,
  ) {
    const { session, host, onTurn = () => {} } = options;
    this.#host = host;
    this.#budget = options.budget;
    this.#onEvent = onEvent;
    this.#onTurn = onTurn;
    this.#driver = new SessionDriver(session, host, {
      handleEvent: (event) => this.#handle(event),
      handleRenamed: () => this.#onEvent({ type: "renamed" }),
      handleTurn: () => {
        this.#runWaiting();
        this.#onTurn();
      },
    });
    this.#outbox = new Outbox(this.#driver, host);
  }

  /** The session may speak on `transport` from here on. See `SessionDriver.attach`. */
  attach(line: number, transport: Transport, onOpen?: TransportHandler["handleOpen"]): TransportHandler {
    return this.#driver.attach(line, transport, onOpen);
  }

  /** Takes what has happened. */
  input(run: (session: S, now: Millis) => void): void {
    this.#driver.input(run);
  }

  /** Takes what the application asks for. */
  command<T>(run: (session: S, now: Millis) => T): T {
    return this.#driver.command(run);
  }

  /**
   * Sends on a channel; on one that is closing or closed, nothing is sent, and the receipt says `never-written`.
   * @throws SluiceError `ERR_MESSAGE_TOO_LARGE`, `ERR_BUFFER_FULL`, `ERR_TOO_MANY_CHANNELS`, `ERR_USAGE_ARGUMENT`
   */
  send(channel: ChannelKey, payload: Payload, options: SendOptions): Receipt {
    if (this.isSendClosed(channel)) return refused(options, "channel");
    const now = this.#host.now();
    const message = new PendingMessage(payload, options, now);
    if (options.signal?.aborted) return ReceiptControl.ended("cancelled", cancelled());
    // What is over the limit never fits, however much room there is: the session says so.
    if (message.heldBytes <= this.session.messageBytesMax) {
      this.#budget.require(message, this.#outbox.superseded(channel, message.key));
    }
    this.#outbox.send(channel, message, now);
    this.#budget.hold(message);
    this.#messagesSent += 1;
    return message.receipt;
  }

  /** Sends what another session has not sent. Where that cannot be, the message ends as never written. */
  resend(channel: ChannelKey, message: PendingMessage): void {
    if (this.isSendClosed(channel)) {
      message.fail("never-written", neverWritten());
      return;
    }
    try {
      this.#outbox.send(channel, message);
      this.#messagesSent += 1;
    } catch (error) {
      // The next server may take less than the one before.
      message.fail("never-written", error as SluiceError);
    }
  }

  /** Whether nothing more is taken on the channel. */
  isSendClosed(channel: ChannelKey): boolean {
    return this.#state === "ended" || !this.#channels.has(channel) || this.#driver.session.isSendClosed(channel);
  }

  /**
   * @param priority `undefined` for the one that the channel has, `normal` for a new one
   * @throws SluiceError as `Session.openChannel` does
   */
  openChannel(name: string, priority: Priority | undefined): ChannelKey {
    const channel = this.#driver.command((session, now) => session.openChannel(name, priority ?? "normal", now));
    const isNew = !this.#channels.has(channel);
    if (isNew) this.#channels.set(channel, { name, priority: "normal" });
    // The peer may have opened it, and its priority may be another, while its event still waits for its turn.
    if (isNew || priority !== undefined) this.setPriority(channel, priority ?? "normal");
    return channel;
  }

  setPriority(channel: ChannelKey, priority: Priority): void {
    const known = this.#channels.get(channel);
    if (known === undefined) return;
    known.priority = priority;
    this.#driver.command((session, now) => session.setPriority(channel, priority, now));
  }

  /** How the application takes what comes on the channel from here on. Before that, only a first credit of it comes. */
  receive(channel: ChannelKey, mode: "messages" | "incoming"): void {
    this.#driver.command((session, now) => session.receive(channel, mode, now));
  }

  /** The application has taken `cost` of what it was handed: its sender may go on by as much. */
  take(channel: ChannelKey, cost: number): void {
    if (this.#driver.session.take(channel, cost)) this.#driver.command(() => {});
  }

  closeChannel(channel: ChannelKey): void {
    this.#driver.command((session, now) => session.closeChannel(channel, now));
  }

  close(code: number, reason: string): void {
    this.#driver.command((session, now) => session.close(code, reason, now));
  }

  /** Ends the session at once and tells the peer `code`. */
  abort(code: number, reason: string, error: SluiceError): void {
    this.#driver.input((session, now) => session.abort(code, reason, error, now));
  }

  /** Ends the session and its transport at once; the peer is told nothing. */
  fail(error: SluiceError): void {
    this.#driver.cut();
    this.#driver.input((session, now) => session.abort(1000, "", error, now));
  }

  ping(payload: Uint8Array): void {
    this.#driver.command((session, now) => session.ping(payload, now));
  }

  bufferedAmount(channel: ChannelKey): number {
    return this.#driver.session.bufferedBytes(channel);
  }

  /** What of that has not left; all of it while nothing carries it. */
  queuedAmount(channel: ChannelKey): number {
    const { session } = this.#driver;
    return this.#state === "attached" ? session.queuedBytes(channel) : session.bufferedBytes(channel);
  }

  /**
   * Calls `run` once there is room, or the session has ended; not before this call returns, and in the order of the calls.
   * Before a little that has been sent leaves: whoever sends one message behind the other gets them into one batch.
   */
  whenRoom(gate: HasRoom, run: () => void): void {
    const { session } = this.#driver;
    const isLittle = this.#state !== "ended" && session.unsentBytes < GATHERED_BYTES_MAX;
    if (isLittle && this.#waiting.length === 0 && gate.desiredSize > 0) {
      this.#host.defer(() => this.#call(run));
      return;
    }
    this.#waiting.push({ gate, run });
    this.#driver.command(() => {});
  }

  get stats(): Stats {
    const session = this.#driver.session;
    const { reassemblyBytes: _, untakenBytes: __, ...stats } = session.stats;
    const channels: Record<string, ChannelStats> = Object.create(null);
    for (const [key, { name, priority }] of this.#channels) {
      const waitingFor = session.waitingFor(key) ?? null;
      channels[name] = { bufferedAmount: session.bufferedBytes(key), priority, waitingFor };
    }
    return {
      transport: this.transport,
      ...stats,
      messagesSent: this.#messagesSent,
      messagesReceived: this.#messagesReceived,
      channels,
    };
  }

  /** What carries the session; `null` while nothing does. */
  get transport(): TransportName | null {
    return this.#state === "attached" ? (this.#driver.transport?.name ?? null) : null;
  }

  get session(): S {
    return this.#driver.session;
  }

  /** The name of a channel; `undefined` for one that has ended. */
  channelName(channel: ChannelKey): string | undefined {
    return this.#channels.get(channel)?.name;
  }

  /** Bytes that the session keeps. */
  get heldBytes(): number {
    return this.#driver.session.heldBytes;
  }

  #runWaiting(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const entry of waiting) {
      if (this.#state === "ended" || entry.gate.desiredSize > 0) this.#call(entry.run);
      else this.#waiting.push(entry);
    }
  }

  #call(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#host.report(error);
    }
  }

  #handle(event: SessionEvent): void {
    switch (event.type) {
      case "started":
      case "written":
      case "progress":
      case "delivered":
      case "dropped":
      case "pull":
        this.#outbox.handle(event);
        return;
      case "channel":
        // The application was faster, and has opened it itself.
        if (this.#channels.has(event.channel)) return;
        this.#channels.set(event.channel, { name: event.name, priority: event.priority });
        break;
      case "channel-closed":
        this.#channels.delete(event.channel);
        break;
      case "message":
      case "incoming":
        this.#messagesReceived += 1;
        break;
      case "greeted":
        // To the application a client is connected from its first greeting on, and later when it has been welcomed again.
        if (this.#state === "new") this.#state = "attached";
        break;
      case "established":
      case "resumed":
        this.#state = "attached";
        break;
      case "detached":
        // Attempts before the first greeting have connected nothing.
        if (this.#state !== "new") this.#state = "detached";
        break;
      case "closed":
        this.#state = "ended";
        this.#onEvent({ ...event, losses: this.#outbox.handleEnd() });
        return;
      default:
    }
    this.#onEvent(event);
  }
}
