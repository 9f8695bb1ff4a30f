// @ts-check
/** What an application would have, behind a line that breaks on command: a page with a script tag, and a server. */
import { readFile } from "node:fs/promises";
import http from "node:http";
import { SluiceServer } from "sluice/server";
import { createFaultProxy } from "./fault-proxy.mjs";

const IIFE = new URL("../../dist/sluice.global.min.js", import.meta.url);
const PAGE = '<!doctype html><html lang="en"><title>e2e</title><script src="/sluice.js"></script></html>';

/**
 * @param {object} [setting]
 * @param {object} [setting.server] options of the `SluiceServer`
 * @param {(socket: any, request: http.IncomingMessage) => void} [setting.onConnection] the server application
 */
export async function startFaultySite({ server: options = {}, onConnection = () => {} } = {}) {
  /** Pages come another way: only the socket's line breaks. */
  const pages = http.createServer(async (request, response) => {
    if (request.url === "/sluice.js") {
      response.writeHead(200, { "Content-Type": "text/javascript" }).end(await readFile(IIFE));
    } else {
      response.writeHead(200, { "Content-Type": "text/html" }).end(PAGE);
    }
  });
  const pagesPort = await listen(pages);
  const origin = `http://127.0.0.1:${pagesPort}`;
  const start = async () => {
    const server = http.createServer((_request, response) => void response.writeHead(404).end());
    const sluice = new SluiceServer({ server, origins: [origin], ...options });
    sluice.on("connection", onConnection);
    return { server, sluice, port: await listen(server) };
  };
  let running = await start();
  const proxy = await createFaultProxy({ target: { port: running.port } });
  const stop = async () => {
    running.sluice.close();
    running.server.closeAllConnections();
    await new Promise((resolve) => running.server.close(resolve));
  };
  return {
    proxy,
    pageUrl: `${origin}/`,
    otherPageUrl: `${origin}/other`,
    socketUrl: `ws://127.0.0.1:${proxy.port}/live?room=1`,
    get sluice() {
      return running.sluice;
    },
    /** Another process would remember nothing either. */
    async restart() {
      const old = stop();
      running = await start();
      proxy.retarget(running.port);
      proxy.cut();
      await old;
    },
    async close() {
      await proxy.close();
      await stop();
      pages.closeAllConnections();
      await new Promise((resolve) => pages.close(resolve));
    },
  };
}

/** @param {http.Server} server */
function listen(server) {
  return /** @type {Promise<number>} */ (
    new Promise((resolve) => {
      server.listen(0, "127.0.0.1", () =>
        resolve(/** @type {import("node:net").AddressInfo} */ (server.address()).port),
      );
    })
  );
}
