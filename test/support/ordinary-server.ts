import { once } from "node:events";
import http, { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type ServerOptions, type WebSocket, WebSocketServer } from "ws";
import type { FetchLike } from "../../src/client/probe.js";
import { Inbox } from "./inbox.js";

/** One connection of an ordinary server, and what has come on it. */
export interface OrdinaryConnection {
  readonly socket: WebSocket;
  readonly inbox: Inbox<string | number[]>;
}

/** A server of `ws` that knows nothing of Sluice, and writes down all that reaches it. */
export class OrdinaryServer {
  readonly connections = new Inbox<OrdinaryConnection>();
  /** The protocols that each handshake has offered. */
  readonly offers: (string | undefined)[] = [];
  readonly handshakes = new Inbox<void>();
  /** HTTP requests that were no upgrades. */
  readonly requests: (string | undefined)[] = [];
  /** What it does about a connection. */
  onConnection: (socket: WebSocket) => void = () => {};
  /** What it answers over HTTP. */
  answer = { status: 426, type: "text/plain" };
  /** Whether it lets any handshake succeed. */
  isUp = true;
  readonly #http: Server;
  readonly #server: WebSocketServer;

  private constructor(options: ServerOptions) {
    this.#http = createServer((request, response) => {
      this.requests.push(request.headers.accept);
      response.writeHead(this.answer.status, { "Content-Type": this.answer.type, Connection: "close" }).end();
    });
    this.#server = new WebSocketServer({ ...options, noServer: true });
    this.#http.on("upgrade", (request, socket, head) => {
      this.offers.push(request.headers["sec-websocket-protocol"]);
      this.handshakes.push();
      if (!this.isUp) return void socket.destroy();
      this.#server.handleUpgrade(request, socket, head, (webSocket) => {
        const inbox = new Inbox<string | number[]>();
        webSocket.on("message", (data, isBinary) => inbox.push(isBinary ? [...(data as Buffer)] : String(data)));
        webSocket.on("error", () => {});
        this.onConnection(webSocket);
        this.connections.push({ socket: webSocket, inbox });
      });
    });
  }

  static async start(options: ServerOptions = {}): Promise<OrdinaryServer> {
    const server = new OrdinaryServer(options);
    server.#http.listen(0, "127.0.0.1");
    await once(server.#http, "listening");
    return server;
  }

  /** Everything that has come, on all connections. */
  get received(): (string | number[])[] {
    return this.connections.items.flatMap(({ inbox }) => inbox.items);
  }

  async stop(): Promise<void> {
    for (const { socket } of this.connections.items) socket.terminate();
    this.#http.closeAllConnections();
    this.#http.close();
    await once(this.#http, "close");
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#http.address() as AddressInfo).port}/live`;
  }
}

/** As `fetch` does it, without what undici keeps open behind it. */
export const simpleFetch: FetchLike = (url, { headers, signal }) =>
  new Promise((resolve, reject) => {
    http
      .get(url, { agent: false, signal, ...(headers === undefined ? {} : { headers }) }, (response) => {
        response.resume();
        const get = (name: string) => String(response.headers[name] ?? "");
        resolve({ status: response.statusCode ?? 0, headers: { get } });
      })
      .on("error", reject);
  });
