import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { nodeHost } from "../../src/server/platform.js";
import type { HttpPlatform } from "../../src/transport/browser/http-requests.js";
import { HttpLines, type HttpLinesLimits } from "../../src/transport/node/http-lines.js";
import type { Transport } from "../../src/transport/transport.js";
import { Inbox } from "./inbox.js";
import { TransportStory } from "./transport-story.js";

/** Waits between two tries happen; deadlines, which are longer, pass only when a test says so. */
const WAIT_MAX_MS = 2000;

/** A platform for HTTP lines in Node. */
export class TestPlatform implements HttpPlatform {
  fetch: typeof fetch = globalThis.fetch;
  readonly #deadlines = new Set<{ readonly delayMs: number; readonly run: () => void }>();

  readonly now = (): number => nodeHost.now();

  isMultiplexed = (): boolean => false;

  readonly random = (): number => 0;

  readonly randomBytes = (length: number): Uint8Array => randomBytes(length);

  readonly setTimer = (run: () => void, delayMs: number): (() => void) => {
    if (delayMs <= WAIT_MAX_MS) return nodeHost.setTimer(run, delayMs);
    const deadline = { delayMs, run };
    this.#deadlines.add(deadline);
    return () => this.#deadlines.delete(deadline);
  };

  /** Lets all deadlines of that length pass; there must be one. */
  expire(delayMs: number): void {
    const due = [...this.#deadlines].filter((deadline) => deadline.delayMs === delayMs);
    if (due.length === 0) throw new Error(`no deadline of ${delayMs} ms`);
    for (const deadline of due) {
      this.#deadlines.delete(deadline);
      deadline.run();
    }
  }

  get deadlines(): number[] {
    return [...this.#deadlines].map(({ delayMs }) => delayMs).sort((a, b) => a - b);
  }
}

/** HTTP lines on the loopback interface. */
export class HttpRig {
  readonly lines: HttpLines;
  /** The server's ends of lines, as they come; started. */
  readonly ends = new Inbox<{ readonly transport: Transport; readonly story: TransportStory }>();
  /** How many requests have been taken. */
  taken = 0;
  readonly http: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(limits: Partial<HttpLinesLimits>, onNew?: (request: IncomingMessage) => Promise<boolean>) {
    this.lines = new HttpLines(limits);
    this.http = createServer((request, response) => this.#handle(request, response, onNew));
    this.http.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
  }

  static async start(
    limits: Partial<HttpLinesLimits> = {},
    onNew?: (request: IncomingMessage) => Promise<boolean>,
  ): Promise<HttpRig> {
    const rig = new HttpRig(limits, onNew);
    rig.http.listen(0, "127.0.0.1");
    await once(rig.http, "listening");
    return rig;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.http.address() as AddressInfo).port}/live`;
  }

  /** Ends everything: no line and no connection is left. */
  async stop(): Promise<void> {
    this.http.close();
    for (const socket of this.#sockets) socket.destroy();
    for (const { transport } of this.ends.items) transport.terminate();
    if (this.http.listening) await once(this.http, "close");
  }

  #handle(
    request: IncomingMessage,
    response: ServerResponse,
    onNew: ((request: IncomingMessage) => Promise<boolean>) | undefined,
  ): void {
    const start = (transport: Transport): void => {
      const story = new TransportStory(transport);
      transport.start(story);
      this.ends.push({ transport, story });
    };
    this.lines.handle(request, response, (open) => {
      if (onNew === undefined) return open(start);
      void onNew(request).then((isWelcome) => isWelcome && open(start));
    });
    this.taken += 1;
  }
}
