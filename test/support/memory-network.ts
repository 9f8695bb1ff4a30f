import { vi } from "vitest";
import { browserHost } from "../../src/client/platform.js";
import type { Limits } from "../../src/core/limits.js";
import type { WebSocketConstructor, WebSocketLike } from "../../src/transport/browser/websocket.js";
import { reactions } from "./event-loop.js";
import { LinkedTransport } from "./linked-transport.js";
import { MemoryServer } from "./memory-server.js";

/**
 * What becomes of a dial: our server, a refused connection, nothing for ever, a server that speaks another protocol, or
 * one that says yes to ours and then nothing.
 */
export type Reach = "up" | "down" | "hung" | "foreign" | "silent";

/** A browser's WebSocket over a line in memory. */
class MemoryWebSocket implements WebSocketLike {
  binaryType = "blob";
  protocol = "";
  readonly extensions = "";
  readyState = 0;
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: never) => void) | null = null;
  onclose: ((event: never) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  readonly #near: LinkedTransport;

  constructor(near: LinkedTransport) {
    this.#near = near;
    near.start({
      handleOpen: ({ subprotocol }) => {
        this.protocol = subprotocol;
        this.readyState = 1;
        this.onopen?.({} as never);
      },
      handleBatch: (batch) => this.onmessage?.({ data: batch } as never),
      handleWritable: () => {},
      handleClosed: (death) => {
        this.readyState = 3;
        this.onerror?.({} as never);
        this.onclose?.(death as never);
      },
    });
  }

  send(data: Uint8Array<ArrayBuffer>): void {
    this.#near.send(data);
  }

  close(code = 1005, reason = ""): void {
    this.readyState = 2;
    this.#near.close(code, reason);
  }

  get bufferedAmount(): number {
    return this.#near.bufferedBytes;
  }
}

interface Dial {
  readonly url: string;
  readonly protocols: readonly string[];
  readonly near: LinkedTransport;
  readonly far: LinkedTransport;
}

/** A network in memory with one server, and time that passes when a test says so. */
export class MemoryNetwork {
  reach: Reach = "up";
  /** Which way nothing gets through, though nobody is told. */
  blocked: "up" | "down" | undefined;
  readonly dials: Dial[] = [];
  readonly server: MemoryServer;
  /** For the option `WebSocket`. */
  readonly WebSocket: WebSocketConstructor;
  #waiting: (() => void)[] = [];

  /** Takes over timers and clock: call `stop` at the end. */
  constructor(options: { protocol?: string; limits?: Partial<Limits> } = {}) {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    vi.spyOn(Math, "random").mockReturnValue(0.5);
    // Nobody answers who is not a WebSocket.
    vi.stubGlobal("fetch", () => Promise.reject(new TypeError("fetch failed")));
    this.server = new MemoryServer(browserHost(), options);
    const network = this;
    this.WebSocket = function Dialled(url: string, protocols: string[]) {
      return network.#dial(url, protocols);
    } as unknown as WebSocketConstructor;
  }

  /** Lets everything happen that needs no time. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 4; quiet++) {
      for (const run of this.#waiting.splice(0)) {
        quiet = 0;
        run();
      }
      for (const { near, far } of this.dials) {
        if (this.blocked !== "up" && near.deliver()) quiet = 0;
        if (this.blocked !== "down" && far.deliver()) quiet = 0;
      }
      await reactions();
    }
  }

  /** Lets time pass. */
  async run(ms: number): Promise<void> {
    await this.settle();
    const end = performance.now() + ms;
    while (performance.now() < end) {
      // Whole milliseconds: a fake clock does not move by less.
      vi.advanceTimersByTime(Math.ceil(Math.min(Math.max(5, ms / 40), end - performance.now())));
      await this.settle();
    }
  }

  /** Cuts the newest line: what is on it is lost, and both ends are told. */
  cut(): void {
    const { near, far } = this.dial;
    near.die();
    far.die();
  }

  /** The server forgets every session, and all lines are cut. */
  restart(): void {
    for (const { near, far } of this.dials) {
      near.die();
      far.die();
    }
    this.server.restart();
  }

  stop(): void {
    vi.useRealTimers();
    vi.unstubAllGlobals();
    vi.restoreAllMocks();
  }

  /** The newest. */
  get dial(): Dial {
    return this.dials.at(-1) as Dial;
  }

  #dial(url: string, protocols: string[]): WebSocketLike {
    const [near, far] = LinkedTransport.pair();
    this.dials.push({ url, protocols, near, far });
    const socket = new MemoryWebSocket(near);
    const { reach } = this;
    if (reach === "hung") return socket;
    this.#waiting.push(() => {
      if (reach === "down") return void near.die();
      if (reach === "up") this.server.receive(far);
      if (reach === "up") far.open();
      near.open(reach === "foreign" ? "" : "sluice.v1");
    });
    return socket;
  }
}
