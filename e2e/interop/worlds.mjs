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

/** Both ends ours, over one transport. */
const sluice = (name, transport) => ({
  name,
  isCut: true,
  transport,
  ...ours({ transports: [transport] }),
});

const ours = (options) => ({
  Server: SluiceServer,
  makeClass: (onSocket) =>
    telling(SluiceSocket.with({ WebSocket, onSessionLost: "close", backoff: BACKOFF, ...options }), onSocket),
});

/** Ours in the page, and a server that has never heard of us. */
const plain = (name, mode) => ({
  ...ours({ mode }),
  name,
  isCut: false,
  transport: "websocket",
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
  sluice("WebSocket", "websocket"),
  sluice("SSE", "sse"),
  sluice("long-poll", "long-poll"),
  plain("ws server, plain", "plain"),
  plain("ws server, auto", "auto"),
];
