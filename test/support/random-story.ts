import { once, setMaxListeners } from "node:events";
import { WebSocket } from "ws";
import { createFaultProxy, type FaultProxy } from "../../e2e/support/fault-proxy.mjs";
import { type Channel, type SendOptions, SluiceSocket, type TransportName } from "../../src/client/index.js";
import type { ServerChannel, ServerSocket } from "../../src/server/index.js";
import { Random } from "../simulation/random.js";
import { reactions } from "./event-loop.js";
import { Loopback } from "./loopback.js";
import { contentOf, HEADER_BYTES, MESSAGE_BYTES_MAX, NAMES, type Name, StoryLedger, type Way } from "./story-ledger.js";
import { StoryTaker } from "./story-taker.js";

/** Sizes at which something changes: a header, a small text, a chunk, credit, what is reserved, the limit. */
const SIZES = [HEADER_BYTES, 31, 256, 1024, 4096, 16_384, 65_504, 65_536, 66_560, MESSAGE_BYTES_MAX - 1].flatMap(
  (size) => [Math.max(HEADER_BYTES, size - 1), size, size + 1],
);

type Target = SluiceSocket | Channel | ServerSocket | ServerChannel;

/** What is well again has to come to an end. Far more than it takes: lines that are frozen are given up after 35 s. */
const PATIENCE_MS = 60_000;

/** One may be the test runner's. */
function timersCount(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await reactions();
}

export interface StoryOptions {
  readonly seed: number;
  readonly transports: readonly TransportName[];
  readonly steps: number;
}

/**
 * An application that does anything with the public interface of a socket, its server, and a line between them that is
 * cut, frozen and refused. What is promised of messages is kept whatever happens.
 */
export class RandomStory {
  readonly #random: Random;
  readonly #options: StoryOptions;
  readonly #ledger = new StoryLedger();
  readonly #taker: StoryTaker;
  /** A page has one signal for much that it sends. */
  readonly #signal = new AbortController();
  #listenersOfSignal = 0;
  #loopback!: Loopback;
  #proxy!: FaultProxy;
  #client!: SluiceSocket;
  #server: ServerSocket | undefined;
  #sent = 0;
  #faults = 0;
  #resumes = 0;
  /** Over HTTP, without an answer. */
  #requests = 0;
  readonly #errors: unknown[] = [];

  constructor(options: StoryOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
    this.#taker = new StoryTaker(this.#random, this.#ledger, (error) => this.#errors.push(error));
    const { signal } = this.#signal;
    setMaxListeners(0, signal);
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...given: Parameters<typeof addEventListener>) => {
      this.#listenersOfSignal += 1;
      addEventListener.apply(signal, given);
    };
    signal.removeEventListener = (...given: Parameters<typeof removeEventListener>) => {
      this.#listenersOfSignal -= 1;
      removeEventListener.apply(signal, given);
    };
  }

  /** Plays it to its end, and throws what it finds wrong. */
  async play(): Promise<{ readonly messages: number; readonly faults: number; readonly resumes: number }> {
    const limits = { messageBytesMax: MESSAGE_BYTES_MAX, reassemblyBytesMax: 2 * MESSAGE_BYTES_MAX };
    this.#loopback = await Loopback.start({ limits });
    this.#proxy = await createFaultProxy({ target: { port: this.#loopback.port } });
    this.#loopback.server.on("connection", (socket) => this.#serve(socket));
    this.#client = new SluiceSocket(`ws://127.0.0.1:${this.#proxy.port}/`, [], {
      WebSocket,
      fetch: this.#fetch,
      transports: this.#options.transports,
      backoff: { baseMs: 5, maxMs: 20 },
      storage: null,
      mode: "framed",
      limits,
    });
    try {
      this.#attend();
      await once(this.#client, "open");
      for (let step = 0; step < this.#options.steps; step++) await this.#step();
      await this.#finish();
      if (this.#errors.length > 0) throw this.#errors[0];
      this.#ledger.judge();
    } catch (error) {
      this.#client.close();
      this.#server?.terminate();
      await this.#proxy.close();
      // What was found first is what matters.
      await this.#loopback.stop().catch(() => {});
      throw error;
    }
    // Lines that were given up say so for as long as two seconds.
    await this.#calm();
    await this.#proxy.close();
    await this.#calm();
    await this.#loopback.stop();
    return { messages: this.#ledger.notes.length, faults: this.#faults, resumes: this.#resumes };
  }

  #serve(socket: ServerSocket): void {
    if (this.#server !== undefined) this.#errors.push(new Error("a second session"));
    this.#server = socket;
    socket.on("message", (data) => this.#ledger.see("up", "", data));
    socket.on("channel", (channel: ServerChannel) => this.#taker.take("up", channel));
    socket.on("resume", () => {
      this.#resumes += 1;
    });
    socket.on("error", (error) => this.#errors.push(error));
  }

  #attend(): void {
    const client = this.#client;
    client.binaryType = "arraybuffer";
    client.onmessage = ({ data }) => this.#ledger.see("down", "", data);
    client.onchannel = ({ channel }) => this.#taker.take("down", channel);
    client.onerror = ({ error }) => this.#errors.push(error);
    client.onsessionlost = () => this.#errors.push(new Error("the session is lost"));
  }

  async #step(): Promise<void> {
    const random = this.#random;
    const dice = random.below(100);
    if (dice < 55) return this.#send(random.chance(0.6) ? "up" : "down");
    if (dice < 60) return void this.#ledger.notes.at(-1 - random.below(5))?.receipt.cancel();
    if (dice < 64) return this.#endChannel();
    if (dice < 70) return this.#hold();
    if (dice < 78) {
      await this.#break();
      // Else one fault follows the other, and nothing ever comes back.
      if (random.chance(0.7)) await this.#recover();
      return;
    }
    if (dice < 80) return this.#look();
    await turns(random.pick([1, 1, 5, 20, 100]));
  }

  #target(way: Way, name: Name): Target | undefined {
    const socket = way === "up" ? this.#client : this.#server;
    if (socket === undefined || name === "") return socket;
    try {
      const channel = socket.channel(
        name,
        this.#random.chance(0.3) ? { priority: this.#random.pick(["high", "low"]) } : {},
      );
      // Who opens it gets no event, and takes what comes as well.
      this.#taker.take(way === "up" ? "down" : "up", channel);
      return channel;
    } catch (error) {
      const { code } = error as { code?: string };
      // Still closing; or somebody takes it already, in the same way.
      if (code === "ERR_USAGE_CHANNEL_CLOSED") return undefined;
      throw error;
    }
  }

  #send(way: Way): void {
    const random = this.#random;
    const name = random.pick(NAMES);
    const target = this.#target(way, name);
    if (target === undefined) return;
    const size = random.chance(0.3) ? random.pick(SIZES) : Math.floor(random.scale(HEADER_BYTES, 30_000));
    const id = this.#sent;
    this.#sent += 1;
    const isOver = name === "begun" && random.chance(0.2);
    const bytes = contentOf(id, isOver ? size + MESSAGE_BYTES_MAX : size);
    const options: SendOptions = {
      ...(random.chance(0.3) ? { signal: this.#signal.signal } : {}),
      ...(random.chance(0.1) ? { ttl: random.between(1, 50) } : {}),
      ...(random.chance(0.1) ? { key: random.pick(["a", "b"]) } : {}),
      ...(random.chance(0.2) ? { onprogress: () => {} } : {}),
    };
    const data = this.#dataOf(bytes, way, isOver || random.chance(0.3));
    const receipt = (target as Channel).send(data as never, options);
    const hasKey = options.key !== undefined;
    this.#ledger.add({ id, way, name, bytes, receipt, hasKey });
  }

  #dataOf(bytes: Uint8Array<ArrayBuffer>, way: Way, isSource: boolean): unknown {
    const random = this.#random;
    if (!isSource) return bytes;
    if (way === "up" && random.chance(0.5)) return new Blob([bytes]);
    let offset = 0;
    return new ReadableStream<Uint8Array>({
      async pull(controller) {
        if (random.chance(0.2)) await turns(1);
        const size = random.chance(0.1) ? 0 : Math.ceil(random.scale(1, 100_000));
        controller.enqueue(bytes.slice(offset, offset + size));
        offset += size;
        if (offset >= bytes.length) controller.close();
      },
    });
  }

  #endChannel(): void {
    const random = this.#random;
    const name = random.pick(NAMES.slice(1)) as Name;
    const way = random.pick(["up", "down"] as const);
    (this.#target(way, name) as Channel | undefined)?.close();
  }

  #hold(): void {
    const random = this.#random;
    const end = random.pick([this.#client, this.#server]);
    if (end?.isPaused) end.resume();
    else end?.pause();
  }

  async #break(): Promise<void> {
    const random = this.#random;
    const proxy = this.#proxy;
    this.#faults += 1;
    const way = random.pick(["up", "down", undefined] as const);
    switch (random.below(6)) {
      case 0:
        return proxy.cut();
      case 1:
        return proxy.reset();
      case 2:
        return proxy.cutAfter(random.below(30_000), random.pick(["up", "down"] as const));
      case 3:
        proxy.freeze(way);
        await turns(random.below(300));
        return proxy.thaw(way);
      case 4:
        proxy.freeze(way);
        await turns(random.below(100));
        return proxy.reset();
      default:
        proxy.refuse(true);
        proxy.cut();
        await turns(random.below(200));
        return proxy.refuse(false);
    }
  }

  /** Waits for a line that works, where the last fault has left none. */
  async #recover(): Promise<void> {
    const isThere = () => this.#client.connectionState === "connected" && this.#server?.transport !== null;
    for (let i = 0; i < 100 || (i < 20_000 && !isThere()); i++) await reactions();
  }

  /** Lines that were given up say so for two seconds at the most. */
  async #calm(): Promise<void> {
    const until = performance.now() + PATIENCE_MS;
    while ((timersCount() > 1 || this.#requests > 0) && performance.now() < until) await turns(5);
  }

  readonly #fetch = async (...given: Parameters<typeof fetch>): Promise<Response> => {
    this.#requests += 1;
    try {
      return await fetch(...given);
    } finally {
      this.#requests -= 1;
    }
  };

  /** Whoever looks must not change anything. */
  #look(): void {
    const { stats } = this.#client;
    void [stats.call(this.#client), this.#client.ready, this.#client.desiredSize, this.#server?.stats()];
  }

  /** Everything is well again: all messages end, and then the socket. */
  async #finish(): Promise<void> {
    this.#proxy.refuse(false);
    this.#proxy.thaw();
    this.#client.resume();
    this.#server?.resume();
    const until = performance.now() + PATIENCE_MS;
    while (this.#ledger.open.length > 0 && performance.now() < until) await turns(5);
    const { open } = this.#ledger;
    if (open.length > 0) {
      const what = open.map(({ id, way, name, receipt }) => `${id} ${way} ${name} ${receipt.state}`).join(", ");
      const now = [this.#client.connectionState, this.#client.transport, this.#server?.transport];
      throw new Error(`has not ended: ${what}; ${JSON.stringify([now, this.#client.stats(), this.#server?.stats()])}`);
    }
    // What has arrived may have yet to be taken.
    for (let i = 0; i < 1000 && !this.#ledger.isAllSeen; i++) await reactions();
    const closed = once(this.#client, "close") as Promise<[CloseEvent]>;
    const closedThere = new Promise((resolve) => this.#server?.on("close", resolve));
    this.#client.close(3000, "done");
    const [{ code, reason, wasClean }] = await closed;
    // Over HTTP the last that is said may be on its way still.
    if ((await closedThere) !== 3000) throw new Error("closed otherwise at the server");
    if (code !== 3000 || reason !== "done" || !wasClean) throw new Error(`closed with ${code} ${reason} ${wasClean}`);
    if (this.#client.bufferedAmount !== 0) throw new Error(`${this.#client.bufferedAmount} bytes are left`);
    if (this.#listenersOfSignal !== 0) throw new Error(`${this.#listenersOfSignal} listeners are left on the signal`);
  }
}
