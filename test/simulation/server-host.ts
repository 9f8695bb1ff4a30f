import { keyOf } from "../../src/core/bytes.js";
import { SluiceError } from "../../src/core/error.js";
import { Reception } from "../../src/core/registry/reception.js";
import { type Entry, type Owner, Registry } from "../../src/core/registry/registry.js";
import type { SessionEvent } from "../../src/core/session/events.js";
import { ServerSession } from "../../src/core/session/server-session.js";
import type { Hello } from "../../src/core/wire/handshake.js";
import { App, type Deed } from "./app.js";
import { describe } from "./client-host.js";
import { Endpoint } from "./endpoint.js";
import { Ledger } from "./ledger.js";
import type { Line } from "./line.js";
import type { Pair, Scene } from "./scene.js";
import { Alarm, Violation, worldTime } from "./world.js";

export const OWNER: Owner = { origin: "https://app.example", principal: "alice" };

/** One server process: its registry, its receptions, its sessions. A restart makes another one. */
export class ServerHost {
  skewMs = 0;
  readonly registry: Registry<Guest>;
  readonly guests = new Set<Guest>();
  readonly #scene: Scene;
  readonly instance: Uint8Array;
  readonly number: number;
  readonly #alarm: Alarm;
  readonly #visits = new Set<Visit>();
  /** What applications do as soon as there is a session to do it in. */
  readonly deeds: Deed[] = [];
  isDown = false;

  constructor(scene: Scene, number: number) {
    this.#scene = scene;
    this.number = number;
    this.instance = scene.world.random.bytes(16);
    const { resumeWindowMs } = scene.serverLimits;
    const kept = { resumeWindowMs, ...scene.registry };
    this.registry = new Registry(kept, cheapHash, this.instance, (guest, received) =>
      guest.session.canAttach(received),
    );
    this.#alarm = new Alarm(
      scene.world,
      () => {
        const next = this.registry.nextDeadline();
        return next === undefined ? undefined : worldTime(next, this.skewMs);
      },
      () => {
        this.registry.handleDeadline(this.now);
        this.settle();
      },
    );
  }

  get now(): number {
    return this.#scene.world.now + this.skewMs;
  }

  /** A client has connected. */
  accept(line: Line, owner: Owner = OWNER): void {
    line.acceptedBy = this.number;
    if (this.isDown) {
      line.blame ??= "down";
      return line.close("server");
    }
    this.#visits.add(new Visit(this, this.#scene, line, this.instance, owner));
  }

  /** What became of a client that was let in by the application. */
  admit(visit: Visit, hello: Hello): void {
    const { mood, world } = this.#scene;
    if (mood === "overloaded") return visit.refuse(1013);
    if (mood === "refusing") return visit.refuse(1008);
    const decision = this.registry.decide(hello, visit.owner, this.now);
    world.tell?.(`server ${this.number}: epoch ${hello.epoch} on line ${visit.line.number}: ${decision.type}`);
    if (decision.type === "refuse" || decision.type === "busy") {
      if (decision.type === "busy") visit.line.blame ??= "busy";
      visit.refuse(decision.type === "busy" ? 1013 : 1008);
      return;
    }
    const handed = visit.reception.handOver();
    if (handed === undefined) return;
    const token = world.random.bytes(32);
    let guest: Guest;
    if (decision.type === "create") {
      const pair = this.#pairOf(hello);
      const sessionId = world.random.bytes(16);
      guest = new Guest(this, this.#scene, pair, sessionId);
      guest.entry = this.registry.add(guest, sessionId, token, hello, visit.owner);
      this.guests.add(guest);
    } else {
      guest = decision.entry.session;
      this.registry.attach(decision.entry, hello, token);
    }
    guest.attach(visit, hello, token, handed.held);
    this.settle();
  }

  settle(): void {
    for (let entry = this.registry.pollEvicted(); entry !== undefined; entry = this.registry.pollEvicted()) {
      entry.session.evict();
    }
    this.#alarm.arm();
  }

  forget(visit: Visit): void {
    this.#visits.delete(visit);
  }

  /** The process ends: nothing that it knew is left. */
  die(): void {
    this.isDown = true;
    this.#alarm.cancel();
    for (const guest of this.guests) guest.die();
    for (const visit of this.#visits) visit.die();
  }

  jump(ms: number): void {
    this.skewMs += ms;
    this.#alarm.rearm();
    for (const guest of this.guests) guest.rearm();
  }

  /** Sessions that the application has. */
  get visitsCount(): number {
    return this.#visits.size;
  }

  #pairOf(hello: Hello): Pair {
    const pair = this.#scene.pairs.get(keyOf(hello.attemptId));
    if (pair === undefined) throw new Violation("sessions", "a session for an attempt that nobody has made");
    if (pair.madeBy === this.number) throw new Violation("sessions", `a second session for ${pair.name}`);
    pair.madeBy = this.number;
    pair.down = new Ledger(`${pair.name} down`);
    return pair;
  }
}

/** One connection at the server, before and after it belongs to a session. */
export class Visit {
  readonly line: Line;
  readonly owner: Owner;
  readonly reception: Reception;
  readonly #server: ServerHost;
  readonly #scene: Scene;
  readonly #alarm: Alarm;
  #guest: Guest | undefined;
  #epoch = 0;
  #heldBytes = 0;
  #isDead = false;

  constructor(server: ServerHost, scene: Scene, line: Line, instance: Uint8Array, owner: Owner) {
    this.#server = server;
    this.#scene = scene;
    this.line = line;
    this.owner = owner;
    const { serverLimits: limits, ports } = scene;
    const greets = line.kind === "websocket";
    this.reception = new Reception({ limits, ports, protocol: new Uint8Array(0), instance, greets }, server.now);
    const deadline = () => {
      const next = this.reception.nextDeadline();
      return next === undefined ? undefined : worldTime(next, server.skewMs);
    };
    this.#alarm = new Alarm(scene.world, deadline, () => {
      this.reception.handleDeadline(server.now);
      this.#settle();
    });
    line.accept({
      handleBatch: (batch) => this.#handleBatch(batch),
      handleClosed: () => this.#handleClosed(),
      handleWritable: () => this.#guest?.settle(),
    });
    this.#settle();
  }

  refuse(code: number): void {
    if (code === 1008) this.line.isRefused = true;
    this.reception.refuse(code, code === 1008 ? "unauthorized" : "", new SluiceError("ERR_REFUSED", "not let in"));
    this.#settle();
  }

  /** The connection belongs to a session from here on. */
  seat(guest: Guest, epoch: number): void {
    this.#guest = guest;
    this.#epoch = epoch;
    this.#settle();
  }

  /** The server ends the connection. */
  end(): void {
    this.#server.forget(this);
    this.line.close("server");
  }

  die(): void {
    this.#isDead = true;
    this.#alarm.cancel();
  }

  #handleBatch(batch: Uint8Array): void {
    if (this.#isDead) return;
    if (this.#guest !== undefined) return this.#guest.handleBatch(this.#epoch, batch);
    this.reception.handleBatch(batch, this.#server.now);
    this.#settle();
  }

  #handleClosed(): void {
    if (this.#isDead) return;
    this.#server.forget(this);
    if (this.#guest !== undefined) return this.#guest.handleClosed(this.#epoch);
    this.reception.handleTransportClosed();
    this.#settle();
  }

  #settle(): void {
    const { reception } = this;
    for (let batch = reception.pollTransmit(); batch !== undefined; batch = reception.pollTransmit()) {
      if (!this.line.isClosing("server")) this.line.down.send(batch);
    }
    this.#server.registry.accountEarly(reception.heldBytes - this.#heldBytes);
    this.#heldBytes = reception.heldBytes;
    for (let event = reception.pollEvent(); event !== undefined; event = reception.pollEvent()) {
      if (event.type === "closed") {
        this.end();
      } else {
        const { hello } = event;
        const { checkMs, world } = this.#scene;
        if (checkMs > 1000) this.line.blame ??= "check";
        world.after(checkMs, () => {
          if (!this.#isDead) this.#server.admit(this, hello);
        });
      }
    }
    this.#alarm.arm();
  }
}

/** One session at the server, with its application. */
export class Guest {
  readonly session: ServerSession;
  readonly pair: Pair;
  readonly app: App;
  entry!: Entry<Guest>;
  isAttached = false;
  isClosed = false;
  /** What its client resumes with, and what it could resume with before that. */
  token: Uint8Array | undefined;
  staleToken: Uint8Array | undefined;
  isConfirmed = false;
  readonly #server: ServerHost;
  readonly #scene: Scene;
  readonly #endpoint: Endpoint;
  readonly #alarm: Alarm;
  #visit: Visit | undefined;
  epoch = 0;
  #isDead = false;

  constructor(server: ServerHost, scene: Scene, pair: Pair, sessionId: Uint8Array) {
    this.#server = server;
    this.#scene = scene;
    this.pair = pair;
    const { serverLimits: limits, ports, world, counts } = scene;
    this.session = new ServerSession({ limits, ports, sessionId, protocol: new Uint8Array(0) });
    const ledgers = { out: pair.down, incoming: () => pair.up };
    this.app = new App(world, counts, this.session, ledgers, (run) => this.input(run));
    this.app.hostNow = () => server.now;
    this.#endpoint = new Endpoint(this.session, this.app, { ...limits }, (event) => this.#handleEvent(event));
    const deadline = () => {
      const next = this.session.nextDeadline();
      return next === undefined ? undefined : worldTime(next, server.skewMs);
    };
    this.#alarm = new Alarm(world, deadline, () => this.input(() => this.session.handleDeadline(server.now)));
  }

  attach(
    visit: Visit,
    hello: Hello,
    token: Uint8Array,
    held: readonly { batch: Uint8Array; receivedAt: number }[],
  ): void {
    const old = this.#visit;
    this.staleToken = this.token;
    this.token = token;
    this.isConfirmed = false;
    this.#visit = visit;
    this.epoch = hello.epoch;
    this.isAttached = true;
    visit.seat(this, hello.epoch);
    const instance = visit.line.kind === "websocket" ? undefined : this.#server.instance;
    const admission = { hello, token, batchBytesMax: 64 * 1024, held, instance };
    this.input(() => this.session.attach(admission, this.#server.now));
    old?.end();
  }

  handleBatch(epoch: number, batch: Uint8Array): void {
    this.input(() => this.session.handleBatch(epoch, batch, this.#server.now));
  }

  handleClosed(epoch: number): void {
    const death = { wasClean: false, code: 1006, reason: "" };
    this.input(() => this.session.handleTransportClosed(epoch, death, this.#server.now));
  }

  /** One input, and everything that follows from it. */
  input(run: () => void): void {
    if (this.#isDead) return;
    run();
    this.settle();
  }

  do(deeds: readonly Deed[]): void {
    if (this.#isDead) return;
    this.#perform(deeds);
    this.settle();
  }

  settle(): void {
    if (this.#isDead) return;
    this.#endpoint.settle(() => this.#outlet(), this.#server.now);
    this.#server.registry.account(this.entry, this.session.heldBytes, this.#server.now);
    this.#alarm.arm();
    this.#server.settle();
  }

  get line(): Line | undefined {
    return this.#visit?.line;
  }

  /** The registry has no room or no time for it any more. */
  evict(): void {
    const error = new SluiceError("ERR_SESSION_LOST", "The session has expired", { retryable: true });
    this.input(() => this.session.abort(1013, "", error, this.#server.now));
  }

  recall(delayMs: number): void {
    this.input(() => this.session.recall(delayMs, this.#server.now));
  }

  close(code: number): void {
    this.input(() => this.session.close(code, "", this.#server.now));
  }

  die(): void {
    this.#isDead = true;
    this.#alarm.cancel();
  }

  rearm(): void {
    this.#alarm.rearm();
  }

  #perform(deeds: readonly Deed[]): void {
    for (const deed of deeds) {
      if (this.session.isClosing) {
        this.#server.deeds.push(deed);
        continue;
      }
      this.app.do(deed, this.#server.now);
      this.#endpoint.collect();
    }
  }

  #outlet() {
    const line = this.#visit?.line;
    if (line === undefined || line.isClosing("server")) return undefined;
    const requests = line.requestsOf("server");
    return { budgetBytes: line.down.budgetBytes, requests, send: (batch: Uint8Array) => line.down.send(batch) };
  }

  #handleEvent(event: SessionEvent): void {
    this.#scene.world.tell?.(`${this.pair.name} server: ${describe(event)}`);
    const { registry } = this.#server;
    switch (event.type) {
      case "established": {
        this.#endpoint.defer(() => this.#perform(this.#server.deeds.splice(0)));
        return;
      }
      case "confirmed":
        this.isConfirmed = true;
        return registry.confirm(this.entry);
      case "detached":
        // Behind a takeover this tells of the transport before.
        if (event.line !== this.epoch) return;
        this.#visit?.end();
        this.#visit = undefined;
        this.isAttached = false;
        return registry.park(this.entry, this.#server.now);
      case "closing":
        this.pair.serverSawClose = true;
        return;
      case "closed":
        this.#visit?.end();
        this.#visit = undefined;
        this.isAttached = false;
        this.isClosed = true;
        this.pair.serverEnd = event.error === undefined && event.wasClean ? "clean" : "unclean";
        registry.remove(this.entry, this.#server.now);
        this.#server.guests.delete(this);
        return;
      default:
    }
  }
}

/** Stands in for SHA-256: as good as any where nobody looks for collisions. */
function cheapHash(bytes: Uint8Array): Uint8Array {
  return bytes.slice(0, 16);
}
