// @ts-check
/** The serving side of one contender of `memory`, in a process of its own. Argument: the contender's name. */
import { randomBytes } from "node:crypto";
import http from "node:http";
import { CONTENDERS } from "./memory/index.mjs";

const contender = CONTENDERS.find(({ name }) => name === process.argv[2]);
if (contender === undefined) throw new Error(`no contender "${process.argv[2]}"`);

const server = http.createServer((request, response) => {
  const isPage = request.url === "/";
  response.writeHead(isPage ? 200 : 404, { "Content-Type": "text/html" });
  response.end(isPage ? "<!doctype html><title>bench</title>" : undefined);
});
const half = await contender.serve(server);
let acceptedBytes = 0;

process.on("message", async (/** @type {{ pieces: number, pieceBytes: number } | "accepted"} */ message) => {
  if (message === "accepted") {
    process.send?.(acceptedBytes);
    return;
  }
  for (let count = 0; count < message.pieces; count += 1) {
    // New bytes each time: nothing below may find that it has them already.
    const piece = randomBytes(message.pieceBytes);
    await half.send(piece);
    acceptedBytes += piece.length;
  }
});
process.once("disconnect", () => process.exit(0));
server.listen(0, "127.0.0.1", () => {
  process.send?.(/** @type {import("node:net").AddressInfo} */ (server.address()).port);
});
