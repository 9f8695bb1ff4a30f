import { SluiceError } from "../core/error.js";
import { DEFAULT_LIMITS, type Limits, limitsWith } from "../core/limits.js";
import type { WebSocketConstructor } from "../transport/browser/websocket.js";

export interface SluiceSocketOptions {
  /**
   * What `authenticate` on the server gets: anything that JSON can carry, or a function that gives it, or a promise of
   * it. It never enters a URL.
   */
  readonly auth?: unknown;
  /** From the constructor to the server's welcome, ms. Default 10,000. */
  readonly connectTimeoutMs?: number;
  /** How long `close()` waits while nothing moves, ms. Default 5,000. */
  readonly closeTimeoutMs?: number;
  /** Bounds of this end. */
  readonly limits?: Partial<
    Pick<
      Limits,
      "messageBytesMax" | "reassemblyBytesMax" | "reassemblyMessagesMax" | "channelsMax" | "chunkBytes" | "windowBytes"
    >
  >;
  /** Another implementation of WebSocket, for example `ws` under Node 20. Default: the global one. */
  readonly WebSocket?: unknown;
}

/** @throws SluiceError `ERR_USAGE_ARGUMENT` */
export function limitsOf(options: SluiceSocketOptions): Limits {
  return limitsWith({
    ...options.limits,
    handshakeTimeoutMs: options.connectTimeoutMs ?? DEFAULT_LIMITS.handshakeTimeoutMs,
    closeTimeoutMs: options.closeTimeoutMs ?? DEFAULT_LIMITS.closeTimeoutMs,
  });
}

/** The implementation to dial with; `undefined` where the platform has none. */
export function webSocketOf(options: SluiceSocketOptions): WebSocketConstructor | undefined {
  const given = options.WebSocket ?? (globalThis as { WebSocket?: unknown }).WebSocket;
  if (given === undefined) return undefined;
  if (typeof given !== "function") throw new SluiceError("ERR_USAGE_ARGUMENT", "WebSocket must be a constructor");
  return given as unknown as WebSocketConstructor;
}
