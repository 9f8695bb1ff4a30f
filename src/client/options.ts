import { type BackoffOptions, DEFAULT_BACKOFF } from "../core/dial/backoff.js";
import type { DialOptions } from "../core/dial/dialer.js";
import { SluiceError } from "../core/error.js";
import { DEFAULT_LIMITS, type Limits, limitsWith } from "../core/limits.js";
import type { Trace } from "../core/trace.js";
import { requirePositive, type SendBounds, sendBoundsOf } from "../driver/send-bounds.js";
import type { WebSocketConstructor } from "../transport/browser/websocket.js";
import type { TransportName } from "../transport/transport.js";
import { requireNames } from "./option-names.js";
import { pageStorage, type StorageLike } from "./outlook-memory.js";
import type { FetchLike } from "./probe.js";

/** The bounds that a client may set. */
export interface ClientLimits
  extends Pick<
    Limits,
    | "messageBytesMax"
    | "reassemblyBytesMax"
    | "channelCreditBytesMax"
    | "sessionCreditBytesMax"
    | "channelsMax"
    | "chunkBytes"
    | "windowBytes"
  > {}

export interface SluiceSocketOptions {
  /**
   * What `authenticate` on the server gets: anything that JSON can carry, or a function that gives it, or a promise of
   * it. A function is called again for every connection. It never enters a URL.
   */
  readonly auth?: unknown;
  /** From the constructor to the server's first welcome, and of each attempt to connect again, ms. Default 10,000. */
  readonly connectTimeoutMs?: number;
  /**
   * What follows when a session cannot be resumed. `"reopen"` (default): `sessionlost`, then a new session with a new
   * `open`, in which what was never written is sent after what the `open` handlers send. `"close"`: `error` and `close`
   * 1006, as with a native WebSocket; such a socket also gives up at once when the first attempt meets no server.
   */
  readonly onSessionLost?: "reopen" | "close";
  /**
   * How long to wait between attempts to connect: a random time up to `baseMs` (default 500), twice that with every
   * failure, up to `maxMs` (default 15,000).
   */
  readonly backoff?: { readonly baseMs?: number; readonly maxMs?: number };
  /** How long `close()` waits while nothing moves, ms. Default 5,000. */
  readonly closeTimeoutMs?: number;
  /**
   * Bytes held in memory until they are acknowledged, of all channels together; Blobs and Files are not. Above that,
   * `send()` throws `ERR_BUFFER_FULL`. Default 64 MiB.
   */
  readonly maxBufferedAmount?: number;
  /**
   * Bytes of a channel that have yet to leave, from which on `ready` waits, and below which `drain` tells. Default 256 KiB.
   * Beyond that, as much is on its way as the line needs. Above three quarters of `maxBufferedAmount`, that counts, too.
   */
  readonly highWaterMark?: number;
  /** Bounds of this end. */
  readonly limits?: Partial<ClientLimits>;
  /**
   * `"auto"` (default): framed mode with a Sluice server, and plain mode with any other, but not where `auth` is given or a
   * Sluice server has answered before. `"framed"`: never plain; another server is `ERR_NOT_SLUICE`. `"plain"`: an ordinary
   * WebSocket, whatever the server is.
   */
  readonly mode?: "auto" | "framed" | "plain";
  /**
   * Which transports to use, the most wanted first. Default: `["websocket", "sse", "long-poll"]`. Those over HTTP join in
   * where a WebSocket does not get through. What is not named is not used: without `"long-poll"`, HTTP does not help where
   * something on the way holds event streams back, and each page holds one of the six connections that a browser makes to
   * a server over HTTP/1.1. A WebSocket that comes later takes the session over, if it is wanted more.
   */
  readonly transports?: readonly TransportName[];
  /**
   * Where it is remembered for half an hour whether WebSockets work here: something with `getItem` and `setItem`. `null`
   * for nowhere. Default: `localStorage`, where there is one.
   */
  readonly storage?: { getItem(key: string): string | null; setItem(key: string, value: string): void } | null;
  /**
   * Another implementation of `fetch`, for the transports over HTTP, and to find out what a server is that does not say.
   * Default: the global one.
   */
  readonly fetch?: unknown;
  /**
   * Is told what the sessions of this socket do and why: batches, acks, the window, and how long each message waited for what.
   * Called in a microtask. Default: nothing is noted. Not in plain mode, where there is nothing to tell.
   */
  readonly trace?: Trace;
  /** Another implementation of WebSocket, for example `ws` under Node 20. Default: the global one. */
  readonly WebSocket?: unknown;
}

/** @throws SluiceError `ERR_USAGE_ARGUMENT` */
export function limitsOf(options: SluiceSocketOptions): Limits {
  const { connectTimeoutMs = DEFAULT_LIMITS.handshakeTimeoutMs, closeTimeoutMs } = options;
  // By its own name, not that of the limit.
  requirePositive({ connectTimeoutMs });
  return limitsWith({ ...options.limits, handshakeTimeoutMs: connectTimeoutMs, closeTimeoutMs });
}

/** A page that has queued so much and is not done has a use for a stream. */
const MAX_BUFFERED_AMOUNT = 64 * 1024 * 1024;

/** @throws SluiceError `ERR_USAGE_ARGUMENT` */
export function boundsOf(options: SluiceSocketOptions): SendBounds {
  return sendBoundsOf(options, MAX_BUFFERED_AMOUNT);
}

/** @throws SluiceError `ERR_USAGE_ARGUMENT` */
export function onSessionLostOf(options: SluiceSocketOptions): "reopen" | "close" {
  const { onSessionLost = "reopen" } = options;
  if (onSessionLost === "reopen" || onSessionLost === "close") return onSessionLost;
  throw new SluiceError(
    "ERR_USAGE_ARGUMENT",
    `onSessionLost must be "reopen" or "close", not ${String(onSessionLost)}`,
  );
}

/**
 * How the first session is dialled.
 * @throws SluiceError `ERR_USAGE_ARGUMENT`
 */
export function dialOf(options: SluiceSocketOptions): DialOptions {
  return {
    backoff: backoffOf(options.backoff),
    connectTimeoutMs: options.connectTimeoutMs ?? DEFAULT_LIMITS.handshakeTimeoutMs,
    retriesFirst: onSessionLostOf(options) === "reopen",
  };
}

function backoffOf(given: SluiceSocketOptions["backoff"] = {}): BackoffOptions {
  requireNames("backoff", given, DEFAULT_BACKOFF);
  const backoff = { ...DEFAULT_BACKOFF, ...given };
  for (const [name, value] of Object.entries(backoff)) {
    if (typeof value === "number" && Number.isFinite(value) && value > 0) continue;
    throw new SluiceError("ERR_USAGE_ARGUMENT", `backoff.${name} must be a positive number, not ${String(value)}`);
  }
  return backoff;
}

/**
 * Where to remember things; `undefined` for nowhere.
 * @throws SluiceError `ERR_USAGE_ARGUMENT`
 */
export function storageOf({ storage }: SluiceSocketOptions): StorageLike | undefined {
  if (storage === undefined) return pageStorage();
  if (storage === null) return undefined;
  if (typeof storage.getItem === "function" && typeof storage.setItem === "function") return storage;
  throw new SluiceError("ERR_USAGE_ARGUMENT", "storage must have getItem and setItem, or be null");
}

/** @throws SluiceError `ERR_USAGE_ARGUMENT` */
export function modeOf({ mode = "auto", auth }: SluiceSocketOptions): "auto" | "framed" | "plain" {
  if (mode !== "auto" && mode !== "framed" && mode !== "plain") {
    throw new SluiceError("ERR_USAGE_ARGUMENT", `mode must be "auto", "framed" or "plain", not ${String(mode)}`);
  }
  if (mode === "plain" && auth !== undefined) {
    throw new SluiceError("ERR_USAGE_ARGUMENT", "In plain mode there is nobody who could take `auth`");
  }
  return mode;
}

/** @throws SluiceError `ERR_USAGE_ARGUMENT` */
export function traceOf({ trace }: SluiceSocketOptions): Trace | undefined {
  if (trace === undefined || typeof trace === "function") return trace;
  throw new SluiceError("ERR_USAGE_ARGUMENT", "trace must be a function");
}

/**
 * The implementation to ask with; `undefined` where the platform has none.
 * @throws SluiceError `ERR_USAGE_ARGUMENT`
 */
export function fetchOf({ fetch }: SluiceSocketOptions): FetchLike | undefined {
  const given = fetch ?? (globalThis as { fetch?: unknown }).fetch;
  if (given === undefined) return undefined;
  if (typeof given !== "function") throw new SluiceError("ERR_USAGE_ARGUMENT", "fetch must be a function");
  // Not as a method of anything: browsers refuse that.
  return (url, init) => given.call(undefined, url, init);
}

/** The implementation to dial with; `undefined` where the platform has none. */
export function webSocketOf(options: SluiceSocketOptions): WebSocketConstructor | undefined {
  const given = options.WebSocket ?? (globalThis as { WebSocket?: unknown }).WebSocket;
  if (given === undefined) return undefined;
  if (typeof given !== "function") throw new SluiceError("ERR_USAGE_ARGUMENT", "WebSocket must be a constructor");
  return given as unknown as WebSocketConstructor;
}
