// @ts-check
/** The server of a cell: a page, and an application that counts what it gets and sends what it is told. */
import { readFile } from "node:fs/promises";
import http from "node:http";
import https from "node:https";
import { SluiceServer } from "sluice/server";
import { Ledger, numbered } from "../support/ledger.mjs";
import { SIZES } from "./page.mjs";

const IIFE = new URL("../../dist/sluice.global.min.js", import.meta.url);
const PAGE = '<!doctype html><html lang="en"><title>matrix</title><script src="/sluice.js"></script></html>';

/**
 * @param {object} [setting]
 * @param {{ key: string, cert: string }} [setting.tls]
 * @param {(origin: string) => boolean} [setting.origins] default: pages of the server's own host, by the name that
 *   reaches it
 * @param {object} [setting.limits] of the `SluiceServer`
 * @param {(socket: any, request: http.IncomingMessage) => void} [setting.onConnection] what else the application does
 */
export async function startMatrixServer({ tls, origins, limits = {}, onConnection = () => {} } = {}) {
  const ledger = new Ledger(SIZES);
  /** @type {any[]} */
  const sockets = [];
  const state = { sent: 0, resumes: 0 };
  const send = (/** @type {number} */ count) => {
    for (let i = 0; i < count; i++) {
      sockets[0].send(numbered(state.sent, /** @type {number} */ (SIZES[state.sent % SIZES.length])));
      state.sent += 1;
    }
  };
  const handler = async (/** @type {http.IncomingMessage} */ request, /** @type {http.ServerResponse} */ response) => {
    if (request.url === "/sluice.js") {
      response.writeHead(200, { "Content-Type": "text/javascript" }).end(await readFile(IIFE));
    } else if (request.url === "/") {
      response.writeHead(200, { "Content-Type": "text/html" }).end(PAGE);
    } else {
      response.writeHead(404).end();
    }
  };
  const server = tls === undefined ? http.createServer(handler) : https.createServer(tls, handler);
  const sluice = new SluiceServer({
    server,
    path: "/live",
    limits,
    ...(origins === undefined ? {} : { origins }),
  });
  sluice.on("connection", (/** @type {any} */ socket, /** @type {http.IncomingMessage} */ request) => {
    // A client that has not been told of its WebSocket may have left one behind that never says a word.
    socket.once("message", () => sockets.push(socket));
    onConnection(socket, request);
    socket.on("error", () => {});
    socket.on("resume", () => {
      state.resumes += 1;
    });
    socket.on("message", (/** @type {Buffer} */ data) => {
      ledger.take(String(data));
      // What the page's first message is answered with.
      if (state.sent === 0) send(1);
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  return {
    port: /** @type {import("node:net").AddressInfo} */ (server.address()).port,
    ledger,
    sockets,
    send,
    get sent() {
      return state.sent;
    },
    get resumes() {
      return state.resumes;
    },
    async close() {
      // Over HTTP it takes a while until a page that is gone is missed.
      for (const client of sluice.clients) client.terminate();
      await new Promise((resolve) => sluice.close(() => resolve(undefined)));
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
