import { Client } from "@stomp/stompjs";
import { item, items } from "../items.mjs";

const NUL = "\0";

/**
 * As much of a STOMP 1.2 broker as a client needs: it relays what is sent to those who subscribe.
 * @param {ReturnType<import("../library.mjs").ServerWorld["makeServer"]>} server
 */
function relay(server) {
  const subscriptions = new Map();
  server.on("connection", (socket) => {
    socket.on("close", () => subscriptions.delete(socket));
    socket.on("message", (data) => {
      const text = data.toString();
      const [head = "", body = ""] = text.split("\n\n");
      const [command, ...lines] = head.split("\n");
      const headers = Object.fromEntries(lines.map((line) => line.split(":")));
      if (command === "CONNECT") socket.send(`CONNECTED\nversion:1.2\nheart-beat:0,0\n\n${NUL}`);
      if (command === "SUBSCRIBE") subscriptions.set(socket, { destination: headers.destination, id: headers.id });
      if (command === "DISCONNECT") socket.send(`RECEIPT\nreceipt-id:${headers.receipt}\n\n${NUL}`);
      if (command !== "SEND") return;
      for (const [other, { destination, id }] of subscriptions) {
        if (destination !== headers.destination) continue;
        const head = `MESSAGE\nsubscription:${id}\nmessage-id:1\ndestination:${destination}`;
        other.send(`${head}\n\n${body}`);
      }
    });
  });
}

/** @type {import("../library.mjs").Library} */
export const stomp = {
  name: "@stomp/stompjs",
  serve({ makeServer }) {
    relay(makeServer());
    return () => {};
  },
  async use({ url, WebSocket, cuts, count }) {
    const client = new Client({
      webSocketFactory: () => new WebSocket(url, ["v12.stomp"]),
      reconnectDelay: 0,
      heartbeatIncoming: 0,
      heartbeatOutgoing: 0,
    });
    const isConnected = new Promise((resolve, reject) => {
      client.onConnect = resolve;
      client.onWebSocketClose = reject;
    });
    client.activate();
    await isConnected;
    const received = [];
    const isComplete = new Promise((resolve) => {
      client.subscribe("/items", ({ body }) => {
        received.push(JSON.parse(body));
        cuts.received();
        if (received.length === count) resolve(undefined);
      });
    });
    for (let index = 0; index < count; index++) {
      await cuts.next();
      client.publish({ destination: "/items", body: JSON.stringify(item(index)) });
    }
    await isComplete;
    await client.deactivate();
    return { received, expected: items(count) };
  },
};
