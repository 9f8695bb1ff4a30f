import { SluiceError } from "../../src/core/error.js";
import { DEFAULT_LIMITS, type Limits } from "../../src/core/limits.js";
import { Reception } from "../../src/core/registry/reception.js";
import { type Entry, Registry } from "../../src/core/registry/registry.js";
import type { ChannelKey } from "../../src/core/send/send-channel.js";
import { ServerSession } from "../../src/core/session/server-session.js";
import type { HeldBatch } from "../../src/core/session/session-types.js";
import type { Hello } from "../../src/core/wire/handshake.js";
import { Conversation, type ConversationEvent } from "../../src/driver/conversation.js";
import type { Host } from "../../src/driver/host.js";
import type { Payload } from "../../src/driver/pending-message.js";
import type { Receipt } from "../../src/driver/receipt.js";
import { ReceptionDriver } from "../../src/driver/reception-driver.js";
import { SendBudget } from "../../src/driver/send-bounds.js";
import type { Transport, TransportHandler } from "../../src/transport/transport.js";
import { Inbox } from "./inbox.js";
import { testHash } from "./ports.js";
import { takeAll } from "./taker.js";

/** The server's end of one session, and what its application has been told. */
export class ServerEnd {
  readonly conversation: Conversation<ServerSession>;
  readonly events: ConversationEvent[] = [];
  /** What has come, with the name of its channel; binary messages as their length. */
  readonly messages: [channel: string, data: string | number][] = [];
  readonly #names = new Map<ChannelKey, string>([[0, ""]]);

  constructor(session: ServerSession, host: Host, onEvent: (event: ConversationEvent) => void) {
    this.conversation = new Conversation({ session, host, budget: new SendBudget(64 << 20) }, (event) => {
      this.events.push(event);
      if (event.type === "channel") this.#names.set(event.channel, event.name);
      if (event.type === "message") {
        const data = typeof event.data === "string" ? event.data : event.data.length;
        this.messages.push([this.#names.get(event.channel) ?? "?", data]);
      }
      takeAll(this.conversation, event);
      onEvent(event);
    });
  }

  /** Sends on the channel of this name. */
  send(name: string, payload: Payload): Receipt {
    const key = name === "" ? 0 : this.conversation.openChannel(name, undefined);
    this.#names.set(key, name);
    return this.conversation.send(key, payload, {});
  }

  closeChannel(name: string): void {
    this.conversation.closeChannel(this.conversation.openChannel(name, undefined));
  }

  of<T extends ConversationEvent["type"]>(type: T): Extract<ConversationEvent, { type: T }>[] {
    return this.events.filter((event) => event.type === type) as never;
  }

  /** What has come on the default channel. */
  get lines(): (string | number)[] {
    return this.messages.filter(([name]) => name === "").map(([, data]) => data);
  }
}

/** A server without a network, which parks and resumes sessions as ours does. */
export class MemoryServer {
  readonly ends = new Inbox<ServerEnd>();
  readonly events = new Inbox<ConversationEvent>();
  readonly hellos: { readonly hello: Hello; readonly auth: string | undefined }[] = [];
  /** Whether a client is let in; a promise delays the answer. */
  decide: (auth: string | undefined) => boolean = () => true;
  readonly #host: Host;
  readonly #protocol: Uint8Array;
  readonly #limits: Limits;
  #registry: Registry<ServerEnd>;
  #instance = new Uint8Array(16).fill(1);
  #made = 0;

  constructor(host: Host, options: { protocol?: string; limits?: Partial<Limits> } = {}) {
    this.#host = host;
    this.#protocol = host.encodeUtf8(options.protocol ?? "");
    this.#limits = { ...DEFAULT_LIMITS, handshakeTimeoutMs: 5000, ...options.limits };
    this.#registry = this.#newRegistry();
  }

  /** A transport has come in. */
  receive(transport: Transport): void {
    const options = { limits: this.#limits, ports: this.#host, protocol: this.#protocol, instance: this.#instance };
    const reception = new Reception(options, this.#host.now());
    const driver: ReceptionDriver = new ReceptionDriver(reception, transport, this.#host, {
      handleHello: (hello, auth) => {
        this.hellos.push({ hello, auth });
        this.#handleHello(driver, transport, hello, auth);
      },
      handleHeld: () => {},
      handleOver: () => {},
    });
    driver.start();
  }

  /** The process dies with all that it knows, and another one takes its place. The lines are for the caller to cut. */
  restart(): void {
    const lost = new SluiceError("ERR_CONNECTION_LOST", "restarted");
    for (const { session } of [...this.#registry.entries()]) session.conversation.fail(lost);
    this.#instance = this.#instance.map((byte) => byte + 1);
    this.#registry = this.#newRegistry();
  }

  /** The newest session. */
  get end(): ServerEnd {
    return this.ends.items.at(-1) as ServerEnd;
  }

  get size(): number {
    return this.#registry.size;
  }

  #handleHello(driver: ReceptionDriver, transport: Transport, hello: Hello, auth: string | undefined): void {
    const owner = { origin: "", principal: undefined };
    const isLetIn = this.decide(auth);
    const decision = isLetIn ? this.#registry.decide(hello, owner, this.#host.now()) : { type: "refuse" as const };
    if (decision.type === "refuse" || decision.type === "busy") {
      return driver.refuse(1008, "unauthorized", new SluiceError("ERR_REFUSED", "refused"));
    }
    this.#made += 1;
    const token = new Uint8Array(32).fill(this.#made);
    driver.handOver((said, held) => {
      const entry = decision.type === "attach" ? decision.entry : this.#create(said, token);
      if (decision.type === "attach") this.#registry.attach(entry, said, token);
      return this.#admit(entry, transport, { hello: said, held, token });
    });
  }

  #admit(
    { session: { conversation } }: Entry<ServerEnd>,
    transport: Transport,
    said: { hello: Hello; held: readonly HeldBatch[]; token: Uint8Array },
  ): TransportHandler {
    const handler = conversation.attach(said.hello.epoch, transport);
    const token = this.#limits.resumeWindowMs > 0 ? said.token : undefined;
    const admission = { ...said, token, batchBytesMax: transport.batchBytesMax };
    conversation.input((session, now) => session.attach(admission, now));
    return handler;
  }

  #create(hello: Hello, token: Uint8Array): Entry<ServerEnd> {
    const sessionId = new Uint8Array(16).fill(this.#made);
    const session = new ServerSession({ sessionId, protocol: this.#protocol, limits: this.#limits, ports: this.#host });
    const registry = this.#registry;
    const end = new ServerEnd(session, this.#host, (event) => {
      if (event.type === "detached") registry.park(entry, this.#host.now(), event.line);
      if (event.type === "confirmed") registry.confirm(entry);
      if (event.type === "closed") registry.remove(entry, this.#host.now());
      this.events.push(event);
    });
    const entry: Entry<ServerEnd> = registry.add(end, sessionId, token, hello, { origin: "", principal: undefined });
    this.ends.push(end);
    return entry;
  }

  #newRegistry(): Registry<ServerEnd> {
    const { resumeWindowMs } = this.#limits;
    const bounds = { resumeWindowMs, principalSessionsMax: 16, processBytesMax: 256 << 20 };
    return new Registry(bounds, testHash, this.#instance, ({ conversation }, received) =>
      conversation.session.canAttach(received),
    );
  }
}
