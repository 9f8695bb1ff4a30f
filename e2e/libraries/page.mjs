/** The page's part of libraries.spec.mjs, bundled with the libraries. */
import { createClient } from "graphql-ws";
import { SluiceSocket } from "sluice";
import { WebsocketProvider } from "y-websocket";
import * as Y from "yjs";

const Socket = SluiceSocket.with({ onSessionLost: "close", backoff: { baseMs: 20, maxMs: 100 } });
/** How many the libraries have made. */
let sockets = 0;
class Told extends Socket {
  constructor(...parts) {
    super(...parts);
    sockets += 1;
  }
}

globalThis.libraries = {
  async subscribe(url) {
    const client = createClient({ url, webSocketImpl: Told, retryAttempts: 0 });
    const received = [];
    for await (const { data } of client.iterate({ query: "subscription { items }" })) received.push(data.items);
    await client.dispose();
    return received;
  },

  async open(url) {
    const doc = new Y.Doc();
    const provider = new WebsocketProvider(url, "room", doc, { WebSocketPolyfill: Told, disableBc: true });
    await new Promise((resolve) => provider.once("sync", resolve));
    globalThis.doc = doc;
  },

  /** Types, a character at a time, with rests in between. */
  async type(text) {
    for (const [index, letter] of [...text].entries()) {
      globalThis.doc.getText("text").insert(globalThis.doc.getText("text").length, letter);
      if (index % 5 === 0) await new Promise((resolve) => setTimeout(resolve));
    }
  },

  text: () => globalThis.doc.getText("text").toString(),
  sockets: () => sockets,
};
