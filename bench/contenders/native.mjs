// @ts-check
import { WebSocketServer } from "ws";

/** What everybody has: one `send` per message, text and file on one connection. @type {import("./index.mjs").Contender} */
export const native = {
  name: "native",
  title: "native WebSocket",
  scripts: [],

  serve(server, { line, file }) {
    /** @type {import("ws").WebSocket} */
    let client;
    new WebSocketServer({ server }).on("connection", (socket) => {
      client = socket;
      socket.on("message", (data, isBinary) => {
        if (isBinary) file(/** @type {Buffer} */ (data));
        else line(String(data));
      });
    });
    return { sendLine: (text) => client.send(text), sendFile: (content) => client.send(content) };
  },

  connect(host, { line, file }) {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(`ws://${host}/`);
      socket.onmessage = ({ data }) => (typeof data === "string" ? line(data) : file(data));
      socket.onerror = () => reject(new Error("no connection"));
      socket.onopen = () =>
        resolve({
          sendLine: (text) => socket.send(text),
          sendFile: (content) => socket.send(content),
          close: () => socket.close(),
        });
    });
  },
};
