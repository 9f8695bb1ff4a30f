import { WebSocket, WebSocketServer } from "ws";
import { install } from "../../dist/install.mjs";
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

const ours = (given) => {
  const options = { WebSocket, onSessionLost: "close", backoff: BACKOFF, ...given };
  return {
    Server: SluiceServer,
    makeClass: (onSocket) => telling(SluiceSocket.with(options), onSocket),
    install(onSocket) {
      const uninstall = install(options);
      const restore = setGlobal(telling(globalThis.WebSocket, onSocket));
      return () => {
        restore();
        uninstall();
      };
    },
  };
};

/** That of `ws`, which wants a listener for its errors. */
const makeWsClass = (onSocket) =>
  telling(WebSocket, (socket) => {
    socket.on("error", () => {});
    onSocket(socket);
  });

/** Makes `Class` the global WebSocket. @returns puts back what was there, be it nothing */
function setGlobal(Class) {
  const before = Object.getOwnPropertyDescriptor(globalThis, "WebSocket");
  Object.defineProperty(globalThis, "WebSocket", { value: Class, writable: true, configurable: true });
  return () => {
    if (before === undefined) Reflect.deleteProperty(globalThis, "WebSocket");
    else Object.defineProperty(globalThis, "WebSocket", before);
  };
}

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
    makeClass: makeWsClass,
    install: (onSocket) => setGlobal(makeWsClass(onSocket)),
  },
  sluice("WebSocket", "websocket"),
  sluice("SSE", "sse"),
  sluice("long-poll", "long-poll"),
  plain("ws server, plain", "plain"),
  plain("ws server, auto", "auto"),
];
