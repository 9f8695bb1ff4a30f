import { CHANNEL_CREDIT_BYTES, type Limits } from "../../src/core/limits.js";
import type { SessionEvent } from "../../src/core/session/events.js";
import type { Session } from "../../src/core/session/session.js";
import type { Requests } from "../../src/core/session/session-types.js";
import { readVarint } from "../../src/core/wire/varint.js";
import type { App } from "./app.js";
import { Violation } from "./world.js";

/** Batches and events of one input. More mean that the engine talks to itself. */
const POLLS_MAX = 2000;

/** Bytes that a CLOSE may take beyond the room for a replay, as it must leave. */
const CLOSE_BYTES_MAX = 256;

type Bounds = Pick<
  Limits,
  "chunkBytes" | "replayBytesMax" | "reassemblyBytesMax" | "sessionCreditBytesMax" | "channelsMax"
>;

/** What a transport is to a host. */
export interface Outlet {
  readonly budgetBytes: number;
  readonly requests: Requests;
  send(batch: Uint8Array): void;
}

/** Hands a batch to one of several transports. */
type SendBeside = (line: number, batch: Uint8Array) => void;

/** Runs one session after each input, as a driver does, and watches what only the host can see. */
export class Endpoint {
  readonly session: Session;
  readonly app: App;
  readonly #bounds: Bounds;
  readonly #handle: (event: SessionEvent) => void;
  readonly #sendBeside: SendBeside;
  readonly #later: (() => void)[] = [];
  #sentNumber = 0;
  #isSettling = false;

  /** @param handle what the host itself does about an event, before the application gets it */
  constructor(
    session: Session,
    app: App,
    bounds: Bounds,
    handle: (event: SessionEvent) => void,
    sendBeside: SendBeside = () => {},
  ) {
    this.session = session;
    this.app = app;
    this.#bounds = bounds;
    this.#handle = handle;
    this.#sendBeside = sendBeside;
  }

  /** Polls everything that follows from the last input. */
  settle(outlet: () => Outlet | undefined, now: number): void {
    if (this.#isSettling) return;
    this.#isSettling = true;
    for (let polls = 0; ; polls++) {
      this.#transmit(outlet, now);
      this.#pollEvents();
      const next = this.#later.shift();
      if (next === undefined) break;
      next();
      this.#pollEvents();
      if (polls > POLLS_MAX) throw new Violation("livelock", `${this.app.out.name}: events without end`);
    }
    this.#isSettling = false;
    this.#checkBounds();
  }

  /** Makes what an application does in answer to an event an input of its own. */
  defer(run: () => void): void {
    this.#later.push(run);
  }

  /** Only events: several commands of one tick leave together. */
  collect(): void {
    this.#pollEvents();
  }

  #transmit(outlet: () => Outlet | undefined, now: number): void {
    for (let polls = 0; ; polls++) {
      const transport = outlet();
      if (transport === undefined) break;
      const wasUrgent = this.app.isUrgent;
      const batch = this.session.pollTransmit(transport.budgetBytes, now, transport.requests);
      if (batch === undefined) break;
      const number = readVarint(batch, 0) as number;
      transport.send(batch);
      if (number > this.#sentNumber) {
        this.#sentNumber = number;
        this.#pollEvents();
        this.app.handleNewBatch(batch.length, wasUrgent, this.#bounds.chunkBytes);
      }
      if (polls > POLLS_MAX) throw new Violation("livelock", `${this.app.out.name}: batches without end`);
    }
    for (let next = this.session.pollBeside(now); next !== undefined; next = this.session.pollBeside(now)) {
      this.#sendBeside(next.line, next.batch);
    }
  }

  #pollEvents(): void {
    let count = 0;
    for (let event = this.session.pollEvent(); event !== undefined; event = this.session.pollEvent()) {
      count += 1;
      this.#handle(event);
      this.app.handleEvent(event);
      if (count > POLLS_MAX) throw new Violation("livelock", `${this.app.out.name}: events without end`);
    }
  }

  #checkBounds(): void {
    const { inFlightBytes, untakenBytes } = this.session.stats;
    const { replayBytesMax } = this.#bounds;
    const { reassemblyBytesMax, sessionCreditBytesMax, channelsMax } = this.#bounds;
    const untakenBytesMax = reassemblyBytesMax + sessionCreditBytesMax + channelsMax * CHANNEL_CREDIT_BYTES;
    if (inFlightBytes > replayBytesMax + CLOSE_BYTES_MAX) {
      throw new Violation(
        "memory",
        `${this.app.out.name}: ${inFlightBytes} bytes kept for a replay of ${replayBytesMax}`,
      );
    }
    if (untakenBytes > untakenBytesMax) {
      throw new Violation("memory", `${this.app.out.name}: ${untakenBytes} bytes not taken of ${untakenBytesMax}`);
    }
  }
}
