// @ts-check
/**
 * Ends a socket with RST. libuv refuses that while a FIN is under way (EINVAL), and Node (20.20) then never closes the
 * handle: the peer hears nothing, and the process cannot end.
 * @param {import("node:net").Socket} socket
 */
export function resetSocket(socket) {
  const isEnding = socket.writableEnded && !socket.writableFinished && socket.writableLength === 0;
  if (isEnding && !socket.destroyed) socket.once("finish", () => socket.resetAndDestroy());
  else socket.resetAndDestroy();
}
