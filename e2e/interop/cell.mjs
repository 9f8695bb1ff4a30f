import { once } from "node:events";
import { createServer } from "node:http";
import { isDeepStrictEqual } from "node:util";
import { createFaultProxy } from "../support/fault-proxy.mjs";
import { Cuts } from "./cuts.mjs";

/** Longer than any cell takes on a busy machine. */
const TIMEOUT_MS = 60_000;

/**
 * One way to connect both ends of a library.
 * @typedef {object} World
 * @property {string} name
 * @property {any} Server
 * @property {(onSocket: (socket: any) => void) => any} makeClass a WebSocket class that tells of its sockets
 * @property {(onSocket: (socket: any) => void) => () => void} install makes it the global one; returns what puts that back
 * @property {boolean} isCut whether its sessions survive cuts
 * @property {"websocket" | "sse" | "long-poll"} [transport] what our sockets have to be on, if they are ours
 */

/**
 * Runs one library in one world.
 * @param {import("./library.mjs").Library} library
 * @param {World} world
 * @param {{ count: number, cutAt: number[] }} options
 * @returns {Promise<string | undefined>} what is wrong, if anything
 */
export async function runCell(library, world, { count, cutAt }) {
  const http = createServer((_request, response) => response.writeHead(404).end("no page here"));
  const lines = new Set();
  http.on("connection", (line) => lines.add(line));
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const { port } = http.address();
  const proxy = await createFaultProxy({ target: { port } });
  const cuts = new Cuts(cutAt, () => proxy.cut());
  const counts = { sockets: 0, resumes: 0 };
  const Server = countingServer(world.Server, counts);
  const sockets = [];
  const transports = new Set();
  const onSocket = (socket) => {
    sockets.push(socket);
    socket.addEventListener("transportchange", () => socket.transport !== null && transports.add(socket.transport));
  };
  const WebSocket = world.makeClass(onSocket);
  const install = () => world.install(onSocket);
  const end = await library.serve({
    makeServer: (options) => new Server({ ...options, server: http }),
    http,
    Server,
    cuts,
    count,
  });
  try {
    const url = `ws://127.0.0.1:${proxy.port}`;
    const { received, expected } = await within(TIMEOUT_MS, library.use({ url, WebSocket, install, cuts, count }));
    if (!isDeepStrictEqual(received, expected)) return differenceOf(received, expected);
    if (proxy.stats().cut < cutAt.length) return `${proxy.stats().cut} connections were cut, not ${cutAt.length}`;
    // Over HTTP a request is cut and made again, and the session need not notice.
    if (world.transport === "websocket" && counts.resumes < cutAt.length) return `${counts.resumes} resumes`;
    const carried = [...transports].join(", ");
    if (world.transport !== undefined && carried !== world.transport) return `it was on ${carried || "nothing"}`;
    if (library.isRefused !== true && counts.sockets !== sockets.length)
      return `${sockets.length} sockets, ${counts.sockets} seen by the server`;
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : `a rejection: ${String(error)}`;
  } finally {
    await within(TIMEOUT_MS, Promise.resolve(end())).catch(() => {});
    for (const socket of sockets) socket.close();
    for (const line of lines) line.destroy();
    await proxy.close();
    http.close();
  }
}

/** A subclass that counts the sockets that applications get, and how often their sessions are resumed. */
function countingServer(Server, counts) {
  const seen = new WeakSet();
  const count = (socket) => {
    if (seen.has(socket)) return;
    seen.add(socket);
    counts.sockets += 1;
    socket.on("resume", () => {
      counts.resumes += 1;
    });
  };
  return class extends Server {
    constructor(...parts) {
      super(...parts);
      this.on("connection", count);
    }
    // Those who hand over their upgrades themselves get the socket here, and may emit no `connection`.
    handleUpgrade(request, line, head, callback) {
      super.handleUpgrade(request, line, head, (socket, ...rest) => {
        count(socket);
        callback(socket, ...rest);
      });
    }
  };
}

function differenceOf(received, expected) {
  const index = expected.findIndex((value, at) => !isDeepStrictEqual(value, received[at]));
  const shown = JSON.stringify(received[index])?.slice(0, 100);
  return `${received.length} of ${expected.length} items; at ${index}: ${shown}`;
}

async function within(timeoutMs, promise) {
  let timer;
  const timeout = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing after ${timeoutMs / 1000} s`)), timeoutMs);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
