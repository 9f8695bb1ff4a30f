import { EventEmitter } from "node:events";
import { createServer, type Server as HttpServer, type IncomingMessage, type OutgoingHttpHeaders } from "node:http";
import type { Server as HttpsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { type VerifyClientCallbackAsync, type WebSocket, WebSocketServer } from "ws";
import { SluiceError } from "../core/error.js";
import { DEFAULT_LIMITS, type Limits, limitsWith } from "../core/limits.js";
import { webSocketTransport } from "../transport/node/websocket.js";
import { SUBPROTOCOL } from "../transport/transport.js";
import { FramedSocket } from "./framed-socket.js";
import { isOriginAllowed, type Origins } from "./origins.js";
import { PlainSocket } from "./plain-socket.js";
import { refuseUpgrade } from "./refusal.js";
import type { ServerSocket } from "./server-socket.js";

/** What `authenticate` gets. */
export interface AuthenticateContext {
  readonly request: IncomingMessage;
  /** What the client's option `auth` gave; `undefined` for none, and for ordinary WebSocket clients. */
  readonly auth: unknown;
}

/** The check of `ws`, with or without a callback; declared here so that users need not install the types of `ws`. */
export type VerifyClient =
  | ((info: VerifyClientInfo) => boolean)
  | ((
      info: VerifyClientInfo,
      callback: (result: boolean, code?: number, message?: string, headers?: OutgoingHttpHeaders) => void,
    ) => void);

export interface VerifyClientInfo {
  readonly origin: string;
  readonly secure: boolean;
  readonly req: IncomingMessage;
}

export interface SluiceServerOptions {
  /** An HTTP server to share, one of `server`, `port` and `noServer` is needed. */
  server?: HttpServer | HttpsServer;
  /** A port for a server of our own. */
  port?: number;
  host?: string;
  /** The application calls `handleUpgrade` itself. */
  noServer?: boolean;
  /** The path to serve, without the query. Default: every path. */
  path?: string;
  /** Which pages may connect. Default: those of the same host. */
  origins?: Origins;
  /**
   * Runs before `connection`, for everyone. Whatever it returns, or its promise resolves to, is the socket's `principal`,
   * but `false`, `null`, `undefined` and a rejection refuse the client.
   */
  authenticate?: (context: AuthenticateContext) => unknown;
  /** Whether ordinary WebSocket clients are served when `authenticate` is set. Default `false`. */
  plainClients?: boolean;
  /** Chooses among the application protocols that a client offers; `false` for none. Default: the first one. */
  handleProtocols?: (protocols: Set<string>, request: IncomingMessage) => string | false;
  /** As in `ws`. Prefer `origins` and `authenticate`. */
  verifyClient?: VerifyClient;
  /** Whether `clients` is kept. Default `true`. */
  clientTracking?: boolean;
  /** Largest message, bytes. Default 16 MiB. */
  maxPayload?: number;
  /** Bounds of this end. `handshakeTimeoutMs` is the deadline for HELLO and `authenticate`, default 5,000. */
  limits?: Partial<Limits>;
}

export interface SluiceServerEvents {
  connection: [socket: ServerSocket, request: IncomingMessage];
  headers: [headers: string[], request: IncomingMessage];
  listening: [];
  error: [error: Error];
  close: [];
}

/** Whose an `upgrade` listener is: several servers may share one HTTP server, each with a path of its own. */
const OWNERS = new WeakMap<object, SluiceServer>();

/** How long `ws` waits for the other side when a connection is closed. */
const TRANSPORT_CLOSE_TIMEOUT_MS = 5000;

/**
 * The server: to the application a `WebSocketServer` of `ws`. Clients that speak Sluice get sessions, all others are served
 * as the WebSocket clients they are, through the same API.
 */
export class SluiceServer extends EventEmitter<SluiceServerEvents> {
  /** Read at every handshake, so that libraries may set `handleProtocols` later. */
  readonly options: SluiceServerOptions;
  /** The open sockets; empty when `clientTracking` is `false`. */
  readonly clients: Set<ServerSocket> = new Set();
  readonly #limits: Limits;
  readonly #framed: WebSocketServer;
  readonly #plain: WebSocketServer;
  readonly #http: HttpServer | HttpsServer | undefined;
  readonly #ownsHttp: boolean;
  /** What the application has chosen for ordinary WebSocket clients, until `ws` asks. */
  readonly #chosenProtocols = new WeakMap<IncomingMessage, string | false>();
  readonly #onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    this.#handleServerUpgrade(request, socket, head);
  };
  readonly #onListening = (): void => {
    this.emit("listening");
  };
  readonly #onHttpError = (error: Error): void => {
    this.emit("error", error);
  };
  #state: "running" | "closing" | "closed" = "running";

  /** @throws SluiceError `ERR_USAGE_ARGUMENT` */
  constructor(options: SluiceServerOptions, callback?: () => void) {
    super();
    const given = [options.server, options.port, options.noServer || undefined].filter((value) => value !== undefined);
    if (given.length !== 1) {
      throw new SluiceError("ERR_USAGE_ARGUMENT", "One and only one of server, port and noServer must be given");
    }
    this.options = { ...options };
    this.#limits = serverLimits(options);
    this.#framed = this.#webSocketServer(this.#limits.batchBytesMax, () => SUBPROTOCOL);
    this.#plain = this.#webSocketServer(
      this.#limits.messageBytesMax,
      (_offered, request) => this.#chosenProtocols.get(request) ?? false,
    );
    this.#ownsHttp = options.port !== undefined;
    this.#http = options.server ?? (this.#ownsHttp ? upgradeOnlyServer() : undefined);
    if (this.#http === undefined) return;
    OWNERS.set(this.#onUpgrade, this);
    this.#http.on("upgrade", this.#onUpgrade);
    this.#http.on("listening", this.#onListening);
    this.#http.on("error", this.#onHttpError);
    if (this.#ownsHttp) this.#http.listen(options.port, options.host, callback);
  }

  /**
   * Takes over an upgrade request, under `noServer`. `callback` gets the socket once the session exists; emit `connection`
   * from there.
   */
  handleUpgrade(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    callback: (socket: ServerSocket, request: IncomingMessage) => void,
  ): void {
    socket.on("error", () => socket.destroy());
    if (this.#state !== "running") return refuseUpgrade(socket, 503);
    if (!this.shouldHandle(request)) return refuseUpgrade(socket, 400);
    let isAllowed: boolean;
    try {
      isAllowed = isOriginAllowed(this.options.origins, request);
    } catch {
      return refuseUpgrade(socket, 500);
    }
    if (!isAllowed) return refuseUpgrade(socket, 403);
    const offered = offeredProtocols(request);
    let protocol: string | false;
    try {
      protocol = this.#choose(offered, request);
    } catch {
      return refuseUpgrade(socket, 500);
    }
    if (offered.includes(SUBPROTOCOL)) {
      this.#upgradeFramed(request, socket, head, protocol, callback);
    } else {
      this.#chosenProtocols.set(request, protocol);
      void this.#upgradePlain(request, socket, head, callback);
    }
  }

  /** Whether this server serves the request's path. */
  shouldHandle(request: IncomingMessage): boolean {
    if (this.options.path === undefined) return true;
    const url = request.url ?? "/";
    const end = url.indexOf("?");
    return (end === -1 ? url : url.slice(0, end)) === this.options.path;
  }

  /** Where it listens; `null` before that. Throws SluiceError `ERR_USAGE_ARGUMENT` under `noServer`. */
  address(): AddressInfo | string | null {
    if (this.#http === undefined) throw new SluiceError("ERR_USAGE_ARGUMENT", "A server under noServer has no address");
    return this.#http.address();
  }

  /** Takes no new clients. Those that are connected stay, as with `ws`. A server of our own stops listening. */
  close(callback?: (error?: Error) => void): void {
    if (callback !== undefined) this.once("close", () => callback());
    if (this.#state !== "running") {
      if (this.#state === "closed") queueMicrotask(() => this.emit("close"));
      return;
    }
    this.#state = "closing";
    this.#http?.off("upgrade", this.#onUpgrade).off("listening", this.#onListening).off("error", this.#onHttpError);
    const finish = () => {
      this.#state = "closed";
      this.emit("close");
    };
    if (this.#ownsHttp) this.#http?.close(finish);
    else queueMicrotask(finish);
  }

  #handleServerUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (!this.shouldHandle(request)) {
      // The path may be another listener's; a request that nobody takes must not hang.
      const owners = (this.#http?.listeners("upgrade") ?? []).map((listener) => OWNERS.get(listener));
      const isNobodys = owners.every((owner) => owner !== undefined && !owner.shouldHandle(request));
      if (isNobodys && owners.at(-1) === this) refuseUpgrade(socket, 404);
      return;
    }
    this.handleUpgrade(request, socket, head, (serverSocket) => this.emit("connection", serverSocket, request));
  }

  #upgradeFramed(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    protocol: string | false,
    callback: (socket: ServerSocket, request: IncomingMessage) => void,
  ): void {
    const { authenticate } = this.options;
    this.#framed.handleUpgrade(request, socket, head, (webSocket) => {
      new FramedSocket({
        transport: webSocketTransport(webSocket, this.#limits.batchBytesMax),
        limits: this.#limits,
        protocol: protocol || "",
        authenticate: authenticate && ((auth) => authenticate({ request, auth })),
        onEstablished: (serverSocket) => this.#introduce(serverSocket, request, callback),
      });
    });
  }

  async #upgradePlain(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    callback: (socket: ServerSocket, request: IncomingMessage) => void,
  ): Promise<void> {
    let principal: unknown;
    if (this.options.authenticate !== undefined) {
      if (this.options.plainClients !== true) return refuseUpgrade(socket, 401);
      try {
        principal = await this.options.authenticate({ request, auth: undefined });
      } catch {
        principal = undefined;
      }
      if (principal === undefined || principal === null || principal === false) return refuseUpgrade(socket, 401);
      if (socket.destroyed) return;
      if (this.#state !== "running") return refuseUpgrade(socket, 503);
    }
    this.#plain.handleUpgrade(request, socket, head, (webSocket: WebSocket) => {
      this.#introduce(new PlainSocket(webSocket, principal), request, callback);
    });
  }

  #introduce(
    socket: ServerSocket,
    request: IncomingMessage,
    callback: (socket: ServerSocket, request: IncomingMessage) => void,
  ): void {
    if (this.options.clientTracking !== false) {
      this.clients.add(socket);
      socket.once("close", () => this.clients.delete(socket));
    }
    callback(socket, request);
  }

  /** Our own subprotocol is never the application's business. */
  #choose(offered: readonly string[], request: IncomingMessage): string | false {
    const own = new Set(offered.filter((protocol) => protocol !== SUBPROTOCOL && protocol !== ""));
    if (own.size === 0) return false;
    const { handleProtocols } = this.options;
    if (handleProtocols !== undefined) return handleProtocols(own, request);
    return own.values().next().value ?? false;
  }

  #webSocketServer(
    maxPayload: number,
    handleProtocols: (offered: Set<string>, request: IncomingMessage) => string | false,
  ): WebSocketServer {
    const { verifyClient } = this.options;
    const options = {
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload,
      handleProtocols,
      // Unknown to the types of `ws`; the default of 30 s would keep sockets of vanished clients.
      closeTimeout: TRANSPORT_CLOSE_TIMEOUT_MS,
      ...(verifyClient === undefined ? {} : { verifyClient: verifyClient as VerifyClientCallbackAsync }),
    };
    const server = new WebSocketServer(options);
    server.on("headers", (headers, request) => this.emit("headers", headers, request));
    return server;
  }
}

function serverLimits(options: SluiceServerOptions): Limits {
  const messageBytesMax = options.maxPayload ?? options.limits?.messageBytesMax ?? DEFAULT_LIMITS.messageBytesMax;
  return limitsWith({ handshakeTimeoutMs: 5000, ...options.limits, messageBytesMax });
}

/** What a client offers in `Sec-WebSocket-Protocol`. `ws` refuses malformed lists itself. */
function offeredProtocols(request: IncomingMessage): string[] {
  const header = request.headers["sec-websocket-protocol"] ?? "";
  return header.split(",").map((protocol) => protocol.trim());
}

function upgradeOnlyServer(): HttpServer {
  return createServer((_request, response) => {
    response.writeHead(426, { "Content-Type": "text/plain", "Content-Length": 16, Connection: "close" });
    response.end("Upgrade Required");
  });
}
