import { WebSocket, WebSocketServer } from "ws";
import { SluiceServer } from "../../dist/server.mjs";
import { SluiceSocket } from "../../dist/sluice.mjs";

/** Soon again after a cut: nothing here is to be spared. */
const BACKOFF = { baseMs: 20, maxMs: 100 };

/** A subclass of `Class` that tells of its sockets, made as the libraries make them. */
const telling = (Class, onSocket) =>
  class extends Class {
    constructor(...parts) {
      super(...parts);
      onSocket(this);
    }
  };

/** Both ends ours, over the transports given. */
const sluice = (name, options = {}) => ({
  name,
  isCut: true,
  Server: SluiceServer,
  makeClass: (onSocket) =>
    telling(SluiceSocket.with({ WebSocket, onSessionLost: "close", backoff: BACKOFF, ...options }), onSocket),
});

/** Ours in the page, and a server that has never heard of us. */
const plain = (name, options = { mode: "plain" }) => ({
  ...sluice(name, options),
  isCut: false,
  Server: WebSocketServer,
});

/**
 * Ways to connect both ends of a library. The first one, with nothing of ours in it, shows that what is asked of a library
 * is what it does by itself.
 * @type {import("./cell.mjs").World[]}
 */
export const worlds = [
  {
    name: "ws alone",
    isCut: false,
    Server: WebSocketServer,
    makeClass: (onSocket) =>
      telling(WebSocket, (socket) => {
        socket.on("error", () => {});
        onSocket(socket);
      }),
  },
  sluice("WebSocket"),
  plain("ws server, plain"),
  plain("ws server, auto", { mode: "auto" }),
];
