import { once } from "node:events";
import { createServer, type Server as HttpServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { expect } from "vitest";
import { WebSocket } from "ws";
import { SluiceSocket, type SluiceSocketOptions } from "../../src/client/websocket.js";
import { type ServerSocket, SluiceServer, type SluiceServerOptions } from "../../src/server/index.js";
import { reactions } from "./event-loop.js";
import { Inbox } from "./inbox.js";

/** A Sluice server on the loopback interface, its clients, and an end that leaves nothing behind. */
export class Loopback {
  readonly http: HttpServer;
  readonly server: SluiceServer;
  readonly connections = new Inbox<ServerSocket>();
  readonly #lines = new Set<Socket>();
  readonly #clients: SluiceSocket[] = [];
  readonly #webSockets: WebSocket[] = [];

  private constructor(options: Partial<SluiceServerOptions>) {
    this.http = createServer((_request, response) => response.end("not a WebSocket"));
    this.http.on("connection", (line) => {
      this.#lines.add(line);
      line.once("close", () => this.#lines.delete(line));
    });
    this.server = new SluiceServer({ server: this.http, ...options });
    this.server.on("connection", this.connections.push);
  }

  static async start(options: Partial<SluiceServerOptions> = {}): Promise<Loopback> {
    const loopback = new Loopback(options);
    loopback.http.listen(0, "127.0.0.1");
    await once(loopback.http, "listening");
    return loopback;
  }

  client(protocols: string | string[] = [], options: SluiceSocketOptions = {}): SluiceSocket {
    // What is not about HTTP must not go over it because the machine was slow.
    const socket = new SluiceSocket(this.url, protocols, { WebSocket, transports: ["websocket"], ...options });
    this.#clients.push(socket);
    return socket;
  }

  /** A client and the server's end of it, both open. */
  async connect(
    protocols: string | string[] = [],
    options: SluiceSocketOptions = {},
  ): Promise<[SluiceSocket, ServerSocket]> {
    const client = this.client(protocols, options);
    await once(client, "open");
    return [client, await this.connections.next()];
  }

  /** A WebSocket of `ws`: an ordinary client, or a hostile one. */
  webSocket(protocols: string[] = [], options: object = {}, path = ""): WebSocket {
    const webSocket = new WebSocket(this.url + path, protocols, options);
    webSocket.on("error", () => {});
    this.#webSockets.push(webSocket);
    return webSocket;
  }

  /** The server's ends of the TCP connections. */
  get lines(): ReadonlySet<Socket> {
    return this.#lines;
  }

  /** Cuts all lines. */
  cut(): void {
    for (const line of this.#lines) line.destroy();
  }

  /** Ends with everybody: clients say goodbye, the others are cut. */
  async stop(): Promise<void> {
    const open = this.#clients.filter(({ readyState }) => readyState !== SluiceSocket.CLOSED);
    const closed = open.map((client) => once(client, "close"));
    for (const client of open) client.close();
    await Promise.all(closed);
    for (const webSocket of this.#webSockets) webSocket.terminate();
    this.server.close();
    this.cut();
    // Those that are still on their way to us.
    this.http.on("connection", (line) => line.destroy());
    this.http.close();
    // All lines are gone by then.
    await once(this.http, "close");
    // A handle is gone a few turns of the event loop after it was closed.
    for (let turns = 0; turns < 100 && (this.server.clients.size > 0 || openHandles().length > 0); turns++) {
      await reactions();
    }
    expect(this.server.clients.size).toBe(0);
    expect(openHandles()).toEqual([]);
    expect(this.http.listenerCount("upgrade")).toBe(0);
  }

  get port(): number {
    return (this.http.address() as AddressInfo).port;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}/`;
  }
}

/** Sockets and timers, which would keep a process alive; one timer is that of the test runner. */
function openHandles(): string[] {
  const kinds = process.getActiveResourcesInfo();
  return [...kinds.filter((kind) => kind.startsWith("TCP")), ...kinds.filter((kind) => kind === "Timeout").slice(1)];
}
