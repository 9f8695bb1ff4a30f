// @ts-check
import { Server } from "socket.io";
import { serveSocketIo, socketIo } from "./socket-io.mjs";

/** The server keeps what it has emitted, for two minutes by default. @type {import("./index.mjs").CutsContender} */
export const socketIoRecovery = {
  ...socketIo,
  name: "socket-io-recovery",
  title: "Socket.IO, connectionStateRecovery",

  serve(server, received) {
    return serveSocketIo(new Server(server, { connectionStateRecovery: {} }), received);
  },
};
