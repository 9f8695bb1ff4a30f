// @ts-check
/** WebSocket servers that know nothing of Sluice, on an origin of their own, and all that has reached them. */
import http from "node:http";
import { WebSocketServer } from "ws";

/**
 * @param {object} [setting]
 * @param {import("ws").ServerOptions} [setting.options] of the server; without any it has those of `ws`
 * @param {(socket: import("ws").WebSocket) => void} [setting.onConnection] the server application
 * @param {(request: http.IncomingMessage, response: http.ServerResponse) => boolean} [setting.takeRequest] answers over HTTP
 */
export async function startOrdinaryServer({ options = {}, onConnection = () => {}, takeRequest = () => false } = {}) {
  const seen = {
    /** What each handshake has offered. @type {(string | undefined)[]} */
    offers: [],
    /** Every message, text or bytes. @type {(string | number[])[]} */
    messages: [],
    /** @type {{ code: number, reason: string }[]} */
    closes: [],
  };
  // As `new WebSocketServer({ port })` answers what is no upgrade: without a word for other origins.
  const server = http.createServer((request, response) => {
    if (!takeRequest(request, response))
      response.writeHead(426, { "Content-Type": "text/plain" }).end("Upgrade Required");
  });
  const webSockets = new WebSocketServer({ ...options, server });
  webSockets.on("headers", (_, request) => seen.offers.push(request.headers["sec-websocket-protocol"]));
  webSockets.on("connection", (socket) => {
    socket.on("message", (data, isBinary) =>
      seen.messages.push(isBinary ? [.../** @type {Buffer} */ (data)] : String(data)),
    );
    socket.on("close", (code, reason) => seen.closes.push({ code, reason: String(reason) }));
    onConnection(socket);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    seen,
    port,
    clients: webSockets.clients,
    url: `ws://127.0.0.1:${port}/`,
    async close() {
      for (const client of webSockets.clients) client.terminate();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Sends back whatever comes. @param {import("ws").WebSocket} socket */
export function echo(socket) {
  socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
}
