import type { Server as HttpServer, IncomingMessage } from "node:http";
import type { Server as HttpsServer } from "node:https";
import { SluiceError } from "../core/error.js";
import { DEFAULT_LIMITS, type Limits, limitsWith } from "../core/limits.js";
import type { ServerTrace } from "./framed-socket.js";
import type { Origins } from "./origins.js";
import type { VerifyClient } from "./verify-client.js";

/** What `authenticate` gets. */
export interface AuthenticateContext {
  readonly request: IncomingMessage;
  /** What the client's option `auth` gave; `undefined` for none, and for ordinary WebSocket clients. */
  readonly auth: unknown;
}

/** `null` counts as not given, as with `ws`. */
export interface SluiceServerOptions {
  /** An HTTP server to share, one of `server`, `port` and `noServer` is needed. */
  server?: HttpServer | HttpsServer;
  /** A port for a server of our own. */
  port?: number;
  /** The address to listen at, for a server of our own. Default: every address. */
  host?: string;
  /** Connections that wait to be accepted, for a server of our own. Default: that of Node. */
  backlog?: number;
  /** The application calls `handleUpgrade` and `handleRequest` itself. */
  noServer?: boolean;
  /** The path to serve, without the query. Default: every path. */
  path?: string;
  /** Which pages may connect: a list of origins as browsers write them, `"*"` or a function. Default: those of the same host. */
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
  /** As in `ws`, and may be async. Prefer `origins` and `authenticate`. */
  verifyClient?: VerifyClient;
  /** Whether `clients` is kept. Default `true`. */
  clientTracking?: boolean;
  /** Taken because `ws` has it, and ignored: messages are not compressed. */
  perMessageDeflate?: boolean | object;
  /**
   * Is told what every framed session does and why, and the `id` of its socket: batches, acks, the window, and how long each
   * message waited for what. Called in a microtask. Default: nothing is noted.
   */
  trace?: ServerTrace;
  /** Largest message, bytes. Default 16 MiB. */
  maxPayload?: number;
  /**
   * Names the principal that `authenticate` has returned: a session goes back only to a client whose principal has the same
   * name. Default: a string or number is its own name; an object goes by its `id`, or else by its JSON; `true` has none.
   */
  identify?: (principal: unknown) => string | undefined;
  /**
   * The address of a client, for the bound on handshakes under way. Default: that of the connection; behind a proxy, take
   * what the proxy says.
   */
  clientAddress?: (request: IncomingMessage) => string | undefined;
  /**
   * Bytes held in memory for one socket until its client has acknowledged them, of all channels together; Blobs and streams are not.
   * Above that, `send()` tells its callback `ERR_BUFFER_FULL`, and without one ends the session with 1013. Default 16 MiB.
   */
  maxBufferedAmount?: number;
  /**
   * Bytes of a channel that have yet to leave, from which on `ready` and the callbacks of `send()` wait, and below which
   * `drain` tells. Default 256 KiB. Beyond that, as much is on its way as the line needs. Above three quarters of
   * `maxBufferedAmount`, that counts, too.
   */
  highWaterMark?: number;
  /** Bounds of this end. `handshakeTimeoutMs` is the deadline for HELLO and `authenticate`, of ordinary clients too, default 5,000. */
  limits?: Partial<Limits & ServerLimits>;
}

/** Bounds of the server as a whole. */
export interface ServerLimits {
  /** Sessions of one principal; the one that has been parked longest makes room. Default 16. */
  readonly principalSessionsMax: number;
  /** Handshakes under way from one address. Default 256. */
  readonly addressHandshakesMax: number;
  /**
   * Bytes held for all sessions together, 256 MiB by default. Above half of it parked sessions end, the largest first; at
   * the limit new clients get 503.
   */
  readonly processBytesMax: number;
}

const DEFAULT_SERVER_LIMITS: ServerLimits = {
  principalSessionsMax: 16,
  addressHandshakesMax: 256,
  processBytesMax: 256 * 1024 * 1024,
};

/** @throws SluiceError `ERR_USAGE_ARGUMENT` */
export function limitsOf(options: SluiceServerOptions): Limits {
  const { principalSessionsMax: _p, addressHandshakesMax: _a, processBytesMax: _b, ...given } = options.limits ?? {};
  const messageBytesMax = options.maxPayload ?? given.messageBytesMax ?? DEFAULT_LIMITS.messageBytesMax;
  return limitsWith({ handshakeTimeoutMs: 5000, ...given, messageBytesMax });
}

/** @throws SluiceError `ERR_USAGE_ARGUMENT` */
export function serverLimitsOf(options: SluiceServerOptions): ServerLimits {
  const limits = { ...DEFAULT_SERVER_LIMITS };
  for (const name of Object.keys(limits) as (keyof ServerLimits)[]) {
    const value = options.limits?.[name] ?? limits[name];
    if (!Number.isSafeInteger(value) || value <= 0) {
      throw new SluiceError("ERR_USAGE_ARGUMENT", `${name} must be a positive integer, not ${value}`);
    }
    limits[name] = value as never;
  }
  return limits;
}
