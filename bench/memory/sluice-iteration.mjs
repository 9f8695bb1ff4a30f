// @ts-check
import { fileURLToPath } from "node:url";

/** Default options. @type {import("./index.mjs").MemoryContender} */
export const sluiceIteration = {
  name: "sluice-iteration",
  title: "Sluice, for await",
  scripts: [fileURLToPath(new URL("../../dist/sluice.global.min.js", import.meta.url))],
  serve: (server) => serveSluice(server),

  connect(host) {
    return new Promise((resolve, reject) => {
      const socket = new globalThis.Sluice.SluiceSocket(`ws://${host}/`);
      socket.binaryType = "arraybuffer";
      const state = { bytes: 0, messages: 0 };
      let goOn = () => {};
      const goesOn = new Promise((go) => {
        goOn = () => go(undefined);
      });
      socket.onerror = () => reject(new Error("no connection"));
      socket.onopen = async () => {
        if (!(Symbol.asyncIterator in socket)) {
          resolve(undefined);
          return;
        }
        resolve({ goOn, state: () => state });
        for await (const data of socket) {
          state.bytes += data.byteLength;
          state.messages += 1;
          await goesOn;
        }
      };
    });
  },
};

/**
 * @param {import("node:http").Server} server
 * @returns {Promise<import("./index.mjs").ServerHalf>}
 */
export async function serveSluice(server) {
  const { SluiceServer } = await import("sluice/server");
  /** @type {any} */
  let client;
  new SluiceServer({ server }).on("connection", (socket) => {
    client = socket;
  });
  return {
    async send(piece) {
      client.send(piece);
      await client.ready;
    },
  };
}
