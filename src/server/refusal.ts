import {
  createServer,
  type Server as HttpServer,
  type IncomingMessage,
  type ServerResponse,
  STATUS_CODES,
} from "node:http";
import type { Duplex } from "node:stream";

/** When a server that is full, or is going down, wants to be asked again. Arbitrary. */
export const RETRY_AFTER_SECONDS = 5;

/** Those of the WebSocket protocol that `ws` takes. */
const VERSIONS = [13, 8];

/** Why clients are sent away, for the application. */
export const NO_ROOM = "There is no room, or the server is closing";
export const TOO_MANY = "Too many handshakes are under way from this address";

/** That `origins` does not let the page in, and what a proxy may have done to that. */
export function foreignOrigin({ headers }: IncomingMessage): string {
  return `Pages of ${headers.origin} may not connect; the request is for the host ${headers.host}`;
}

/**
 * Answers an upgrade that is refused, completely, and ends the connection: a proxy that sees half an answer may tunnel
 * what follows to other servers.
 */
export function refuseUpgrade(
  socket: Duplex,
  status: 400 | 401 | 403 | 404 | 405 | 500 | 503,
  headers: Readonly<Record<string, string>> = {},
): void {
  const text = STATUS_CODES[status] ?? "";
  socket.once("finish", () => socket.destroy());
  socket.on("error", () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${status} ${text}\r\nConnection: close\r\nContent-Type: text/plain\r\n` +
      (status === 503 ? `Retry-After: ${RETRY_AFTER_SECONDS}\r\n` : "") +
      Object.entries(headers)
        .map(([name, value]) => `${name}: ${value}\r\n`)
        .join("") +
      `Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  );
}

/** Answers an upgrade request that is none to a WebSocket, or to one of another time (RFC 6455, 4.4; RFC 9110, 15.5.6). */
export function refuseHandshake({ method, headers }: IncomingMessage, socket: Duplex): void {
  if (method !== "GET") return refuseUpgrade(socket, 405, { Allow: "GET" });
  const isKnown = VERSIONS.includes(Number(headers["sec-websocket-version"]));
  refuseUpgrade(socket, 400, isKnown ? {} : { "Sec-WebSocket-Version": VERSIONS.join(", ") });
}

/**
 * Whether it is the handshake of a WebSocket that has lost its `Upgrade` to a proxy. What else answers at this URL, 404 perhaps,
 * must not get it: a cache on the way (Varnish 7.1, as it comes) keeps such answers, and gives them to the GETs of lines.
 */
export function isStrippedHandshake({ headers }: IncomingMessage): boolean {
  return headers["sec-websocket-key"] !== undefined;
}

/** Answers a request that should have been an upgrade. */
export function requireUpgrade(_request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(426, {
    "Content-Type": "text/plain",
    "Content-Length": 16,
    "Cache-Control": "no-store",
    Connection: "close",
  });
  response.end("Upgrade Required");
}

/** A server that has nothing for other requests. */
export function upgradeOnlyServer(): HttpServer {
  return createServer(requireUpgrade);
}
