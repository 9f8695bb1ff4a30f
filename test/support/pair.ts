import { DEFAULT_BACKOFF } from "../../src/core/dial/backoff.js";
import type { LineKind } from "../../src/core/dial/chooser.js";
import type { DialOptions } from "../../src/core/dial/dialer.js";
import { DEFAULT_LIMITS, type Limits } from "../../src/core/limits.js";
import type { Owner, RegistryLimits } from "../../src/core/registry/registry.js";
import { ClientSession } from "../../src/core/session/client-session.js";
import type { ServerSession } from "../../src/core/session/server-session.js";
import type { Millis } from "../../src/core/time.js";
import type { Trace } from "../../src/core/trace.js";
import { End, type EndEvent } from "./end.js";
import { Line, type Side } from "./line.js";
import { TestText, testPorts } from "./ports.js";
import { ServerHost } from "./server-host.js";

export { End, type EndEvent } from "./end.js";
export type { Line } from "./line.js";

/** What becomes of a dial: a server that greets, a transport nobody answers on, one that fails, or nothing for ever. */
export type Network = "up" | "deaf" | "down" | "hung";

export interface PairOptions {
  readonly clientLimits?: Partial<Limits>;
  readonly serverLimits?: Partial<Limits>;
  /** One way: for every batch, or drawn for each. What is sent first arrives first all the same. Default 20 ms. */
  readonly delayMs?: Millis | (() => Millis);
  /** Each way; default: no limit. */
  readonly rateBitsPerSecond?: number;
  readonly auth?: string | "pending";
  /** Whether the server lets the client in by itself. Default `true`. */
  readonly accepts?: boolean;
  readonly transportBatchBytesMax?: number;
  readonly protocol?: string;
  readonly dial?: Partial<DialOptions>;
  readonly registry?: Partial<RegistryLimits>;
  readonly owner?: Owner;
  readonly attemptId?: Uint8Array;
  /** Of the client's session. */
  readonly trace?: Trace;
}

type Arrival = { at: Millis; order: number; line: Line | undefined; run: () => void };

const NOBODY: Owner = { origin: "", principal: undefined };
const CUT = { wasClean: false, code: 1006, reason: "" };
const CLOSED = { wasClean: true, code: 1000, reason: "" };
const opposite = (side: Side): Side => (side === "client" ? "server" : "client");

/** Two engines and the lines between them, under virtual time. The client dials by itself once it is connected. */
export class Pair {
  now: Millis = 0;
  readonly client: End<ClientSession>;
  readonly server: End<ServerSession> = new End<ServerSession>("server");
  readonly host: ServerHost;
  /** The same for HTTP where it is another. */
  http: Network | undefined;
  network: Network = "up";
  /** Whether the server lets in who says HELLO. */
  accepts: boolean;
  /** What each way carries from now on. */
  rateBitsPerSecond: number;
  readonly lines: Line[] = [];
  readonly #owner: Owner;
  readonly #auth: string | undefined;
  readonly #delayMs: () => Millis;
  readonly #transportBatchBytesMax: number;
  #arrivals: Arrival[] = [];
  #order = 0;

  constructor(options: PairOptions = {}) {
    const { delayMs = 20, dial } = options;
    this.#delayMs = typeof delayMs === "function" ? delayMs : () => delayMs;
    this.rateBitsPerSecond = options.rateBitsPerSecond ?? Number.POSITIVE_INFINITY;
    this.accepts = options.accepts ?? true;
    this.#auth = options.auth;
    this.#owner = options.owner ?? NOBODY;
    this.#transportBatchBytesMax = options.transportBatchBytesMax ?? Number.MAX_SAFE_INTEGER;
    const session = new ClientSession({
      attemptId: options.attemptId ?? new Uint8Array(16).fill(1),
      dial: { backoff: DEFAULT_BACKOFF, connectTimeoutMs: 10_000, retriesFirst: true, ...dial },
      limits: { ...DEFAULT_LIMITS, ...options.clientLimits },
      ports: testPorts,
      trace: options.trace,
    });
    this.client = new End<ClientSession>("client", session);
    const serverOptions = {
      limits: { ...DEFAULT_LIMITS, handshakeTimeoutMs: 5000, ...options.serverLimits },
      registry: options.registry ?? {},
      protocol: options.protocol ?? "",
      transportBatchBytesMax: this.#transportBatchBytesMax,
    };
    this.host = new ServerHost(serverOptions, this);
    this.host.ends.push(this.server);
  }

  /** The client begins to dial, and its transport opens at both ends as far as the network lets it. */
  connect(): this {
    this.input(this.client, (session) => session.start(this.now));
    return this;
  }

  /** The server's application lets everybody in who waits. */
  accept(): this {
    for (const line of this.lines) this.host.accept(line);
    return this;
  }

  /** The server's application turns everybody away who waits. */
  refuse(code = 1008, reason = "unauthorized"): this {
    for (const line of this.lines) {
      if (line.reception?.state.name === "deciding") this.host.refuse(line, code, reason);
    }
    return this;
  }

  /** One input to one end, then everything that follows from it, as a driver does it. */
  input<E extends End, T>(end: E, run: (session: E["session"], now: Millis) => T): T {
    const result = run(end.session, this.now);
    this.drain(end);
    return result;
  }

  /** Several inputs to one end within one tick: events are polled in between, batches only afterwards. */
  tick<E extends End>(end: E, ...runs: ((session: E["session"], now: Millis) => unknown)[]): this {
    const events: EndEvent[] = [];
    for (const run of runs) {
      run(end.session, this.now);
      events.push(...this.#pollEvents(end));
    }
    this.#follow(end, events);
    return this;
  }

  drain(end: End): void {
    this.#follow(end, []);
  }

  /** Lets virtual time pass: everything due within `ms` happens. */
  run(ms: Millis): this {
    const end = this.now + ms;
    for (let steps = 0; ; steps++) {
      const next = this.#next();
      if (next === undefined || next.at > end) break;
      if (steps === 1_000_000) throw new Error("a million steps, and no end");
      this.now = Math.max(this.now, next.at);
      next.run();
    }
    this.now = end;
    return this;
  }

  /** The present line goes dead and nobody is told. */
  lose(line = this.client.line): this {
    if (line === undefined) return this;
    line.isLost = true;
    this.#arrivals = this.#arrivals.filter((arrival) => arrival.line !== line);
    return this;
  }

  /** Cuts the present line: what is on it is lost, and both transports say so. */
  cut(line = this.client.line): this {
    if (line === undefined) return this;
    this.lose(line);
    for (const side of ["client", "server"] as const) this.#tellClosed(line, side, CUT);
    return this;
  }

  /** Tells one end that its transport has ended, and the other one nothing. */
  die(end: End, death = CUT): this {
    if (end.line === undefined) throw new Error("there is no line yet");
    this.lose(end.line);
    this.#tellClosed(end.line, end.name, death);
    return this;
  }

  /** The server's process dies, and another one takes its place: lines are cut, and sessions are forgotten. */
  restart(): this {
    for (const line of this.lines) {
      this.lose(line);
      line.endedBy.add("server");
      line.reception = undefined;
      line.taker = undefined;
    }
    this.host.restart();
    for (const line of this.lines) this.#tellClosed(line, "client", CUT);
    return this;
  }

  /** Delivers raw bytes to an end, as a hostile peer would, on its newest line. */
  inject(end: End, batch: Uint8Array): this {
    const { line } = end.name === "client" || end.line !== undefined ? end : this.client;
    if (line === undefined) throw new Error("there is no line yet");
    this.say(line, batch, opposite(end.name));
    return this;
  }

  /** A transport at the server's door, on which the test itself speaks. */
  knock(owner: Owner = NOBODY): Line {
    const line = this.#newLine(owner, undefined);
    this.host.receive(line);
    this.drainReception(line);
    return line;
  }

  /** Delivers raw bytes on `line`, from the end `from`. */
  say(line: Line, batch: Uint8Array, from: Side = "client"): this {
    if (from === "server") {
      line.heard.push(batch);
      const { clientEpoch } = line;
      if (clientEpoch !== undefined) this.input(this.client, (s) => s.handleBatch(clientEpoch, batch, this.now));
    } else if (line.taker !== undefined) {
      const { end, epoch } = line.taker;
      if (end.hasSession) this.input(end, (session) => session.handleBatch(epoch, batch, this.now));
    } else if (line.reception !== undefined) {
      line.reception.handleBatch(batch, this.now);
      this.drainReception(line);
    }
    return this;
  }

  /** What follows from an input to the reception of a line. */
  drainReception(line: Line): void {
    const { reception } = line;
    if (reception === undefined) return;
    for (let batch = reception.pollTransmit(); batch !== undefined; batch = reception.pollTransmit()) {
      this.#transmit(line, "server", this.server, batch);
    }
    for (let event = reception.pollEvent(); event !== undefined; event = reception.pollEvent()) {
      const told: EndEvent = event.type === "hello" ? event : { ...event, type: "turned-away" };
      if (line.clientEpoch !== undefined) this.server.events.push({ at: this.now, event: told });
      if (event.type === "closed") this.#endLine(line, "server");
      else if (this.accepts) this.host.accept(line);
      if (line.clientEpoch !== undefined) this.server.react?.(told);
    }
  }

  other(end: End): End {
    return end === this.client ? this.server : this.client;
  }

  /** Batches, and the ends of transports, that are on their way. */
  get onTheLine(): number {
    return this.#arrivals.length;
  }

  #follow(end: End, events: EndEvent[]): void {
    const { session } = end;
    for (;;) {
      const batch = session.pollTransmit(end.budgetBytes, this.now);
      if (batch === undefined) break;
      const line = end.lines.get(session.line ?? -1) ?? end.line;
      if (line === undefined) throw new Error(`the ${end.name} speaks without a line`);
      this.#transmit(line, end.name, end, batch);
      end.watch?.();
    }
    for (let next = session.pollBeside(this.now); next !== undefined; next = session.pollBeside(this.now)) {
      const line = end.lines.get(next.line);
      if (line !== undefined) this.#transmit(line, end.name, end, next.batch);
    }
    events.push(...this.#pollEvents(end));
    const hasTaken = this.#takeMessages(end, events);
    for (const event of events) {
      if (end.name === "client") this.#handleClientEvent(event);
      else this.#handleServerEvent(end as End<ServerSession>, event);
      end.react?.(event);
    }
    if (hasTaken && end.hasSession) this.#follow(end, []);
  }

  /** Applications of these ends take what they are given at once. Returns whether the peer has to learn of it. */
  #takeMessages(end: End, events: readonly EndEvent[]): boolean {
    let isDue = false;
    for (const event of events) {
      const isTaken = event.type === "message" || event.type === "piece";
      if (isTaken && end.takes) isDue = end.session.take(event.channel, event.cost) || isDue;
      if (event.type === "channel" && end.takes) {
        end.session.receive(event.channel, "messages", this.now);
        this.#pollEvents(end);
      }
    }
    return isDue;
  }

  #pollEvents(end: End): EndEvent[] {
    const events: EndEvent[] = [];
    for (let event = end.session.pollEvent(); event !== undefined; event = end.session.pollEvent()) events.push(event);
    end.events.push(...events.map((event) => ({ at: this.now, event })));
    return events;
  }

  #handleClientEvent(event: EndEvent): void {
    const { client } = this;
    if (event.type === "dial") this.#open(event.line, event.kind);
    if (event.type === "introduce" && this.#auth !== "pending") {
      this.input(client, (session, now) => session.provideAuth(event.line, this.#auth, now));
    }
    for (const [number, line] of client.lines) {
      const isGivenUp = (event.type === "detached" || event.type === "abandoned") && event.line === number;
      if (isGivenUp || event.type === "closed") this.#endLine(line, "client");
    }
  }

  #handleServerEvent(end: End<ServerSession>, event: EndEvent): void {
    const line = event.type === "detached" ? end.lines.get(event.line) : end.line;
    if (line !== undefined && (event.type === "detached" || event.type === "closed")) this.#endLine(line, "server");
    this.host.handleEvent(end, event);
  }

  #newLine(owner: Owner, clientEpoch: number | undefined, greets = true): Line {
    const line = new Line(this.lines.length, owner, clientEpoch, greets);
    this.lines.push(line);
    return line;
  }

  #open(number: number, kind: LineKind): void {
    const greets = kind === "websocket";
    const transport = { batchBytesMax: this.#transportBatchBytesMax, greets };
    const line = this.#newLine(this.#owner, number, greets);
    const network = greets ? this.network : (this.http ?? this.network);
    this.client.line = line;
    this.client.lines.set(number, line);
    if (network === "hung") return;
    if (network === "down") {
      this.#schedule(undefined, this.now + this.#delayMs(), () => this.#tellClosed(line, "client", CUT));
      return;
    }
    if (network === "up") {
      this.host.receive(line);
      this.drainReception(line);
    }
    this.input(this.client, (s) => s.handleTransportOpen(number, transport, this.now));
  }

  /** One side ends a line: the other learns of it behind all that was said, and the first one that it has happened. */
  #endLine(line: Line, by: Side): void {
    if (line.endedBy.has(by)) return;
    line.endedBy.add(by);
    line.leftBy.add(by);
    const at = Math.max(line.lastArrivalAt[by], this.now + this.#delayMs());
    if (!line.isLost) this.#schedule(line, at, () => this.#tellClosed(line, opposite(by), CLOSED));
    this.#schedule(undefined, at + this.#delayMs(), () => this.#report(line, by, CLOSED));
  }

  #tellClosed(line: Line, side: Side, death: typeof CUT): void {
    if (line.endedBy.has(side)) return;
    line.endedBy.add(side);
    this.#report(line, side, death);
  }

  #report(line: Line, side: Side, death: typeof CUT): void {
    const { clientEpoch, taker, reception } = line;
    if (side === "client") {
      if (clientEpoch === undefined) return;
      this.input(this.client, (session) => session.handleTransportClosed(clientEpoch, death, this.now));
    } else if (taker !== undefined) {
      if (!taker.end.hasSession) return;
      this.input(taker.end, (session) => session.handleTransportClosed(taker.epoch, death, this.now));
    } else if (reception !== undefined) {
      reception.handleTransportClosed();
      this.drainReception(line);
    }
  }

  #transmit(line: Line, from: Side, by: End, batch: Uint8Array): void {
    if (line.clientEpoch !== undefined || line.taker !== undefined) by.batchesSent.push({ at: this.now, batch, line });
    if (line.leftBy.has(from)) throw new Error(`the ${from} speaks on a line that it has left`);
    if (line.isLost || line.endedBy.has(from)) return;
    const { freeAt, lastArrivalAt } = line;
    const start = Math.max(this.now, freeAt[from]);
    const rate = this.rateBitsPerSecond;
    freeAt[from] = start + (rate === Number.POSITIVE_INFINITY ? 0 : (batch.length * 8000) / rate);
    lastArrivalAt[from] = Math.max(lastArrivalAt[from], freeAt[from] + this.#delayMs());
    this.#schedule(line, lastArrivalAt[from], () => this.say(line, batch, from));
  }

  #schedule(line: Line | undefined, at: Millis, run: () => void): void {
    this.#order += 1;
    this.#arrivals.push({ at, order: this.#order, line, run });
  }

  #next(): { at: Millis; run: () => void } | undefined {
    this.#arrivals.sort((a, b) => a.at - b.at || a.order - b.order);
    const [arrival] = this.#arrivals;
    let best: { at: Millis; run: () => void } | undefined = arrival && {
      at: arrival.at,
      run: () => void this.#arrivals.shift()?.run(),
    };
    const consider = (deadline: Millis | undefined, run: () => void) => {
      if (deadline !== undefined && (best === undefined || deadline < best.at)) best = { at: deadline, run };
    };
    for (const end of [this.client, ...this.host.ends]) {
      if (!end.hasSession) continue;
      consider(end.session.nextDeadline(), () => this.input(end, (s) => s.handleDeadline(this.now)));
    }
    for (const line of this.lines) {
      const { reception } = line;
      if (reception === undefined || line.endedBy.has("server")) continue;
      consider(reception.nextDeadline(), () => {
        reception.handleDeadline(this.now);
        this.drainReception(line);
      });
    }
    consider(this.host.registry.nextDeadline(), () => this.host.handleDeadline());
    return best;
  }
}

export const text = (value: string) => {
  const bytes = new TestText(value);
  return { text: true, totalBytes: bytes.length, wantsProgress: false, bytes };
};

export const binary = (size: number, seed = 1) => {
  const bytes = new Uint8Array(size);
  for (let i = 0, x = seed; i < size; i++) {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0;
    bytes[i] = x >>> 16;
  }
  return { text: false, totalBytes: size, wantsProgress: false, bytes };
};

/** A message whose bytes the engine asks for. */
export const source = (totalBytes: number | undefined) => ({ text: false, totalBytes, wantsProgress: false });
