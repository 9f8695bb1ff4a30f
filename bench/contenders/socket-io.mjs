// @ts-check
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { Server } from "socket.io";

const require = createRequire(import.meta.url);

/**
 * At its best: WebSocket from the start, instead of polling first. @type {import("./index.mjs").Contender}
 */
export const socketIo = {
  name: "socket-io",
  title: "Socket.IO",
  note: "over WebSocket from the start; maxHttpBufferSize raised so that the file is taken",
  scripts: [pathToFileURL(require.resolve("socket.io-client/dist/socket.io.js"))],

  serve(server, { line, file }) {
    const io = new Server(server, { transports: ["websocket"], maxHttpBufferSize: 2 ** 27 });
    /** @type {import("socket.io").Socket} */
    let client;
    io.on("connection", (socket) => {
      client = socket;
      socket.on("line", line);
      socket.on("file", file);
    });
    return {
      sendLine: (text) => void client.emit("line", text),
      sendFile: (content) => void client.emit("file", content),
    };
  },

  connect(host, { line, file }) {
    return new Promise((resolve, reject) => {
      const socket = globalThis.io(`http://${host}/`, { transports: ["websocket"], reconnection: false });
      socket.on("line", line);
      socket.on("file", file);
      socket.on("connect_error", reject);
      socket.on("connect", () =>
        resolve({
          sendLine: (text) => socket.emit("line", text),
          sendFile: (content) => socket.emit("file", content),
          close: () => socket.close(),
        }),
      );
    });
  },
};
