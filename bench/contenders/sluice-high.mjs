import { serveSluice } from "./sluice.mjs";

/** Chat on a channel that may overdraw a full window. @type {import("./index.mjs").Contender} */
export const sluiceHigh = {
  name: "sluice-high",
  title: "Sluice, chat on a high channel",
  scripts: [new URL("../../dist/sluice.global.min.js", import.meta.url)],

  serve(server, receiver) {
    return serveSluice(server, receiver, (socket) => socket.channel("chat", { priority: "high" }));
  },

  connect(host, { line, file }) {
    return new Promise((resolve, reject) => {
      const socket = new globalThis.Sluice.SluiceSocket(`ws://${host}/`);
      const chat = socket.channel("chat", { priority: "high" });
      chat.onmessage = (/** @type {MessageEvent} */ { data }) => line(data);
      socket.addEventListener("channel", (/** @type {any} */ { channel }) => {
        channel.onmessage = (/** @type {MessageEvent} */ { data }) => file(data);
      });
      socket.onerror = () => reject(new Error("no connection"));
      socket.onopen = () =>
        resolve({
          sendLine: (text) => chat.send(text),
          sendFile: (content) => socket.channel("files", { priority: "low" }).send(content),
          close: () => socket.close(),
        });
    });
  },
};
