import { EventEmitter } from "node:events";
import type { Server as HttpServer, IncomingMessage, ServerResponse } from "node:http";
import type { Server as HttpsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import type { WebSocket, WebSocketServer } from "ws";
import { SluiceError } from "../core/error.js";
import type { Limits } from "../core/limits.js";
import { type SendBounds, sendBoundsOf } from "../driver/send-bounds.js";
import { webSocketTransport } from "../transport/node/websocket.js";
import { SUBPROTOCOL, type Transport } from "../transport/transport.js";
import { checkedOptions, requireTime } from "./checked-options.js";
import { HttpEndpoint } from "./http-endpoint.js";
import { takeRequests } from "./http-requests.js";
import { limitsOf, type ServerLimits, type SluiceServerOptions, serverLimitsOf } from "./options.js";
import { isOriginAllowed } from "./origins.js";
import { admitPlain } from "./plain-admission.js";
import { PlainSocket } from "./plain-socket.js";
import { callSafely } from "./platform.js";
import { answerProbe, isProbe } from "./probe.js";
import {
  foreignOrigin,
  isStrippedHandshake,
  NO_ROOM,
  refuseHandshake,
  refuseUpgrade,
  requireUpgrade,
  TOO_MANY,
  upgradeOnlyServer,
} from "./refusal.js";
import type { SluiceServerEvents } from "./server-events.js";
import type { ServerSocket } from "./server-socket.js";
import { takeSessionQuery } from "./session-query.js";
import { type ServerStats, Sessions } from "./sessions.js";
import { chooseProtocol, offeredProtocols, protocolsIn, setOfferedProtocols } from "./subprotocols.js";
import { ask } from "./verify-client.js";
import { addressOf, Visitors } from "./visitors.js";
import { FRAMED_BOUNDS, type OwnOptions, webSocketServer } from "./web-socket-server.js";

/** A server has many sockets: a quarter of what a page may queue. */
const MAX_BUFFERED_AMOUNT = 16 * 1024 * 1024;

/** Over how long `shutdown` spreads the return of the clients, and how long it waits for the last of them, ms. */
const SHUTDOWN_WITHIN_MS = 10_000;
const SHUTDOWN_GRACE_MS = 3000;

/** An upgrade request of a client that is at the door. */
interface Upgrade {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly callback: (socket: ServerSocket, request: IncomingMessage) => void;
  /** It is not there any more. */
  readonly leave: () => void;
}

/** Whose an `upgrade` listener is: several servers may share one HTTP server, each with a path of its own. */
const OWNERS = new WeakMap<object, SluiceServer>();

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
  readonly #serverLimits: ServerLimits;
  readonly #bounds: SendBounds;
  readonly #sessions: Sessions;
  readonly #visitors = new Visitors();
  readonly #endpoint: HttpEndpoint;
  readonly #framed: WebSocketServer;
  readonly #plain: WebSocketServer;
  readonly #http: HttpServer | HttpsServer | undefined;
  readonly #ownsHttp: boolean;
  /** What the application has chosen for ordinary WebSocket clients, until `ws` asks. */
  readonly #chosenProtocols = new WeakMap<IncomingMessage, string | false>();
  readonly #onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    this.#handleServerUpgrade(request, socket, head);
  };
  readonly #onListening = (): boolean => this.emit("listening");
  /** A client that is refused is answered all the same, whatever a listener throws. */
  readonly #handleRefused = (error: SluiceError, request: IncomingMessage): void => {
    callSafely(() => this.emit("refused", error, request));
  };
  readonly #tellRefused = (request: IncomingMessage, message: string, cause?: unknown): void => {
    this.#handleRefused(new SluiceError("ERR_REFUSED", message, { cause }), request);
  };
  readonly #onHttpError = (error: Error): boolean => this.emit("error", error);
  /** Leaves all requests to the other listeners of the HTTP server. */
  #stopTaking: () => void = () => {};
  #state: "running" | "closing" | "closed" = "running";
  #onLastGone: () => void = () => {};

  /** @throws SluiceError `ERR_USAGE_ARGUMENT` */
  constructor(options: SluiceServerOptions, callback?: () => void) {
    super();
    const checked = checkedOptions(options);
    const { server, port, host, backlog, noServer = false } = checked;
    if ([server !== undefined, port !== undefined, noServer].filter(Boolean).length !== 1) {
      throw new SluiceError("ERR_USAGE_ARGUMENT", "One and only one of server, port and noServer must be given");
    }
    this.options = checked;
    this.#limits = limitsOf(checked);
    this.#serverLimits = serverLimitsOf(checked);
    this.#bounds = sendBoundsOf(checked, MAX_BUFFERED_AMOUNT);
    this.#sessions = new Sessions(this.#limits, this.#bounds, this.#serverLimits, checked.trace);
    this.#endpoint = this.#httpEndpoint();
    this.#framed = this.#webSocketServer({
      ...FRAMED_BOUNDS,
      maxPayload: this.#limits.batchBytesMax,
      handleProtocols: () => SUBPROTOCOL,
    });
    this.#plain = this.#webSocketServer({
      maxPayload: this.#limits.messageBytesMax,
      handleProtocols: (_offered, request) => this.#chosenProtocols.get(request) ?? false,
    });
    this.#ownsHttp = port !== undefined;
    this.#http = server ?? (this.#ownsHttp ? upgradeOnlyServer() : undefined);
    if (this.#http === undefined) return;
    OWNERS.set(this.#onUpgrade, this);
    this.#http.on("upgrade", this.#onUpgrade);
    this.#http.on("listening", this.#onListening);
    this.#http.on("error", this.#onHttpError);
    this.#stopTaking = takeRequests(this.#http, (request, response) => this.#takeRequest(request, response));
    if (port !== undefined) this.#http.listen({ port, host, backlog }, callback);
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
    // Gone while the application was thinking: nothing of it would ever tell that it has left.
    if (socket.destroyed) return;
    const sessionId = takeSessionQuery(request);
    const refuse = (status: 403 | 500 | 503, message: string, cause?: unknown): void => {
      refuseUpgrade(socket, status);
      this.#tellRefused(request, message, cause);
    };
    if (this.#state !== "running") return refuse(503, NO_ROOM);
    if (!this.shouldHandle(request)) return refuseUpgrade(socket, 400);
    // A client that comes back brings relief: it takes what is held for it.
    if (this.#sessions.isFull && !this.#sessions.has(sessionId)) return refuse(503, NO_ROOM);
    const offered = offeredProtocols(request);
    let isAllowed: boolean;
    let protocol: string | false = false;
    let leave: (() => void) | undefined;
    let asked = "origins";
    try {
      isAllowed = isOriginAllowed(this.options.origins, request);
      asked = "handleProtocols";
      if (isAllowed) protocol = this.#choose(offered, request);
      asked = "clientAddress";
      if (isAllowed) leave = this.#enter(request);
    } catch (cause) {
      return refuse(500, `\`${asked}\` has failed`, cause);
    }
    if (!isAllowed) return refuse(403, foreignOrigin(request));
    if (leave === undefined) return refuse(503, TOO_MANY);
    // Refused, or gone before it was let in.
    socket.once("close", leave);
    const visit = { request, socket, head, callback, leave };
    if (offered.includes(SUBPROTOCOL)) {
      this.#upgradeFramed(visit, protocol);
    } else {
      this.#chosenProtocols.set(request, protocol);
      void this.#upgradePlain(visit);
    }
  }

  /**
   * Takes a request of the HTTP transports, under `noServer` or in a route of a framework. Its body must not have been read.
   * @param callback gets the socket once the session exists. Default: emits `connection`
   * @returns whether it is one of ours, and will be answered; others are left alone
   */
  handleRequest(
    request: IncomingMessage,
    response: ServerResponse,
    callback: (socket: ServerSocket, request: IncomingMessage) => void = (socket) =>
      this.emit("connection", socket, request),
  ): boolean {
    if (!this.shouldHandle(request)) return false;
    if (isProbe(request)) {
      answerProbe(request, response, this.options.origins);
      return true;
    }
    if (isStrippedHandshake(request)) {
      requireUpgrade(request, response);
      return true;
    }
    return this.#endpoint.handle(request, response, (transport, first, onOver) => {
      const choose = (list: string): string => {
        const offered = protocolsIn(list);
        setOfferedProtocols(first, offered);
        return this.#choose(offered, first) || "";
      };
      this.#receive(transport, first, { protocol: "", choose, onOver }, callback);
    });
  }

  /** Whether this server serves the request's path. */
  shouldHandle(request: IncomingMessage): boolean {
    if (!this.options.path) return true;
    const url = request.url ?? "/";
    const end = url.indexOf("?");
    return (end === -1 ? url : url.slice(0, end)) === this.options.path;
  }

  /** What is held for clients, as a plain object; cheap enough to read every second. */
  stats(): ServerStats {
    return this.#sessions.stats;
  }

  /** The option; empty where every path is served. The types of `ws` ask for it. */
  get path(): string {
    return this.options.path ?? "";
  }

  /** Where it listens; `null` before that. Throws SluiceError `ERR_USAGE_ARGUMENT` under `noServer`. */
  address(): AddressInfo | string | null {
    if (this.#http === undefined) throw new SluiceError("ERR_USAGE_ARGUMENT", "A server under noServer has no address");
    return this.#http.address();
  }

  /**
   * Takes no new clients. Those that are connected stay, as with `ws`, for as long as their line holds: parked sessions
   * end. A server of our own stops listening. `close` is emitted, and the callback called, when the last client has gone;
   * an error tells the callback that the server was closed before.
   */
  close(callback?: (error?: Error) => void): void {
    if (this.#state === "closed") {
      const error = new SluiceError("ERR_USAGE_ARGUMENT", "The server is not running");
      if (callback !== undefined) this.once("close", () => callback(error));
      queueMicrotask(() => this.emit("close"));
      return;
    }
    if (callback !== undefined) this.once("close", () => callback());
    if (this.#state !== "running") return;
    this.#state = "closing";
    this.#sessions.close();
    // Lines that are there go on.
    if (this.#endpoint.size === 0) this.#stopTaking();
    this.#http?.off("upgrade", this.#onUpgrade).off("listening", this.#onListening).off("error", this.#onHttpError);
    const finish = () => {
      this.#state = "closed";
      this.emit("close");
    };
    if (this.#ownsHttp) this.#http?.close(finish);
    else if (this.clients.size === 0) queueMicrotask(finish);
    else this.#onLastGone = () => queueMicrotask(finish);
  }

  /**
   * Ends in order: takes no new clients, asks those that are connected to come back elsewhere, each at a moment of its own,
   * and ends what is left of them with 1012 when that time is over. Clients whose session is lost by that begin a new one
   * where they come to.
   * @param options.withinMs over how long the clients' return is spread, 0 or more. Default 10,000
   */
  async shutdown({ withinMs = SHUTDOWN_WITHIN_MS }: { readonly withinMs?: number } = {}): Promise<void> {
    requireTime("withinMs", withinMs);
    const isClosed = new Promise<void>((resolve) => this.close(() => resolve()));
    this.#sessions.recall(withinMs);
    await this.#sessions.whenEmpty(withinMs + SHUTDOWN_GRACE_MS);
    this.#sessions.endAll();
    for (const client of this.clients) if (client.mode === "plain") client.close(1012);
    await isClosed;
  }

  #takeRequest(request: IncomingMessage, response: ServerResponse): boolean {
    if (this.handleRequest(request, response)) return true;
    // Nobody else is there to answer it.
    if (this.#http?.listenerCount("request") !== 0 || !this.shouldHandle(request)) return false;
    requireUpgrade(request, response);
    return true;
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

  #upgradeFramed({ request, socket, head, callback, leave }: Upgrade, protocol: string | false): void {
    this.#framed.handleUpgrade(request, socket, head, (webSocket) => {
      // From here on the session says so.
      socket.off("close", leave);
      const transport = webSocketTransport(webSocket, this.#limits.batchBytesMax);
      this.#receive(transport, request, { protocol: protocol || "", onOver: leave }, callback);
    });
  }

  #enter(request: IncomingMessage): (() => void) | undefined {
    const { clientAddress = addressOf } = this.options;
    return this.#visitors.enter(clientAddress(request) ?? "", this.#serverLimits.addressHandshakesMax);
  }

  #receive(
    transport: Transport,
    request: IncomingMessage,
    visit: { readonly protocol: string; readonly choose?: (offered: string) => string; readonly onOver: () => void },
    callback: (socket: ServerSocket, request: IncomingMessage) => void,
  ): void {
    const { authenticate, identify } = this.options;
    this.#sessions.receive({
      transport,
      request,
      ...visit,
      onOver: (error) => {
        visit.onOver();
        if (error) this.#handleRefused(error, request);
      },
      authenticate: authenticate && ((auth) => authenticate({ request, auth })),
      identify,
      onEstablished: (serverSocket) => this.#introduce(serverSocket, request, callback),
    });
  }

  #httpEndpoint(): HttpEndpoint {
    const door = {
      origins: () => this.options.origins,
      verifyClient: () => this.options.verifyClient,
      hasRoom: (sessionId: string | undefined) =>
        this.#state === "running" && (!this.#sessions.isFull || this.#sessions.has(sessionId)),
      enter: (request: IncomingMessage) => this.#enter(request),
      onRefused: this.#tellRefused,
    };
    return new HttpEndpoint(door, this.#limits, () => {
      if (this.#state !== "running") this.#stopTaking();
    });
  }

  async #upgradePlain({ request, socket, head, callback, leave }: Upgrade): Promise<void> {
    const { authenticate, plainClients = false } = this.options;
    let principal: unknown;
    if (authenticate) {
      const visit = { request, socket, plainClients, timeoutMs: this.#limits.handshakeTimeoutMs };
      const admitted = await admitPlain(visit, authenticate, (error) => this.#handleRefused(error, request));
      if (admitted === undefined) return;
      if (this.#state !== "running") return refuseUpgrade(socket, 503);
      principal = admitted.principal;
    }
    this.#plain.handleUpgrade(request, socket, head, (webSocket: WebSocket) => {
      socket.off("close", leave);
      leave();
      this.#introduce(new PlainSocket(webSocket, principal, this.#bounds, this.#limits), request, callback);
    });
  }

  #introduce(
    socket: ServerSocket,
    request: IncomingMessage,
    callback: (socket: ServerSocket, request: IncomingMessage) => void,
  ): void {
    if (this.options.clientTracking !== false) {
      this.clients.add(socket);
      socket.once("close", () => {
        this.clients.delete(socket);
        if (this.clients.size === 0) this.#onLastGone();
      });
    }
    callback(socket, request);
  }

  #choose(offered: readonly string[], request: IncomingMessage): string | false {
    return chooseProtocol(offered, request, this.options.handleProtocols);
  }

  #webSocketServer(own: OwnOptions): WebSocketServer {
    const server = webSocketServer(own, (info, callback) =>
      ask(
        this.options.verifyClient,
        info,
        (result, ...details) => {
          // It may have taken its time.
          if (result && this.#state !== "running") callback(false, 503);
          else callback(result, ...details);
        },
        (message, cause) => this.#tellRefused(info.req, message, cause),
      ),
    );
    server.on("headers", (headers, request) => this.emit("headers", headers, request));
    server.on("wsClientError", (error, socket, request) => {
      if (this.listenerCount("wsClientError") > 0) this.emit("wsClientError", error, socket, request);
      else refuseHandshake(request, socket);
    });
    return server;
  }
}
