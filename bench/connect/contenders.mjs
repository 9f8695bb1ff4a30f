// @ts-check
/** Both halves of an application: the page's, and the server's, which sends back what it gets or does something else with it. */
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { Server } from "socket.io";
import sockjs from "sockjs";
import { WebSocketServer } from "ws";

const require = createRequire(import.meta.url);

/**
 * @typedef {object} PageHalf
 * @property {(text: string) => void} send as soon as the contender takes it
 *
 * @typedef {(send: (text: string) => void) => (text: string) => void} Attend what the server does with a connection: is
 *   called with what sends on it, and gives what takes a message
 *
 * @typedef {object} ConnectContender
 * @property {string} name on the command line
 * @property {string} title in the table
 * @property {string} [script] that the page loads before it connects
 * @property {(server: import("node:http").Server, attend: Attend) => unknown} serve
 * @property {(host: string, received: (text: string) => void, transports?: string[]) => PageHalf} connect runs in the
 *   page, so it sees nothing of its module
 * @property {boolean} [remembers] whether it keeps for the next visit what has got through
 * @property {boolean} [movesByItself] whether it begins with HTTP, and tries a WebSocket at once
 * @property {string[]} [transports] what it is told to use; its default, where there is none
 */

/** @type {ConnectContender} */
const native = {
  name: "native",
  title: "native WebSocket",
  serve(server, attend) {
    new WebSocketServer({ server }).on("connection", (socket) => {
      const take = attend((text) => socket.send(text));
      socket.on("message", (data) => take(String(data)));
    });
  },
  connect(host, received) {
    const socket = new WebSocket(`ws://${host}/`);
    socket.onmessage = ({ data }) => received(data);
    const opened = new Promise((resolve) => {
      socket.onopen = resolve;
    });
    return {
      async send(text) {
        await opened;
        if (socket.readyState === WebSocket.OPEN) socket.send(text);
      },
    };
  },
};

/** @type {ConnectContender} */
const sluice = {
  name: "sluice",
  title: "Sluice",
  remembers: true,
  script: fileURLToPath(new URL("../../dist/sluice.global.min.js", import.meta.url)),
  async serve(server, attend) {
    const { SluiceServer } = await import("sluice/server");
    new SluiceServer({ server }).on("connection", (/** @type {any} */ socket) => {
      const take = attend((text) => socket.send(text));
      socket.on("message", (/** @type {Buffer} */ data) => take(String(data)));
    });
  },
  connect(host, received, transports) {
    const options = transports === undefined ? {} : { transports };
    const socket = new globalThis.Sluice.SluiceSocket(`ws://${host}/`, [], options);
    socket.onmessage = (/** @type {MessageEvent} */ { data }) => received(data);
    return { send: (text) => void socket.send(text) };
  },
};

/** @type {ConnectContender} */
const socketIo = {
  name: "socket-io",
  title: "Socket.IO",
  script: require.resolve("socket.io-client/dist/socket.io.js"),
  serve(server, attend) {
    new Server(server).on("connection", (socket) => {
      socket.on(
        "message",
        attend((text) => socket.emit("message", text)),
      );
    });
  },
  connect(host, received, transports) {
    const options = transports === undefined ? {} : { transports, tryAllTransports: true };
    const socket = globalThis.io(`http://${host}/`, { ...options, forceNew: true });
    socket.on("message", received);
    return { send: (text) => socket.emit("message", text) };
  },
};

/** @type {ConnectContender} */
const sockJs = {
  name: "sockjs",
  title: "SockJS",
  script: require.resolve("sockjs-client/dist/sockjs.min.js"),
  serve(server, attend) {
    const service = sockjs.createServer({ log: () => {} });
    service.on("connection", (connection) => {
      connection.on(
        "data",
        attend((text) => connection.write(text)),
      );
    });
    service.installHandlers(server, { prefix: "/sockjs" });
  },
  connect(host, received, transports) {
    const options = transports === undefined ? {} : { transports };
    const socket = new globalThis.SockJS(`http://${host}/sockjs`, undefined, options);
    socket.onmessage = (/** @type {{ data: string }} */ { data }) => received(data);
    const opened = new Promise((resolve) => {
      socket.onopen = resolve;
    });
    return {
      async send(text) {
        await opened;
        if (socket.readyState === WebSocket.OPEN) socket.send(text);
      },
    };
  },
};

/** Default options, and what each recommends to who wants a WebSocket first. @type {ConnectContender[]} */
export const CONTENDERS = [
  native,
  sluice,
  socketIo,
  {
    ...socketIo,
    name: "socket-io-websocket",
    title: "Socket.IO, WebSocket first",
    transports: ["websocket", "polling"],
  },
  sockJs,
];

/** One for each way of carrying messages. @type {ConnectContender[]} */
export const CARRIERS = [
  native,
  ...["websocket", "sse", "long-poll"].map((name) => ({
    ...sluice,
    title: `Sluice, ${name}`,
    transports: [name],
  })),
  ...["websocket", "polling"].map((name) => ({ ...socketIo, title: `Socket.IO, ${name}`, transports: [name] })),
  ...["websocket", "xhr-streaming", "xhr-polling"].map((name) => ({
    ...sockJs,
    title: `SockJS, ${name}`,
    transports: [name],
  })),
];

/** Those that go over HTTP for a while, and then to a WebSocket. @type {ConnectContender[]} */
export const MOVERS = [
  { ...sluice, title: "Sluice, from long-poll", transports: ["websocket", "long-poll"] },
  { ...sluice, title: "Sluice, from sse", transports: ["websocket", "sse"] },
  { ...socketIo, title: "Socket.IO, from polling", movesByItself: true },
];
