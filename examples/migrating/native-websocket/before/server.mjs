import { WebSocketServer } from "ws";

export function attach(http) {
  const server = new WebSocketServer({ server: http, path: "/chat" });
  server.on("connection", (socket) => {
    socket.on("message", (data, isBinary) => {
      for (const client of server.clients) {
        if (client.readyState === client.OPEN) client.send(data, { binary: isBinary });
      }
    });
  });
}
