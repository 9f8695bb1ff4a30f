// @ts-check
/** The serving side of one library of `interop`, in a process of its own. Arguments: the library, `native` or `sluice`. */
import http from "node:http";
import { SluiceServer } from "sluice/server";
import { WebSocketServer } from "ws";
import { serveGraphql } from "./interop/graphql-ws.mjs";
import { serveYjs } from "./interop/yjs.mjs";

const [library, kind] = process.argv.slice(2);
const serve = library === "yjs" ? serveYjs : serveGraphql;
const server = http.createServer((_request, response) => {
  response.writeHead(200, { "Content-Type": "text/html" }).end("<!doctype html><title>bench</title>");
});
serve(kind === "sluice" ? new SluiceServer({ server }) : new WebSocketServer({ server }));
process.once("disconnect", () => process.exit(0));
server.listen(0, "127.0.0.1", () => {
  process.send?.(/** @type {import("node:net").AddressInfo} */ (server.address()).port);
});
