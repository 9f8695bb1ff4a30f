import { DEFAULT_LIMITS, type Limits } from "../../src/core/limits.js";
import type { SessionEvent } from "../../src/core/session/events.js";
import { Session } from "../../src/core/session/session.js";
import type { Millis } from "../../src/core/time.js";
import type { Frame } from "../../src/core/wire/frame.js";
import { naiveDecode } from "./naive-decoder.js";
import { testPorts } from "./ports.js";

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
}

/** The members of a union whose `type` may be `T`; `Extract` does not find those that share a shape among several types. */
type Variant<U, T> = U extends { readonly type: infer All } ? (T extends All ? U : never) : never;

interface SentBatch {
  readonly at: Millis;
  readonly number: number;
  readonly bytes: number;
  readonly frames: Frame[];
}

/** One end, and what it has gone through. */
export class End {
  readonly session: Session;
  readonly name: "client" | "server";
  readonly events: { at: Millis; event: SessionEvent }[] = [];
  readonly batchesSent: { at: Millis; batch: Uint8Array }[] = [];
  /** What the host of this end does about an event, once all events of one input have been polled. */
  react: ((event: SessionEvent) => void) | undefined;
  /** What the transport may still buffer. */
  budgetBytes = 1 << 20;
  /** When the line is free again for what this end sends, and when the last of it arrives. */
  lineFreeAt: Millis = 0;
  lastArrivalAt: Millis = 0;
  readonly #decoded: SentBatch[] = [];

  constructor(name: "client" | "server", session: Session) {
    this.name = name;
    this.session = session;
  }

  /** The messages received, text as strings. */
  get messages(): (string | Uint8Array)[] {
    return this.of("message").map((event) => event.data);
  }

  of<T extends SessionEvent["type"]>(type: T): Variant<SessionEvent, T>[] {
    return this.events.map(({ event }) => event).filter((event) => event.type === type) as never;
  }

  at(type: SessionEvent["type"]): Millis[] {
    return this.events.filter(({ event }) => event.type === type).map(({ at }) => at);
  }

  /** The types of all events, in order. */
  get story(): SessionEvent["type"][] {
    return this.events.map(({ event }) => event.type);
  }

  /** What has left this end, as a decoder reads it that is not ours. */
  get sent(): readonly SentBatch[] {
    for (const { at, batch } of this.batchesSent.slice(this.#decoded.length)) {
      const { number, frames, isValid } = naiveDecode(batch);
      if (!isValid) throw new Error(`${this.name} sent a batch that breaks the protocol`);
      this.#decoded.push({ at, number, bytes: batch.length, frames });
    }
    return this.#decoded;
  }

  get framesSent(): Frame[] {
    return this.sent.flatMap(({ frames }) => frames);
  }

  framesSentOf<T extends Frame["type"]>(type: T): Variant<Frame, T>[] {
    return this.framesSent.filter((frame) => frame.type === type) as never;
  }
}

type Arrival = { at: Millis; order: number; run: () => void };

/** Two engines and a line between them, under virtual time. */
export class Pair {
  now: Millis = 0;
  readonly client: End;
  readonly server: End;
  readonly #delayMs: () => Millis;
  readonly #rate: number;
  readonly #accepts: boolean;
  readonly #transportBatchBytesMax: number;
  #arrivals: Arrival[] = [];
  #order = 0;
  #isLost = false;

  constructor(options: PairOptions = {}) {
    const { delayMs = 20 } = options;
    this.#delayMs = typeof delayMs === "function" ? delayMs : () => delayMs;
    this.#rate = options.rateBitsPerSecond ?? Number.POSITIVE_INFINITY;
    this.#accepts = options.accepts ?? true;
    this.#transportBatchBytesMax = options.transportBatchBytesMax ?? Number.MAX_SAFE_INTEGER;
    const auth =
      options.auth === undefined || options.auth === "pending" ? options.auth : testPorts.encodeUtf8(options.auth);
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
        side: {
          role: "server",
          sessionId: new Uint8Array(16).fill(2),
          protocol: testPorts.encodeUtf8(options.protocol ?? ""),
        },
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

  /** The server's application lets the client in. */
  accept(): this {
    this.input(this.server, (session) => session.accept(new Uint8Array(16).fill(2), this.now));
    return this;
  }

  /** One input to one end, then everything that follows from it, as a driver does it. */
  input<T>(end: End, run: (session: Session, now: Millis) => T): T {
    const result = run(end.session, this.now);
    this.drain(end);
    return result;
  }

  /** Several inputs to one end within one tick: events are polled in between, batches only afterwards. */
  tick(end: End, ...runs: ((session: Session, now: Millis) => unknown)[]): this {
    for (const run of runs) {
      run(end.session, this.now);
      this.#pollEvents(end);
    }
    this.drain(end);
    return this;
  }

  drain(end: End): void {
    for (;;) {
      const batch = end.session.pollTransmit(end.budgetBytes, this.now);
      if (batch === undefined) break;
      this.#transmit(end, batch);
    }
    const before = end.events.length;
    this.#pollEvents(end);
    for (const { event } of end.events.slice(before)) {
      if (event.type === "hello" && this.#accepts) this.accept();
      end.react?.(event);
    }
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

  /** The line goes dead and nobody is told. */
  lose(): this {
    this.#isLost = true;
    this.#arrivals = [];
    return this;
  }

  /** Cuts the line: what is on it is lost, and both transports say so. */
  cut(): this {
    this.lose();
    for (const end of [this.client, this.server]) this.die(end);
    return this;
  }

  /** Tells one end that its transport has ended. */
  die(end: End, death = { wasClean: false, code: 1006, reason: "" }): this {
    this.input(end, (session) => session.handleTransportClosed(death, this.now));
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

  /** Batches that are on their way. */
  get onTheLine(): number {
    return this.#arrivals.length;
  }

  #pollEvents(end: End): void {
    for (let event = end.session.pollEvent(); event !== undefined; event = end.session.pollEvent()) {
      end.events.push({ at: this.now, event });
    }
  }

  #transmit(from: End, batch: Uint8Array): void {
    from.batchesSent.push({ at: this.now, batch });
    if (this.#isLost) return;
    const start = Math.max(this.now, from.lineFreeAt);
    from.lineFreeAt = start + (this.#rate === Number.POSITIVE_INFINITY ? 0 : (batch.length * 8000) / this.#rate);
    from.lastArrivalAt = Math.max(from.lastArrivalAt, from.lineFreeAt + this.#delayMs());
    this.#order += 1;
    const to = this.other(from);
    this.#arrivals.push({ at: from.lastArrivalAt, order: this.#order, run: () => this.inject(to, batch) });
  }

  #next(): { at: Millis; run: () => void } | undefined {
    this.#arrivals.sort((a, b) => a.at - b.at || a.order - b.order);
    const arrival = this.#arrivals[0];
    let best: { at: Millis; run: () => void } | undefined = arrival && {
      at: arrival.at,
      run: () => void this.#arrivals.shift()?.run(),
    };
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

/** A message whose bytes the engine asks for. */
export const source = (totalBytes: number | undefined) => ({ text: false, totalBytes, wantsProgress: false });
