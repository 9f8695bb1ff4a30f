import { SluiceError } from "../../src/core/error.js";
import { ID_BYTES, type Limits, TOKEN_BYTES } from "../../src/core/limits.js";
import { Reception } from "../../src/core/registry/reception.js";
import { type Entry, Registry, type RegistryLimits } from "../../src/core/registry/registry.js";
import { ServerSession } from "../../src/core/session/server-session.js";
import { sessionLost } from "../../src/core/session/session-end.js";
import type { Hello } from "../../src/core/wire/handshake.js";
import { End, type EndEvent } from "./end.js";
import type { Line } from "./line.js";
import { testHash, testPorts } from "./ports.js";

export interface ServerHostOptions {
  readonly limits: Limits;
  readonly registry: Partial<RegistryLimits>;
  readonly protocol: string;
  readonly transportBatchBytesMax: number;
}

/** What the line gives to the server's host. */
interface Surroundings {
  now: number;
  input(end: End<ServerSession>, run: (session: ServerSession, now: number) => unknown): unknown;
  drainReception(line: Line): void;
}

/** A server as hosts have to be: receptions, the registry, and sessions that it parks and hands transports to. */
export class ServerHost {
  registry: Registry<ServerSession>;
  instance: Uint8Array = new Uint8Array(ID_BYTES).fill(0xa1);
  /** The honest client's end comes first. */
  readonly ends: End<ServerSession>[] = [];
  readonly #options: ServerHostOptions;
  readonly #around: Surroundings;
  #entries = new Map<End<ServerSession>, Entry<ServerSession>>();
  #sessionsMade = 0;
  #tokensMade = 0;

  constructor(options: ServerHostOptions, around: Surroundings) {
    this.#options = options;
    this.#around = around;
    this.registry = this.#newRegistry();
  }

  /** A transport has come in. */
  receive(line: Line): void {
    const { limits, protocol } = this.#options;
    const options = { limits, ports: testPorts, protocol: testPorts.encodeUtf8(protocol), instance: this.instance };
    const { greets } = line;
    line.reception = new Reception({ ...options, greets }, this.#around.now);
  }

  /** The application lets in who waits on `line`; the registry has the last word. */
  accept(line: Line): void {
    const { reception } = line;
    if (reception?.state.name !== "deciding") return;
    const { now } = this.#around;
    const { hello } = reception.state;
    const decision = this.registry.decide(hello, line.owner, now);
    this.sweep();
    if (decision.type === "refuse") return this.refuse(line);
    if (decision.type === "busy") return this.refuse(line, 1013, "");
    const { held = [] } = reception.handOver() ?? {};
    const token = this.#newToken();
    const entry = decision.type === "attach" ? decision.entry : this.#create(line, hello, token);
    if (decision.type === "attach") this.registry.attach(entry, hello, token);
    const end = this.#endOf(entry);
    line.taker = { end, epoch: hello.epoch };
    end.line = line;
    end.lines.set(hello.epoch, line);
    const { transportBatchBytesMax: batchBytesMax, limits } = this.#options;
    const instance = line.greets ? undefined : this.instance;
    const admission = { hello, token: limits.resumeWindowMs > 0 ? token : undefined, batchBytesMax, held, instance };
    this.#around.input(end, (session, at) => session.attach(admission, at));
  }

  refuse(line: Line, code = 1008, reason = "unauthorized"): void {
    line.reception?.refuse(code, reason, new SluiceError("ERR_REFUSED", "Refused"));
    this.#around.drainReception(line);
  }

  /** What a host does about an event of a session of its own. */
  handleEvent(end: End<ServerSession>, event: EndEvent): void {
    const entry = this.#entries.get(end);
    if (entry === undefined) return;
    // In a takeover the old transport goes after the new one has come.
    if (event.type === "detached" && event.line === entry.epoch) this.registry.park(entry, this.#around.now);
    if (event.type === "confirmed") this.registry.confirm(entry);
    if (event.type === "closed") this.registry.remove(entry, this.#around.now);
    this.registry.account(entry, end.session.heldBytes, this.#around.now);
    this.sweep();
  }

  handleDeadline(): void {
    this.registry.handleDeadline(this.#around.now);
    this.sweep();
  }

  /** Ends the sessions that had to go. */
  sweep(): void {
    for (let entry = this.registry.pollEvicted(); entry !== undefined; entry = this.registry.pollEvicted()) {
      const gone = sessionLost("The session has expired");
      this.#around.input(this.#endOf(entry), (session, now) => session.abort(1001, "", gone, now));
    }
  }

  /** The process dies, and another one takes its place. */
  restart(): void {
    this.instance = this.instance.map((byte) => byte + 1);
    this.registry = this.#newRegistry();
    this.#entries = new Map();
    for (const end of this.ends) end.forget();
  }

  entryOf(end: End<ServerSession>): Entry<ServerSession> | undefined {
    return this.#entries.get(end);
  }

  #create(line: Line, hello: Hello, token: Uint8Array): Entry<ServerSession> {
    const { limits, protocol } = this.#options;
    this.#sessionsMade += 1;
    const sessionId = new Uint8Array(ID_BYTES).fill(1 + this.#sessionsMade);
    const bytes = testPorts.encodeUtf8(protocol);
    const session = new ServerSession({ limits, ports: testPorts, sessionId, protocol: bytes });
    const entry = this.registry.add(session, sessionId, token, hello, line.owner);
    const known = line.clientEpoch === undefined ? undefined : this.ends[0];
    const end = known ?? new End<ServerSession>("server");
    if (known === undefined) this.ends.push(end);
    end.session = session;
    this.#entries.set(end, entry);
    return entry;
  }

  #endOf(entry: Entry<ServerSession>): End<ServerSession> {
    const end = [...this.#entries].find(([, known]) => known === entry)?.[0];
    if (end === undefined) throw new Error("a session that nobody knows");
    return end;
  }

  #newToken(): Uint8Array {
    this.#tokensMade += 1;
    return new Uint8Array(TOKEN_BYTES).fill(0x40 + this.#tokensMade);
  }

  #newRegistry(): Registry<ServerSession> {
    const { limits, registry } = this.#options;
    const bounds = {
      resumeWindowMs: limits.resumeWindowMs,
      principalSessionsMax: 16,
      processBytesMax: 256 << 20,
      ...registry,
    };
    return new Registry(bounds, testHash, this.instance, (session, received) => session.canAttach(received));
  }
}
