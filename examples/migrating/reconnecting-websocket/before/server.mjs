import { WebSocketServer } from "ws";

export function attach(http) {
  const server = new WebSocketServer({ server: http, path: "/chat" });
  // Kept for those who come back, for ever.
  const history = [];
  const joined = new Set();
  server.on("connection", (socket) => {
    socket.on("close", () => joined.delete(socket));
    socket.on("message", (data) => {
      const message = JSON.parse(data);
      if (message.type === "join") {
        joined.add(socket);
        for (const line of history.slice(message.seen)) socket.send(JSON.stringify(line));
        return;
      }
      const line = { number: history.length + 1, text: message.text };
      history.push(line);
      for (const client of joined) client.send(JSON.stringify(line));
    });
  });
}
