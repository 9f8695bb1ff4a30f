import { DEFAULT_LIMITS, type Limits } from "../../src/core/limits.js";
import type { SessionEvent } from "../../src/core/session/events.js";
import { Session } from "../../src/core/session/session.js";
import type { Millis } from "../../src/core/time.js";
import { testPorts } from "./ports.js";

export interface PairOptions {
  readonly clientLimits?: Partial<Limits>;
  readonly serverLimits?: Partial<Limits>;
  /** One way. Default 20 ms. */
  readonly delayMs?: Millis;
  /** Each way; default: no limit. */
  readonly rateBitsPerSecond?: number;
  readonly auth?: string | "pending";
  /** Whether the server lets the client in by itself. Default `true`. */
  readonly accepts?: boolean;
  readonly transportBatchBytesMax?: number;
  readonly protocol?: string;
}

/** What one end has gone through. */
export class End {
  readonly session: Session;
  readonly name: "client" | "server";
  readonly events: { at: Millis; event: SessionEvent }[] = [];
  readonly batchesSent: { at: Millis; batch: Uint8Array }[] = [];
  /** When the line is free again for what this end sends. */
  lineFreeAt: Millis = 0;

  constructor(name: "client" | "server", session: Session) {
    this.name = name;
    this.session = session;
  }

  /** The messages received, text as strings. */
  get messages(): (string | Uint8Array)[] {
    return this.of("message").map((event) => event.data);
  }

  of<T extends SessionEvent["type"]>(type: T): Extract<SessionEvent, { type: T }>[] {
    return this.events.map(({ event }) => event).filter((event) => event.type === type) as never;
  }

  at(type: SessionEvent["type"]): Millis[] {
    return this.events.filter(({ event }) => event.type === type).map(({ at }) => at);
  }
}

type Arrival = { at: Millis; order: number; run: () => void };

/** Two engines and a line between them, under virtual time. */
export class Pair {
  now: Millis = 0;
  readonly client: End;
  readonly server: End;
  readonly #delayMs: Millis;
  readonly #rate: number;
  readonly #accepts: boolean;
  readonly #transportBatchBytesMax: number;
  #arrivals: Arrival[] = [];
  #order = 0;
  #cut = false;

  constructor(options: PairOptions = {}) {
    this.#delayMs = options.delayMs ?? 20;
    this.#rate = options.rateBitsPerSecond ?? Number.POSITIVE_INFINITY;
    this.#accepts = options.accepts ?? true;
    this.#transportBatchBytesMax = options.transportBatchBytesMax ?? Number.MAX_SAFE_INTEGER;
    const auth = options.auth === undefined || options.auth === "pending" ? options.auth : testPorts.encodeUtf8(options.auth);
    this.client = new End(
      "client",
      new Session({
        side: { role: "client", attemptId: new Uint8Array(16).fill(1), auth },
        limits: { ...DEFAULT_LIMITS, ...options.clientLimits },
        ports: testPorts,
      }),
    );
    this.server = new End(
      "server",
      new Session({
        side: { role: "server", sessionId: new Uint8Array(16).fill(2), protocol: testPorts.encodeUtf8(options.protocol ?? "") },
        limits: { ...DEFAULT_LIMITS, handshakeTimeoutMs: 5000, ...options.serverLimits },
        ports: testPorts,
      }),
    );
  }

  /** Opens the transport at both ends. */
  connect(): this {
    for (const end of [this.server, this.client]) {
      this.input(end, (session) => session.handleTransportOpen(this.#transportBatchBytesMax, this.now));
    }
    return this;
  }

  /** One input to one end, then everything that follows from it, as a driver does it. */
  input<T>(end: End, run: (session: Session, now: Millis) => T): T {
    const result = run(end.session, this.now);
    this.drain(end);
    return result;
  }

  drain(end: End): void {
    for (let batch = end.session.pollTransmit(1 << 20, this.now); batch !== undefined; ) {
      this.#transmit(end, batch);
      batch = end.session.pollTransmit(1 << 20, this.now);
    }
    const events: SessionEvent[] = [];
    for (let event = end.session.pollEvent(); event !== undefined; event = end.session.pollEvent()) events.push(event);
    for (const event of events) {
      end.events.push({ at: this.now, event });
      if (event.type === "hello" && this.#accepts) {
        this.input(end, (session) => session.accept(new Uint8Array(16).fill(2), this.now));
      }
    }
  }

  /** Lets virtual time pass until nothing is due within `ms`, and stops there. */
  run(ms: Millis): this {
    const end = this.now + ms;
    for (let steps = 0; steps < 1_000_000; steps++) {
      const next = this.#next();
      if (next === undefined || next.at > end) break;
      this.now = Math.max(this.now, next.at);
      next.run();
    }
    this.now = Math.max(this.now, end);
    return this;
  }

  /** Cuts the line: what is on it is lost. */
  cut(): this {
    this.#cut = true;
    this.#arrivals = [];
    for (const end of [this.client, this.server]) {
      this.input(end, (session) => session.handleTransportClosed({ wasClean: false, code: 1006, reason: "" }, this.now));
    }
    return this;
  }

  /** Delivers raw bytes to an end, as a hostile peer would. */
  inject(end: End, batch: Uint8Array): this {
    this.input(end, (session) => session.handleBatch(batch, this.now));
    return this;
  }

  other(end: End): End {
    return end === this.client ? this.server : this.client;
  }

  #transmit(from: End, batch: Uint8Array): void {
    from.batchesSent.push({ at: this.now, batch });
    if (this.#cut) return;
    const start = Math.max(this.now, from.lineFreeAt);
    from.lineFreeAt = start + (this.#rate === Number.POSITIVE_INFINITY ? 0 : (batch.length * 8000) / this.#rate);
    this.#order += 1;
    const to = this.other(from);
    this.#arrivals.push({
      at: from.lineFreeAt + this.#delayMs,
      order: this.#order,
      run: () => this.inject(to, batch),
    });
  }

  #next(): { at: Millis; run: () => void } | undefined {
    this.#arrivals.sort((a, b) => a.at - b.at || a.order - b.order);
    const arrival = this.#arrivals[0];
    let best: { at: Millis; run: () => void } | undefined =
      arrival && { at: arrival.at, run: () => void this.#arrivals.shift()?.run() };
    for (const end of [this.client, this.server]) {
      const deadline = end.session.nextDeadline();
      if (deadline === undefined || (best !== undefined && best.at <= deadline)) continue;
      best = { at: deadline, run: () => this.input(end, (session) => session.handleDeadline(this.now)) };
    }
    return best;
  }
}

export const text = (value: string) => {
  const bytes = testPorts.encodeUtf8(value);
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
