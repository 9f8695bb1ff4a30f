import { WebSocket as PartyWebSocket } from "partysocket";
import { item, items } from "../items.mjs";
import { echo } from "./echo.mjs";

/** @type {import("../library.mjs").Library} A client that reconnects by itself, and finds nothing to do. */
export const partysocket = {
  name: "partysocket",
  serve: echo,
  async use({ url, WebSocket, cuts, count }) {
    const socket = new PartyWebSocket(url, [], { WebSocket });
    let opens = 0;
    const received = [];
    const isComplete = new Promise((resolve) => {
      socket.addEventListener("open", () => {
        opens += 1;
      });
      socket.addEventListener("message", ({ data }) => {
        received.push(JSON.parse(data));
        cuts.received();
        if (received.length === count) resolve(undefined);
      });
    });
    for (let index = 0; index < count; index++) {
      await cuts.next();
      socket.send(JSON.stringify(item(index)));
    }
    await isComplete;
    socket.close();
    return { received: [...received, `${opens} open`], expected: [...items(count), "1 open"] };
  },
};
