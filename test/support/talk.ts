import { DEFAULT_LIMITS, type Limits } from "../../src/core/limits.js";
import type { ClientSession } from "../../src/core/session/client-session.js";
import type { ServerSession } from "../../src/core/session/server-session.js";
import type { Session } from "../../src/core/session/session.js";
import { Conversation, type ConversationEvent } from "../../src/driver/conversation.js";
import { Gates } from "../../src/driver/gate.js";
import type { Payload } from "../../src/driver/pending-message.js";
import { SendBudget } from "../../src/driver/send-bounds.js";
import { DrivenLines, sessions } from "./driven-lines.js";
import { FakeHost } from "./fake-host.js";
import type { LinkedTransport } from "./linked-transport.js";
import { binary, text } from "./pair.js";
import { takeAll } from "./taker.js";

export const say = (value: string): Payload => ({ type: "text", bytes: text(value).bytes });
export const file = (size: number): Payload => ({ type: "binary", bytes: binary(size).bytes });

/** One conversation, and what its application has been told. */
class End<S extends Session> {
  readonly conversation: Conversation<S>;
  readonly events: ConversationEvent[] = [];
  /** What the host of this end does about an event. */
  host: (event: ConversationEvent) => void = () => {};
  react: ((event: ConversationEvent) => void) | undefined;
  turns = 0;
  /** Whether the application takes what it is handed. */
  takes = true;
  afterTurn: () => void = () => {};

  constructor(session: S, host: FakeHost, budget: SendBudget) {
    const onTurn = () => {
      this.turns += 1;
      this.afterTurn();
    };
    this.conversation = new Conversation({ session, host, budget, onTurn }, (event) => {
      this.events.push(event);
      if (this.takes) takeAll(this.conversation, event);
      this.host(event);
      this.react?.(event);
    });
  }

  get story(): string[] {
    return this.events.map(({ type }) => type);
  }

  of<T extends ConversationEvent["type"]>(type: T): Extract<ConversationEvent, { type: T }>[] {
    return this.events.filter((event) => event.type === type) as never;
  }
}

/** Two conversations on one platform, and the lines between them. */
export class Talk {
  readonly host = new FakeHost();
  readonly client: End<ClientSession>;
  readonly server: End<ServerSession>;
  readonly lines: DrivenLines;
  /** What the client's messages may hold. */
  readonly budget: SendBudget;
  /** Those of the client's channels. */
  readonly gates = new Gates({ highWaterMark: 256 * 1024, maxBufferedAmount: 64 << 20 });

  constructor({ limits: given = {}, bytesMax = 64 << 20 }: { limits?: Partial<Limits>; bytesMax?: number } = {}) {
    this.budget = new SendBudget(bytesMax);
    const { host } = this;
    const limits = { ...DEFAULT_LIMITS, ...given };
    const [near, far] = sessions(host, { client: limits, server: limits });
    this.client = new End(near, host, this.budget);
    this.server = new End(far, host, new SendBudget(Number.MAX_SAFE_INTEGER));
    const ends = { client: this.client.conversation, server: this.server.conversation };
    this.lines = new DrivenLines({ host, ...ends, serverLimits: limits });
    this.client.afterTurn = () => this.gates.handleTurn();
    this.client.host = (event) => this.lines.handleClientEvent(event as never);
  }

  connect(): this {
    this.client.conversation.command((session, now) => session.start(now));
    return this.settle();
  }

  settle(): this {
    this.lines.settle();
    return this;
  }

  run(ms: number): this {
    this.host.advance(ms, () => this.settle());
    return this;
  }

  /** The client's end of the newest line, and the server's. */
  get near(): LinkedTransport {
    return this.lines.near;
  }

  get far(): LinkedTransport {
    return this.lines.far;
  }
}
