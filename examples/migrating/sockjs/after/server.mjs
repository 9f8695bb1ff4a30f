import { SluiceServer } from "sluice/server";

export function attach(http) {
  const server = new SluiceServer({ server: http, path: "/chat" });
  server.on("connection", (socket) => {
    socket.on("message", (data) => {
      for (const client of server.clients) client.send(data.toString());
    });
  });
}
