// @ts-check
/** What an application would have, behind an emulated line: a page with a script tag, and a server. */
import { readFile } from "node:fs/promises";
import http from "node:http";
import { SluiceServer } from "sluice/server";
import { createLink } from "../../tools/link-emulator.mjs";

const IIFE = new URL("../../dist/sluice.global.min.js", import.meta.url);
const PAGE = '<!doctype html><html lang="en"><title>e2e</title><script src="/sluice.js"></script></html>';

/**
 * @param {object} [setting]
 * @param {object} [setting.server] options of the `SluiceServer`
 * @param {(socket: any) => void} [setting.onConnection] the server application
 * @param {number} [setting.megabit] default: not limited
 * @param {number} [setting.roundTripTimeMs]
 */
export async function startSite({ server: options = {}, onConnection = () => {}, ...line } = {}) {
  const { megabit = Number.POSITIVE_INFINITY, roundTripTimeMs = 0 } = line;
  const server = http.createServer(async (request, response) => {
    if (request.url === "/sluice.js") {
      response.writeHead(200, { "Content-Type": "text/javascript" }).end(await readFile(IIFE));
    } else if (request.url === "/") {
      response.writeHead(200, { "Content-Type": "text/html" }).end(PAGE);
    } else {
      response.writeHead(404).end();
    }
  });
  const sluice = new SluiceServer({ server, ...options });
  sluice.on("connection", onConnection);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const link = await createLink({ target: { port }, rateBitsPerSecond: megabit * 1e6, roundTripTimeMs });
  return {
    server,
    sluice,
    link,
    pageUrl: `http://127.0.0.1:${link.port}/`,
    socketUrl: `ws://127.0.0.1:${link.port}/`,
    async close() {
      await link.close();
      await new Promise((resolve) => sluice.close(() => resolve(undefined)));
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
