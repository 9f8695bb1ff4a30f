import type { IncomingMessage } from "node:http";
import { type VerifyClientCallbackAsync, WebSocketServer } from "ws";

/** How long `ws` waits for the other side when a connection is closed. */
const CLOSE_TIMEOUT_MS = 5000;

/**
 * In how many pieces a batch may come, and how many reads a piece may take. One byte that comes by itself is kept as an object of a
 * hundred and more: by default `ws` would hold 2 MB of them for a stranger (SEC-05). Arbitrary; browsers and proxies make a handful.
 */
export const FRAMED_BOUNDS = { maxFragments: 1024, maxBufferedChunks: 4096 } as const;

/** What the two kinds of clients do not have in common; some of it unknown to the types of `ws`. */
export interface OwnOptions {
  readonly maxPayload: number;
  readonly maxFragments?: number;
  readonly maxBufferedChunks?: number;
  readonly handleProtocols: (offered: Set<string>, request: IncomingMessage) => string | false;
}

/**
 * `ws` for one of the two kinds of clients.
 * @param verifyClient takes a callback, so that `ws` waits
 */
export function webSocketServer(own: OwnOptions, verifyClient: VerifyClientCallbackAsync): WebSocketServer {
  // Unknown to the types as well; the default of 30 s would keep sockets of vanished clients.
  const closing = { closeTimeout: CLOSE_TIMEOUT_MS };
  return new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    // Two parameters: `ws` counts them.
    verifyClient: (info, callback) => verifyClient(info, callback),
    ...closing,
    ...own,
  });
}
