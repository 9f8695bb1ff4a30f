import { SluiceError } from "../core/error.js";
import type { Limits } from "../core/limits.js";
import type { ChannelKey } from "../core/send/send-channel.js";
import type { SessionEvent } from "../core/session/events.js";
import type { Side } from "../core/session/handshake.js";
import { Session } from "../core/session/session.js";
import type { Priority } from "../core/wire/frame.js";
import type { Transport, TransportName } from "../transport/transport.js";
import type { Host } from "./host.js";
import { Outbox, type Payload, type SendOptions } from "./outbox.js";
import { type Receipt, ReceiptControl } from "./receipt.js";
import { SessionDriver } from "./session-driver.js";

/** What an application learns of its session; the events of single messages go to their receipts. */
export type ConversationEvent = Exclude<
  SessionEvent,
  { type: "started" | "written" | "progress" | "delivered" | "dropped" | "pull" }
>;

/** What is going on, for people and dashboards. A plain object, cheap enough to read every second. */
export interface Stats {
  readonly transport: TransportName | null;
  /** Smoothed round trip to the peer's session, ms. */
  readonly roundTripTimeMs: number | undefined;
  /** What went through lately; less than the line could carry when less was sent. */
  readonly bandwidthBitsPerSecond: number | undefined;
  /** How many bytes may be sent and not yet acknowledged. */
  readonly windowBytes: number;
  /** How many are. */
  readonly inFlightBytes: number;
  /** Bytes accepted or read ahead, and not yet sent. */
  readonly queuedBytes: number;
  readonly messagesSent: number;
  readonly messagesReceived: number;
  /** Bytes of batches, both ways. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Resumes of this session. */
  readonly resumes: number;
  /** Per channel, the default one under the empty name: bytes accepted and not yet acknowledged. */
  readonly channels: Readonly<Record<string, { readonly bufferedAmount: number; readonly priority: Priority }>>;
}

/** One end of a session with everything around the engine that both platforms share. */
export class Conversation {
  readonly #driver: SessionDriver;
  readonly #outbox: Outbox;
  readonly #host: Host;
  readonly #onEvent: (event: ConversationEvent) => void;
  readonly #channels = new Map<ChannelKey, { name: string; priority: Priority }>([
    [0, { name: "", priority: "normal" }],
  ]);
  /** Callbacks that wait for `bufferedAmount` to fall, oldest first. */
  #waiting: { channel: ChannelKey; belowBytes: number; run: () => void }[] = [];
  #transport: Transport | undefined;
  #isEnded = false;
  #messagesSent = 0;
  #messagesReceived = 0;

  constructor(options: { side: Side; limits: Limits; host: Host }, onEvent: (event: ConversationEvent) => void) {
    const { side, limits, host } = options;
    this.#host = host;
    this.#onEvent = onEvent;
    this.#driver = new SessionDriver(new Session({ side, limits, ports: host }), host, {
      handleEvent: (event) => this.#handle(event),
      handleTurn: () => this.#runWaiting(),
    });
    this.#outbox = new Outbox(this.#driver, host);
  }

  /** Lets `transport` carry the session. `accept` looks at what the server has selected. */
  attach(transport: Transport, accept: (subprotocol: string, extensions: string) => boolean = () => true): void {
    this.#transport = transport;
    this.#driver.attach(transport, accept);
  }

  /**
   * Sends on a channel; on one that is closing or closed, nothing is sent, and the receipt says `never-written`.
   * @throws SluiceError `ERR_MESSAGE_TOO_LARGE`, `ERR_TOO_MANY_CHANNELS`
   */
  send(channel: ChannelKey, payload: Payload, options: SendOptions): Receipt {
    if (this.#isEnded || !this.#channels.has(channel) || this.#driver.session.isSendClosed(channel)) {
      const error = new SluiceError("ERR_NEVER_WRITTEN", "The channel is closing or closed");
      return ReceiptControl.ended("never-written", error);
    }
    const receipt = this.#outbox.send(channel, payload, options);
    if (receipt.state !== "cancelled") this.#messagesSent += 1;
    return receipt;
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

  closeChannel(channel: ChannelKey): void {
    this.#driver.command((session, now) => session.closeChannel(channel, now));
  }

  /** Credentials for the HELLO, where they were `"pending"`. */
  provideAuth(auth: string | undefined): void {
    this.#driver.input((session, now) => session.provideAuth(auth, now));
  }

  /** Lets the client in. */
  accept(sessionId: Uint8Array): void {
    this.#driver.input((session, now) => session.accept(sessionId, now));
  }

  close(code: number, reason: string): void {
    this.#driver.command((session, now) => session.close(code, reason, now));
  }

  /** Ends the session at once and tells the peer `code`. */
  abort(code: number, reason: string, error: SluiceError): void {
    this.#driver.input((session, now) => session.abort(code, reason, error, now));
  }

  /** The line is given up, or never came to be: as if the transport had ended by itself. */
  fail(): void {
    this.#transport?.terminate();
    this.#driver.input((session, now) =>
      session.handleTransportClosed({ wasClean: false, code: 1006, reason: "" }, now),
    );
  }

  ping(payload: Uint8Array): void {
    this.#driver.command((session, now) => session.ping(payload, now));
  }

  bufferedAmount(channel: ChannelKey): number {
    return this.#driver.session.bufferedBytes(channel);
  }

  /** Calls `run` once `bufferedAmount` is below `belowBytes`, or the session has ended; not before this call returns. */
  whenBuffered(channel: ChannelKey, belowBytes: number, run: () => void): void {
    this.#waiting.push({ channel, belowBytes, run });
    this.#driver.command(() => {});
  }

  get stats(): Stats {
    const session = this.#driver.session;
    const { reassemblyBytes: _, ...stats } = session.stats;
    const channels: Record<string, { bufferedAmount: number; priority: Priority }> = Object.create(null);
    for (const [key, { name, priority }] of this.#channels) {
      channels[name] = { bufferedAmount: session.bufferedBytes(key), priority };
    }
    return {
      transport: this.transport,
      ...stats,
      messagesSent: this.#messagesSent,
      messagesReceived: this.#messagesReceived,
      resumes: 0,
      channels,
    };
  }

  get transport(): TransportName | null {
    return this.#transport?.name ?? null;
  }

  #runWaiting(): void {
    if (this.#waiting.length === 0) return;
    const { session } = this.#driver;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const entry of waiting) {
      const isBelow = this.#isEnded || session.bufferedBytes(entry.channel) < entry.belowBytes;
      if (isBelow) this.#call(entry.run);
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
        this.#messagesReceived += 1;
        break;
      case "closed":
        this.#transport = undefined;
        this.#isEnded = true;
        this.#outbox.handleEnd();
        break;
      default:
    }
    this.#onEvent(event);
  }
}
