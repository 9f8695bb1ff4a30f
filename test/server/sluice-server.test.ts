import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { type AddressInfo, connect as connectTcp, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { SluiceSocket } from "../../src/client/index.js";
import { type ServerSocket, SluiceServer, type SluiceServerOptions, type TraceEvent } from "../../src/server/index.js";
import { reactions } from "../support/event-loop.js";
import { Inbox, inboxOf } from "../support/inbox.js";
import { Loopback } from "../support/loopback.js";
import { RawClient } from "../support/raw-client.js";

const MIB = 1024 * 1024;

let loopback: Loopback | undefined;

async function serve(options: Partial<SluiceServerOptions> = {}): Promise<Loopback> {
  loopback = await Loopback.start(options);
  return loopback;
}

afterEach(async () => {
  await loopback?.stop();
  loopback = undefined;
});

interface Handshake {
  readonly path?: string;
  readonly protocols?: string;
  readonly headers?: Record<string, string>;
}

/** Sends an upgrade request by hand and returns the whole answer: complete, as the server ends the connection. */
async function answerTo(port: number, { path = "/", protocols, headers = {} }: Handshake = {}): Promise<string> {
  const line = connectTcp(port, "127.0.0.1");
  const lines = [
    `GET ${path} HTTP/1.1`,
    "Host: example.com",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ...(protocols === undefined ? [] : [`Sec-WebSocket-Protocol: ${protocols}`]),
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  line.write(`${lines.join("\r\n")}\r\n\r\n`);
  return text(line);
}

/** A refusal: status, headers that end the connection, and as much of a body as they announce. */
function expectRefusal(answer: string, status: number): void {
  const [head = "", body] = answer.split("\r\n\r\n");
  expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  expect(head.toLowerCase()).toContain("connection: close");
  expect(head.toLowerCase()).toContain(`content-length: ${Buffer.byteLength(body ?? "")}`);
  expect(body).not.toBe("");
}

/** Whether a handshake goes through, and the protocol then; the connection is cut at once. */
async function upgrade(
  { port }: { port: number },
  { path = "/", protocols = [], headers = {} }: { path?: string; protocols?: string[]; headers?: object } = {},
): Promise<{ status: number; protocol: string }> {
  const webSocket = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols, { headers: { ...headers } });
  const outcome = await new Promise<{ status: number; protocol: string }>((resolve) => {
    webSocket.on("open", () => resolve({ status: 101, protocol: webSocket.protocol }));
    webSocket.on("unexpected-response", (_request, response) => {
      resolve({ status: response.statusCode ?? 0, protocol: "" });
      response.destroy();
    });
    webSocket.on("error", () => {});
  });
  webSocket.terminate();
  return outcome;
}

describe("SluiceServer: construction", () => {
  it.each<[string, SluiceServerOptions]>([
    ["nothing", {}],
    ["server and port", { server: createServer(), port: 0 }],
    ["port and noServer", { port: 0, noServer: true }],
    ["noServer: false", { noServer: false }],
    ["limits that cannot work", { noServer: true, limits: { channelsMax: 1000 } }],
    ["a limit that is none", { noServer: true, maxPayload: -1 }],
    ["no session for a principal", { noServer: true, limits: { principalSessionsMax: 0 } }],
    ["no handshake for an address", { noServer: true, limits: { addressHandshakesMax: -1 } }],
    ["half a byte for the process", { noServer: true, limits: { processBytesMax: 1000.5 } }],
    ["a high-water mark that is never below", { noServer: true, highWaterMark: 0 }],
    ["a bound on the buffer that is none", { noServer: true, maxBufferedAmount: Number.POSITIVE_INFINITY }],
    ["origins that are a string", { noServer: true, origins: "https://example.com" as never }],
    ["a resume window that is none", { noServer: true, limits: { resumeWindowMs: -1 } }],
  ])("refuses %s", (_, options) => {
    expect(() => new SluiceServer(options)).toThrow(expect.objectContaining({ code: "ERR_USAGE_ARGUMENT" }));
  });

  it("keeps its own copy of the options", () => {
    const options = { noServer: true, path: "/live" };
    const server = new SluiceServer(options);
    options.path = "/other";
    expect(server.options.path).toBe("/live");
    expect(server.shouldHandle({ url: "/live" } as IncomingMessage)).toBe(true);
  });

  it("under `port`, listens by itself, says where, and answers what is no upgrade", async () => {
    const called: string[] = [];
    const server = new SluiceServer({ port: 0, host: "127.0.0.1" }, () => called.push("callback"));
    expect(server.address()).toBeNull();
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    expect(called).toEqual(["callback"]);
    const response = await fetch(`http://127.0.0.1:${port}/`);
    expect([response.status, await response.text()]).toEqual([426, "Upgrade Required"]);
    expect(await upgrade({ port })).toEqual({ status: 101, protocol: "" });
    const closed = once(server, "close");
    server.close();
    await closed;
    for (let turns = 0; turns < 100 && server.clients.size > 0; turns++) await reactions();
    expect(server.clients.size).toBe(0);
  });

  it("tells of a port that is taken", async () => {
    const { port } = await serve();
    const server = new SluiceServer({ port, host: "127.0.0.1" });
    const [error] = await once(server, "error");
    expect(error).toMatchObject({ code: "EADDRINUSE" });
  });

  it("under `server`, passes on `listening`, and leaves other requests alone", async () => {
    const { port } = await serve();
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("not a WebSocket");
  });

  it("under `noServer`, has no address, and serves what it is handed", async () => {
    const server = new SluiceServer({ noServer: true });
    expect(() => server.address()).toThrow(expect.objectContaining({ code: "ERR_USAGE_ARGUMENT" }));
    const http = createServer();
    const given: [ServerSocket, IncomingMessage][] = [];
    let connections = 0;
    server.on("connection", () => {
      connections += 1;
    });
    http.on("upgrade", (request, line, head) => {
      server.handleUpgrade(request, line, head, (...parts) => {
        given.push(parts);
        server.emit("connection", ...parts);
      });
    });
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    const { port } = http.address() as AddressInfo;
    const client = new SluiceSocket(`ws://127.0.0.1:${port}/live?a=b`, [], { WebSocket });
    await client.send("a").delivered;
    expect(given).toHaveLength(1);
    expect(given[0]?.[0].mode).toBe("framed");
    expect(given[0]?.[1].url).toBe("/live?a=b");
    expect(connections).toBe(1);
    expect([...server.clients]).toEqual([given[0]?.[0]]);
    client.close();
    await once(client, "close");
    http.close();
    await once(http, "close");
    server.close();
  });
});

describe("SluiceServer: paths", () => {
  it.each([
    ["/live", "/live", true],
    ["/live", "/live?room=1", true],
    ["/live", "/live/", false],
    ["/live", "/Live", false],
    ["/live", "/lively", false],
    ["/live", "/", false],
    [undefined, "/whatever?x", true],
  ])("serves %s: %s %s", (path, url, isServed) => {
    const server = new SluiceServer({ noServer: true, ...(path === undefined ? {} : { path }) });
    expect(server.shouldHandle({ url } as IncomingMessage)).toBe(isServed);
  });

  it("answers 404 for another path where nobody else could take it", async () => {
    const { port } = await serve({ path: "/live" });
    expectRefusal(await answerTo(port, { path: "/other" }), 404);
    expectRefusal(await answerTo(port, { path: "/other", protocols: "sluice.v1" }), 404);
    expect((await upgrade({ port }, { path: "/live" })).status).toBe(101);
  });

  it("leaves another path to other listeners", async () => {
    const { http, port } = await serve({ path: "/live" });
    const taken: (string | undefined)[] = [];
    const other = (request: IncomingMessage, line: Socket) => {
      if (request.url !== "/other") return;
      taken.push(request.url);
      line.end("HTTP/1.1 418 I'm a teapot\r\nConnection: close\r\n\r\n");
    };
    http.on("upgrade", other);
    expect(await answerTo(port, { path: "/other" })).toMatch(/^HTTP\/1.1 418 /);
    expect((await upgrade({ port }, { path: "/live" })).status).toBe(101);
    expect(taken).toEqual(["/other"]);
    http.off("upgrade", other);
  });

  it("shares an HTTP server with others of its kind: 404 for what none of them serves", async () => {
    const started = await serve({ path: "/live" });
    const others = ["/news", "/files"].map((path) => new SluiceServer({ server: started.http, path }));
    expectRefusal(await answerTo(started.port, { path: "/other" }), 404);
    for (const path of ["live", "news", "files"]) {
      const client = new SluiceSocket(started.url + path, [], { WebSocket });
      await client.send("a").delivered;
      client.close();
      await once(client, "close");
    }
    for (const other of others) {
      other.close();
      await once(other, "close");
    }
    expectRefusal(await answerTo(started.port, { path: "/news" }), 404);
  });

  it("answers 400 under `noServer`", async () => {
    const server = new SluiceServer({ noServer: true, path: "/live" });
    const { http, port } = await serve({ path: "/unused" });
    http.removeAllListeners("upgrade");
    const onUpgrade = (request: IncomingMessage, line: Socket, head: Buffer) =>
      server.handleUpgrade(request, line, head, () => expect.unreachable());
    http.on("upgrade", onUpgrade);
    expectRefusal(await answerTo(port, { path: "/other" }), 400);
    http.off("upgrade", onUpgrade);
  });

  it("gives `connection` the request with its URL", async () => {
    const { server, port } = await serve();
    const connected = once(server, "connection");
    const client = new SluiceSocket(`ws://127.0.0.1:${port}/live?room=1`, [], { WebSocket });
    const [, request] = await connected;
    expect(request.url).toBe("/live?room=1");
    client.close();
    await once(client, "close");
  });
});

describe("SluiceServer: who may connect", () => {
  it.each<[SluiceServerOptions["origins"], string | undefined, number]>([
    [undefined, undefined, 101],
    [undefined, "https://evil.test", 403],
    [undefined, "null", 403],
    [["https://example.com"], "https://example.com", 101],
    [["https://example.com"], "https://evil.test", 403],
    ["*", "https://evil.test", 101],
    [(origin) => origin.endsWith(".example"), "https://a.example", 101],
    [(origin) => origin.endsWith(".example"), "https://a.test", 403],
    [
      () => {
        throw new Error("of the application");
      },
      "https://a.test",
      500,
    ],
  ])("with origins %s: %s gets %i", async (origins, origin, status) => {
    const started = await serve(origins === undefined ? {} : { origins });
    for (const protocols of [[], ["sluice.v1"]]) {
      const headers = origin === undefined ? {} : { Origin: origin };
      expect((await upgrade(started, { protocols, headers })).status).toBe(status);
    }
  });

  it("by default lets in the pages of its own host", async () => {
    const started = await serve();
    const headers = { Origin: `http://127.0.0.1:${started.port}` };
    expect((await upgrade(started, { headers })).status).toBe(101);
  });

  it("refuses with complete answers", async () => {
    const { port } = await serve({ authenticate: () => true });
    expectRefusal(await answerTo(port, { headers: { Origin: "https://evil.test" } }), 403);
    expectRefusal(await answerTo(port), 401);
    expectRefusal(await answerTo(port, { protocols: "a b, sluice.v1" }), 400);
    expectRefusal(await answerTo(port, { headers: { "Sec-WebSocket-Version": "7" }, protocols: "sluice.v1" }), 400);
  });

  it.each([
    ["without a callback", (info: { req: IncomingMessage }) => info.req.headers["x-pass"] === "yes"],
    [
      "with a callback",
      (info: { req: IncomingMessage }, done: (result: boolean, code?: number) => void) =>
        queueMicrotask(() => done(info.req.headers["x-pass"] === "yes", 402)),
    ],
  ])("asks `verifyClient` %s, for both kinds of client", async (how, verifyClient) => {
    const started = await serve({ verifyClient: verifyClient as never });
    for (const protocols of [[], ["sluice.v1"]]) {
      expect((await upgrade(started, { protocols, headers: { "X-Pass": "yes" } })).status).toBe(101);
      const refused = how === "with a callback" ? 402 : 401;
      expect((await upgrade(started, { protocols, headers: { "X-Pass": "no" } })).status).toBe(refused);
    }
  });
});

describe("SluiceServer: an application's check that throws", () => {
  const broken = () => {
    throw new Error("of the application");
  };

  it.each<[string, Partial<SluiceServerOptions>]>([
    ["verifyClient", { verifyClient: broken }],
    ["verifyClient with a callback", { verifyClient: (_info, _callback) => broken() }],
    ["clientAddress", { clientAddress: broken }],
  ])("%s: answers 500, to both kinds of client, and lives on", async (_, options) => {
    const started = await serve(options);
    expect((await upgrade(started)).status).toBe(500);
    expect((await upgrade(started, { protocols: ["sluice.v1"] })).status).toBe(500);
    for (const name of Object.keys(options)) delete started.server.options[name as keyof SluiceServerOptions];
    expect((await upgrade(started, { protocols: ["sluice.v1"] })).status).toBe(101);
  });
});

describe("SluiceServer: protocols", () => {
  it("selects ours whenever it is offered, wherever it stands, and never shows it", async () => {
    const started = await serve();
    for (const protocols of [["sluice.v1"], ["chat", "sluice.v1"], ["sluice.v1", "chat"]]) {
      expect((await upgrade(started, { protocols })).protocol).toBe("sluice.v1");
    }
    const [client, socket] = await started.connect(["chat.v2", "chat.v1"]);
    expect([client.protocol, socket.protocol]).toEqual(["chat.v2", "chat.v2"]);
  });

  it("for ordinary clients chooses the first, as `ws` does", async () => {
    const started = await serve();
    expect((await upgrade(started, { protocols: ["chat.v2", "chat.v1"] })).protocol).toBe("chat.v2");
  });

  it("asks `handleProtocols` as it stands at the time, with what the application may know", async () => {
    const started = await serve();
    const seen: unknown[] = [];
    started.server.options.handleProtocols = (offered, request) => {
      seen.push([offered instanceof Set, [...offered], request.url]);
      return "chat.v1";
    };
    const [client] = await started.connect(["chat.v2", "chat.v1"]);
    expect(client.protocol).toBe("chat.v1");
    expect((await upgrade(started, { protocols: ["chat.v2", "chat.v1"] })).protocol).toBe("chat.v1");
    expect(seen).toEqual([
      [true, ["chat.v2", "chat.v1"], "/"],
      [true, ["chat.v2", "chat.v1"], "/"],
    ]);
    await started.connect();
    expect(seen).toHaveLength(2);
  });

  it.each<[string, () => unknown]>([
    ["`false`", () => false],
    ["nothing", () => undefined],
    ["an empty string", () => ""],
  ])("takes %s for none", async (_, handleProtocols) => {
    const started = await serve({ handleProtocols: handleProtocols as never });
    const peer = await new RawClient(started, { protocols: ["chat", "sluice.v1"] }).greeted();
    expect(peer.of("greeting")[0]?.parameters.has(2)).toBe(false);
  });

  it("answers 500 when `handleProtocols` throws, and lives on", async () => {
    const started = await serve({
      handleProtocols: () => {
        throw new Error("of the application");
      },
    });
    expectRefusal(await answerTo(started.port, { protocols: "chat, sluice.v1" }), 500);
    expectRefusal(await answerTo(started.port, { protocols: "chat" }), 500);
    expect((await upgrade(started)).status).toBe(101);
  });
});

describe("SluiceServer: authenticate", () => {
  it("runs before `connection`, gets request and credentials, and gives the principal", async () => {
    const story: unknown[] = [];
    const started = await serve({
      authenticate: async ({ request, auth }) => {
        story.push([request.url, auth]);
        await reactions();
        story.push("decided");
        return { name: "Ada" };
      },
    });
    started.server.on("connection", (socket) => story.push(socket.principal));
    const [, socket] = await started.connect([], { auth: { token: "t" } });
    expect(story).toEqual([["/", { token: "t" }], "decided", { name: "Ada" }]);
    expect(socket.principal).toEqual({ name: "Ada" });
  });

  it.each<[string, () => unknown]>([
    ["true", () => true],
    ["0", () => 0],
    ["an empty string", () => ""],
    ["a promise", () => Promise.resolve("a")],
  ])("lets in for %s", async (_, authenticate) => {
    const started = await serve({ authenticate });
    const [client] = await started.connect();
    await client.send("a").delivered;
  });

  it.each<[string, () => unknown]>([
    ["false", () => false],
    ["null", () => null],
    ["undefined", () => undefined],
    ["a promise of false", () => Promise.resolve(false)],
    [
      "throwing",
      () => {
        throw new Error("secret details");
      },
    ],
    ["rejecting", () => Promise.reject(new Error("secret details"))],
  ])("refuses for %s: 1008, alike whatever was wrong, and no early data is read", async (_, authenticate) => {
    const started = await serve({ authenticate });
    const client = started.client();
    const receipt = client.send("early");
    const errors: string[] = [];
    client.onerror = ({ error }) => errors.push(error.code);
    const [close] = await once(client, "close");
    expect(close).toMatchObject({ code: 1008, reason: "unauthorized" });
    expect(errors).toEqual(["ERR_REFUSED"]);
    // The server has dropped it unread (HSK-07).
    expect(receipt.state).toBe("never-written");
    expect(started.connections.items).toEqual([]);
    expect(started.server.clients.size).toBe(0);
  });

  it("refuses credentials that are no JSON, without asking", async () => {
    let asked = 0;
    const started = await serve({
      authenticate: () => {
        asked += 1;
        return true;
      },
    });
    const peer = await new RawClient(started).greeted();
    peer.hello([
      [3, new Uint8Array(16)],
      [4, Buffer.from("{not json")],
    ]);
    expect((await peer.next("abort")).code).toBe(1008);
    expect((await peer.closed)[0]).toBe(1008);
    expect(asked).toBe(0);
  });

  it("holds early data until it has decided", async () => {
    let decide: (principal: unknown) => void = () => {};
    const questions: unknown[] = [];
    let onAsked: () => void = () => {};
    const isAsked = new Promise<void>((resolve) => {
      onAsked = resolve;
    });
    const started = await serve({
      authenticate: ({ auth }) => {
        questions.push(auth);
        onAsked();
        return new Promise((resolve) => {
          decide = resolve;
        });
      },
    });
    const client = started.client([], { auth: "t" });
    const receipt = client.send("early");
    await Promise.all([isAsked, once(client, "open")]);
    await receipt.written;
    await reactions();
    expect(started.connections.items).toEqual([]);
    expect(receipt.state).toBe("writing");
    decide({ name: "Ada" });
    const socket = await started.connections.next();
    const [data] = await once(socket, "message");
    expect(String(data)).toBe("early");
    await receipt.delivered;
    expect(questions).toEqual(["t"]);
  });

  it("that takes too long is the end of the transport: 1013, and its late answer changes nothing", async () => {
    let decide: (principal: unknown) => void = () => {};
    const started = await serve({
      limits: { handshakeTimeoutMs: 40 },
      authenticate: () =>
        new Promise((resolve) => {
          decide = resolve;
        }),
    });
    const peer = await new RawClient(started).greeted();
    peer.hello();
    expect((await peer.closed)[0]).toBe(1013);
    expect(peer.of("abort")).toMatchObject([{ code: 1013 }]);
    decide(true);
    await reactions();
    expect(started.connections.items).toEqual([]);
    expect(started.server.clients.size).toBe(0);
  });

  it("that decides when the client is gone changes nothing", async () => {
    let decide: (principal: unknown) => void = () => {};
    let onAsked: () => void = () => {};
    const isAsked = new Promise<void>((resolve) => {
      onAsked = resolve;
    });
    const started = await serve({
      authenticate: () => {
        onAsked();
        return new Promise((resolve) => {
          decide = resolve;
        });
      },
    });
    const peer = await new RawClient(started).greeted();
    peer.hello();
    await isAsked;
    peer.line.resetAndDestroy();
    await peer.closed;
    for (let turns = 0; turns < 10; turns++) await reactions();
    decide(true);
    await reactions();
    expect(started.connections.items).toEqual([]);
  });

  it("refuses ordinary clients, who have no credentials, unless they are wanted", async () => {
    const started = await serve({ authenticate: () => true });
    expect((await upgrade(started)).status).toBe(401);
  });

  it("asks for ordinary clients too where they are wanted", async () => {
    const seen: unknown[] = [];
    const started = await serve({
      plainClients: true,
      authenticate: async ({ request, auth }) => {
        seen.push(auth);
        if (request.headers["x-user"] === "broken") throw new Error("of the application");
        return request.headers["x-user"] ?? false;
      },
    });
    expect((await upgrade(started)).status).toBe(401);
    expect((await upgrade(started, { headers: { "X-User": "broken" } })).status).toBe(401);
    const client = started.webSocket([], { headers: { "X-User": "ada" } });
    await once(client, "open");
    const socket = await started.connections.next();
    expect([socket.mode, socket.principal]).toEqual(["plain", "ada"]);
    expect(seen).toEqual([undefined, undefined, undefined]);
  });
});

describe("SluiceServer: clients", () => {
  it("serves both kinds through the same API", async () => {
    const started = await serve();
    started.server.on("connection", (socket) => {
      socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
    });
    const plain = started.webSocket();
    await once(plain, "open");
    const [framed] = await started.connect();
    const inbox = inboxOf(framed);
    plain.send("plain");
    expect(String((await once(plain, "message"))[0])).toBe("plain");
    framed.send("framed");
    expect(await inbox.next()).toBe("framed");
    expect([...started.server.clients].map(({ mode }) => mode).sort()).toEqual(["framed", "plain"]);
  });

  it("forgets them when they close, before `close` handlers that are added later", async () => {
    const started = await serve();
    const [client, socket] = await started.connect();
    expect(started.server.clients.has(socket)).toBe(true);
    const sizes: number[] = [];
    const closed = new Promise<void>((resolve) => {
      socket.on("close", () => {
        sizes.push(started.server.clients.size);
        resolve();
      });
    });
    client.close();
    await closed;
    expect(sizes).toEqual([0]);
  });

  it("keeps no list where that is not wanted", async () => {
    const started = await serve({ clientTracking: false });
    const [client] = await started.connect();
    expect(started.server.clients.size).toBe(0);
    await client.send("a").delivered;
  });

  it("can be broadcast to, and terminated, while the list is gone through", async () => {
    const started = await serve();
    const clients = [await started.connect(), await started.connect(), await started.connect()];
    const inboxes = clients.map(([client]) => inboxOf(client));
    for (const socket of started.server.clients) socket.send("all");
    expect(await Promise.all(inboxes.map((inbox) => inbox.next()))).toEqual(["all", "all", "all"]);
    const first = [...started.server.clients];
    const closed = Promise.all(first.map((socket) => new Promise((resolve) => socket.on("close", resolve))));
    for (const socket of started.server.clients) socket.terminate();
    expect(await closed).toEqual([1006, 1006, 1006]);
    expect(first.some((socket) => started.server.clients.has(socket))).toBe(false);
  });

  it("holds messages to `maxPayload`, of both kinds", async () => {
    const started = await serve({ maxPayload: 1000 });
    const [client] = await started.connect();
    await client.send(new Uint8Array(1000)).delivered;
    expect(() => client.send(new Uint8Array(1001))).toThrow(expect.objectContaining({ code: "ERR_MESSAGE_TOO_LARGE" }));
    const early = started.client();
    await expect(early.send(new Uint8Array(1001)).delivered).rejects.toMatchObject({ code: "ERR_MESSAGE_TOO_LARGE" });
    const plain = started.webSocket();
    await once(plain, "open");
    plain.send(new Uint8Array(1001));
    expect((await once(plain, "close"))[0]).toBe(1009);
  });

  it("takes larger messages than the default where they are wanted", async () => {
    const started = await serve({ maxPayload: 100 * MIB });
    const [client, socket] = await started.connect([], { limits: { messageBytesMax: 100 * MIB } });
    const arrived = once(socket, "message");
    await client.send(new Uint8Array(20 * MIB)).delivered;
    expect((await arrived)[0]).toHaveLength(20 * MIB);
  });

  it("lets headers be added to the answer, of both kinds", async () => {
    const started = await serve();
    const urls: (string | undefined)[] = [];
    started.server.on("headers", (headers, request) => {
      headers.push("X-Served-By: sluice");
      urls.push(request.url);
    });
    for (const protocols of [[], ["sluice.v1"]]) {
      const webSocket = started.webSocket(protocols);
      const [response] = await once(webSocket, "upgrade");
      expect(response.headers["x-served-by"]).toBe("sluice");
    }
    expect(urls).toEqual(["/", "/"]);
  });
});

describe("SluiceServer: close", () => {
  it("takes no new clients, and keeps those that are there", async () => {
    const started = await serve();
    const [client, socket] = await started.connect();
    const upgrades = started.http.listenerCount("upgrade");
    started.server.close();
    expect(started.http.listenerCount("upgrade")).toBe(upgrades - 1);
    const arrived = once(socket, "message");
    client.send("still here");
    expect(String((await arrived)[0])).toBe("still here");
    expect(started.server.clients.size).toBe(1);
  });

  it("leaves the HTTP server as it was", async () => {
    const { http } = await serve();
    const counts = () => ["upgrade", "listening", "error"].map((type) => http.listenerCount(type));
    const before = counts();
    const other = new SluiceServer({ server: http, path: "/other" });
    other.close();
    await once(other, "close");
    expect(counts()).toEqual(before);
  });

  it("calls back, each time it is called", async () => {
    const server = new SluiceServer({ noServer: true });
    const calls: string[] = [];
    const first = new Promise<void>((resolve) => {
      server.close(() => {
        calls.push("first");
        resolve();
      });
    });
    server.close(() => calls.push("second"));
    expect(calls).toEqual([]);
    await first;
    await reactions();
    expect(calls).toEqual(["first", "second"]);
    expect(await new Promise((resolve) => server.close(resolve))).toMatchObject({ code: "ERR_USAGE_ARGUMENT" });
  });

  it("answers 503 to what it is handed afterwards", async () => {
    const server = new SluiceServer({ noServer: true });
    server.close();
    await once(server, "close");
    const { http, port } = await serve({ path: "/unused" });
    http.removeAllListeners("upgrade");
    const onUpgrade = (request: IncomingMessage, line: Socket, head: Buffer) =>
      server.handleUpgrade(request, line, head, () => expect.unreachable());
    http.on("upgrade", onUpgrade);
    expectRefusal(await answerTo(port), 503);
    http.off("upgrade", onUpgrade);
  });

  it.each([[[]], [["sluice.v1"]]])(
    "answers 503 to whom `verifyClient` lets in afterwards, offering %j",
    async (protocols) => {
      const asked = new Inbox<(isVerified: boolean) => void>();
      const started = await serve({ verifyClient: (_info, callback) => asked.push(callback) });
      const outcome = upgrade(started, { protocols });
      const letIn = await asked.next();
      started.server.close();
      letIn(true);
      expect((await outcome).status).toBe(503);
      expect(started.connections.items).toEqual([]);
    },
  );

  it("answers 503 to whom it was still deciding on", async () => {
    let decide: (principal: unknown) => void = () => {};
    let onAsked: () => void = () => {};
    const isAsked = new Promise<void>((resolve) => {
      onAsked = resolve;
    });
    const started = await serve({
      plainClients: true,
      authenticate: () => {
        onAsked();
        return new Promise((resolve) => {
          decide = resolve;
        });
      },
    });
    const answer = answerTo(started.port);
    await isAsked;
    started.server.close();
    decide(true);
    expectRefusal(await answer, 503);
    expect(started.connections.items).toEqual([]);
  });
});

describe("SluiceServer: its trace", () => {
  it("tells what each socket does, by its id, and nothing of ordinary clients", async () => {
    const told: { event: TraceEvent; id: string }[] = [];
    const { connections } = await serve({ trace: (event, id) => told.push({ event, id }) });
    const [client, socket] = await (loopback as Loopback).connect();
    const received = once(client, "message");
    await socket.send("hello").delivered;
    await received;
    const ofSocket = told.filter(({ id }) => id === socket.id).map(({ event }) => event);
    expect(ofSocket.flatMap((event) => (event.type === "message" ? [event.state] : []))).toEqual([
      "queued",
      "written",
      "delivered",
    ]);
    expect(ofSocket.some(({ type }) => type === "batch")).toBe(true);
    expect(ofSocket.some(({ type }) => type === "ack")).toBe(true);
    const before = new Set(told.map(({ id }) => id)).size;
    (loopback as Loopback).webSocket();
    const plain = await connections.next();
    plain.send("x");
    expect([plain.mode, new Set(told.map(({ id }) => id)).size, before]).toEqual(["plain", 1, 1]);
  });

  it("has to be a function", () => {
    const options = { noServer: true, trace: "console" } as unknown as SluiceServerOptions;
    expect(() => new SluiceServer(options)).toThrow(expect.objectContaining({ code: "ERR_USAGE_ARGUMENT" }));
  });
});
