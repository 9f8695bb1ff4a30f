// @ts-check
import { WebSocketServer } from "ws";

/** What everybody has: one `send` per message, text and file on one connection. @type {import("./index.mjs").Contender} */
export const native = {
  name: "native",
  title: "native WebSocket",
  scripts: [],

  serve(server, { line, file }) {
    new WebSocketServer({ server }).on("connection", (socket) => {
      socket.on("message", (data, isBinary) => {
        if (isBinary) file(/** @type {Buffer} */ (data));
        else line(String(data));
      });
    });
  },

  connect(host) {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(`ws://${host}/`);
      socket.onerror = () => reject(new Error("no connection"));
      socket.onopen = () =>
        resolve({
          sendLine: (text) => socket.send(text),
          sendFile: (file) => socket.send(file),
          close: () => socket.close(),
        });
    });
  },
};
