// @ts-check
import { WebSocketServer } from "ws";

/**
 * What one would write by hand: the file in chunks of 16 KiB, each sent only when `bufferedAmount` says that everything
 * before it has left. An empty message is the end of the file. Who asks too often burns the processor, and browsers
 * make a timer wait 4 ms: so it asks in the next task first, and then by timers.
 * @type {import("./index.mjs").Contender}
 */
export const gate = {
  name: "gate",
  title: "native, gated by bufferedAmount",
  note: "16 KiB chunks, each sent when bufferedAmount is 0; the kernel's loopback buffers hide more than a real line's would, where it does better than here",
  scripts: [],

  serve(server, { line, file }) {
    /** @type {import("ws").WebSocket} */
    let client;
    new WebSocketServer({ server }).on("connection", (socket) => {
      client = socket;
      /** @type {Buffer[]} */
      const chunks = [];
      socket.on("message", (data, isBinary) => {
        const bytes = /** @type {Buffer} */ (data);
        if (!isBinary) line(String(bytes));
        else if (bytes.length > 0) chunks.push(bytes);
        else file(Buffer.concat(chunks.splice(0)));
      });
    });
    const left = async (/** @type {import("ws").WebSocket} */ socket) => {
      await new Promise((resolve) => setImmediate(resolve));
      while (socket.bufferedAmount > 0) await new Promise((resolve) => setTimeout(resolve, 1));
    };
    return {
      sendLine: (text) => client.send(text),
      async sendFile(content) {
        const socket = client;
        for (let at = 0; at < content.length; at += 16_384) {
          socket.send(content.subarray(at, at + 16_384));
          await left(socket);
        }
        socket.send(Buffer.alloc(0));
      },
    };
  },

  connect(host, { line, file }) {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(`ws://${host}/`);
      /** @type {Blob[]} */
      const chunks = [];
      socket.onmessage = ({ data }) => {
        if (typeof data === "string") line(data);
        else if (data.size > 0) chunks.push(data);
        else file(new Blob(chunks.splice(0)));
      };
      const { port1, port2 } = new MessageChannel();
      const left = async () => {
        await new Promise((next) => {
          port1.onmessage = next;
          port2.postMessage(null);
        });
        while (socket.bufferedAmount > 0) await new Promise((next) => setTimeout(next));
      };
      socket.onerror = () => reject(new Error("no connection"));
      socket.onopen = () =>
        resolve({
          sendLine: (text) => socket.send(text),
          async sendFile(content) {
            const bytes = await content.arrayBuffer();
            for (let at = 0; at < bytes.byteLength; at += 16_384) {
              socket.send(bytes.slice(at, at + 16_384));
              await left();
            }
            socket.send(new ArrayBuffer(0));
          },
          close: () => socket.close(),
        });
    });
  },
};
