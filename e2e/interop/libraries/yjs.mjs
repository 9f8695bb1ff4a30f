import { WebsocketProvider } from "y-websocket";
import { setupWSConnection } from "y-websocket/bin/utils";
import * as Y from "yjs";
import { item, items } from "../items.mjs";

let rooms = 0;

/** @type {import("../library.mjs").Library} Two documents, edited on both sides. */
export const yjs = {
  name: "Yjs (y-websocket)",
  serve({ makeServer }) {
    makeServer().on("connection", (socket, request) => {
      // The document is named by the path that the client asked for, whatever carries its session.
      if (!/^\/room-\d+$/.test(request.url)) throw new Error(`a connection for ${request.url}`);
      setupWSConnection(socket, request);
    });
    return () => {};
  },
  async use({ url, WebSocket, cuts, count }) {
    const room = `room-${rooms++}`;
    const pages = ["left", "right"].map(() => {
      const doc = new Y.Doc();
      const options = { WebSocketPolyfill: WebSocket, disableBc: true };
      return { doc, provider: new WebsocketProvider(url, room, doc, options), list: doc.getArray("items") };
    });
    const [left, right] = pages;
    await Promise.all(pages.map(({ provider }) => new Promise((resolve) => provider.once("sync", resolve))));
    const isComplete = new Promise((resolve) => {
      let seen = 0;
      right.list.observe(() => {
        for (; seen < right.list.length; seen++) cuts.received();
        if (right.list.length === count) resolve(undefined);
      });
    });
    for (let index = 0; index < count; index++) {
      await cuts.next();
      left.list.push([item(index)]);
    }
    await isComplete;
    const isAnswered = new Promise((resolve) => left.doc.getMap("answers").observe(resolve));
    right.doc.getMap("answers").set("all", "here");
    await isAnswered;
    for (const { provider, doc } of pages) {
      provider.destroy();
      doc.destroy();
    }
    return {
      received: [...right.list.toArray(), left.doc.getMap("answers").get("all")],
      expected: [...items(count), "here"],
    };
  },
};
