// @ts-check
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import sockjs from "sockjs";

const require = createRequire(import.meta.url);

/** It carries text only, so a file travels in base64. @type {import("./index.mjs").Contender} */
export const sockJs = {
  name: "sockjs",
  title: "SockJS",
  note: "over WebSocket from the start; it carries text, so the file travels in base64, a third larger",
  scripts: [pathToFileURL(require.resolve("sockjs-client/dist/sockjs.min.js"))],

  serve(server, { line, file }) {
    /** @type {import("sockjs").Connection} */
    let client;
    const service = sockjs.createServer({ log: () => {} });
    service.on("connection", (connection) => {
      client = connection;
      connection.on("data", (/** @type {string} */ text) => {
        if (text.startsWith("file:")) file(text.slice("file:".length));
        else line(text);
      });
    });
    service.installHandlers(server, { prefix: "/sockjs" });
    return {
      sendLine: (text) => void client.write(text),
      sendFile: (content) => void client.write(`file:${content.toString("base64")}`),
    };
  },

  connect(host, { line, file }) {
    return new Promise((resolve, reject) => {
      const socket = new globalThis.SockJS(`http://${host}/sockjs`, undefined, { transports: ["websocket"] });
      socket.onmessage = (/** @type {{ data: string }} */ { data }) => {
        if (data.startsWith("file:")) file(data.slice("file:".length));
        else line(data);
      };
      socket.onclose = () => reject(new Error("no connection"));
      socket.onopen = () =>
        resolve({
          sendLine: (text) => socket.send(text),
          sendFile(content) {
            const reader = new FileReader();
            reader.onload = () => {
              const [, base64] = /** @type {string} */ (reader.result).split(",", 2);
              socket.send(`file:${base64}`);
            };
            reader.readAsDataURL(content);
          },
          close: () => socket.close(),
        });
    });
  },
};
