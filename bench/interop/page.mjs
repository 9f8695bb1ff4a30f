/** What the page does, bundled with the libraries; gives the milliseconds that `count` messages have taken. */
import { createClient } from "graphql-ws";
import { SluiceSocket } from "sluice";
import { WebsocketProvider } from "y-websocket";
import * as Y from "yjs";

const CLASSES = { native: WebSocket, sluice: SluiceSocket };

/** One client for all trials: connecting is not what is measured. */
let client;

const graphqlClient = ({ url, Class }) => {
  client ??= createClient({ url, webSocketImpl: Class, lazy: false });
  return client;
};

/** @param {number} size of each result, characters */
const subscription = (size) => async (setting) => {
  const { count } = setting;
  const query = `subscription { items(count: ${count}, size: ${size}) }`;
  const startedAt = performance.now();
  let received = 0;
  for await (const { data } of graphqlClient(setting).iterate({ query })) {
    if (data.items.length === size) received += 1;
  }
  if (received !== count) throw new Error(`${received} of ${count} results`);
  return performance.now() - startedAt;
};

async function queries(setting) {
  const startedAt = performance.now();
  for (let asked = 0; asked < setting.count; asked += 1) {
    for await (const { data } of graphqlClient(setting).iterate({ query: "{ hello }" })) {
      if (data.hello !== "world") throw new Error("a wrong answer");
    }
  }
  return performance.now() - startedAt;
}

let rooms = 0;

async function yjs({ url, Class, count }) {
  const room = `room-${rooms++}`;
  const [left, right] = ["left", "right"].map(() => {
    const doc = new Y.Doc();
    const provider = new WebsocketProvider(url, room, doc, { WebSocketPolyfill: Class, disableBc: true });
    return { doc, provider, list: doc.getArray("items") };
  });
  await Promise.all([left, right].map(({ provider }) => new Promise((resolve) => provider.once("sync", resolve))));
  const isComplete = new Promise((resolve) => {
    right.list.observe(() => right.list.length === count && resolve());
  });
  const startedAt = performance.now();
  // Each is a transaction, and so an update, of its own, as keystrokes are.
  for (let edit = 0; edit < count; edit += 1) left.list.push([edit]);
  await isComplete;
  const took = performance.now() - startedAt;
  for (const { provider, doc } of [left, right]) {
    provider.destroy();
    doc.destroy();
  }
  return took;
}

const WORKLOADS = { results: subscription(64), "large-results": subscription(65_536), queries, edits: yjs };

globalThis.trial = ({ workload, kind, ...rest }) => WORKLOADS[workload]({ Class: CLASSES[kind], ...rest });
