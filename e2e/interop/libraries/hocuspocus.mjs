import { HocuspocusProvider, HocuspocusProviderWebsocket } from "@hocuspocus/provider";
import { Hocuspocus } from "@hocuspocus/server";
import * as Y from "yjs";
import { item, items } from "../items.mjs";

/** @type {import("../library.mjs").Library} */
export const hocuspocus = {
  name: "hocuspocus",
  serve({ makeServer }) {
    const hocuspocus = new Hocuspocus({ quiet: true });
    makeServer().on("connection", (socket, request) => {
      hocuspocus.handleConnection(socket, request);
    });
    return () => hocuspocus.closeConnections();
  },
  async use({ url, WebSocket, cuts, count }) {
    const pages = await Promise.all(
      ["left", "right"].map(async () => {
        const document = new Y.Doc();
        const websocketProvider = new HocuspocusProviderWebsocket({ url, WebSocketPolyfill: WebSocket });
        const provider = new HocuspocusProvider({ websocketProvider, name: "items", document });
        const isSynced = new Promise((resolve) => provider.on("synced", resolve));
        provider.attach();
        await isSynced;
        return { document, websocketProvider, provider, list: document.getArray("items") };
      }),
    );
    const [left, right] = pages;
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
    for (const { provider, websocketProvider } of pages) {
      provider.destroy();
      websocketProvider.destroy();
    }
    return { received: right.list.toArray(), expected: items(count) };
  },
};
