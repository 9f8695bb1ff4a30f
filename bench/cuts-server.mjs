// @ts-check
/**
 * The serving side of one contender of `cuts` and the line in front of it, in a process of its own, so that one that
 * falls takes nothing else with it. Arguments: the contender's name, the pace of sending in ms, and the line's Mbit/s
 * and round trip in ms.
 */
import http from "node:http";
import { createLink } from "../tools/link-emulator.mjs";
import { CONTENDERS } from "./cuts/index.mjs";
import { createEnd } from "./lib/numbered.mjs";

const [name, intervalMs, megabit, roundTripTimeMs] = process.argv.slice(2);
const contender = CONTENDERS.find((candidate) => candidate.name === name);
if (contender === undefined) throw new Error(`no contender "${name}"`);

const server = http.createServer((request, response) => {
  const isPage = request.url === "/";
  response.writeHead(isPage ? 200 : 404, { "Content-Type": "text/html" });
  response.end(isPage ? "<!doctype html><title>bench</title>" : undefined);
});
const end = createEnd({ intervalMs: Number(intervalMs) });
const { send } = await contender.serve(server, end.received);
end.start(send);

process.on("message", (/** @type {{ ask: "state" | "log" } | { allow: number }} */ message) => {
  if ("allow" in message) end.allow(message.allow);
  else process.send?.(end[message.ask]());
});
process.once("disconnect", () => process.exit(0));
server.listen(0, "127.0.0.1", async () => {
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const link = await createLink({
    target: { port },
    rateBitsPerSecond: Number(megabit) * 1e6,
    roundTripTimeMs: Number(roundTripTimeMs),
  });
  process.send?.({ port: link.port });
});
