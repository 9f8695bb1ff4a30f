/** Chat on the socket itself, the file on a low-priority channel, default options. @type {import("./index.mjs").Contender} */
export const sluice = {
  name: "sluice",
  title: "Sluice",
  scripts: [new URL("../../dist/sluice.global.min.js", import.meta.url)],
  serve: serveSluice,

  connect(host) {
    return new Promise((resolve, reject) => {
      const socket = new globalThis.Sluice.SluiceSocket(`ws://${host}/`);
      const files = socket.channel("files", { priority: "low" });
      socket.onerror = () => reject(new Error("no connection"));
      socket.onopen = () =>
        resolve({
          sendLine: (text) => socket.send(text),
          sendFile: (file) => files.send(file),
          close: () => socket.close(),
        });
    });
  },
};

/**
 * @param {import("node:http").Server} server
 * @param {import("./index.mjs").Receiver} receiver
 */
export async function serveSluice(server, { line, file }) {
  const { SluiceServer } = await import("sluice/server");
  new SluiceServer({ server }).on("connection", (socket) => {
    socket.on("message", (/** @type {Buffer} */ data) => line(String(data)));
    socket.on("channel", (/** @type {any} */ channel) => {
      channel.on("message", (/** @type {Buffer} */ data, /** @type {boolean} */ isBinary) => {
        if (isBinary) file(data);
        else line(String(data));
      });
    });
  });
}
