import { serveSluice } from "./sluice.mjs";

/** The page takes chat by iteration instead of events: no task of its own for each line. @type {import("./index.mjs").Contender} */
export const sluiceIteration = {
  name: "sluice-iteration",
  title: "Sluice, for await",
  scripts: [new URL("../../dist/sluice.global.min.js", import.meta.url)],
  serve: (server, receiver) => serveSluice(server, receiver),

  connect(host, { line, file }) {
    return new Promise((resolve, reject) => {
      const socket = new globalThis.Sluice.SluiceSocket(`ws://${host}/`);
      socket.addEventListener("channel", (/** @type {any} */ { channel }) => {
        channel.onmessage = (/** @type {MessageEvent} */ { data }) => file(data);
      });
      socket.onerror = () => reject(new Error("no connection"));
      socket.onopen = async () => {
        resolve({
          sendLine: (text) => socket.send(text),
          sendFile: (content) => socket.channel("files", { priority: "low" }).send(content),
          close: () => socket.close(),
        });
        for await (const text of socket) line(text);
      };
    });
  },
};
