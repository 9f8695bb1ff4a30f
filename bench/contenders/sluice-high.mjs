import { serveSluice } from "./sluice.mjs";

/** Chat on a channel that may overdraw a full window. @type {import("./index.mjs").Contender} */
export const sluiceHigh = {
  name: "sluice-high",
  title: "Sluice, chat on a high channel",
  scripts: [new URL("../../dist/sluice.global.min.js", import.meta.url)],
  serve: serveSluice,

  connect(host) {
    return new Promise((resolve, reject) => {
      const socket = new globalThis.Sluice.SluiceSocket(`ws://${host}/`);
      const chat = socket.channel("chat", { priority: "high" });
      const files = socket.channel("files", { priority: "low" });
      socket.onerror = () => reject(new Error("no connection"));
      socket.onopen = () =>
        resolve({
          sendLine: (text) => chat.send(text),
          sendFile: (file) => files.send(file),
          close: () => socket.close(),
        });
    });
  },
};
