import { keyOf } from "../../src/core/bytes.js";
import type { LineKind } from "../../src/core/dial/chooser.js";
import { SluiceError } from "../../src/core/error.js";
import { DEFAULT_LIMITS, type Limits } from "../../src/core/limits.js";
import { Reception } from "../../src/core/registry/reception.js";
import { type Entry, Registry } from "../../src/core/registry/registry.js";
import { ClientSession } from "../../src/core/session/client-session.js";
import type { SessionEvent } from "../../src/core/session/events.js";
import { ServerSession } from "../../src/core/session/server-session.js";
import type { Session } from "../../src/core/session/session.js";
import type { Hello } from "../../src/core/wire/handshake.js";
import { testPorts } from "../support/ports.js";
import { bytesOf } from "./notation.js";

const BUDGET_BYTES = 1 << 20;
const TRANSPORT_BATCH_BYTES_MAX = 65 * 1024;
const CUT = { wasClean: false, code: 1006, reason: "" };

/** What a host does to the world: its transports are numbers. */
export interface Outlet {
  transmit(transport: number, batch: Uint8Array): void;
  /** The host ends a transport. */
  end(transport: number, code: number): void;
  tell(event: SessionEvent | { readonly type: "hello" }): void;
}

/** One end under the hand of a vector. */
export interface Host {
  open(transport: number, now: number): void;
  receive(transport: number, batch: Uint8Array, now: number): void;
  cut(transport: number, now: number): void;
  /** What the application of this end does. */
  command(run: (session: Session, now: number) => void, now: number): void;
  handleDeadline(now: number): void;
  nextDeadline(): number | undefined;
}

export interface ClientSettings {
  readonly attemptId: string;
  readonly auth: string | undefined;
  readonly limits?: Partial<Limits>;
  /** What the wait before the next dial is drawn from, 0 <= x < 1. */
  readonly random: number;
  /** The kinds of transport to dial; default: a WebSocket alone. */
  readonly kinds?: readonly LineKind[] | undefined;
}

/** The client's end. Its transports are numbered as it dials them. */
export class ClientHost implements Host {
  readonly session: ClientSession;
  readonly #auth: string | undefined;
  readonly #outlet: Outlet;
  /** The kinds of the transports that it has dialled for, by their numbers. */
  readonly #dialled = new Map<number, LineKind>();

  constructor({ attemptId, auth, limits, random, kinds }: ClientSettings, outlet: Outlet) {
    this.session = new ClientSession({
      attemptId: bytesOf(attemptId),
      limits: { ...DEFAULT_LIMITS, ...limits },
      ports: { ...testPorts, random: () => random },
      dial: {
        backoff: { baseMs: 500, maxMs: 15_000 },
        connectTimeoutMs: 10_000,
        retriesFirst: true,
        ...(kinds && { kinds }),
      },
    });
    this.#auth = auth;
    this.#outlet = outlet;
  }

  command(run: (session: ClientSession, now: number) => void, now: number): void {
    run(this.session, now);
    this.#drain(now);
  }

  open(transport: number, now: number): void {
    const kind = this.#dialled.get(transport);
    if (kind === undefined) throw new Error(`the client has not dialled for transport ${transport}`);
    const opened = { batchBytesMax: TRANSPORT_BATCH_BYTES_MAX, greets: kind === "websocket" };
    this.command((session) => session.handleTransportOpen(transport, opened, now), now);
  }

  receive(transport: number, batch: Uint8Array, now: number): void {
    this.command((session) => session.handleBatch(transport, batch, now), now);
  }

  cut(transport: number, now: number): void {
    this.command((session) => session.handleTransportClosed(transport, CUT, now), now);
  }

  handleDeadline(now: number): void {
    this.command((session) => session.handleDeadline(now), now);
  }

  nextDeadline(): number | undefined {
    return this.session.nextDeadline();
  }

  #drain(now: number): void {
    const { session } = this;
    for (let batch = poll(session, now); batch !== undefined; batch = poll(session, now)) {
      this.#outlet.transmit(session.line ?? 0, batch);
    }
    for (let next = session.pollBeside(now); next !== undefined; next = session.pollBeside(now)) {
      this.#outlet.transmit(next.line, next.batch);
    }
    const known: number[] = [];
    for (let event = session.pollEvent(); event !== undefined; event = session.pollEvent()) {
      if (event.type === "dial") this.#dialled.set(event.line, event.kind);
      if (event.type === "introduce") known.push(event.line);
      if (event.type === "detached" || event.type === "abandoned") this.#outlet.end(event.line, event.transportCode);
      if (event.type === "closed") this.#outlet.end(session.line ?? 0, event.transportCode);
      if (event.type === "message") session.take(event.channel, event.cost);
      this.#outlet.tell(event);
    }
    for (const line of known) this.command(() => session.provideAuth(line, this.#auth, now), now);
  }
}

export interface ServerSettings {
  readonly sessionIds: readonly string[];
  readonly tokens: readonly string[];
  readonly instance: string;
  readonly protocol: string;
  readonly limits?: Partial<Limits>;
  /** Whether the application decides at all; if so, it lets everybody in whose credentials are not "wrong". */
  readonly decides?: boolean;
  /** Who the clients on these transports are; the others are all the same. */
  readonly principals?: Readonly<Record<number, string>>;
}

interface Seat {
  readonly session: ServerSession;
  readonly entry: Entry<ServerSession>;
  /** Its transports, by epoch. */
  readonly transports: Map<number, number>;
}

/** The server's end: one registry, the transports at its door, and the sessions behind it. */
export class ServerHost implements Host {
  readonly registry: Registry<ServerSession>;
  readonly #settings: ServerSettings;
  readonly #limits: Limits;
  readonly #outlet: Outlet;
  readonly #doors = new Map<number, Reception>();
  readonly #seats: Seat[] = [];
  readonly #tokens: string[];

  constructor(settings: ServerSettings, outlet: Outlet) {
    this.#settings = settings;
    this.#limits = { ...DEFAULT_LIMITS, handshakeTimeoutMs: 5000, ...settings.limits };
    this.#outlet = outlet;
    this.#tokens = [...settings.tokens];
    const { resumeWindowMs } = this.#limits;
    const limits = { resumeWindowMs, principalSessionsMax: 16, processBytesMax: 1 << 28 };
    // No hash: what is stored is not what the vectors are about.
    this.registry = new Registry(
      limits,
      (token) => token,
      bytesOf(settings.instance),
      (session, received) => session.canAttach(received),
    );
  }

  open(transport: number, now: number): void {
    const { protocol, instance } = this.#settings;
    const reception = new Reception(
      {
        limits: this.#limits,
        ports: testPorts,
        protocol: testPorts.encodeUtf8(protocol),
        instance: bytesOf(instance),
      },
      now,
    );
    this.#doors.set(transport, reception);
    this.#drain(now);
  }

  receive(transport: number, batch: Uint8Array, now: number): void {
    const seat = this.#seatOf(transport);
    if (seat !== undefined) seat.seat.session.handleBatch(seat.epoch, batch, now);
    else this.#doors.get(transport)?.handleBatch(batch, now);
    this.#drain(now);
  }

  cut(transport: number, now: number): void {
    const seat = this.#seatOf(transport);
    if (seat !== undefined) seat.seat.session.handleTransportClosed(seat.epoch, CUT, now);
    else this.#doors.get(transport)?.handleTransportClosed();
    this.#drain(now);
  }

  command(run: (session: ServerSession, now: number) => void, now: number): void {
    for (const { session } of this.#seats) run(session, now);
    this.#drain(now);
  }

  handleDeadline(now: number): void {
    for (const door of this.#doors.values()) door.handleDeadline(now);
    this.registry.handleDeadline(now);
    this.command((session) => session.handleDeadline(now), now);
  }

  nextDeadline(): number | undefined {
    const ends = [...this.#doors.values(), ...this.#seats.map(({ session }) => session), this.registry];
    const known = ends.map((end) => end.nextDeadline()).filter((time) => time !== undefined);
    return known.length === 0 ? undefined : Math.min(...known);
  }

  /** How many sessions there are. */
  get sessionsCount(): number {
    return this.registry.size;
  }

  #seatOf(transport: number): { seat: Seat; epoch: number } | undefined {
    for (const seat of this.#seats) {
      for (const [epoch, known] of seat.transports) if (known === transport) return { seat, epoch };
    }
    return undefined;
  }

  #drain(now: number): void {
    for (const [transport, door] of this.#doors) this.#drainDoor(transport, door, now);
    for (const seat of this.#seats) this.#drainSeat(seat, now);
    for (let entry = this.registry.pollEvicted(); entry !== undefined; entry = this.registry.pollEvicted()) {
      entry.session.abort(1001, "", new SluiceError("ERR_SESSION_LOST", "expired"), now);
      this.#drain(now);
    }
  }

  #drainDoor(transport: number, door: Reception, now: number): void {
    for (let batch = door.pollTransmit(); batch !== undefined; batch = door.pollTransmit()) {
      this.#outlet.transmit(transport, batch);
    }
    for (let event = door.pollEvent(); event !== undefined; event = door.pollEvent()) {
      if (event.type === "closed") {
        this.#doors.delete(transport);
        this.#outlet.end(transport, event.transportCode);
      } else {
        this.#outlet.tell({ type: "hello" });
        if (this.#settings.decides !== false) this.#decide(transport, door, event, now);
      }
    }
  }

  #decide(
    transport: number,
    door: Reception,
    { hello, auth }: { hello: Hello; auth?: string | undefined },
    now: number,
  ) {
    const owner = { origin: "", principal: this.#settings.principals?.[transport] ?? "somebody" };
    const decision = auth === "wrong" ? { type: "refuse" as const } : this.registry.decide(hello, owner, now);
    if (decision.type === "refuse" || decision.type === "busy") {
      const error = new SluiceError("ERR_REFUSED", "refused");
      if (decision.type === "refuse") door.refuse(1008, "unauthorized", error);
      else door.refuse(1013, "", error);
      this.#drainDoor(transport, door, now);
      return;
    }
    const handedOver = door.handOver();
    if (handedOver === undefined) return;
    this.#doors.delete(transport);
    const token = bytesOf(this.#tokens.shift() ?? "");
    const seat = decision.type === "create" ? this.#seat(hello, owner, token) : this.#seatFor(decision.entry);
    if (decision.type === "attach") this.registry.attach(decision.entry, hello, token);
    seat.transports.set(hello.epoch, transport);
    const isKept = this.#limits.resumeWindowMs > 0;
    const { held } = handedOver;
    seat.session.attach(
      { hello, token: isKept ? token : undefined, batchBytesMax: TRANSPORT_BATCH_BYTES_MAX, held },
      now,
    );
    this.#drainSeat(seat, now);
  }

  #seat(hello: Hello, owner: Entry<ServerSession>["owner"], token: Uint8Array): Seat {
    const sessionId = bytesOf(this.#settings.sessionIds[this.#seats.length] ?? "");
    const protocol = testPorts.encodeUtf8(this.#settings.protocol);
    const session = new ServerSession({ sessionId, protocol, limits: this.#limits, ports: testPorts });
    const entry = this.registry.add(session, sessionId, token, hello, owner);
    const seat = { session, entry, transports: new Map<number, number>() };
    this.#seats.push(seat);
    return seat;
  }

  #seatFor(entry: Entry<ServerSession>): Seat {
    const seat = this.#seats.find((known) => known.entry === entry);
    if (seat === undefined) throw new Error(`no seat for ${keyOf(bytesOf(entry.idKey))}`);
    return seat;
  }

  #drainSeat({ session, entry, transports }: Seat, now: number): void {
    for (let batch = poll(session, now); batch !== undefined; batch = poll(session, now)) {
      this.#outlet.transmit(transports.get(entry.epoch) ?? 0, batch);
    }
    for (let event = session.pollEvent(); event !== undefined; event = session.pollEvent()) {
      if (event.type === "message") session.take(event.channel, event.cost);
      if (event.type === "confirmed") this.registry.confirm(entry);
      if (event.type === "detached") {
        this.#outlet.end(transports.get(event.line) ?? 0, event.transportCode);
        this.registry.park(entry, now, event.line);
      }
      if (event.type === "closed") {
        this.registry.remove(entry, now);
        this.#outlet.end(transports.get(entry.epoch) ?? 0, event.transportCode);
      }
      this.#outlet.tell(event);
    }
  }
}

function poll(session: Session, now: number): Uint8Array | undefined {
  return session.pollTransmit(BUDGET_BYTES, now);
}
