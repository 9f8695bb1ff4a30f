/**
 * HTTP/2 between browsers and a proxy, HTTP/1.1 behind it, as at most balancers. Requests share one connection; a WebSocket
 * takes one of its own, over HTTP/1.1, unless the proxy can open one within HTTP/2 (RFC 8441).
 */
import { expect, test } from "@playwright/test";
import { CHROMIUM } from "../../playwright.config.mjs";
import { findProgram } from "../../tools/intermediaries.mjs";
import { NGINX_HOST, NGINX_UPGRADE, startHaproxy, startNginx } from "./programs.mjs";
import { rowOf, runCell } from "./run-cell.mjs";
import { selfSignedFiles } from "./self-signed.mjs";
import { startMatrixServer } from "./server.mjs";
import { report } from "./table-reporter.mjs";
import { startCaddyTls } from "./web-servers.mjs";

const { launchOptions } = CHROMIUM.use;
test.use({ launchOptions: { ...launchOptions, args: [...launchOptions.args, "--ignore-certificate-errors"] } });

/** What the proxy tells the server of the version that it was asked in. */
const VERSION = "x-asked-in";

/**
 * @typedef {{ port: number }} Place
 * @typedef {ReturnType<typeof selfSignedFiles>} Files
 * @typedef {object} Proxy
 * @property {string} name
 * @property {string} program
 * @property {string} webSocket how a WebSocket comes
 * @property {string} requests how requests come
 * @property {(target: Place, files: Files) => Promise<Place & { close: () => Promise<void> }>} start
 */

/** @type {Proxy[]} */
const PROXIES = [
  {
    name: "nginx",
    program: "nginx",
    webSocket: "HTTP/1.1",
    requests: "HTTP/2.0",
    start: (target, { key, cert }) =>
      startNginx(target, `${NGINX_HOST} ${NGINX_UPGRADE} proxy_set_header ${VERSION} $server_protocol;`, {
        listen: "ssl http2",
        server: `ssl_certificate ${cert}; ssl_certificate_key ${key};`,
      }),
  },
  {
    name: "HAProxy",
    program: "haproxy",
    webSocket: "2.0",
    requests: "2.0",
    start: (target, { both }) =>
      startHaproxy(target, {
        bind: `ssl crt ${both} alpn h2,http/1.1`,
        frontend: `  http-request set-header ${VERSION} %[req.ver]`,
      }),
  },
  {
    name: "Caddy",
    program: "caddy",
    webSocket: "HTTP/1.1",
    requests: "HTTP/2.0",
    start: (target, files) => startCaddyTls(target, files, `header_up ${VERSION} {http.request.proto}`),
  },
];

const TRANSPORTS = /** @type {const} */ (["websocket", "sse", "long-poll"]);

for (const proxy of PROXIES) {
  for (const transport of TRANSPORTS) {
    test(`${proxy.name}, HTTP/2, ${transport}`, async ({ page }, info) => {
      const missing = ["openssl", proxy.program].filter((program) => findProgram(program) === undefined);
      test.skip(missing.length > 0, `${missing.join(" and ")} not installed`);
      /** @type {Set<string>} */
      const versions = new Set();
      const server = await startMatrixServer({
        onConnection: (_socket, request) => versions.add(String(request.headers[VERSION])),
      });
      const files = selfSignedFiles();
      const between = await proxy.start(server, files);
      try {
        const host = `127.0.0.1:${between.port}`;
        await page.goto(`https://${host}/`);
        const url = `wss://${host}/live`;
        const outcome = await runCell(page, server, { url, transport, options: { transports: [transport] } });
        expect([...versions]).toEqual([transport === "websocket" ? proxy.webSocket : proxy.requests]);
        report(info, rowOf(outcome, server));
      } finally {
        await page.close();
        await between.close();
        files.remove();
        await server.close();
      }
    });
  }
}
