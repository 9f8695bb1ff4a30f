import { SluiceError } from "../core/error.js";
import { Fifo } from "../core/fifo.js";
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
  /** After the events of each turn. */
  handleTurn(): void;
}

/** A transport and the attachment that it is for. */
interface Line {
  readonly epoch: number;
  readonly transport: Transport;
}

/**
 * Runs one session on its transports, one after the other: takes an input, lets leave what may, hands on the events,
 * re-arms the one timer. The application's callbacks run after all that, so they may call back in.
 */
export class SessionDriver<S extends Session = Session> {
  readonly #session: S;
  readonly #host: Host;
  readonly #handler: DriverHandler;
  readonly #alarm: Alarm;
  readonly #pending: Fifo<SessionEvent> = new Fifo();
  #line: Line | undefined;
  #turn: "idle" | "deferred" | "dispatching" | "broken" = "idle";

  constructor(session: S, host: Host, handler: DriverHandler) {
    this.#session = session;
    this.#host = host;
    this.#handler = handler;
    this.#alarm = new Alarm(host, () => this.input((session, now) => session.handleDeadline(now)));
  }

  /**
   * What leaves goes to `transport` from here on; one that was there before is ended at once. The handler takes what it
   * tells, and ignores it when another one has followed.
   * @param onOpen what to do when it is open
   */
  attach(epoch: number, transport: Transport, onOpen: TransportHandler["handleOpen"] = () => {}): TransportHandler {
    this.#line?.transport.terminate();
    const line = { epoch, transport };
    this.#line = line;
    return {
      handleOpen: (opened) => {
        if (this.#line === line) onOpen(opened);
      },
      handleBatch: (batch) => {
        if (this.#line === line) this.input((session, now) => session.handleBatch(epoch, batch, now));
      },
      handleWritable: () => {
        if (this.#line === line) this.input(() => {});
      },
      handleClosed: (death) => {
        if (this.#line !== line) return;
        this.#line = undefined;
        this.input((session, now) => session.handleTransportClosed(epoch, death, now));
      },
    };
  }

  /** Ends the transport at once; nothing more leaves. */
  cut(): void {
    this.#line?.transport.terminate();
    this.#line = undefined;
  }

  /** Takes what has happened, and lets everything follow at once. */
  input(run: (session: S, now: Millis) => void): void {
    if (this.#turn === "broken") return;
    try {
      // A transport that ends inside `send` comes in while the session still has events of the input before.
      this.#collect();
      run(this.#session, this.#host.now());
      this.#settle();
    } catch (error) {
      this.#break(error);
    }
  }

  /**
   * Takes what the application asks for. What follows leaves when its script has ended: small messages of one tick
   * share a batch.
   */
  command<T>(run: (session: S, now: Millis) => T): T {
    const result = run(this.#session, this.#host.now());
    this.#collect();
    if (this.#turn === "idle") {
      this.#turn = "deferred";
      this.#host.defer(() => {
        if (this.#turn === "deferred") this.#turn = "idle";
        this.input(() => {});
      });
    }
    return result;
  }

  get session(): S {
    return this.#session;
  }

  /** What carries the session, or is to. */
  get transport(): Transport | undefined {
    return this.#line?.transport;
  }

  #settle(): void {
    this.#transmit();
    this.#collect();
    this.#alarm.set(this.#session.nextDeadline());
    this.#dispatch();
  }

  #transmit(): void {
    for (;;) {
      // Read anew: a transport may end inside `send`.
      const transport = this.#line?.transport;
      if (transport === undefined) return;
      const budget = TRANSPORT_BUFFERED_BYTES_MAX - transport.bufferedBytes;
      const batch = this.#session.pollTransmit(budget, this.#host.now());
      if (batch === undefined) return;
      transport.send(batch);
    }
  }

  #collect(): void {
    for (let event = this.#session.pollEvent(); event !== undefined; event = this.#session.pollEvent()) {
      this.#pending.push(event);
    }
  }

  /** Hands on what has been collected; an event that comes in meanwhile waits for its turn behind the others. */
  #dispatch(): void {
    if (this.#turn === "dispatching") return;
    const turn = this.#turn;
    this.#turn = "dispatching";
    do {
      for (let event = this.#pending.shift(); event !== undefined; event = this.#pending.shift()) {
        if (event.type === "closed") this.#release(event.transportCode);
        if (event.type === "detached" && event.epoch === this.#line?.epoch) this.#release(event.transportCode);
        this.#handOn(event);
      }
      this.#endTurn();
      // An input from inside a callback has broken the session.
      if (this.#turn !== "dispatching") return;
      // What callbacks have asked for meanwhile; their commands did not defer anything.
      this.#transmit();
      this.#collect();
    } while (this.#pending.length > 0);
    this.#turn = turn;
    this.#alarm.set(this.#session.nextDeadline());
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

  #release(code: number): void {
    this.#line?.transport.close(code, "");
    this.#line = undefined;
  }
}
