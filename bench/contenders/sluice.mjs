/** Chat on the socket itself, the file on a low-priority channel, default options. @type {import("./index.mjs").Contender} */
export const sluice = {
  name: "sluice",
  title: "Sluice",
  scripts: [new URL("../../dist/sluice.global.min.js", import.meta.url)],
  serve: (server, receiver) => serveSluice(server, receiver),

  connect(host, { line, file }) {
    return new Promise((resolve, reject) => {
      const socket = new globalThis.Sluice.SluiceSocket(`ws://${host}/`);
      socket.onmessage = (/** @type {MessageEvent} */ { data }) => line(data);
      socket.addEventListener("channel", (/** @type {any} */ { channel }) => {
        channel.onmessage = (/** @type {MessageEvent} */ { data }) => file(data);
      });
      socket.onerror = () => reject(new Error("no connection"));
      socket.onopen = () =>
        resolve({
          sendLine: (text) => socket.send(text),
          sendFile: (content) => socket.channel("files", { priority: "low" }).send(content),
          close: () => socket.close(),
        });
    });
  },
};

/**
 * @param {import("node:http").Server} server
 * @param {import("./index.mjs").Receiver} receiver
 * @param {(socket: any) => any} chatOf what carries the chat: the socket itself, or a channel of it
 * @returns {Promise<import("./index.mjs").ServerHalf>}
 */
export async function serveSluice(server, { line, file }, chatOf = (socket) => socket) {
  const { SluiceServer } = await import("sluice/server");
  /** @type {any} */
  let client;
  new SluiceServer({ server }).on("connection", (socket) => {
    client = socket;
    chatOf(socket).on("message", (/** @type {Buffer} */ data) => line(String(data)));
    socket.on("channel", (/** @type {any} */ channel) => channel.on("message", file));
  });
  return {
    sendLine: (text) => chatOf(client).send(text),
    sendFile: (content) => client.channel("files", { priority: "low" }).send(content),
  };
}
