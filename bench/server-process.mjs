// @ts-check
/**
 * The serving side, in a process of its own so that it does not share an event loop with the emulated line. One HTTP
 * server per contender, and a plain WebSocket for clocks and questions that no line slows down. Arguments: the
 * contenders' names.
 */
import { readFile } from "node:fs/promises";
import http from "node:http";
import { performance } from "node:perf_hooks";
import { WebSocketServer } from "ws";
import { CONTENDERS } from "./contenders/index.mjs";
import { createEnd, LINE_TEXT } from "./lib/end.mjs";

/** @typedef {import("./contenders/index.mjs").ServerHalf} ServerHalf */

/** One transfer at a time: whoever serves, this end writes it down. */
const end = createEnd({ lineText: LINE_TEXT, fileOf: (bytes) => Buffer.from(bytes.buffer) });
/** @type {Map<string, ServerHalf>} */
const halves = new Map();

/** @type {Record<string, (argument: any) => unknown>} */
const ANSWERS = {
  ping: () => performance.timeOrigin + performance.now(),
  use: (/** @type {string} */ name) => end.use(/** @type {ServerHalf} */ (halves.get(name))),
  cpu: () => process.cpuUsage(),
  reset: end.reset,
  start: end.start,
  stop: end.stop,
  burst: end.burst,
  count: end.count,
  counted: end.counted,
  wait: end.wait,
  finish: end.finish,
};

/** @type {Record<string, number>} */
const ports = {};
for (const name of process.argv.slice(2)) {
  const contender = CONTENDERS.find((candidate) => candidate.name === name);
  if (contender === undefined) throw new Error(`no contender "${name}"`);
  const scripts = new Map(contender.scripts.map((file, index) => [`/script-${index}.js`, file]));
  const server = http.createServer((request, response) => void serve(request.url ?? "", scripts, response));
  halves.set(name, await contender.serve(server, end.receiver));
  ports[name] = await listen(server);
}

const clock = http.createServer((_request, response) => void response.writeHead(404).end());
new WebSocketServer({ server: clock }).on("connection", (socket) => {
  socket.on("message", async (data) => {
    const { type, argument } = JSON.parse(String(data));
    const answer = /** @type {(argument: any) => unknown} */ (ANSWERS[type]);
    socket.send(JSON.stringify({ value: await answer(argument) }));
  });
});
const clockPort = await listen(clock);
process.send?.({ ports, clockPort });
process.once("disconnect", () => process.exit(0));

/**
 * @param {string} url
 * @param {Map<string, URL>} scripts
 * @param {http.ServerResponse} response
 */
async function serve(url, scripts, response) {
  const script = scripts.get(url);
  if (script !== undefined) {
    response.writeHead(200, { "Content-Type": "text/javascript" }).end(await readFile(script));
  } else if (url === "/") {
    const tags = [...scripts.keys()].map((path) => `<script src="${path}"></script>`).join("");
    response.writeHead(200, { "Content-Type": "text/html" }).end(`<!doctype html><title>bench</title>${tags}`);
  } else {
    response.writeHead(404).end();
  }
}

/** @param {http.Server} server */
function listen(server) {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve(/** @type {import("node:net").AddressInfo} */ (server.address()).port));
  });
}
