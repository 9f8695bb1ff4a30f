import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { SluiceSocket } from "../../src/client/index.js";
import { encodeBatch } from "../../src/core/wire/encode.js";
import { type Frame, Parameter } from "../../src/core/wire/frame.js";
import type { ServerSocket, SluiceServerOptions } from "../../src/server/index.js";
import { captureUncaught, reactions } from "../support/event-loop.js";
import { chunk } from "../support/frame-table.js";
import { unhex } from "../support/hex.js";
import { inboxOf } from "../support/inbox.js";
import { Loopback } from "../support/loopback.js";
import { RawClient } from "../support/raw-client.js";

const KIB = 1024;

let loopback: Loopback;
let honest: SluiceSocket;
let uncaught: unknown[];
let onUncaught: (error: unknown) => void;

/** Starts a server with one honest client, whose messages are echoed. */
async function serve(options: Partial<SluiceServerOptions> = {}): Promise<void> {
  loopback = await Loopback.start(options);
  loopback.server.on("connection", (socket) => {
    socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  let server: ServerSocket;
  [honest, server] = await loopback.connect([], { auth: "honest" });
  expect([...loopback.server.clients]).toEqual([server]);
}

beforeEach(() => {
  uncaught = [];
  onUncaught = (error) => uncaught.push(error);
  process.on("uncaughtExceptionMonitor", onUncaught);
});

afterEach(async () => {
  process.off("uncaughtExceptionMonitor", onUncaught);
  // Whatever has happened: the honest client is still served, alone, and nothing was thrown.
  const inbox = inboxOf(honest);
  honest.send("still there?");
  expect(await inbox.next()).toBe("still there?");
  for (let turns = 0; turns < 100 && loopback.server.clients.size > 1; turns++) await reactions();
  expect(loopback.server.clients.size).toBe(1);
  await loopback.stop();
  expect(uncaught).toEqual([]);
});

const text = (value: string) => Buffer.from(value);
const zeros = (size: number) => new Uint8Array(size);
const open = (channel: number, name = `channel ${channel}`): Frame => ({
  type: "channel-open",
  channel,
  priority: "normal",
  name: text(name),
});

/** The session ends with `code`: told in an ABORT without a reason, and by the WebSocket. */
async function expectRefused(peer: RawClient, code: number): Promise<void> {
  expect((await peer.closed)[0]).toBe(code);
  expect(peer.of("abort")).toEqual([{ type: "abort", code, reason: zeros(0) }]);
  expect(peer.frames.items.at(-1)?.type).toBe("abort");
}

describe("a peer that breaks the protocol before it is let in", () => {
  beforeEach(() => serve());

  it.each<[string, number, (peer: RawClient) => void]>([
    ["garbage", 1002, (peer) => peer.send(text("GET / HTTP/1.1\r\n\r\n"))],
    ["a text message", 1002, (peer) => peer.send("hello")],
    ["an empty message", 1002, (peer) => peer.send(zeros(0))],
    ["a batch without frames", 1002, (peer) => peer.send(unhex("00"))],
    ["an unknown frame", 1002, (peer) => peer.send(unhex("00 3f"))],
    ["a frame that is cut off", 1002, (peer) => peer.send(unhex("00 07 05 01"))],
    ["a number beyond 2^53", 1002, (peer) => peer.send(unhex("ffffffffffffffff"))],
    ["a greeting of its own", 1002, (peer) => peer.unnumbered({ type: "greeting", parameters: new Map() })],
    ["a welcome", 1002, (peer) => peer.unnumbered({ type: "welcome", parameters: new Map() })],
    ["a message before HELLO", 1002, (peer) => peer.numbered(chunk({ payload: text("hi") }))],
    ["a HELLO without an attempt id", 1002, (peer) => peer.hello([])],
    ["a HELLO with a short attempt id", 1002, (peer) => peer.hello([[Parameter.ATTEMPT, zeros(15)]])],
    [
      "a HELLO whose limits make no sense",
      1002,
      (peer) =>
        peer.hello([
          [Parameter.ATTEMPT, zeros(16)],
          [Parameter.CHANNELS_MAX, Uint8Array.of(0)],
        ]),
    ],
    [
      "credentials that are not UTF-8",
      1007,
      (peer) =>
        peer.hello([
          [Parameter.ATTEMPT, zeros(16)],
          [Parameter.AUTH, Uint8Array.of(0xff)],
        ]),
    ],
    ["a HELLO in a numbered batch", 1002, (peer) => peer.send(unhex("01 02 00"))],
    ["HELLO twice", 1002, (peer) => [peer.hello(), peer.hello()]],
    ["parameters twice", 1002, (peer) => peer.send(unhex("00 02 04 0000 0000"))],
  ])("by %s", async (_, code, attack) => {
    const peer = await new RawClient(loopback).greeted();
    attack(peer);
    await expectRefused(peer, code);
  });

  it("by bytes that are no WebSocket frame", async () => {
    const peer = await new RawClient(loopback).greeted();
    peer.line.write(Buffer.from("garbage, garbage, garbage"));
    expect((await peer.closed)[0]).toBe(1002);
  });

  it("by a batch over the limit: the WebSocket refuses it unread", async () => {
    const peer = await new RawClient(loopback).greeted();
    peer.send(zeros(65 * KIB + 1));
    expect(await peer.closed).toEqual([1009, ""]);
  });

  it("by a batch in a thousand pieces and more: each of them costs", async () => {
    const pieces = async (peer: RawClient, count: number) => {
      for (let i = 1; i < count; i++) peer.webSocket.send(Uint8Array.of(0), { fin: false });
      peer.webSocket.send(Uint8Array.of(0x0a));
      return peer;
    };
    // Some proxies cut a little; the batch is read, and found to be none.
    expect((await (await pieces(await new RawClient(loopback).greeted(), 1024)).closed)[0]).toBe(1002);
    const peer = await pieces(await new RawClient(loopback).greeted(), 1025);
    expect(await peer.closed).toEqual([1008, ""]);
    expect(peer.of("abort")).toEqual([]);
  });

  it("by going away in the middle", async () => {
    const peer = await new RawClient(loopback).greeted();
    peer.line.resetAndDestroy();
    await peer.closed;
  });

  it.each<[string, [number, Uint8Array][]]>([
    ["a session without a token", [[Parameter.SESSION, zeros(16)]]],
    ["a token without a session", [[Parameter.RESUME_TOKEN, zeros(32)]]],
    [
      "a token and a count without a session",
      [
        [Parameter.RESUME_TOKEN, zeros(32)],
        [Parameter.RECEIVED, zeros(1)],
      ],
    ],
    [
      "a resume without a count",
      [
        [Parameter.SESSION, zeros(16)],
        [Parameter.RESUME_TOKEN, zeros(32)],
      ],
    ],
    [
      "a short token",
      [
        [Parameter.SESSION, zeros(16)],
        [Parameter.RESUME_TOKEN, zeros(31)],
        [Parameter.RECEIVED, zeros(1)],
      ],
    ],
    [
      "a long session",
      [
        [Parameter.SESSION, zeros(17)],
        [Parameter.RESUME_TOKEN, zeros(32)],
        [Parameter.RECEIVED, zeros(1)],
      ],
    ],
    ["an epoch of 0", [[Parameter.EPOCH, zeros(1)]]],
    ["an epoch of two numbers", [[Parameter.EPOCH, zeros(2)]]],
    ["a count that is none", [[Parameter.RECEIVED, zeros(0)]]],
  ])("by %s in its HELLO", async (_, parameters) => {
    const peer = await new RawClient(loopback).greeted();
    peer.hello([[Parameter.ATTEMPT, zeros(16)], ...parameters]);
    await expectRefused(peer, 1002);
  });

  it("by an ACK before its WELCOME", async () => {
    const peer = await new RawClient(loopback).greeted();
    peer.ack();
    await expectRefused(peer, 1002);
  });

  it("and gets no answer to what it sends behind that", async () => {
    const peer = await new RawClient(loopback).greeted();
    peer.send(unhex("00 3f"));
    peer.hello();
    peer.numbered(chunk({ payload: text("hi") }));
    await expectRefused(peer, 1002);
    expect(loopback.connections.items).toHaveLength(1);
  });
});

describe("a peer that breaks the protocol in its session", () => {
  beforeEach(() => serve());

  it.each<[string, number, (peer: RawClient) => void]>([
    ["garbage", 1002, (peer) => peer.send(Buffer.concat([unhex("01"), text("garbage")]))],
    ["a text message", 1002, (peer) => peer.send("hello")],
    ["an unknown frame", 1002, (peer) => peer.send(unhex("01 15"))],
    ["a frame in the wrong kind of batch", 1002, (peer) => peer.unnumbered(chunk({}))],
    [
      "text that is not UTF-8",
      1007,
      (peer) => peer.numbered(chunk({ text: true, payload: Uint8Array.of(0xc3, 0x28) })),
    ],
    [
      "text that is not UTF-8 as a whole",
      1007,
      (peer) =>
        peer.numbered(
          chunk({ text: true, last: false, payload: zeros(1024) }),
          chunk({ first: false, payload: Uint8Array.of(0xff) }),
        ),
    ],
    ["a chunk on a channel that is not open", 1002, (peer) => peer.numbered(chunk({ channel: 7 }))],
    ["a chunk in the middle of nothing", 1002, (peer) => peer.numbered(chunk({ first: false }))],
    ["a chunk that is too small", 1002, (peer) => peer.send(unhex("01 41 00 01 00"))],
    [
      "a message that is longer than it said",
      1002,
      (peer) =>
        peer.numbered(
          chunk({ last: false, totalBytes: 1025, payload: zeros(1024) }),
          chunk({ first: false, payload: zeros(2) }),
        ),
    ],
    ["a channel without a name", 1002, (peer) => peer.numbered(open(1, ""))],
    ["a channel twice", 1002, (peer) => peer.numbered(open(1), open(1, "other"))],
    ["a name twice", 1002, (peer) => peer.numbered(open(1, "a"), open(2, "a"))],
    ["a channel name that is not UTF-8", 1007, (peer) => peer.send(unhex("01 11 01 01 01 ff"))],
    ["the end of a channel that is not open", 1002, (peer) => peer.numbered({ type: "channel-close", channel: 1 })],
    ["a reset of nothing", 1002, (peer) => peer.numbered({ type: "reset", channel: 0 })],
    [
      "an ack of what was not sent",
      1002,
      (peer) => peer.unnumbered({ type: "ack", number: 9, bytes: 9, receivedTicks: 0, delayTicks: 0 }),
    ],
    ["a ping that is too long", 1002, (peer) => peer.send(unhex(`00 07 407e ${"07".repeat(126)}`))],
    ["a close code that does not exist", 1002, (peer) => peer.send(unhex("01 10 01 00"))],
    ["a close reason that is not UTF-8", 1007, (peer) => peer.send(unhex("01 10 43e8 01 ff"))],
    ["HELLO once more", 1002, (peer) => peer.hello()],
    ["a GOAWAY", 1002, (peer) => peer.unnumbered({ type: "goaway", delayMs: 1 })],
    [
      "a message behind its own CLOSE",
      1002,
      (peer) => peer.numbered({ type: "close", code: 1000, reason: zeros(0) }, chunk({})),
    ],
  ])("by %s", async (_, code, attack) => {
    const peer = await new RawClient(loopback).established();
    const server = await loopback.connections.next();
    const story: unknown[] = [];
    server.on("error", ({ code }) => story.push(code));
    const closed = new Promise((resolve) => server.on("close", resolve));
    attack(peer);
    await expectRefused(peer, code);
    story.push(await closed);
    expect(story).toEqual(["ERR_PEER_VIOLATION", 1006]);
  });

  it.each<[string, (peer: RawClient) => void]>([
    ["a gap", (peer) => peer.send(encodeBatch(2, [chunk({ payload: text("lost") })]))],
    ["a gap of any size", (peer) => peer.send(encodeBatch(2 ** 53 - 1, [chunk({ payload: text("lost") })]))],
  ])("by %s: that is the end of the transport, and of nothing else", async (_, attack) => {
    const peer = await new RawClient(loopback).established();
    const server = await loopback.connections.next();
    const messages: string[] = [];
    server.on("message", (data) => messages.push(String(data)));
    const parked = once(server, "park");
    attack(peer);
    peer.numbered(chunk({ payload: text("unread") }));
    expect(await peer.closed).toEqual([1002, ""]);
    await parked;
    expect(peer.of("abort")).toEqual([]);
    expect([server.readyState, server.transport, messages]).toEqual([1, null, []]);
    const next = await peer.resumed();
    expect(await next.nextText()).toBe("unread");
    expect(messages).toEqual(["unread"]);
    server.terminate();
  });

  it("by a batch over the limit: the WebSocket refuses it unread, and the session is parked", async () => {
    const peer = await new RawClient(loopback).established();
    const server = await loopback.connections.next();
    const parked = once(server, "park");
    peer.numbered(chunk({ payload: zeros(65 * KIB) }));
    expect(await peer.closed).toEqual([1009, ""]);
    await parked;
    server.terminate();
  });

  it.each<[string, (peer: RawClient) => unknown]>([
    ["a reset", (peer) => peer.line.resetAndDestroy()],
    ["bytes that are no WebSocket frame", (peer) => peer.line.write(Buffer.from("garbage, garbage, garbage"))],
    ["a close of the WebSocket", (peer) => peer.webSocket.close(1000)],
    ["a close of the WebSocket with a code of the application", (peer) => peer.webSocket.close(4000, "bye")],
    ["DETACH", (peer) => peer.unnumbered({ type: "detach" })],
  ])("by no more than %s: the session is parked", async (_, attack) => {
    const peer = await new RawClient(loopback).established();
    const server = await loopback.connections.next();
    const parked = once(server, "park");
    attack(peer);
    await Promise.all([peer.closed, parked]);
    expect(peer.of("abort")).toEqual([]);
    await peer.resumed();
    server.terminate();
  });

  it("and nobody listens to `error`", async () => {
    const peer = await new RawClient(loopback).established();
    const server = await loopback.connections.next();
    const closed = new Promise((resolve) => server.on("close", resolve));
    peer.send(unhex("00 3f"));
    await expectRefused(peer, 1002);
    expect(await closed).toBe(1006);
  });

  it("what stood before the violation has taken effect", async () => {
    const peer = await new RawClient(loopback).established();
    const server = await loopback.connections.next();
    const arrived = once(server, "message");
    peer.send(Buffer.concat([encodeBatch(1, [chunk({ payload: text("hi") })]), unhex("3f")]));
    expect(String((await arrived)[0])).toBe("hi");
    await expectRefused(peer, 1002);
  });
});

describe("a peer that wants too much", () => {
  it("of a message, read by nobody in pieces: it is refused, and the session goes on", async () => {
    await serve({ maxPayload: 50_000 });
    const peer = await new RawClient(loopback).established();
    peer.numbered(chunk({ last: false, payload: zeros(40_000) }));
    peer.numbered(chunk({ first: false, last: false, payload: zeros(10_001) }));
    expect(await peer.next("reject")).toEqual({ type: "reject", channel: 0, message: 1, code: 1009 });
    const server = await loopback.connections.next();
    const arrived = once(server, "message");
    peer.numbered({ type: "reset", channel: 0 });
    peer.numbered(chunk({ text: true, payload: text("hi") }));
    expect(String((await arrived)[0])).toBe("hi");
    server.terminate();
  });

  it("of channels: 1008", async () => {
    await serve({ limits: { channelsMax: 10 } });
    const peer = await new RawClient(loopback).established();
    for (let i = 1; i <= 10; i++) peer.numbered(open(i));
    await expectRefused(peer, 1008);
  });

  it("of early data, while its credentials are being looked at: 1002", async () => {
    await serve({ authenticate: ({ auth }) => auth === "honest" || new Promise(() => {}) });
    const peer = await new RawClient(loopback).greeted();
    peer.hello();
    for (let i = 0; i < 3; i++) peer.numbered(chunk({ payload: zeros(16 * KIB) }));
    await expectRefused(peer, 1002);
    expect(loopback.connections.items).toHaveLength(1);
  });

  it("of time before its HELLO: 1013", async () => {
    await serve({ limits: { handshakeTimeoutMs: 30 } });
    const peer = await new RawClient(loopback).greeted();
    await expectRefused(peer, 1013);
  });

  it("of memory for messages on channels that nobody listens to: they have a first credit, and no more", async () => {
    await serve();
    const peer = await new RawClient(loopback).established();
    peer.numbered(open(1));
    peer.numbered(chunk({ channel: 1, payload: zeros(60_000) }));
    peer.numbered(chunk({ channel: 1, payload: zeros(60_000) }));
    expect((await peer.closed)[0]).toBe(1002);
    expect(peer.of("abort")).toMatchObject([{ code: 1002 }]);
  });

  it("of memory for channels that nobody is told of, opened, filled and closed again and again: 1009", async () => {
    await serve();
    const peer = await new RawClient(loopback).established();
    for (let i = 0; i < 600; i++) {
      peer.numbered(open(1), chunk({ channel: 1, payload: text("a") }), { type: "channel-close", channel: 1 });
    }
    expect((await peer.closed)[0]).toBe(1009);
  });

  it("of channels that nobody is told of, opened and closed again and again: nothing is kept of them", async () => {
    await serve();
    const peer = await new RawClient(loopback).established();
    for (let i = 0; i < 600; i++) peer.numbered(open(1), { type: "channel-close", channel: 1 });
    peer.numbered(chunk({ payload: text("and now?") }));
    expect(Buffer.from((await peer.next("chunk")).payload).toString()).toBe("and now?");
    const [, server] = [...loopback.server.clients];
    server?.terminate();
    await peer.closed;
  });

  it("of pongs: it gets those of the last pings, and goes on", async () => {
    await serve();
    const peer = await new RawClient(loopback).established();
    const pings: Frame[] = Array.from({ length: 400 }, (_, i) => ({ type: "ping", payload: Uint8Array.of(i >> 8, i) }));
    peer.unnumbered(...pings);
    peer.numbered(chunk({ payload: text("and now?") }));
    const echoed = await peer.next("chunk");
    expect(Buffer.from(echoed.payload).toString()).toBe("and now?");
    expect(peer.of("pong")).toHaveLength(16);
    expect(peer.of("pong").at(-1)).toEqual({ type: "pong", payload: Uint8Array.of(1, 399 - 256) });
    const [, server] = [...loopback.server.clients];
    server?.terminate();
    await peer.closed;
  });
});

describe("a request that is made to confuse", () => {
  const KEY = "0123456789abcdef0123456789abcdef";
  const LINE = `Host: x\r\nSluice-Line: ${KEY}\r\nSluice-Received: 0\r\nSluice-Position: 1\r\nContent-Type: application/octet-stream\r\n`;
  const WEBSOCKET =
    "Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  const post = (headers: string, body = "") => `POST / HTTP/1.1\r\n${LINE}${headers}\r\n${body}`;
  const get = (url: string, headers = WEBSOCKET) => `GET ${url} HTTP/1.1\r\n${headers}\r\n`;
  const offering = (offer: string) => get("/", `${WEBSOCKET}Sec-WebSocket-Protocol: ${offer}\r\n`);

  beforeEach(() => serve());

  /** The answer, behind what only asks for more. */
  async function answerTo(request: string): Promise<string> {
    const line = connectTcp(loopback.port, "127.0.0.1");
    line.on("error", () => {});
    line.write(request, "latin1");
    let answer = "";
    for await (const piece of line) {
      answer = (answer + (piece as Buffer).toString("latin1")).replace(/^HTTP\/1\.1 100 .*\r\n\r\n/, "");
      if (answer.includes("\r\n\r\n")) break;
    }
    line.destroy();
    return answer;
  }

  it.each<[string, number, string]>([
    ["two lengths", 400, post("Content-Length: 3\r\nContent-Length: 4\r\n", "abcd")],
    ["a length and chunks", 400, post("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "0\r\n\r\n")],
    ["two encodings", 400, post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n")],
    ["a length beyond all bounds", 400, post("Content-Length: 99999999999999999999\r\n")],
    ["a length beyond ours, and nothing behind it", 413, post("Content-Length: 999999999\r\n", "abc")],
    ["what is expected, and a batch of no bytes", 400, post("Expect: 100-continue\r\nContent-Length: 1\r\n", "\0")],
    ["a line twice", 400, post(`Sluice-Line: ${KEY}\r\nContent-Length: 0\r\n`)],
    ["a whole URL, and a batch of no bytes", 400, post("Content-Length: 1\r\n", "\0").replace(" / ", " http://y/ ")],
    [
      "its headers at the end",
      400,
      post("Transfer-Encoding: chunked\r\n", "1\r\n\0\r\n0\r\nSluice-Close: 1000\r\n\r\n"),
    ],
    ["an Origin of other letters", 403, post("Origin: http://x\xff\r\nContent-Length: 0\r\n")],
    ["two Origins", 403, get("/", `${WEBSOCKET}Origin: http://x\r\nOrigin: http://y\r\n`)],
    ["a host for a path", 101, get("//evil/path")],
    ["a URL of nothing but percents", 101, get("/%zz%00%ff?%%%")],
    ["a session twice", 101, get(`/?sluice-session=${KEY}&sluice-session=${KEY}`)],
    ["a URL that is too long", 431, get(`/${"a".repeat(20_000)}`)],
    ["a thousand protocols", 101, offering(`${Array.from({ length: 1000 }, (_, i) => `p${i}`).join(", ")}, sluice.v1`)],
    ["one protocol a thousand times", 400, offering(Array(1000).fill("p").join(", "))],
    ["protocols of nothing but commas", 400, offering(`sluice.v1${",".repeat(8000)}`)],
    ["protocols that name properties", 101, offering("__proto__, constructor, sluice.v1")],
    ["HTTP/2 instead of a WebSocket", 400, get("/", WEBSOCKET.replace("websocket", "h2c"))],
    ["a WebSocket of another time", 400, get("/", WEBSOCKET.replace("13", "12"))],
    ["a key that is none", 400, get("/", WEBSOCKET.replace("dGhl", ""))],
    ["two keys", 400, get("/", `${WEBSOCKET}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n`)],
    ["a handshake by POST", 405, get("/").replace("GET", "POST")],
  ])("%s: %d", async (_, status, request) => {
    expect((await answerTo(request)).slice(0, 13)).toBe(`HTTP/1.1 ${status} `);
  });

  it("may ask for compression, and does not get it", async () => {
    const extensions = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    const answer = await answerTo(get("/", `${WEBSOCKET}${extensions}`));
    expect(answer).toMatch(/^HTTP\/1\.1 101 /);
    expect(answer.toLowerCase()).not.toContain("sec-websocket-extensions");
  });
});

describe("a peer that sends and does not read", () => {
  const pings = encodeBatch(
    0,
    Array.from({ length: 16 }, () => ({ type: "ping" as const, payload: zeros(125) })),
  );

  /** Sends it again and again, at the pace of the server. Returns the most that was waiting there for the peer. */
  async function flood(peer: RawClient, batch: Uint8Array, count: number): Promise<number> {
    peer.webSocket.pause();
    peer.line.pause();
    let most = 0;
    for (let i = 0; i < count; i++) {
      if (i % 500 > 0) peer.send(batch);
      else await new Promise<void>((resolve) => peer.webSocket.send(batch, () => resolve()));
      if (i % 500 === 0) most = Math.max(most, ...[...loopback.lines].map(({ writableLength }) => writableLength));
    }
    return most;
  }

  it("but asks: nobody keeps its answers, let in or not", async () => {
    await serve();
    const stranger = await new RawClient(loopback).greeted();
    expect(await flood(stranger, pings, 10_000)).toBeLessThan(64 * KIB);
    stranger.webSocket.terminate();
    const peer = await new RawClient(loopback).established();
    expect(await flood(peer, pings, 10_000)).toBeLessThan(512 * KIB);
    const [, server] = [...loopback.server.clients];
    server?.terminate();
    peer.webSocket.terminate();
    await peer.closed;
  });
});

describe("an application's listener that throws", () => {
  it("takes down no session", async () => {
    await serve();
    const error = new Error("thrown by the application");
    process.off("uncaughtExceptionMonitor", onUncaught);
    const caught = await captureUncaught(async () => {
      const [socket, server] = await loopback.connect();
      server.prependOnceListener("message", () => {
        throw error;
      });
      const inbox = inboxOf(socket);
      await socket.send("a").delivered;
      socket.send("b");
      expect(await inbox.next()).toBe("b");
      socket.close();
      await once(socket, "close");
    });
    expect(caught).toEqual([error]);
  });
});
