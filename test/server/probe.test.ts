import { once } from "node:events";
import http from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import type { SluiceServerOptions } from "../../src/server/index.js";
import { SluiceServer } from "../../src/server/index.js";
import { Loopback } from "../support/loopback.js";

let loopback: Loopback;
afterEach(() => loopback.stop());

/** The answer to a request with these headers. */
async function ask(path = "/", headers: http.OutgoingHttpHeaders = {}, method = "GET") {
  const url = new URL(path, loopback.url.replace("ws", "http"));
  const request = http.request(url, {
    agent: false,
    method,
    headers: { accept: "application/vnd.sluice", ...headers },
  });
  request.end();
  const [response] = (await once(request, "response")) as [http.IncomingMessage];
  let body = "";
  for await (const piece of response) body += piece;
  return { status: response.statusCode, headers: response.headers, body };
}

const start = async (options: Partial<SluiceServerOptions> = {}) => {
  loopback = await Loopback.start(options);
};

const OURS = "application/vnd.sluice";
const NOT_OURS = { status: 200, body: "not a WebSocket" };

describe("the probe (NEG-10)", () => {
  it("is answered to who may connect, whose page can read it", async () => {
    await start({ origins: ["https://example.com"] });
    const origin = "https://example.com";
    const { status, headers, body } = await ask("/", { origin });
    expect([status, body]).toEqual([200, ""]);
    expect(headers).toMatchObject({
      "content-type": OURS,
      "content-length": "0",
      "cache-control": "no-store",
      vary: "Origin, Accept",
      "access-control-allow-origin": origin,
      "access-control-allow-credentials": "true",
    });
  });

  it.each<[string, SluiceServerOptions["origins"]]>([
    ["another origin", ["https://example.com"]],
    ["a function that refuses", () => false],
    [
      "a function that throws",
      () => {
        throw new Error("defect");
      },
    ],
  ])("is answered to %s as well, and its page cannot read it", async (_, origins) => {
    await start(origins === undefined ? {} : { origins });
    const { status, headers } = await ask("/", { origin: "https://evil.example" });
    expect([status, headers["content-type"]]).toEqual([200, OURS]);
    expect(headers["access-control-allow-origin"]).toBeUndefined();
  });

  it("needs no credentials", async () => {
    await start({ authenticate: () => false });
    expect((await ask()).headers["content-type"]).toBe(OURS);
  });

  it("is nobody else's request, and no other request is ours", async () => {
    await start({ path: "/live" });
    let seen = 0;
    loopback.http.on("request", () => {
      seen += 1;
    });
    expect((await ask("/live?room=1")).headers["content-type"]).toBe(OURS);
    expect(seen).toBe(0);
    expect(await ask("/other")).toMatchObject(NOT_OURS);
    expect(await ask("/live", { accept: "*/*" })).toMatchObject(NOT_OURS);
    expect(await ask("/live", {}, "POST")).toMatchObject(NOT_OURS);
    expect(seen).toBe(3);
  });

  it("is answered by the server whose path it names, and by none that is closed", async () => {
    await start({ path: "/live" });
    const second = new SluiceServer({ server: loopback.http, path: "/second" });
    expect((await ask("/second")).headers["content-type"]).toBe(OURS);
    loopback.server.close();
    await once(loopback.server, "close");
    expect(await ask("/live")).toMatchObject(NOT_OURS);
    expect((await ask("/second")).headers["content-type"]).toBe(OURS);
    second.close();
    await once(second, "close");
    expect(await ask("/second")).toMatchObject(NOT_OURS);
  });

  it("is answered under `noServer` where the application passes requests on", async () => {
    await start({ path: "/elsewhere" });
    const server = new SluiceServer({ noServer: true, path: "/live" });
    loopback.http.removeAllListeners("request").on("request", (request, response) => {
      if (!server.handleRequest(request, response)) response.writeHead(404).end();
    });
    expect((await ask("/live")).headers["content-type"]).toBe(OURS);
    expect((await ask("/")).status).toBe(404);
    server.close();
  });

  it("is answered by a server with a port of its own", async () => {
    await start();
    const own = new SluiceServer({ port: 0, host: "127.0.0.1" });
    await once(own, "listening");
    const { port } = own.address() as { port: number };
    expect((await ask(`http://127.0.0.1:${port}/`)).headers["content-type"]).toBe(OURS);
    expect((await ask(`http://127.0.0.1:${port}/`, { accept: "*/*" })).status).toBe(426);
    own.close();
    await once(own, "close");
  });
});
