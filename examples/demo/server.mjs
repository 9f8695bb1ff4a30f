// @ts-check
/**
 * The demo: one process that serves the page, a Sluice endpoint and a plain `ws` endpoint, and puts an emulated
 * slow line in front of each, one pair of lines per open page.
 *
 *   browser ──> front server ──┬── the page and its control connection (not slowed down)
 *                              └── /line/<viewer>/<side> ──> emulated line ──> inner server: SluiceServer or ws
 *
 * WebSockets and requests go the same way; the page can have WebSockets refused on Sluice's line.
 *
 * Everything goes through one port, so the demo also works through a port forward.
 */
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import http from "node:http";
import { pathToFileURL } from "node:url";
import { WebSocketServer } from "ws";
import { FILE_BYTES_MAX, Viewer } from "./viewer.mjs";

/** Open pages at a time: each costs two emulated lines, and one process has only so much to give. */
const VIEWERS_MAX = 24;
const PORT_ATTEMPTS_MAX = 50;

const here = new URL("./public/", import.meta.url);
const root = new URL("../../", import.meta.url);

/** Everything that is served, and nothing else. @type {Map<string, [file: URL, type: string]>} */
const FILES = new Map([
  ["/", [new URL("index.html", here), "text/html; charset=utf-8"]],
  ["/demo.css", [new URL("demo.css", here), "text/css; charset=utf-8"]],
  ["/icon.svg", [new URL("icon.svg", here), "image/svg+xml"]],
  ["/main.js", [new URL("main.js", here), "text/javascript; charset=utf-8"]],
  ["/chart.js", [new URL("chart.js", here), "text/javascript; charset=utf-8"]],
  ["/control.js", [new URL("control.js", here), "text/javascript; charset=utf-8"]],
  ["/format.js", [new URL("format.js", here), "text/javascript; charset=utf-8"]],
  ["/pane.js", [new URL("pane.js", here), "text/javascript; charset=utf-8"]],
  ["/side.js", [new URL("side.js", here), "text/javascript; charset=utf-8"]],
  ["/sluice.global.min.js", [new URL("dist/sluice.global.min.js", root), "text/javascript; charset=utf-8"]],
  ["/uplot.js", [new URL("node_modules/uplot/dist/uPlot.iife.min.js", root), "text/javascript; charset=utf-8"]],
  ["/uplot.css", [new URL("node_modules/uplot/dist/uPlot.min.css", root), "text/css; charset=utf-8"]],
]);

/**
 * @param {{ port?: number, host?: string }} [options]
 * @returns {Promise<{ url: string, port: number, close: () => Promise<void> }>}
 */
export async function startDemo({ port = 8080, host = "127.0.0.1" } = {}) {
  const { SluiceServer } = await import("sluice/server");
  /** @type {Map<string, Viewer>} */
  const viewers = new Map();

  // The inner server: what an application would have, and it does not know about lines.
  const inner = http.createServer((request, response) => {
    const viewer = viewers.get(routeOf(request.url)?.viewer ?? "");
    const isTaken =
      viewer !== undefined &&
      sluice.handleRequest(request, response, (/** @type {any} */ accepted) => viewer.attachSluice(accepted));
    if (!isTaken) response.writeHead(404).end();
  });
  const sluice = new SluiceServer({ noServer: true, maxPayload: FILE_BYTES_MAX });
  const native = new WebSocketServer({ noServer: true, maxPayload: FILE_BYTES_MAX });
  inner.on("upgrade", (request, socket, head) => {
    const route = routeOf(request.url);
    const viewer = viewers.get(route?.viewer ?? "");
    if (route === undefined || viewer === undefined) return void socket.destroy();
    if (route.side === "sluice") {
      sluice.handleUpgrade(request, socket, head, (/** @type {any} */ accepted) => viewer.attachSluice(accepted));
    } else {
      native.handleUpgrade(request, socket, head, (accepted) => viewer.attachNative(accepted));
    }
  });
  await listen(inner, 0, "127.0.0.1");

  // The front server: the page, its control connection, and the way into the lines.
  const control = new WebSocketServer({ noServer: true, maxPayload: 4096 });
  const front = http.createServer((request, response) => {
    const route = routeOf(request.url);
    const viewer = viewers.get(route?.viewer ?? "");
    if (route === undefined || viewer === undefined) return void serve(request, response);
    if (!isSameHost(request)) return void response.writeHead(403).end();
    viewer.carryRequest(route.side, request, response);
  });
  front.on("upgrade", (request, socket, head) => {
    socket.on("error", () => {});
    if (!isSameHost(request)) return void socket.end("HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n");
    const route = routeOf(request.url);
    if (request.url === "/control") {
      control.handleUpgrade(request, socket, head, (accepted) => void welcome(accepted));
    } else if (route !== undefined && viewers.has(route.viewer)) {
      const viewer = /** @type {Viewer} */ (viewers.get(route.viewer));
      if (route.side === "sluice" && viewer.isBlocked) {
        return void socket.end("HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n");
      }
      viewer.links[route.side].carry(socket, Buffer.concat([requestHead(request), head]));
    } else {
      socket.end("HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n");
    }
  });

  /** @param {import("ws").WebSocket} socket */
  async function welcome(socket) {
    socket.on("error", () => {});
    if (viewers.size >= VIEWERS_MAX) return socket.close(1013, "full");
    const id = randomUUID();
    const viewer = new Viewer(id, socket);
    viewers.set(id, viewer);
    socket.on("close", () => {
      viewers.delete(id);
      void viewer.close();
    });
    await viewer.open(portOf(inner));
  }

  await listenOnFreePort(front, port, host);
  return {
    url: `http://${host === "127.0.0.1" || host === "0.0.0.0" ? "localhost" : host}:${portOf(front)}/`,
    port: portOf(front),
    close: async () => {
      for (const socket of control.clients) socket.terminate();
      await Promise.all([...viewers.values()].map((viewer) => viewer.close()));
      await new Promise((resolve) => sluice.close(() => resolve(undefined)));
      for (const server of [front, inner]) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    },
  };
}

/**
 * @param {http.IncomingMessage} request
 * @param {http.ServerResponse} response
 */
async function serve(request, response) {
  const path = (request.url ?? "").split("?", 1)[0] ?? "";
  const entry = FILES.get(path);
  if (entry === undefined || (request.method !== "GET" && request.method !== "HEAD")) {
    response.writeHead(entry === undefined ? 404 : 405, { "Content-Type": "text/plain" }).end("nothing here\n");
    return;
  }
  const [file, type] = entry;
  try {
    const body = await readFile(file);
    response.writeHead(200, {
      "Content-Type": type,
      "Cache-Control": "no-cache",
      "Content-Security-Policy": "default-src 'self'; connect-src 'self' ws: wss:",
      "X-Content-Type-Options": "nosniff",
    });
    response.end(request.method === "HEAD" ? undefined : body);
  } catch {
    response.writeHead(500, { "Content-Type": "text/plain" }).end(`${path} is missing: npm ci && npm run build\n`);
  }
}

/**
 * @param {string | undefined} url
 * @returns {{ viewer: string, side: "sluice" | "native" } | undefined}
 */
function routeOf(url = "") {
  const match = /^\/line\/([0-9a-f-]{36})\/(sluice|native)(?:\?|$)/.exec(url);
  if (match === null) return undefined;
  return { viewer: match[1] ?? "", side: match[2] === "sluice" ? "sluice" : "native" };
}

/** Pages of other sites get no connection. @param {http.IncomingMessage} request */
function isSameHost(request) {
  const { origin, host } = request.headers;
  return origin === undefined || (URL.canParse(origin) && new URL(origin).host === host);
}

/** The request as it came, for a server that has not seen it yet. @param {http.IncomingMessage} request */
function requestHead(request) {
  const lines = [`${request.method} ${request.url} HTTP/${request.httpVersion}`];
  const raw = request.rawHeaders;
  for (let index = 0; index < raw.length; index += 2) lines.push(`${raw[index]}: ${raw[index + 1]}`);
  return Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
}

/** @param {http.Server} server */
function portOf(server) {
  return /** @type {import("node:net").AddressInfo} */ (server.address()).port;
}

/**
 * @param {http.Server} server
 * @param {number} port
 * @param {string} host
 */
async function listenOnFreePort(server, port, host) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await listen(server, port === 0 ? 0 : port + attempt, host);
    } catch (error) {
      const taken = /** @type {NodeJS.ErrnoException} */ (error).code === "EADDRINUSE";
      if (!taken || attempt === PORT_ATTEMPTS_MAX) throw error;
    }
  }
}

/**
 * @param {http.Server} server
 * @param {number} port
 * @param {string} host
 * @returns {Promise<void>}
 */
function listen(server, port, host) {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

async function main() {
  for (const [file] of FILES.values()) {
    if (existsSync(file)) continue;
    process.stderr.write(`${file.pathname} is missing. Run: npm ci && npm run demo\n`);
    process.exitCode = 1;
    return;
  }
  const port = Number(process.env.PORT ?? 8080);
  const demo = await startDemo({ port, host: process.env.HOST ?? "127.0.0.1" });
  process.stdout.write(`\n  The demo is at ${demo.url}\n`);
  if (port !== 0 && demo.port !== port) process.stdout.write(`  (port ${port} was taken)\n`);
  process.stdout.write("  Ctrl-C stops it.\n\n");
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"])) {
    process.once(signal, () => void demo.close().then(() => process.exit(0)));
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) await main();
