import { Server } from "socket.io";

export function attach(http) {
  const io = new Server(http);
  io.on("connection", (socket) => {
    socket.on("join", (room) => socket.join(room));
    socket.on("line", ({ text }, acknowledge) => {
      io.to("lobby").emit("line", { text });
      acknowledge();
    });
  });
}
