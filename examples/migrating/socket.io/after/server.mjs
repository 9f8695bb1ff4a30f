import { SluiceServer } from "sluice/server";

export function attach(http) {
  const server = new SluiceServer({ server: http, path: "/chat" });
  /** Rooms are sets of sockets. */
  const rooms = new Map([["lobby", new Set()]]);
  const emit = (room, name, data) => {
    for (const socket of rooms.get(room) ?? []) socket.send(JSON.stringify([name, data]));
  };
  server.on("connection", (socket) => {
    const handlers = {
      join: (room) => rooms.get(room)?.add(socket),
      line: ({ text }) => emit("lobby", "line", { text }),
    };
    socket.on("message", (message) => {
      const [name, data] = JSON.parse(message);
      if (Object.hasOwn(handlers, name)) handlers[name](data);
    });
    socket.on("close", () => {
      for (const room of rooms.values()) room.delete(socket);
    });
  });
}
