import { DEFAULT_LIMITS, type Limits } from "../../src/core/limits.js";
import type { SessionEvent } from "../../src/core/session/events.js";
import type { Side } from "../../src/core/session/handshake.js";
import { Session } from "../../src/core/session/session.js";
import { SessionDriver } from "../../src/driver/session-driver.js";
import { FakeHost } from "./fake-host.js";
import { LinkedTransport } from "./linked-transport.js";

const SESSION_ID = new Uint8Array(16).fill(2);

export const CLIENT_SIDE: Side = { role: "client", attemptId: new Uint8Array(16).fill(1), auth: undefined };
export const SERVER_SIDE: Side = { role: "server", sessionId: SESSION_ID, protocol: new Uint8Array(0) };

/** One driver with its session, and what its application has been told. */
export class DrivenEnd {
  readonly driver: SessionDriver;
  readonly transport: LinkedTransport;
  readonly events: SessionEvent[] = [];
  turns = 0;
  /** What the application does about an event. */
  react: ((event: SessionEvent) => void) | undefined;
  reactToTurn: (() => void) | undefined;

  constructor(side: Side, init: { limits: Limits; host: FakeHost; transport: LinkedTransport }) {
    this.transport = init.transport;
    this.driver = new SessionDriver(new Session({ side, limits: init.limits, ports: init.host }), init.host, {
      handleEvent: (event) => {
        this.events.push(event);
        if (event.type === "hello") this.driver.input((session, now) => session.accept(SESSION_ID, now));
        this.react?.(event);
      },
      handleTurn: () => {
        this.turns += 1;
        this.reactToTurn?.();
      },
    });
  }

  of<T extends SessionEvent["type"]>(type: T): Extract<SessionEvent, { type: T }>[] {
    return this.events.filter((event) => event.type === type) as never;
  }

  get messages(): (string | Uint8Array)[] {
    return this.of("message").map((event) => event.data);
  }
}

/** Two drivers on one platform, over linked transports. */
export class DrivenPair {
  readonly host = new FakeHost();
  readonly client: DrivenEnd;
  readonly server: DrivenEnd;

  constructor(limits: { client?: Partial<Limits>; server?: Partial<Limits> } = {}) {
    const { host } = this;
    const [near, far] = LinkedTransport.pair();
    this.client = new DrivenEnd(CLIENT_SIDE, {
      limits: { ...DEFAULT_LIMITS, ...limits.client },
      host,
      transport: near,
    });
    this.server = new DrivenEnd(SERVER_SIDE, { limits: { ...DEFAULT_LIMITS, ...limits.server }, host, transport: far });
  }

  /** Attaches the transports and opens them. */
  open(): this {
    for (const { driver, transport } of [this.server, this.client]) driver.attach(transport, () => true);
    for (const { transport } of [this.server, this.client]) transport.open();
    return this;
  }

  connect(): this {
    return this.open().settle();
  }

  /** Lets everything happen that needs no time. */
  settle(): this {
    for (let moves = true; moves; ) {
      moves = this.host.endTask();
      for (const { transport } of [this.client, this.server]) if (transport.deliver()) moves = true;
    }
    return this;
  }

  run(ms: number): this {
    this.host.advance(ms, () => this.settle());
    return this;
  }
}
