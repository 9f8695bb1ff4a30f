/** @type {import("../library.mjs").Library["serve"]} */
export function echo({ makeServer }) {
  makeServer().on("connection", (socket) => {
    socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  return () => {};
}
