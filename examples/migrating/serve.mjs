/**
 * `node examples/migrating/serve.mjs socket.io/after` serves one of the examples in this folder: its page, its server, and
 * what the page imports.
 */
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";

const here = new URL("./", import.meta.url);
const root = new URL("../../", here);

/** What pages may import, and nothing else. */
const SCRIPTS = {
  "/ui.js": new URL("ui.js", here),
  "/sluice.js": new URL("dist/sluice.min.mjs", root),
  "/partysocket.js": new URL("node_modules/partysocket/dist/ws.js", root),
  "/sockjs.js": new URL("node_modules/sockjs-client/dist/sockjs.min.js", root),
};

/**
 * @param {string} example `native-websocket/before` and the like
 * @param {number} [port] any free one by default
 */
export async function serveExample(example, port = 0) {
  const page = new URL(`${example}/page.html`, here);
  const { attach } = await import(new URL(`${example}/server.mjs`, here).href);
  const http = createServer(async (request, response) => {
    const script = Object.hasOwn(SCRIPTS, request.url) ? SCRIPTS[request.url] : undefined;
    if (script !== undefined) response.setHeader("Content-Type", "text/javascript").end(await readFile(script));
    else if (request.url === "/") response.setHeader("Content-Type", "text/html").end(await readFile(page));
    // Others listen to the same server.
    else if (!/^\/(chat|socket\.io)\b/.test(request.url)) response.writeHead(404).end();
  });
  await attach(http);
  await new Promise((resolve) => http.listen(port, "127.0.0.1", resolve));
  return http;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const http = await serveExample(process.argv[2] ?? "native-websocket/after", 8080);
  console.log(`http://127.0.0.1:${http.address().port}/`);
}
