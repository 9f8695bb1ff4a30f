// @ts-check
import { setupWSConnection } from "y-websocket/bin/utils";

/** @param {any} server `WebSocketServer` of `ws`, or what takes its place */
export function serveYjs(server) {
  server.on("connection", (/** @type {any} */ socket, /** @type {any} */ request) =>
    setupWSConnection(socket, request),
  );
}
