import { DEFAULT_LIMITS, type Limits } from "../../src/core/limits.js";
import type { ClientSession } from "../../src/core/session/client-session.js";
import type { SessionEvent } from "../../src/core/session/events.js";
import type { ServerSession } from "../../src/core/session/server-session.js";
import type { Session } from "../../src/core/session/session.js";
import { SessionDriver } from "../../src/driver/session-driver.js";
import { DrivenLines, sessions } from "./driven-lines.js";
import { FakeHost } from "./fake-host.js";
import type { LinkedTransport } from "./linked-transport.js";

/** One driver with its session, and what its application has been told. */
export class DrivenEnd<S extends Session = Session> {
  readonly driver: SessionDriver<S>;
  readonly events: SessionEvent[] = [];
  turns = 0;
  /** What the host of this end does about an event. */
  host: (event: SessionEvent) => void = () => {};
  /** What the application does about it. */
  react: ((event: SessionEvent) => void) | undefined;
  reactToTurn: (() => void) | undefined;
  readonly #transport: () => LinkedTransport;

  constructor(session: S, host: FakeHost, transport: () => LinkedTransport) {
    this.#transport = transport;
    this.driver = new SessionDriver(session, host, {
      handleEvent: (event) => {
        this.events.push(event);
        // As soon as it is handed over: how an application takes its messages is no matter of the driver.
        if (event.type === "message" && session.take(event.channel, event.cost)) this.driver.command(() => {});
        this.host(event);
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

  /** Its end of the newest line. */
  get transport(): LinkedTransport {
    return this.#transport();
  }
}

/** Two drivers on one platform, and the lines between them. */
export class DrivenPair {
  readonly host = new FakeHost();
  readonly client: DrivenEnd<ClientSession>;
  readonly server: DrivenEnd<ServerSession>;
  readonly lines: DrivenLines;

  constructor(limits: { client?: Partial<Limits>; server?: Partial<Limits> } = {}) {
    const { host } = this;
    const [client, server] = [
      { ...DEFAULT_LIMITS, ...limits.client },
      { ...DEFAULT_LIMITS, ...limits.server },
    ];
    const [near, far] = sessions(host, { client, server });
    this.client = new DrivenEnd(near, host, () => this.lines.near);
    this.server = new DrivenEnd(far, host, () => this.lines.far);
    const ends = { client: this.client.driver, server: this.server.driver };
    this.lines = new DrivenLines({ host, ...ends, serverLimits: server });
    this.client.host = (event) => this.lines.handleClientEvent(event);
  }

  connect(): this {
    this.client.driver.command((session, now) => session.start(now));
    return this.settle();
  }

  /** Lets everything happen that needs no time. */
  settle(): this {
    this.lines.settle();
    return this;
  }

  run(ms: number): this {
    this.host.advance(ms, () => this.settle());
    return this;
  }
}
