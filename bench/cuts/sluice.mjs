// @ts-check
import { fileURLToPath } from "node:url";

/** Default options. @type {import("./index.mjs").CutsContender} */
export const sluice = {
  name: "sluice",
  title: "Sluice",
  script: fileURLToPath(new URL("../../dist/sluice.global.min.js", import.meta.url)),

  async serve(server, received) {
    const { SluiceServer } = await import("sluice/server");
    /** @type {any} */
    let current;
    new SluiceServer({ server }).on("connection", (socket) => {
      current = socket;
      socket.on("message", (/** @type {Buffer} */ data) => received(String(data)));
    });
    return { send: (text) => current.send(text) };
  },

  connect(host, received) {
    const socket = new globalThis.Sluice.SluiceSocket(`ws://${host}/`);
    let connects = 0;
    socket.addEventListener("connectionstatechange", () => {
      if (socket.connectionState === "connected") connects += 1;
    });
    socket.addEventListener("message", (/** @type {MessageEvent} */ event) => received(event.data));
    return {
      send: (text) => socket.send(text),
      state: () => ({
        connects,
        isConnected: socket.connectionState === "connected",
        isOver: socket.readyState === WebSocket.CLOSED,
      }),
    };
  },
};
