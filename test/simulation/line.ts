import type { LineKind } from "../../src/core/dial/chooser.js";
import { Fifo } from "../../src/core/fifo.js";
import type { Requests } from "../../src/core/session/session-types.js";
import { RequestGate, type RequestModel } from "./requests.js";
import type { World } from "./world.js";

/** What a line does to one of its ends. */
export interface LineEnd {
  handleBatch(batch: Uint8Array): void;
  /** @param isCut whether nobody has ended it */
  handleClosed(isCut: boolean): void;
  handleWritable(): void;
}

export interface LineModel {
  readonly delayMs: number;
  readonly jitterMs: number;
  /** Bytes per ms; infinite where the line is never the bottleneck. */
  readonly bytesPerMs: number;
  /** What a host may have waiting in the transport. */
  readonly budgetBytes: number;
  /** How lines over HTTP carry. Default: as WebSockets do. */
  readonly requests?: RequestModel;
}

type Item = Uint8Array | (() => void);

/** One direction of a line: first in, first out, with a delay. */
export class Pipe {
  readonly #world: World;
  readonly #model: LineModel;
  readonly #deliver: (batch: Uint8Array) => void;
  readonly #handleWritable: () => void;
  readonly #items: Fifo<Item> = new Fifo();
  #freeAt = 0;
  #arrivesAt = 0;
  #generation = 0;
  /** Items that have arrived and are held back by a stall. */
  #dueCount = 0;
  #state: "flowing" | "stalled" | "dead" = "flowing";
  #bufferedBytes = 0;
  #loss: "none" | "due" | "done" = "none";
  readonly #gate: RequestGate<Item> | undefined;
  /** Batches handed in. */
  sentCount = 0;
  /** Batches handed over. */
  deliveredCount = 0;
  /** Called before a batch is taken, and behind one that was handed over: faults hang here. */
  onSend: ((count: number) => void) | undefined;
  onDelivered: ((count: number) => void) | undefined;
  /** The last batches that were handed over, for who repeats them. */
  readonly delivered: Uint8Array[] = [];

  /** @param requestsMax so many requests at a time, in which everything leaves; `undefined`: it leaves at once */
  constructor(
    world: World,
    model: LineModel,
    requestsMax: number | undefined,
    deliver: (batch: Uint8Array) => void,
    handleWritable: () => void,
  ) {
    this.#world = world;
    this.#model = model;
    this.#deliver = deliver;
    this.#handleWritable = handleWritable;
    if (requestsMax === undefined) return;
    const pace = { requestsMax, delayMs: model.delayMs };
    this.#gate = new RequestGate(world, pace, (item) => this.#leave(item), handleWritable);
  }

  send(item: Item): void {
    if (this.#gate === undefined) this.#leave(item);
    else this.#gate.send(item);
  }

  #leave(item: Item): void {
    if (typeof item !== "function") {
      this.sentCount += 1;
      this.onSend?.(this.sentCount);
    }
    const bytes = typeof item === "function" ? 0 : item.length;
    if (this.#state === "dead") {
      // Where nobody is told, the kernel swallows some, and then the transport fills up.
      this.#bufferedBytes += bytes;
      return;
    }
    const { delayMs, jitterMs, bytesPerMs } = this.#model;
    const { now } = this.#world;
    this.#freeAt = Math.max(now, this.#freeAt) + bytes / bytesPerMs;
    if (this.#freeAt > now && bytes > 0) this.#buffer(bytes);
    const jitter = jitterMs === 0 ? 0 : this.#world.random.unit() * jitterMs;
    this.#arrivesAt = Math.max(this.#arrivesAt, this.#freeAt + delayMs + jitter);
    this.#items.push(item);
    const generation = this.#generation;
    this.#world.at(this.#arrivesAt, () => {
      if (generation !== this.#generation) return;
      this.#dueCount += 1;
      this.#flush();
    });
  }

  /** Holds back what arrives. */
  stall(): void {
    if (this.#state === "flowing") this.#state = "stalled";
  }

  release(): void {
    if (this.#state !== "stalled") return;
    this.#state = "flowing";
    this.#flush();
  }

  /** Loses what is on the way, and whatever is sent from now on. */
  kill(): void {
    this.#state = "dead";
    this.#items.drain();
    this.#generation += 1;
    this.#dueCount = 0;
  }

  /** Takes nothing more, and lets what is on the way arrive only `ms` later. */
  killLate(ms: number): void {
    const items = this.#items.drain();
    this.kill();
    if (items.length === 0) return;
    this.#world.after(ms, () => {
      for (const item of items) this.#handOver(item);
    });
  }

  /**
   * Loses the next numbered batch that arrives, as no transport should, and then whatever does not show that: an ack
   * that overtakes what was lost says more than is true (CHN-08).
   */
  drop(): void {
    if (this.#loss === "none") this.#loss = "due";
  }

  /** Hands over once more what was handed over before. */
  repeat(batch: Uint8Array): void {
    this.#world.after(0, () => this.#deliver(batch));
  }

  /** Requests that have left. */
  get requestsCount(): number {
    return this.#gate?.count ?? 0;
  }

  /** What may be handed over; nothing where it would wait for another request than the next one. */
  get budgetBytes(): number {
    if (this.#gate?.isBusy === true) return 0;
    return this.#model.budgetBytes - this.#bufferedBytes;
  }

  get isFlowing(): boolean {
    return this.#state === "flowing";
  }

  #buffer(bytes: number): void {
    this.#bufferedBytes += bytes;
    this.#world.at(this.#freeAt, () => {
      const wasFull = this.budgetBytes <= 0;
      this.#bufferedBytes -= bytes;
      if (wasFull && this.budgetBytes > 0 && this.#state !== "dead") this.#handleWritable();
    });
  }

  #isLost(isNumbered: boolean): boolean {
    if (this.#loss === "done") return !isNumbered;
    if (this.#loss === "none" || !isNumbered) return false;
    this.#loss = "done";
    return true;
  }

  #flush(): void {
    while (this.#dueCount > 0 && this.#state === "flowing") {
      this.#dueCount -= 1;
      this.#handOver(this.#items.shift() as Item);
    }
  }

  #handOver(item: Item): void {
    if (typeof item === "function") return item();
    if (this.#isLost(item[0] !== 0)) return;
    this.deliveredCount += 1;
    if (this.delivered.length < 16) this.delivered.push(item);
    this.#deliver(item);
    this.onDelivered?.(this.deliveredCount);
  }
}

export interface Cut {
  /** How long it takes until an end learns of it; `undefined` for never. */
  readonly tellClientMs: number | undefined;
  readonly tellServerMs: number | undefined;
  /** When what is on the way arrives all the same; `undefined`: it is lost. */
  readonly lateMs: number | undefined;
}

const SILENT: LineEnd = { handleBatch() {}, handleClosed() {}, handleWritable() {} };

/** One transport, both directions. Its ends keep hearing from it after they have given it up, as sockets do. */
export class Line {
  readonly number: number;
  /** What its client calls it. */
  readonly epoch: number;
  readonly kind: LineKind;
  readonly up: Pipe;
  readonly down: Pipe;
  /** Why nobody may wonder that it does not last; `undefined` while no fault has touched it. */
  blame: string | undefined;
  /** The server process that has taken it. */
  acceptedBy: number | undefined;
  /** Whether the server has said 1008 on it. */
  isRefused = false;
  readonly #world: World;
  readonly #requests: RequestModel | undefined;
  #client: LineEnd;
  #server: LineEnd = SILENT;
  readonly #closing = new Set<"client" | "server">();
  readonly #told = new Set<"client" | "server">();

  constructor(
    world: World,
    model: LineModel,
    names: { number: number; epoch: number; kind?: LineKind },
    client: LineEnd,
  ) {
    this.#world = world;
    this.number = names.number;
    this.epoch = names.epoch;
    this.kind = names.kind ?? "websocket";
    this.#client = client;
    this.#requests = this.kind === "http" ? model.requests : undefined;
    this.up = new Pipe(
      world,
      model,
      this.#requests?.postsMax,
      (batch) => this.#server.handleBatch(batch),
      () => this.#client.handleWritable(),
    );
    this.down = new Pipe(
      world,
      model,
      this.#requests?.down === "long-poll" ? 1 : undefined,
      (batch) => this.#client.handleBatch(batch),
      () => this.#server.handleWritable(),
    );
  }

  /** The server has taken the connection. */
  accept(server: LineEnd): void {
    this.#server = server;
  }

  /** An end ends it: what it has sent still arrives. */
  close(by: "client" | "server"): void {
    if (this.#closing.has(by)) return;
    this.#closing.add(by);
    const other = by === "client" ? "server" : "client";
    (by === "client" ? this.up : this.down).send(() => {
      this.#tell(other, false);
      this.close(other);
    });
  }

  /** Tells an end that the line is gone. */
  fail(end: "client" | "server"): void {
    this.#closing.add(end);
    this.#tell(end, true);
  }

  cut(cut: Cut): void {
    for (const pipe of [this.up, this.down]) {
      if (cut.lateMs === undefined) pipe.kill();
      else pipe.killLate(cut.lateMs);
    }
    const { tellClientMs, tellServerMs } = cut;
    if (tellClientMs !== undefined) this.#world.after(tellClientMs, () => this.fail("client"));
    if (tellServerMs !== undefined) this.#world.after(tellServerMs, () => this.fail("server"));
  }

  /** Whether it carries in both directions. */
  get isSound(): boolean {
    return this.up.isFlowing && this.down.isFlowing && this.#closing.size === 0;
  }

  /** Who sends in requests, as an end sees it. */
  requestsOf(end: "client" | "server"): Requests {
    if (this.#requests === undefined) return "none";
    if (end === "client") return "own";
    return this.#requests.down === "sse" ? "peer" : "both";
  }

  isClosing(end: "client" | "server"): boolean {
    return this.#closing.has(end);
  }

  #tell(end: "client" | "server", isCut: boolean): void {
    if (this.#told.has(end)) return;
    this.#told.add(end);
    (end === "client" ? this.#client : this.#server).handleClosed(isCut);
  }
}
