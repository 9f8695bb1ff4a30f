// @ts-check
/**
 * The serving side of one contender of `connect`, what blocks WebSockets in front of it, and the line in front of that,
 * in a process of its own. Arguments: the contender's name, the round trip in ms, the name of the fault, and, for an
 * application that talks by itself instead of answering, how often in ms.
 */

import http from "node:http";
import { createHttpFaultProxy } from "../e2e/support/http-fault-proxy.mjs";
import { createLink } from "../tools/link-emulator.mjs";
import { CONTENDERS } from "./connect/contenders.mjs";
import { FAULTS } from "./lib/connect-faults.mjs";

const [name, roundTripTimeMs, fault, talkMs] = process.argv.slice(2);
const contender = CONTENDERS.find((candidate) => candidate.name === name);
if (contender === undefined) throw new Error(`no contender "${name}"`);

/** What a page loads before it connects, as any page does. @type {Record<string, [type: string, body: string]>} */
const FILES = {
  "/": ["text/html", '<!doctype html><title>bench</title><script src="/page.js"></script>'],
  "/page.js": ["text/javascript", ""],
};

const server = http.createServer((request, response) => {
  const [type, body] = FILES[request.url ?? ""] ?? ["text/plain", undefined];
  response.writeHead(body === undefined ? 404 : 200, { "Content-Type": type });
  response.end(body);
});
/** When something has come up, where the application talks. @type {number[]} */
const arrivals = [];

await contender.serve(server, (send) => {
  if (talkMs === undefined) return send;
  // Nobody tells it to stop: the process ends.
  setInterval(() => send("tick"), Number(talkMs));
  return () => void arrivals.push(performance.now());
});

process.once("disconnect", () => process.exit(0));
server.listen(0, "127.0.0.1", async () => {
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const proxy = await createHttpFaultProxy({ port });
  FAULTS[/** @type {string} */ (fault)]?.(proxy);
  const link = await createLink({
    target: { port: proxy.port },
    rateBitsPerSecond: Number.POSITIVE_INFINITY,
    roundTripTimeMs: Number(roundTripTimeMs),
  });
  process.on("message", (wish) => {
    if (wish === "unblock") proxy.onUpgrade = ({ pass }) => pass();
    const { up, down } = link.stats();
    process.send?.({ upgrades: proxy.counts.upgrades, up: up.bytes, down: down.bytes, arrivals });
  });
  process.send?.({ port: link.port });
});
