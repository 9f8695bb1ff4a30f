// @ts-check
import { createRequire } from "node:module";
import { Server } from "socket.io";

const require = createRequire(import.meta.url);

/** Default options on both sides. @type {import("./index.mjs").CutsContender} */
export const socketIo = {
  name: "socket-io",
  title: "Socket.IO",
  script: require.resolve("socket.io-client/dist/socket.io.js"),

  serve(server, received) {
    return serveSocketIo(new Server(server), received);
  },

  connect(host, received) {
    const socket = globalThis.io(`http://${host}/`);
    let connects = 0;
    socket.on("connect", () => {
      connects += 1;
    });
    socket.on("message", received);
    return {
      send: (text) => socket.emit("message", text),
      // It tries again for ever.
      state: () => ({ connects, isConnected: socket.connected, isOver: false }),
    };
  },
};

/**
 * @param {Server} io
 * @param {(text: string) => void} received
 * @returns {import("./index.mjs").ServerHalf}
 */
export function serveSocketIo(io, received) {
  /** @type {import("socket.io").Socket | undefined} */
  let current;
  io.on("connection", (socket) => {
    current = socket;
    socket.on("message", received);
  });
  return { send: (text) => current?.emit("message", text) };
}
