import sockjs from "sockjs";

export function attach(http) {
  const server = sockjs.createServer({ log: () => {} });
  const clients = new Set();
  server.on("connection", (connection) => {
    clients.add(connection);
    connection.on("data", (text) => {
      for (const client of clients) client.write(text);
    });
    connection.on("close", () => clients.delete(connection));
  });
  server.installHandlers(http, { prefix: "/chat" });
}
