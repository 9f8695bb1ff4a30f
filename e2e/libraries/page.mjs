/** The page's part of libraries.spec.mjs, bundled with the libraries. */
import { createClient } from "graphql-ws";
import { SluiceSocket } from "sluice";
import { WebsocketProvider } from "y-websocket";
import * as Y from "yjs";

/** What the libraries have made. */
const sockets = [];

/** A class that is on one transport only. */
function classOn(transport) {
  const backoff = { baseMs: 20, maxMs: 100 };
  const Base = SluiceSocket.with({ transports: [transport], onSessionLost: "close", backoff });
  return class extends Base {
    constructor(...parts) {
      super(...parts);
      const seen = new Set();
      this.addEventListener("transportchange", () => this.transport !== null && seen.add(this.transport));
      sockets.push(seen);
    }
  };
}

globalThis.libraries = {
  async subscribe(url, transport) {
    const client = createClient({ url, webSocketImpl: classOn(transport), retryAttempts: 0 });
    const received = [];
    for await (const { data } of client.iterate({ query: "subscription { items }" })) received.push(data.items);
    await client.dispose();
    return received;
  },

  async open(url, transport) {
    const doc = new Y.Doc();
    const options = { WebSocketPolyfill: classOn(transport), disableBc: true };
    const provider = new WebsocketProvider(url, transport, doc, options);
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
  /** What each socket has been on. */
  carried: () => sockets.map((seen) => [...seen]),
};
