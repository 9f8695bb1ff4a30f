import { DEFAULT_LIMITS, type Limits } from "../../src/core/limits.js";
import type { Side } from "../../src/core/session/handshake.js";
import { Conversation, type ConversationEvent } from "../../src/driver/conversation.js";
import type { Payload } from "../../src/driver/outbox.js";
import { CLIENT_SIDE, SERVER_SIDE } from "./driven-pair.js";
import { FakeHost } from "./fake-host.js";
import { LinkedTransport } from "./linked-transport.js";
import { binary, text } from "./pair.js";

export const say = (value: string): Payload => ({ type: "text", bytes: text(value).bytes });
export const file = (size: number): Payload => ({ type: "binary", bytes: binary(size).bytes });

/** One conversation, and what its application has been told. */
class End {
  readonly conversation: Conversation;
  readonly events: ConversationEvent[] = [];
  react: ((event: ConversationEvent) => void) | undefined;

  constructor(side: Side, host: FakeHost, limits: Partial<Limits>) {
    this.conversation = new Conversation({ side, host, limits: { ...DEFAULT_LIMITS, ...limits } }, (event) => {
      this.events.push(event);
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

/** Two conversations on one platform, over linked transports. */
export class Talk {
  readonly host = new FakeHost();
  readonly client: End;
  readonly server: End;
  readonly near: LinkedTransport;
  readonly far: LinkedTransport;

  constructor({ side = CLIENT_SIDE, limits = {} }: { side?: Side; limits?: Partial<Limits> } = {}) {
    [this.near, this.far] = LinkedTransport.pair();
    this.client = new End(side, this.host, limits);
    this.server = new End(SERVER_SIDE, this.host, limits);
    this.server.react = ({ type }) => {
      if (type === "hello") this.server.conversation.accept(new Uint8Array(16).fill(2));
    };
  }

  connect(): this {
    this.server.conversation.attach(this.far);
    this.client.conversation.attach(this.near);
    this.far.open();
    this.near.open();
    return this.settle();
  }

  settle(): this {
    for (let moves = true; moves; ) {
      moves = this.host.endTask();
      for (const transport of [this.near, this.far]) if (transport.deliver()) moves = true;
    }
    return this;
  }

  run(ms: number): this {
    this.host.advance(ms, () => this.settle());
    return this;
  }
}
