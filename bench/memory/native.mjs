// @ts-check
import { WebSocketServer } from "ws";

/** What may wait in `ws` itself: it has nothing that tells, so this is what one would choose. */
const BUFFERED_MAX = 1024 * 1024;

/** A page cannot stop a native WebSocket: what it does not want yet it has to keep. @type {import("./index.mjs").MemoryContender} */
export const native = {
  name: "native",
  title: "native WebSocket, the page keeps a queue",
  scripts: [],

  serve(server) {
    /** @type {import("ws").WebSocket} */
    let client;
    new WebSocketServer({ server }).on("connection", (socket) => {
      client = socket;
    });
    return {
      async send(piece) {
        client.send(piece);
        while (client.bufferedAmount > BUFFERED_MAX) await new Promise((resolve) => setTimeout(resolve, 5));
      },
    };
  },

  connect(host) {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(`ws://${host}/`);
      socket.binaryType = "arraybuffer";
      const state = { bytes: 0, messages: 0 };
      /** @type {ArrayBuffer[]} */
      const queue = [];
      let isStopped = false;
      const take = (/** @type {ArrayBuffer} */ data) => {
        state.bytes += data.byteLength;
        state.messages += 1;
      };
      socket.onmessage = ({ data }) => {
        if (isStopped) queue.push(data);
        else take(data);
        isStopped ||= state.messages === 1;
      };
      socket.onerror = () => reject(new Error("no connection"));
      socket.onopen = () =>
        resolve({
          goOn() {
            for (const data of queue.splice(0)) take(data);
            socket.onmessage = (event) => take(event.data);
          },
          state: () => state,
        });
    });
  },
};
