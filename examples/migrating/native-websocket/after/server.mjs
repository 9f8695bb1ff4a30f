import { SluiceServer } from "sluice/server";

export function attach(http) {
  const server = new SluiceServer({ server: http, path: "/chat" });
  server.on("connection", (socket) => {
    socket.on("message", (data, isBinary) => {
      for (const client of server.clients) {
        if (client.readyState === client.OPEN) client.send(data, { binary: isBinary });
      }
    });
  });
}
