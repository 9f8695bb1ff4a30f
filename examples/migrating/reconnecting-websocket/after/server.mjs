import { SluiceServer } from "sluice/server";

export function attach(http) {
  const server = new SluiceServer({ server: http, path: "/chat" });
  server.on("connection", (socket) => {
    // Clients whose line is down are still there: what is sent to them follows when they are back.
    socket.on("message", (data) => {
      for (const client of server.clients) client.send(data.toString());
    });
  });
}
