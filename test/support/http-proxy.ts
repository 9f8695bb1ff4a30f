import { once } from "node:events";
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { buffer } from "node:stream/consumers";

/** What becomes of one request on its way. */
export type Fate =
  | "pass"
  /** Nobody gets it. */
  | "lose-request"
  /** The server takes it, and its answer gets lost. */
  | "lose-answer"
  /** The server takes it, and nobody ever answers. */
  | "hang"
  /** As browsers do when the first answer got lost: the server gets it again. */
  | "repeat"
  /** The answer is passed on when it is complete, head and all. */
  | "hold-back"
  /** The head and so many bytes of the answer are passed on, and the rest when it is complete. */
  | { readonly holdBehind: number }
  /** So many bytes of the answer's body are passed on; then the connection is cut. */
  | { readonly cutBehind: number }
  /** The proxy answers by itself. */
  | { readonly status: number; readonly body?: string };

export interface ProxiedRequest {
  readonly method: string;
  /** Whether the answer is to be an event stream. */
  readonly isStream: boolean;
  readonly bodyBytes: number;
  /** The how-manieth request with this method it is, from 1. */
  readonly count: number;
}

/** An HTTP proxy in front of a server, which does to requests what a test says. */
export class HttpProxy {
  /** Asked about every request, when its body is there. */
  fate: (request: ProxiedRequest) => Fate = () => "pass";
  readonly requests: ProxiedRequest[] = [];
  readonly #target: string;
  readonly #http: Server;
  readonly #sockets = new Set<Socket>();
  readonly #upstream = new Set<{ destroy(): unknown }>();

  private constructor(target: string) {
    this.#target = target;
    this.#http = createServer((request, response) => void this.#handle(request, response));
    this.#http.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
  }

  static async start(target: string): Promise<HttpProxy> {
    const proxy = new HttpProxy(target);
    proxy.#http.listen(0, "127.0.0.1");
    await once(proxy.#http, "listening");
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}${new URL(this.#target).pathname}`;
  }

  /** Cuts everything that is under way. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
    for (const request of this.#upstream) request.destroy();
  }

  async stop(): Promise<void> {
    this.#http.close();
    this.cut();
    if (this.#http.listening) await once(this.#http, "close");
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", headers, url = "" } = request;
    request.on("error", () => {});
    const body = await buffer(request).catch(() => undefined);
    if (body === undefined) return;
    const count = this.requests.filter((earlier) => earlier.method === method).length + 1;
    const isStream = headers.accept === "text/event-stream";
    const proxied = { method, isStream, bodyBytes: body.length, count };
    this.requests.push(proxied);
    const fate = this.fate(proxied);
    if (fate === "lose-request") return void request.socket.destroy();
    if (typeof fate === "object" && "status" in fate) {
      response.writeHead(fate.status, { "content-type": "text/html" });
      return void response.end(fate.body ?? "");
    }
    if (fate === "lose-answer" || fate === "hang" || fate === "repeat") {
      const lost = await this.#forward(url, request, body);
      await buffer(lost).catch(() => undefined);
      if (fate === "hang") return;
      if (fate === "lose-answer") return void request.socket.destroy();
    }
    const answer = await this.#forward(url, request, body).catch(() => undefined);
    if (answer === undefined) return void request.socket.destroy();
    response.on("close", () => answer.destroy());
    this.#passOn(answer, response, fate);
  }

  #forward(path: string, request: IncomingMessage, body: Buffer): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const upstream = httpRequest(new URL(path, this.#target), {
        method: request.method,
        headers: request.headers,
        agent: false,
      });
      this.#upstream.add(upstream);
      upstream.on("close", () => this.#upstream.delete(upstream));
      upstream.on("response", resolve).on("error", reject);
      upstream.end(body);
    });
  }

  #passOn(answer: IncomingMessage, response: ServerResponse, fate: Fate): void {
    const { statusCode = 0, headers } = answer;
    let held: Buffer[] = [];
    let passed = 0;
    const limit = typeof fate === "object" && "holdBehind" in fate ? fate.holdBehind : Number.POSITIVE_INFINITY;
    const cut = typeof fate === "object" && "cutBehind" in fate ? fate.cutBehind : Number.POSITIVE_INFINITY;
    const begin = (): void => {
      if (response.headersSent) return;
      response.writeHead(statusCode, headers);
      response.flushHeaders();
    };
    if (fate !== "hold-back") begin();
    answer.on("data", (piece: Buffer) => {
      // What was in the pipe when it was cut.
      if (passed >= cut) return;
      if (fate === "hold-back") return void held.push(piece);
      const now = piece.subarray(0, Math.max(0, Math.min(limit, cut) - passed));
      passed += piece.length;
      if (now.length > 0) response.write(now);
      if (passed >= cut) {
        answer.destroy();
        response.socket?.destroySoon();
        return;
      }
      if (now.length < piece.length) held.push(piece.subarray(now.length));
    });
    answer.on("end", () => {
      begin();
      response.end(Buffer.concat(held));
      held = [];
    });
    answer.on("error", () => response.destroy());
  }
}
