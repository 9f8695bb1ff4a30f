import { once } from "node:events";
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import express from "express";
import fastify from "fastify";
import { afterEach, describe, expect, it } from "vitest";
import { DEFAULT_LIMITS } from "../../src/core/limits.js";
import { type Frame, Parameter } from "../../src/core/wire/frame.js";
import { readGreeting } from "../../src/core/wire/handshake.js";
import { UNANNOUNCED_LIMITS } from "../../src/core/wire/parameters.js";
import { type ServerSocket, SluiceServer, type SluiceServerOptions } from "../../src/server/index.js";
import { reactions } from "../support/event-loop.js";
import { chunk } from "../support/frame-table.js";
import { Inbox } from "../support/inbox.js";
import { Loopback } from "../support/loopback.js";
import { RawClient } from "../support/raw-client.js";
import { RawHttpClient, type RawHttpOptions } from "../support/raw-http-client.js";

const KEY = "0123456789abcdef0123456789abcdef";
const FIRST = {
  "sluice-line": KEY,
  "sluice-received": "0",
  "sluice-position": "1",
  "content-type": "application/octet-stream",
};
const utf8 = (text: string) => new Uint8Array(Buffer.from(text));
const message = (text: string): Frame => chunk({ payload: utf8(text), text: true });

let loopback: Loopback;
const clients: RawHttpClient[] = [];

async function serve(options: Partial<SluiceServerOptions> = {}): Promise<Loopback> {
  loopback = await Loopback.start(options);
  return loopback;
}

function client(options: RawHttpOptions = {}, path = ""): RawHttpClient {
  const made = new RawHttpClient(loopback.url + path, options);
  clients.push(made);
  return made;
}

afterEach(async () => {
  for (const made of clients.splice(0)) await made.end();
  await loopback?.stop();
});

/** A request by hand, with any headers. */
function ask(
  url: string,
  {
    method = "GET",
    headers = {},
    body = "",
  }: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<{ status: number; headers: IncomingMessage["headers"]; body: string }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url.replace(/^ws/, "http"), { method, headers, agent: false }, (response) => {
      let text = "";
      response.on("data", (piece) => {
        text += piece;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }));
    });
    request.on("error", reject);
    request.end(body);
  });
}

describe.each(["auto", "long-poll"] as const)("a session over HTTP, %s", (downlink) => {
  it("is what it is over a WebSocket: one socket, messages both ways, one request", async () => {
    const { server, connections } = await serve();
    const requests: IncomingMessage[] = [];
    server.on("connection", (_socket, request) => requests.push(request));
    const raw = await client({ downlink }, "live?room=7&x=1").established();
    const socket = await connections.next();
    const received = once(socket, "message");
    raw.numbered(message("up"));
    expect(String((await received)[0])).toBe("up");
    socket.send("down");
    expect(await raw.nextText()).toBe("down");
    expect(requests.map(({ url, method }) => [method, url])).toEqual([["POST", "/live?room=7&x=1"]]);
    expect([socket.transport, server.clients.size]).toEqual([downlink === "auto" ? "sse" : "long-poll", 1]);
  });

  it("ends with a close handshake", async () => {
    const { connections } = await serve();
    const raw = await client({ downlink }).established();
    const socket = await connections.next();
    const closed = once(socket, "close");
    socket.close(4000, "bye");
    expect(await raw.next("close")).toMatchObject({ code: 4000 });
    raw.numbered({ type: "close", code: 4000, reason: utf8("bye") });
    raw.ack();
    expect((await closed)[0]).toBe(4000);
    expect(await raw.closed).toMatchObject({ wasClean: true, code: 1000 });
  });

  it("takes over from a WebSocket, and gives back to one", async () => {
    await serve();
    const raw = await new RawClient(loopback).established();
    const socket = await loopback.connections.next();
    socket.send("one");
    expect(await raw.nextText()).toBe("one");
    const next = await client({ downlink, session: raw.session }, `?sluice-session=${raw.session.hexId}`).established();
    await raw.closed;
    socket.send("two");
    expect(await next.nextText()).toBe("two");
    const last = await new RawClient(loopback, { session: next.session }).greeted();
    last.resume();
    await last.next("welcome");
    last.ack();
    socket.send("three");
    expect(await last.nextText()).toBe("three");
    expect(await next.closed).toBeDefined();
    expect(loopback.connections.items).toHaveLength(1);
  });
});

describe("HttpEndpoint: the handshake", () => {
  it("HTTP-04: WELCOME says what a GREETING would have said; the protocol comes from the offer in HELLO", async () => {
    const offers: string[][] = [];
    const { connections } = await serve({
      handleProtocols: (offered, request) => {
        offers.push([...offered, String(request.headers["sluice-line"]).length.toString()]);
        return "chat.v1";
      },
      limits: { heartbeatMs: 1234 },
    });
    const raw = client().hello([[Parameter.PROTOCOLS_OFFERED, utf8("chat.v2, chat.v1, sluice.v1")]]);
    const { parameters } = await raw.next("welcome");
    const greeting = readGreeting(parameters, UNANNOUNCED_LIMITS, DEFAULT_LIMITS);
    expect(greeting).toMatchObject({ protocol: utf8("chat.v1"), heartbeatMs: 1234 });
    expect(parameters.get(Parameter.INSTANCE)).toHaveLength(16);
    expect(offers).toEqual([["chat.v2", "chat.v1", "32"]]);
    raw.ack();
    expect((await connections.next()).protocol).toBe("chat.v1");
  });

  it("HTTP-04: the request shows the offer as one for a WebSocket does, to `authenticate` already", async () => {
    const seen: unknown[] = [];
    const note = (request: IncomingMessage) => seen.push(request.headers["sec-websocket-protocol"]);
    const { connections } = await serve({ authenticate: ({ request }) => note(request) > 0 });
    loopback.server.on("connection", (_, request) => note(request));
    const raw = client().hello([[Parameter.PROTOCOLS_OFFERED, utf8("chat, token.c2VjcmV0")]]);
    await raw.next("welcome");
    raw.ack();
    await connections.next();
    expect(seen).toEqual(["chat, token.c2VjcmV0", "chat, token.c2VjcmV0"]);
  });

  it("refuses with ABORT where `handleProtocols` throws", async () => {
    await serve({
      handleProtocols: () => {
        throw new Error("no");
      },
    });
    const raw = client().hello([[Parameter.PROTOCOLS_OFFERED, utf8("chat")]]);
    expect(await raw.next("abort")).toMatchObject({ code: 1011 });
    expect(await raw.closed).toMatchObject({ wasClean: true, code: 1011 });
  });

  it("RES-08: shows the application the URL that it knows", async () => {
    const urls: unknown[] = [];
    await serve({ authenticate: ({ request }) => urls.push(request.url) > 0 });
    await client({}, `live?a=1&sluice-session=${"0f".repeat(16)}&b=2`).established();
    expect(urls).toEqual(["/live?a=1&b=2"]);
  });

  it("HSK-06: asks `authenticate`, with the first request, and refuses as ever", async () => {
    const asked: unknown[] = [];
    const { connections } = await serve({
      authenticate: async ({ request, auth }) => {
        await reactions();
        asked.push([request.headers["x-user"], auth]);
        return auth === "secret";
      },
    });
    const headers = { "x-user": "me" };
    await client({ headers }).established([[Parameter.AUTH, utf8('"secret"')]]);
    await connections.next();
    const refused = client({ headers }).hello([[Parameter.AUTH, utf8('"guess"')]]);
    expect(await refused.next("abort")).toMatchObject({ code: 1008, reason: utf8("unauthorized") });
    expect(await refused.closed).toMatchObject({ wasClean: true, code: 1008 });
    expect(asked).toEqual([
      ["me", "secret"],
      ["me", "guess"],
    ]);
  });

  it("HSK-10: does not wait for ever for HELLO", async () => {
    await serve({ limits: { handshakeTimeoutMs: 30 } });
    const raw = client();
    raw.send(Uint8Array.of(0, 7, 0));
    expect(await raw.next("abort")).toMatchObject({ code: 1013 });
    expect(await raw.closed).toMatchObject({ code: 1013 });
  });

  it("HSK-04: makes one session of an attempt that comes over two lines", async () => {
    const { connections, server } = await serve();
    const raw = client();
    const copy = client({ session: raw.session });
    raw.hello();
    copy.hello();
    await copy.next("welcome");
    copy.ack();
    await connections.next();
    for (let i = 0; i < 20; i++) await reactions();
    expect([connections.items.length, server.clients.size]).toEqual([1, 1]);
  });
});

describe("HttpEndpoint: who may come", () => {
  it.each<[string, SluiceServerOptions["origins"], string, number]>([
    ["another host, by default", undefined, "https://evil.example", 403],
    ["another port, by default", undefined, "http://127.0.0.1:1", 403],
    ["a page that is not listed", ["https://a.example"], "https://b.example", 403],
    ["null", ["https://a.example"], "null", 403],
    [
      "a check that throws",
      () => {
        throw new Error("broken");
      },
      "https://a.example",
      500,
    ],
  ])("SEC-01: refuses %s, whatever is asked", async (_, origins, origin, status) => {
    await serve({ ...(origins === undefined ? {} : { origins }) });
    for (const method of ["POST", "GET", "OPTIONS"]) {
      const asks = { "access-control-request-headers": "content-type,sluice-line" };
      const answer = await ask(loopback.url, { method, headers: { ...FIRST, ...asks, origin } });
      expect([method, answer.status]).toEqual([method, status]);
      expect(answer.headers["access-control-allow-origin"]).toBeUndefined();
      expect(answer.headers.vary).toBe("Origin");
    }
    expect(loopback.server.clients.size).toBe(0);
  });

  it("lets a page that is listed read answers, with its cookies; by name, not by a star", async () => {
    await serve({ origins: ["https://a.example"] });
    const answer = await ask(loopback.url, { headers: { ...FIRST, origin: "https://a.example" } });
    expect(answer.status).toBe(404);
    expect(answer.headers).toMatchObject({
      "access-control-allow-origin": "https://a.example",
      "access-control-allow-credentials": "true",
      vary: "Origin",
    });
    for (const name of ["sluice-position", "sluice-received", "sluice-sent", "sluice-close"]) {
      expect(answer.headers["access-control-expose-headers"]).toContain(name);
    }
  });

  it.each<[string, Record<string, string>]>([
    ["a page of this origin, as its browser says", { origin: "https://a.example", "sec-fetch-site": "same-origin" }],
    ["what sends no origin", {}],
  ])("HTTP-26: has nothing to say of origins to %s", async (_, headers) => {
    await serve({ origins: ["https://a.example"] });
    const answer = await ask(loopback.url, { headers: { ...FIRST, ...headers } });
    expect([answer.status, answer.headers.vary]).toEqual([404, "Origin"]);
    expect(Object.keys(answer.headers).filter((name) => name.startsWith("access-control-"))).toEqual([]);
  });

  it.each(["same-site", "cross-site"])("HTTP-26: tells a page that is %s, though its host is ours", async (site) => {
    await serve({});
    const origin = new URL(loopback.url).origin;
    const answer = await ask(loopback.url, { headers: { ...FIRST, origin, "sec-fetch-site": site } });
    expect(answer.headers["access-control-allow-origin"]).toBe(origin);
  });

  it("answers what a browser asks before, without credentials, for two hours", async () => {
    await serve({ origins: "*", authenticate: () => false, verifyClient: () => false });
    const headers = {
      origin: "https://a.example",
      "access-control-request-method": "POST",
      "access-control-request-headers": "content-type, Sluice-Line, sluice-position",
    };
    const answer = await ask(loopback.url, { method: "OPTIONS", headers });
    expect(answer.status).toBe(204);
    expect(answer.headers).toMatchObject({
      "access-control-allow-origin": "https://a.example",
      "access-control-allow-methods": "GET, POST",
      "access-control-max-age": "7200",
    });
    const allowed = answer.headers["access-control-allow-headers"] ?? "";
    for (const name of Object.keys(FIRST)) expect(allowed).toContain(name);
  });

  it.each<[string, SluiceServerOptions["verifyClient"], number]>([
    ["says no", () => false, 401],
    ["says no later, with a status", (_info, answer) => queueMicrotask(() => answer(false, 418)), 418],
    [
      "throws",
      () => {
        throw new Error("broken");
      },
      500,
    ],
  ])("asks `verifyClient` as `ws` does: where it %s", async (_, verifyClient, status) => {
    await serve({ ...(verifyClient && { verifyClient }) });
    expect((await ask(loopback.url, { method: "POST", headers: FIRST })).status).toBe(status);
    if (status < 500) expect(await client().hello().closed).toMatchObject({ code: 1006, httpStatus: status });
  });

  it("asks `verifyClient` once for a line, with the first request", async () => {
    const infos: unknown[] = [];
    const { connections } = await serve({
      verifyClient: ({ origin, secure, req }, answer) => {
        infos.push([origin, secure, req.method]);
        setImmediate(() => answer(true));
      },
    });
    const raw = await client({ headers: { origin: `http://127.0.0.1:${loopback.port}` } }).established();
    (await connections.next()).send("x");
    await raw.nextText();
    expect(infos).toEqual([[`http://127.0.0.1:${loopback.port}`, false, "POST"]]);
  });

  it("SEC-05: bounds the handshakes of one address, with those over WebSocket", async () => {
    await serve({ limits: { addressHandshakesMax: 2 }, authenticate: () => new Promise(() => {}) });
    await new RawClient(loopback).greeted();
    const waiting = client().hello();
    for (let i = 0; i < 20 && loopback.lines.size < 2; i++) await reactions();
    while ((await ask(loopback.url, { method: "POST", headers: { ...FIRST, "sluice-position": "2" } })).status !== 404);
    const answer = await ask(loopback.url, { method: "POST", headers: FIRST });
    expect([answer.status, answer.headers["retry-after"]]).toEqual([503, "5"]);
    expect(waiting.frames.items).toEqual([]);
  });

  it("SEC-05: bounds those that `verifyClient` is thinking about, until they have gone", async () => {
    const asked: IncomingMessage[] = [];
    await serve({
      limits: { addressHandshakesMax: 2 },
      verifyClient: ({ req }, answer) => (asked.push(req) > 2 ? answer(true) : undefined),
    });
    const waiting = [client().hello(), client().hello()];
    while (asked.length < 2) await reactions();
    expect((await ask(loopback.url, { method: "POST", headers: FIRST })).status).toBe(503);
    expect(asked).toHaveLength(2);
    const gone = once(asked[0]?.socket as Socket, "close");
    await Promise.all([gone, waiting[0]?.end()]);
    for (let i = 0; i < 3; i++) await client().established();
  });

  it("answers 500 where `clientAddress` throws", async () => {
    await serve({
      clientAddress: () => {
        throw new Error("broken");
      },
    });
    expect((await ask(loopback.url, { method: "POST", headers: FIRST })).status).toBe(500);
  });

  it("SEC-05: counts a handshake once, however often its first request comes", async () => {
    let asked = 0;
    const { connections } = await serve({
      limits: { addressHandshakesMax: 2 },
      verifyClient: (_info, answer) => setImmediate(() => answer(true)),
      authenticate: () => {
        asked += 1;
        return asked === 1 || new Promise(() => {});
      },
    });
    const raw = client();
    const { fetch } = raw.platform;
    raw.platform.fetch = (url, init) => {
      const headers = new Headers(init?.headers);
      if (headers.get("sluice-position") === "1") void fetch(url, init).catch(() => {});
      return fetch(url, init);
    };
    await raw.established();
    await connections.next();
    // There is room for two again.
    const others = [client().hello(), client().hello()];
    const refused = Promise.race(others.map(({ closed }) => closed)).then(() => "refused");
    const admitted = (async () => {
      while (asked < 3) await reactions();
      return "admitted";
    })();
    expect(await Promise.race([refused, admitted])).toBe("admitted");
  });

  it("takes nobody new when it is closed, and those that are there go on", async () => {
    await serve();
    const raw = await client().established();
    const socket = await loopback.connections.next();
    loopback.server.close();
    expect((await ask(loopback.url, { method: "POST", headers: FIRST })).status).toBe(503);
    socket.send("still here");
    expect(await raw.nextText()).toBe("still here");
    await raw.end();
    socket.terminate();
    for (let i = 0; i < 100; i++) await reactions();
    // The requests are the application's again.
    expect((await ask(loopback.url, { method: "POST", headers: FIRST })).body).toBe("not a WebSocket");
  });
});

describe("HttpEndpoint: beside an application", () => {
  let http: ReturnType<typeof createServer> | undefined;

  afterEach(async () => {
    http?.closeAllConnections();
    http?.close();
    http = undefined;
  });

  async function listen(made: ReturnType<typeof createServer>): Promise<string> {
    http = made;
    made.listen(0, "127.0.0.1");
    await once(made, "listening");
    return `http://127.0.0.1:${(made.address() as AddressInfo).port}`;
  }

  async function echo(url: string, path = "/live?a=1"): Promise<void> {
    const raw = new RawHttpClient(url + path);
    await raw.established();
    raw.numbered(message("hi"));
    expect(await raw.nextText()).toBe("hi");
    await raw.end();
  }

  const echoing = (server: SluiceServer): SluiceServer =>
    server.on("connection", (socket: ServerSocket) => socket.on("message", (data) => socket.send(String(data))));

  it("takes its own requests and leaves the others alone, whoever listens, and since when", async () => {
    const seen: string[] = [];
    const listener = (name: string) => (request: IncomingMessage, response: ServerResponse) => {
      seen.push(`${name} ${request.url}`);
      if (name === "late") response.end("app");
    };
    const made = createServer(listener("early"));
    echoing(new SluiceServer({ server: made, path: "/live" }));
    made.on("request", listener("late"));
    const url = await listen(made);
    await echo(url);
    expect(seen).toEqual([]);
    expect((await ask(`${url}/live`)).body).toBe("app");
    expect((await ask(`${url}/other`, { headers: FIRST })).body).toBe("app");
    expect((await ask(`${url}/live`, { method: "OPTIONS" })).body).toBe("app");
    expect(seen).toHaveLength(6);
  });

  it("serves several paths of one HTTP server", async () => {
    const made = createServer((_request, response) => response.end("app"));
    for (const path of ["/a", "/b"]) echoing(new SluiceServer({ server: made, path }));
    const url = await listen(made);
    await echo(url, "/a");
    await echo(url, "/b");
    expect((await ask(`${url}/c`, { headers: FIRST })).body).toBe("app");
  });

  it("answers what nobody else would", async () => {
    const made = createServer();
    new SluiceServer({ server: made, path: "/live" });
    const url = await listen(made);
    expect((await ask(`${url}/live`)).status).toBe(426);
  });

  it("HTTP-24: answers a handshake that has lost its Upgrade itself, and that is not to be kept", async () => {
    const made = createServer((_request, response) => response.writeHead(404).end("app"));
    new SluiceServer({ server: made, path: "/live" });
    const url = await listen(made);
    const headers = { "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==", "sec-websocket-version": "13" };
    const answer = await ask(`${url}/live`, { headers });
    expect([answer.status, answer.headers["cache-control"]]).toEqual([426, "no-store"]);
    expect((await ask(`${url}/live`)).body).toBe("app");
    expect((await ask(`${url}/other`, { headers })).body).toBe("app");
  });

  it("under noServer: says whether a request was its own", async () => {
    const inbox = new Inbox<[ServerSocket, IncomingMessage]>();
    const server = new SluiceServer({ noServer: true, path: "/live" });
    const made = createServer((request, response) => {
      const isOurs = server.handleRequest(request, response, (socket, first) => inbox.push([socket, first]));
      if (!isOurs) response.end("app");
    });
    const url = await listen(made);
    const raw = await new RawHttpClient(`${url}/live?x`).established();
    const [socket, first] = await inbox.next();
    expect([first.url, socket.readyState]).toEqual(["/live?x", 1]);
    expect((await ask(`${url}/live`)).body).toBe("app");
    expect((await ask(`${url}/other`, { headers: FIRST })).body).toBe("app");
    await raw.end();
    socket.terminate();
  });

  it("works in a route of Express, and beside it", async () => {
    const server = echoing(new SluiceServer({ noServer: true }));
    const app = express();
    app.use(express.json());
    app.all("/live", (request, response, next) => {
      if (!server.handleRequest(request, response)) next();
    });
    app.use((_request, response) => response.end("express"));
    const made = createServer(app);
    echoing(new SluiceServer({ server: made, path: "/beside" }));
    const url = await listen(made);
    await echo(url);
    await echo(url, "/beside");
    expect((await ask(`${url}/live`)).body).toBe("express");
  });

  it("works in a route of Fastify, and beside it", async () => {
    const server = echoing(new SluiceServer({ noServer: true }));
    const app = fastify();
    app.addContentTypeParser("application/octet-stream", (_request, _payload, done) => done(null));
    app.all("/live", (request, reply) => {
      if (server.handleRequest(request.raw, reply.raw)) reply.hijack();
      else void reply.send("fastify");
    });
    echoing(new SluiceServer({ server: app.server, path: "/beside" }));
    const url = await app.listen({ port: 0, host: "127.0.0.1" });
    await echo(url);
    await echo(url, "/beside");
    expect((await ask(`${url}/live`)).body).toBe("fastify");
    app.server.closeAllConnections();
    await app.close();
  });

  it("says so where the body was read by somebody else", async () => {
    const server = new SluiceServer({ noServer: true });
    const app = express();
    app.use(express.raw());
    app.all("/live", (request, response) => void server.handleRequest(request, response));
    const url = await listen(createServer(app));
    const answer = await ask(`${url}/live`, { method: "POST", headers: FIRST, body: "x" });
    expect([answer.status, answer.body]).toEqual([500, expect.stringContaining("body")]);
  });
});
