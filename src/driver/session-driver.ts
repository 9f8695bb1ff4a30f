import { SluiceError } from "../core/error.js";
import { Fifo } from "../core/fifo.js";
import type { MessageId, OutgoingInit } from "../core/send/outgoing-message.js";
import type { ChannelKey } from "../core/send/send-channel.js";
import type { SessionEvent } from "../core/session/events.js";
import type { Session } from "../core/session/session.js";
import type { Millis } from "../core/time.js";
import type { Transport, TransportHandler } from "../transport/transport.js";
import { Alarm } from "./alarm.js";
import type { Host } from "./host.js";

/**
 * The second guard beside the window: what may wait inside the transport. Browsers hide as much again below it.
 */
const TRANSPORT_BUFFERED_BYTES_MAX = 128 * 1024;

/** What the driver calls when it is done with an input: here, and nowhere else, the application's callbacks run. */
export interface DriverHandler {
  handleEvent(event: SessionEvent): void;
  /** What carries the session goes by another name. */
  handleRenamed?(): void;
  /** After the events of each turn. */
  handleTurn(): void;
}

/** Whether callbacks run, and have asked for something; or something waits for the end of the script. */
type Turn = "idle" | "deferred" | "dispatching" | "asked" | "broken";

/**
 * Runs one session on its transports: takes an input, lets leave what may, hands on the events,
 * re-arms the one timer. The application's callbacks run after all that, so they may call back in.
 */
export class SessionDriver<S extends Session = Session> {
  readonly #session: S;
  readonly #host: Host;
  readonly #handler: DriverHandler;
  readonly #alarm: Alarm;
  readonly #pending: Fifo<SessionEvent> = new Fifo();
  /** By the names that the session knows them by. */
  readonly #transports = new Map<number, Transport>();
  #turn: Turn = "idle";
  /** Whether the transport took no more when it was last looked at. */
  #isFull = false;

  constructor(session: S, host: Host, handler: DriverHandler) {
    this.#session = session;
    this.#host = host;
    this.#handler = handler;
    this.#alarm = new Alarm(host, () => this.input((session, now) => session.handleDeadline(now)));
  }

  /**
   * The session may speak on `transport` from here on. The handler takes what it tells, and ignores it once the session
   * has given it up.
   * @param line what the session calls it
   * @param onOpen what to do when it is open
   */
  attach(line: number, transport: Transport, onOpen: TransportHandler["handleOpen"] = () => {}): TransportHandler {
    this.#transports.set(line, transport);
    const isPresent = () => this.#transports.get(line) === transport;
    return {
      handleOpen: (opened) => {
        if (isPresent()) onOpen(opened);
      },
      handleBatch: (batch) => {
        if (isPresent()) this.input((session, now) => session.handleBatch(line, batch, now));
      },
      handleWritable: () => {
        if (isPresent() && this.#isFull) this.input(() => {});
      },
      handleRenamed: () => {
        if (transport === this.transport) this.#handler.handleRenamed?.();
      },
      handleClosed: (death) => {
        if (!isPresent()) return;
        this.#transports.delete(line);
        this.input((session, now) => session.handleTransportClosed(line, death, now));
      },
    };
  }

  /** Ends all transports at once; nothing more leaves. */
  cut(): void {
    for (const transport of this.#transports.values()) transport.terminate();
    this.#transports.clear();
  }

  /** Takes what has happened, and lets everything follow at once. */
  input(run: (session: S, now: Millis) => void): void {
    if (this.#turn === "broken") return;
    try {
      // A transport that ends inside `send` comes in while the session still has events of the input before.
      this.#collect();
      const now = this.#host.now();
      run(this.#session, now);
      this.#settle(now);
    } catch (error) {
      this.#break(error);
    }
  }

  /**
   * Takes what the application asks for. What follows leaves when its script has ended (`deferLast`): small messages of
   * one tick share a batch.
   */
  command<T>(run: (session: S, now: Millis) => T): T {
    const result = run(this.#session, this.#host.now());
    this.#ask();
    return result;
  }

  /**
   * Takes a message, as `command` does: there is one call for each, so it has a shape of its own.
   * @throws SluiceError as `Session.send` does
   */
  send(channel: ChannelKey, init: OutgoingInit, now: Millis): MessageId {
    const message = this.#session.send(channel, init, now);
    this.#ask();
    return message;
  }

  get session(): S {
    return this.#session;
  }

  /** What carries the session, or is to. */
  get transport(): Transport | undefined {
    const { line } = this.#session;
    return line === undefined ? undefined : this.#transports.get(line);
  }

  /** The application has asked for something: what follows leaves when its script has ended. */
  #ask(): void {
    this.#collect();
    if (this.#turn === "dispatching") this.#turn = "asked";
    else if (this.#turn === "idle") this.#defer();
  }

  #defer(): void {
    this.#turn = "deferred";
    this.#host.deferLast(() => {
      if (this.#turn === "deferred") this.#turn = "idle";
      this.input(() => {});
    });
  }

  #settle(now: Millis): void {
    this.#transmit(now);
    this.#dispatch();
  }

  #transmit(startedAt: Millis): void {
    let now = startedAt;
    for (;;) {
      // Read anew: a transport may end inside `send`.
      const { transport } = this;
      if (transport === undefined) break;
      transport.handleRequestBytes?.(this.#session.requestBytes);
      const isBusy = transport.isBusy && !this.#session.isLeaving;
      const room = TRANSPORT_BUFFERED_BYTES_MAX - transport.bufferedBytes;
      const budget = isBusy ? Math.min(0, room) : room;
      this.#isFull = budget <= 0;
      const batch = this.#session.pollTransmit(budget, now, transport.requests);
      if (batch === undefined) break;
      transport.send(batch);
      now = this.#host.now();
    }
    // Behind the others, as it may be a copy of one of them.
    for (let next = this.#session.pollBeside(now); next !== undefined; next = this.#session.pollBeside(now)) {
      this.#transports.get(next.line)?.send(next.batch);
    }
    this.#collect();
    this.#alarm.set(this.#session.nextDeadline());
  }

  #collect(): void {
    for (let event = this.#session.pollEvent(); event !== undefined; event = this.#session.pollEvent()) {
      this.#pending.push(event);
    }
  }

  /** Hands on what has been collected; an event that comes in meanwhile waits for its turn behind the others. */
  #dispatch(): void {
    if (this.#turn === "dispatching" || this.#turn === "asked") return;
    const turn = this.#turn;
    let isAsked = false;
    do {
      this.#turn = "dispatching";
      for (let event = this.#pending.shift(); event !== undefined; event = this.#pending.shift()) {
        this.#release(event);
        this.#handOn(event);
      }
      this.#endTurn();
      const after = this.#turn as Turn;
      // An input from inside a callback has broken the session.
      if (after === "broken") return;
      if (after === "asked") isAsked = true;
    } while (this.#pending.length > 0);
    this.#turn = turn;
    if (isAsked) this.#follow();
  }

  /** What callbacks have asked for leaves with what they set off; of a page that goes, at once or never. */
  #follow(): void {
    if (this.#session.isLeaving) this.input(() => {});
    else if (this.#turn === "idle") this.#defer();
  }

  /** An application's callback that throws must stop neither the session nor the callbacks behind it. */
  #handOn(event: SessionEvent): void {
    try {
      this.#handler.handleEvent(event);
    } catch (error) {
      this.#host.report(error);
    }
  }

  #endTurn(): void {
    try {
      this.#handler.handleTurn();
    } catch (error) {
      this.#host.report(error);
    }
  }

  /** A broken invariant ends this session, and is reported; it must not take the page or the process along. */
  #break(error: unknown): void {
    this.#turn = "broken";
    this.#pending.drain();
    this.#alarm.set(undefined);
    this.cut();
    this.#host.report(error);
    const cause = new SluiceError("ERR_INTERNAL", "A defect of Sluice has ended the session", { cause: error });
    const end = { code: 1006, reason: "", wasClean: false, error: cause, transportCode: 1011 };
    this.#handOn({ type: "closed", ...end });
    this.#endTurn();
  }

  /** Ends the transports that the session has no use for any more. */
  #release(event: SessionEvent): void {
    if (event.type === "detached" || event.type === "abandoned") {
      this.#transports.get(event.line)?.close(event.transportCode, "");
      this.#transports.delete(event.line);
    } else if (event.type === "closed") {
      for (const [line, transport] of this.#transports) {
        transport.close(line === this.#session.line ? event.transportCode : 1000, "");
      }
      this.#transports.clear();
    }
  }
}
