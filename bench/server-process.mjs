// @ts-check
/**
 * The serving side, in a process of its own so that it does not share an event loop with the emulated line. One HTTP
 * server per contender, and a plain WebSocket for clocks and reports that no line slows down.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import http from "node:http";
import { performance } from "node:perf_hooks";
import { WebSocketServer } from "ws";
import { CONTENDERS } from "./contenders/index.mjs";

/**
 * What arrived since the last "reset": one transfer at a time.
 * @type {{ lines: { text: string, at: number }[], file?: { at: number, content: Uint8Array } }}
 */
let record = { lines: [] };
/** The page's question that is not answered yet: "tell me when this much is there". @type {(() => void) | undefined} */
let answer;

const receiver = {
  line: (/** @type {string} */ text) => {
    record.lines.push({ text, at: epochNow() });
    answer?.();
  },
  file: (/** @type {Uint8Array} */ content) => {
    record.file = { at: epochNow(), content };
    answer?.();
  },
};

/** @type {Record<string, number>} */
const ports = {};
for (const name of process.argv.slice(2)) {
  const contender = CONTENDERS.find((candidate) => candidate.name === name);
  if (contender === undefined) throw new Error(`no contender "${name}"`);
  const scripts = new Map(contender.scripts.map((file, index) => [`/script-${index}.js`, file]));
  const server = http.createServer((request, response) => void serve(request.url ?? "", scripts, response));
  await contender.serve(server, receiver);
  ports[name] = await listen(server);
}

const clock = http.createServer((_request, response) => void response.writeHead(404).end());
new WebSocketServer({ server: clock }).on("connection", (socket) => {
  const reply = (/** @type {object} */ message) => socket.send(JSON.stringify(message));
  socket.on("message", (data) => {
    const question = JSON.parse(String(data));
    if (question.type === "ping") {
      reply({ at: epochNow() });
    } else if (question.type === "reset") {
      record = { lines: [] };
      reply({});
    } else if (question.type === "wait") {
      answer = () => {
        if (record.lines.length < question.lines || (question.file && record.file === undefined)) return;
        answer = undefined;
        reply({});
      };
      answer();
    } else {
      reply(finish());
    }
  });
});
const clockPort = await listen(clock);
process.send?.({ ports, clockPort });
process.once("disconnect", () => process.exit(0));

/** Hashing takes its time: this comes when nothing is measured any more. */
function finish() {
  const { lines, file } = record;
  if (file === undefined) return { lines };
  const digest = createHash("sha256").update(file.content).digest("hex");
  return { lines, file: { at: file.at, bytes: file.content.length, digest } };
}

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

function epochNow() {
  return performance.timeOrigin + performance.now();
}
