// @ts-check
import { serveSluice, sluiceIteration } from "./sluice-iteration.mjs";

/** Default options. @type {import("./index.mjs").MemoryContender} */
export const sluiceReadable = {
  ...sluiceIteration,
  name: "sluice-readable",
  title: "Sluice, readable",
  serve: (server) => serveSluice(server),

  connect(host) {
    return new Promise((resolve, reject) => {
      const socket = new globalThis.Sluice.SluiceSocket(`ws://${host}/`);
      socket.binaryType = "arraybuffer";
      const state = { bytes: 0, messages: 0 };
      socket.onerror = () => reject(new Error("no connection"));
      socket.onopen = async () => {
        if (socket.readable === undefined) {
          resolve(undefined);
          return;
        }
        const reader = socket.readable.getReader();
        const take = async () => {
          const { done, value } = await reader.read();
          if (done) return false;
          state.bytes += value.byteLength;
          state.messages += 1;
          return true;
        };
        const goOn = async () => {
          while (await take());
        };
        resolve({ goOn, state: () => state });
        await take();
      };
    });
  },
};
