import { Server as SocketIo } from "socket.io";
import { io, WebSocket as WebSocketTransport } from "socket.io-client";
import { item, items } from "../items.mjs";

/** @type {import("../library.mjs").Library} Its own server, over another `wsEngine`; the client's transport is subclassed. */
export const socketIo = {
  name: "Socket.IO",
  onlyWebSocket: "it hands on nothing but upgrades, and has a fallback of its own",
  serve({ http, Server }) {
    const server = new SocketIo(http, { wsEngine: Server, maxHttpBufferSize: 1_000_000 });
    server.on("connection", (socket) => socket.on("item", (data, answer) => answer(data)));
    return () => server.close();
  },
  async use({ url, WebSocket, cuts, count }) {
    class Transport extends WebSocketTransport {
      createSocket(address) {
        return new WebSocket(address);
      }
      doWrite(_packet, data) {
        this.ws.send(data);
      }
    }
    const client = io(url.replace("ws:", "http:"), {
      transports: [Transport],
      reconnection: false,
    });
    await new Promise((resolve, reject) => client.once("connect", resolve).once("connect_error", reject));
    const answers = [];
    for (let index = 0; index < count; index++) {
      await cuts.next();
      const answer = client.timeout(20_000).emitWithAck("item", item(index));
      answers.push(answer.finally(() => cuts.received()));
    }
    const received = await Promise.all(answers);
    client.close();
    return { received, expected: items(count) };
  },
};
