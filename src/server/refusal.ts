import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";

/** When a server that is full, or is going down, wants to be asked again. Arbitrary. */
export const RETRY_AFTER_SECONDS = 5;

/**
 * Answers an upgrade that is refused, completely, and ends the connection: a proxy that sees half an answer may tunnel
 * what follows to other servers.
 */
export function refuseUpgrade(socket: Duplex, status: 400 | 401 | 403 | 404 | 405 | 500 | 503): void {
  const text = STATUS_CODES[status] ?? "";
  socket.once("finish", () => socket.destroy());
  socket.on("error", () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${status} ${text}\r\nConnection: close\r\nContent-Type: text/plain\r\n` +
      (status === 503 ? `Retry-After: ${RETRY_AFTER_SECONDS}\r\n` : "") +
      `Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  );
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
