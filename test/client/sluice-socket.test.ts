import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import {
  type SluiceCloseEvent,
  type SluiceErrorEvent,
  SluiceSocket,
  type SluiceSocketOptions,
} from "../../src/client/websocket.js";
import type { ServerSocket } from "../../src/server/index.js";
import { captureUncaught, reactions } from "../support/event-loop.js";
import { inboxOf } from "../support/inbox.js";
import { Loopback } from "../support/loopback.js";
import { binary } from "../support/pair.js";

const MIB = 1024 * 1024;

let loopback: Loopback;

beforeEach(async () => {
  loopback = await Loopback.start();
});

afterEach(async () => {
  vi.unstubAllGlobals();
  await loopback.stop();
});

function locked(): ReadableStream<Uint8Array> {
  const stream = new ReadableStream<Uint8Array>();
  stream.getReader();
  return stream;
}

const failure = (code: string) => expect.objectContaining({ code });
const domError = (name: string) => expect.objectContaining({ name, constructor: DOMException });

/** Writes down every event of a socket with its ready state. */
function storyOf(socket: SluiceSocket): string[] {
  const story: string[] = [];
  const types = [
    "open",
    "message",
    "error",
    "close",
    "transportchange",
    "connectionstatechange",
    "channel",
    "sessionlost",
  ];
  for (const type of types) {
    socket.addEventListener(type, () => story.push(`${type} ${socket.readyState}`));
  }
  return story;
}

/** What applications that keep their own account of connections ask for. */
const NO_REOPEN = { onSessionLost: "close", backoff: { baseMs: 1 } } as const;

const closeOf = async (socket: SluiceSocket) => (await once(socket, "close"))[0] as SluiceCloseEvent;

/** What the `error` event says, which comes before `close`, and what `close` says. */
async function endOf(socket: SluiceSocket): Promise<{ code: string | undefined; close: SluiceCloseEvent }> {
  let code: string | undefined;
  socket.addEventListener("error", ({ error }) => {
    code = error.code;
  });
  return { close: await closeOf(socket), code };
}

const echo = (socket: ServerSocket) =>
  socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));

describe("SluiceSocket: the interface of a WebSocket", () => {
  it("has the constants, on the class and on the instance", () => {
    const socket = loopback.client();
    for (const [value, name] of (["CONNECTING", "OPEN", "CLOSING", "CLOSED"] as const).entries()) {
      expect(SluiceSocket[name]).toBe(value);
      expect(socket[name]).toBe(value);
    }
  });

  it("is an EventTarget, extensible, and no thenable", async () => {
    const socket = loopback.client();
    expect(socket).toBeInstanceOf(EventTarget);
    expect("then" in socket).toBe(false);
    expect(await socket).toBe(socket);
    Object.assign(socket, { expando: 1 });
    expect(Object.isExtensible(socket)).toBe(true);
    expect(socket).toHaveProperty("expando", 1);
    expect(() => Object.setPrototypeOf(socket, null)).not.toThrow();
    Object.setPrototypeOf(socket, SluiceSocket.prototype);
  });

  it("can be extended by libraries that want more than a socket", async () => {
    class Named extends SluiceSocket {
      readonly name = "mine";
    }
    const socket = new Named(loopback.url, [], { WebSocket });
    await once(socket, "open");
    expect(socket).toBeInstanceOf(SluiceSocket);
    expect([socket.name, Named.OPEN, socket.readyState]).toEqual(["mine", 1, 1]);
    socket.close();
    await once(socket, "close");
  });

  it("throws for options that are misspelt, also in `with`, and before a library could hide it", () => {
    const usage = expect.objectContaining({ code: "ERR_USAGE_ARGUMENT" });
    for (const options of [{ transport: ["sse"] }, { onsessionlost: "close" }, "close", null]) {
      expect(() => new SluiceSocket(loopback.url, [], options as never)).toThrow(usage);
      expect(() => SluiceSocket.with(options as never)).toThrow(usage);
    }
    for (const options of [{ onSessionLost: "never" }, { limits: { windowBytes: 1 } }, { mode: "plain", auth: 1 }]) {
      expect(() => SluiceSocket.with(options as never)).toThrow(usage);
    }
  });

  it("of a subclass, in the hands of a library, takes no notice of options that are not ours", async () => {
    for (const third of [null, undefined, 1, "headers", { headers: { a: "b" } }]) {
      const socket = new (SluiceSocket.with({ WebSocket }))(loopback.url, undefined, third as never);
      await once(socket, "open");
      socket.close();
      await once(socket, "close");
    }
  });

  it("has channels by names that are strings, with options that there are", async () => {
    const [client, server] = await loopback.connect();
    const usage = expect.objectContaining({ code: "ERR_USAGE_ARGUMENT" });
    for (const name of [undefined, null, 5, {}, ["a"]] as never[]) {
      expect(() => client.channel(name)).toThrow(usage);
      expect(() => server.channel(name)).toThrow(usage);
    }
    for (const options of ["low", { prio: "low" }] as never[]) {
      expect(() => client.channel("files", options)).toThrow(usage);
      expect(() => server.channel("files", options)).toThrow(usage);
    }
    expect(client.channel("files", { priority: "low" }).priority).toBe("low");
  });

  it("starts as a socket that is connecting", () => {
    const socket = loopback.client();
    expect(socket).toMatchObject({
      url: loopback.url,
      readyState: 0,
      protocol: "",
      extensions: "",
      binaryType: "blob",
      bufferedAmount: 0,
      onopen: null,
      onmessage: null,
      onerror: null,
      onclose: null,
      onchannel: null,
      onsessionlost: null,
      transport: null,
      mode: null,
      connectionState: "connecting",
    });
  });

  it("serialises its URL", () => {
    const options = { WebSocket: class Never extends WebSocket {} };
    const socket = new SluiceSocket(`HTTP://127.0.0.1:${loopback.port}/a b?c`, [], options);
    expect(socket.url).toBe(`ws://127.0.0.1:${loopback.port}/a%20b?c`);
    socket.close();
  });

  it.each<[string, () => unknown, unknown]>([
    ["nothing", () => Reflect.construct(SluiceSocket, []), expect.any(TypeError)],
    ["a bad URL", () => new SluiceSocket("ftp://example.com"), domError("SyntaxError")],
    ["a bad protocol", () => new SluiceSocket("ws://example.com", "a b"), domError("SyntaxError")],
    ["our own protocol", () => new SluiceSocket("ws://example.com", "sluice.v1"), domError("SyntaxError")],
    [
      "a WebSocket that is none",
      () => new SluiceSocket("ws://example.com", [], { WebSocket: {} }),
      failure("ERR_USAGE_ARGUMENT"),
    ],
    [
      "a way to lose sessions that there is not",
      () => new SluiceSocket("ws://example.com", [], { onSessionLost: "retry" as never }),
      failure("ERR_USAGE_ARGUMENT"),
    ],
    [
      "bad limits",
      () => new SluiceSocket("ws://example.com", [], { limits: { channelsMax: 1000 } }),
      failure("ERR_USAGE_ARGUMENT"),
    ],
  ])("refuses %s at once", (_, construct, error) => {
    let thrown: unknown;
    try {
      construct();
    } catch (caught) {
      thrown = caught;
    }
    expect(thrown).toEqual(error);
  });

  it("goes through its states: open, messages, close", async () => {
    const socket = loopback.client();
    const story = storyOf(socket);
    const server = await loopback.connections.next();
    echo(server);
    expect(socket.readyState).toBeLessThan(2);
    if (socket.readyState === 0) await once(socket, "open");
    socket.send("a");
    await once(socket, "message");
    expect([socket.mode, socket.transport, socket.connectionState]).toEqual(["framed", "websocket", "connected"]);
    socket.close(4000, "done");
    expect(socket.readyState).toBe(2);
    const close = await closeOf(socket);
    expect(close).toMatchObject({ code: 4000, reason: "done", wasClean: true });
    expect(socket.readyState).toBe(3);
    expect(story).toEqual([
      "transportchange 1",
      "connectionstatechange 1",
      "open 1",
      "message 1",
      "transportchange 3",
      "connectionstatechange 3",
      "close 3",
    ]);
    expect([socket.transport, socket.connectionState]).toEqual([null, "closed"]);
  });

  it("calls the handlers set as properties, with itself as `this`", async () => {
    const socket = loopback.client([], NO_REOPEN);
    const seen: unknown[] = [];
    const note = function (this: unknown, event: Event) {
      seen.push([event.type, this === socket]);
    };
    socket.onopen = note;
    socket.onmessage = note;
    socket.onclose = note;
    socket.onerror = note;
    socket.onchannel = note;
    socket.onsessionlost = note;
    expect(socket.onsessionlost).toBe(note);
    expect(socket.onopen).toBe(note);
    const server = await loopback.connections.next();
    server.send("a");
    await once(socket, "message");
    server.channel("files").send("b");
    await once(socket, "channel");
    server.terminate();
    await once(socket, "close");
    expect(seen).toEqual([
      ["open", true],
      ["message", true],
      ["channel", true],
      ["sessionlost", true],
      ["error", true],
      ["close", true],
    ]);
  });

  it("dispatches each message in a task of its own", async () => {
    const [socket, server] = await loopback.connect();
    const story: string[] = [];
    socket.addEventListener("message", async ({ data }) => {
      story.push(data);
      await Promise.resolve();
      story.push(`${data} later`);
    });
    const inbox = inboxOf(socket);
    for (const line of ["a", "b", "c"]) server.send(line);
    await inbox.take(3);
    await reactions();
    expect(story).toEqual(["a", "a later", "b", "b later", "c", "c later"]);
  });

  it("gives text as strings, binary messages as the binary type of their moment says", async () => {
    const [socket, server] = await loopback.connect();
    const inbox = inboxOf(socket);
    server.send("text");
    server.send(Uint8Array.of(1, 2, 3));
    const [text, blob] = await inbox.take(2);
    expect(text).toBe("text");
    expect(blob).toBeInstanceOf(Blob);
    expect(new Uint8Array(await (blob as Blob).arrayBuffer())).toEqual(Uint8Array.of(1, 2, 3));
    socket.binaryType = "arraybuffer";
    server.send(Uint8Array.of(4));
    expect(await inbox.next()).toEqual(Uint8Array.of(4).buffer);
    socket.binaryType = "nodebuffer" as never;
    expect(socket.binaryType).toBe("arraybuffer");
    socket.binaryType = "blob";
    server.send(Buffer.alloc(0));
    expect(await inbox.next()).toBeInstanceOf(Blob);
  });

  it("gives MessageEvents with the origin of the server", async () => {
    const [socket, server] = await loopback.connect();
    server.send("a");
    const [event] = await once(socket, "message");
    expect(event).toBeInstanceOf(MessageEvent);
    expect(event.origin).toBe(`ws://127.0.0.1:${loopback.port}`);
  });

  it("lets a listener throw: it is uncaught, and the next message comes", async () => {
    const [socket, server] = await loopback.connect();
    const error = new Error("thrown by the application");
    const uncaught = await captureUncaught(async () => {
      socket.addEventListener("message", ({ data }) => {
        if (data === "a") throw error;
      });
      const inbox = inboxOf(socket);
      server.send("a");
      server.send("b");
      expect(await inbox.take(2)).toEqual(["a", "b"]);
    });
    expect(uncaught).toEqual([error]);
  });
});

describe("SluiceSocket: sending", () => {
  it("queues what is sent before it is open, and delivers it in order", async () => {
    const socket = loopback.client();
    const receipts = ["a", "b", "c"].map((line) => socket.send(line));
    socket.send(Uint8Array.of(1, 2, 3, 4));
    expect(socket.bufferedAmount).toBe(7);
    expect(receipts.map(({ state }) => state)).toEqual(["queued", "queued", "queued"]);
    const server = await loopback.connections.next();
    const seen: unknown[] = [];
    server.on("message", (data, isBinary) => seen.push(isBinary ? [...data] : String(data)));
    await Promise.all(receipts.map(({ delivered }) => delivered));
    expect(seen.slice(0, 3)).toEqual(["a", "b", "c"]);
    expect(receipts.map(({ state }) => state)).toEqual(["delivered", "delivered", "delivered"]);
    expect(socket.bufferedAmount).toBe(0);
  });

  it("sends every kind of data", async () => {
    const [socket, server] = await loopback.connect();
    const seen: unknown[] = [];
    server.on("message", (data, isBinary) => seen.push([isBinary, String(data)]));
    const bytes = Buffer.from("bytes");
    const all: unknown[] = [
      "text",
      "ä😀",
      "",
      new Uint8Array(bytes),
      new Uint8Array(bytes).buffer,
      new DataView(new Uint8Array(bytes).buffer, 1, 2),
      new Blob(["blob"]),
      new File(["file"], "name"),
      new Blob([]),
      12,
      null,
      { toString: () => "own" },
    ];
    await Promise.all(all.map((data) => socket.send(data as never).delivered));
    expect(seen).toEqual([
      [false, "text"],
      [false, "ä😀"],
      [false, ""],
      [true, "bytes"],
      [true, "bytes"],
      [true, "yt"],
      [true, "blob"],
      [true, "file"],
      [true, ""],
      [false, "12"],
      [false, "null"],
      [false, "own"],
    ]);
  });

  it.each<[string, () => unknown]>([
    ["nothing at all", () => Reflect.apply(SluiceSocket.prototype.send, loopback.client(), [])],
    ["a symbol", () => loopback.client().send(Symbol("a") as never)],
    ["a stream that somebody else reads", () => loopback.client().send(locked())],
    ["a promise", () => loopback.client().send(Promise.resolve("a") as never)],
  ])("refuses %s", (_, send) => {
    expect(send).toThrow(TypeError);
  });

  it("snapshots what it is given", async () => {
    const [socket, server] = await loopback.connect();
    const bytes = Uint8Array.of(1, 2, 3);
    const arrived = once(server, "message");
    socket.send(bytes);
    bytes.fill(0);
    expect([...(await arrived)[0]]).toEqual([1, 2, 3]);
  });

  it("tells how far a message has come, and can take it back in its middle", async () => {
    const [socket, server] = await loopback.connect();
    const controller = new AbortController();
    const loaded: number[] = [];
    const receipt = socket.send(binary(8 * MIB).bytes, {
      signal: controller.signal,
      onprogress: (progress) => {
        loaded.push(progress.loaded);
        expect(progress.total).toBe(8 * MIB);
        controller.abort();
      },
    });
    await expect(receipt.delivered).rejects.toEqual(failure("ERR_CANCELLED"));
    expect(loaded.length).toBeGreaterThan(0);
    const arrived = once(server, "message");
    await socket.send("next").delivered;
    expect(String((await arrived)[0])).toBe("next");
    expect(socket.bufferedAmount).toBe(0);
  });

  it("refuses a message over its own limit at once, also before it is open", async () => {
    const socket = loopback.client([], { limits: { messageBytesMax: 1000 } });
    expect(() => socket.send(new Uint8Array(1001))).toThrow(failure("ERR_MESSAGE_TOO_LARGE"));
    expect(() => socket.send("ä".repeat(501))).toThrow(failure("ERR_MESSAGE_TOO_LARGE"));
    expect(socket.bufferedAmount).toBe(0);
    await socket.send(new Uint8Array(1000)).delivered;
  });

  it("sends nothing any more once it is closing: the bytes count, and the receipt tells", async () => {
    const [socket, server] = await loopback.connect();
    const seen: string[] = [];
    server.on("message", (data) => seen.push(String(data)));
    socket.send("before");
    socket.close();
    const buffered = socket.bufferedAmount;
    const receipts = [
      socket.send("12345"),
      socket.send("ä"),
      socket.send(new Uint8Array(10)),
      socket.send(new Blob(["123"])),
    ];
    expect(receipts.map(({ state }) => state)).toEqual(receipts.map(() => "never-written"));
    await expect(receipts[0]?.delivered).rejects.toEqual(failure("ERR_NEVER_WRITTEN"));
    expect(socket.bufferedAmount).toBe(buffered + 20);
    await once(socket, "close");
    expect(socket.bufferedAmount).toBe(20);
    socket.send("1");
    expect(socket.bufferedAmount).toBe(21);
    expect(seen).toEqual(["before"]);
    expect(() => socket.send(Symbol("a") as never)).toThrow(TypeError);
  });

  it("keeps the bytes that were lost in `bufferedAmount`", async () => {
    const [socket, server] = await loopback.connect([], NO_REOPEN);
    const receipt = socket.send(new Uint8Array(4 * MIB));
    server.terminate();
    await once(socket, "close");
    expect(receipt.state).not.toBe("delivered");
    expect(socket.bufferedAmount).toBeGreaterThan(0);
  });
});

describe("SluiceSocket: closing", () => {
  it.each<[number | undefined, string | undefined, string]>([
    [0, undefined, "InvalidAccessError"],
    [999, undefined, "InvalidAccessError"],
    [1001, "", "InvalidAccessError"],
    [1005, undefined, "InvalidAccessError"],
    [1006, undefined, "InvalidAccessError"],
    [2999, undefined, "InvalidAccessError"],
    [5000, undefined, "InvalidAccessError"],
    [-1, undefined, "InvalidAccessError"],
    [70_000, undefined, "InvalidAccessError"],
    [Number.NaN, undefined, "InvalidAccessError"],
    [1000, "x".repeat(124), "SyntaxError"],
    [3000, "ä".repeat(62), "SyntaxError"],
    [undefined, "x".repeat(124), "SyntaxError"],
    [999, "x".repeat(124), "InvalidAccessError"],
  ])("throws for close(%s, %j) what the DOM throws, and goes on", async (code, reason, name) => {
    const socket = loopback.client();
    expect(() => socket.close(code, reason)).toThrow(domError(name));
    expect(socket.readyState).toBe(0);
  });

  it.each<[unknown[], { code: number; reason: string }]>([
    [[], { code: 1005, reason: "" }],
    [[undefined, undefined], { code: 1005, reason: "" }],
    [[1000], { code: 1000, reason: "" }],
    [[3000, "bye"], { code: 3000, reason: "bye" }],
    [[4999, "x".repeat(123)], { code: 4999, reason: "x".repeat(123) }],
    [["4000", 12], { code: 4000, reason: "12" }],
    [[undefined, "why"], { code: 1000, reason: "why" }],
    [[1000, "\ud800"], { code: 1000, reason: "\ufffd" }],
  ])("close(...%j) is what both ends see", async (parts, end) => {
    const [socket, server] = await loopback.connect();
    const closed = once(server, "close");
    Reflect.apply(socket.close, socket, parts);
    expect(await closeOf(socket)).toMatchObject({ ...end, wasClean: true });
    const [code, reason] = await closed;
    expect([code, String(reason)]).toEqual([end.code, end.reason]);
  });

  it("holds no port any more once it is closed, which would keep itself alive in a page", async () => {
    let open = 0;
    const Channel = MessageChannel;
    vi.stubGlobal(
      "MessageChannel",
      class extends Channel {
        constructor() {
          super();
          open += 1;
          this.port1.addEventListener("close", () => (open -= 1));
        }
      },
    );
    const [socket] = await loopback.connect();
    expect(open).toBe(1);
    socket.close();
    await closeOf(socket);
    await vi.waitFor(() => expect(open).toBe(0));
  });

  it("delivers what was accepted, however large, before it closes", async () => {
    const [socket, server] = await loopback.connect();
    const arrived = once(server, "message");
    const receipt = socket.send(binary(3 * MIB).bytes);
    socket.close();
    await once(socket, "close");
    expect((await arrived)[0]).toHaveLength(3 * MIB);
    expect(receipt.state).toBe("delivered");
    expect(socket.bufferedAmount).toBe(0);
  });

  it("shows no message after `close()`, as the standard says", async () => {
    const [socket, server] = await loopback.connect();
    const seen = inboxOf(socket);
    server.on("message", () => server.send("too late"));
    socket.send("a");
    socket.close();
    await once(socket, "close");
    expect(seen.items).toEqual([]);
  });

  it("closes once, with the code of the first call", async () => {
    const [socket] = await loopback.connect();
    const story = storyOf(socket);
    socket.close(4001);
    socket.close(4002);
    expect((await closeOf(socket)).code).toBe(4001);
    socket.close(4003);
    await reactions();
    expect(story.filter((entry) => entry.startsWith("close"))).toHaveLength(1);
  });

  it("fails when it is closed while it connects, later and not at once", async () => {
    const socket = loopback.client();
    const story = storyOf(socket);
    socket.close(4000, "changed my mind");
    expect(socket.readyState).toBe(2);
    expect(story).toEqual([]);
    const { code, close } = await endOf(socket);
    expect(code).toBe("ERR_CONNECT_FAILED");
    expect(close).toMatchObject({ code: 1006, reason: "", wasClean: false });
    expect(story.map((entry) => entry.split(" ")[0])).toEqual(["connectionstatechange", "error", "close"]);
    expect(socket.mode).toBeNull();
  });

  it("delivers what was sent before, when it is closed while it connects", async () => {
    const socket = loopback.client();
    const story = storyOf(socket);
    const receipt = socket.send("a");
    socket.close(4000, "that was all");
    const server = await loopback.connections.next();
    const arrived = once(server, "message");
    expect(String((await arrived)[0])).toBe("a");
    expect(await closeOf(socket)).toMatchObject({ code: 4000, reason: "that was all", wasClean: true });
    expect(receipt.state).toBe("delivered");
    expect(story.some((entry) => entry.startsWith("open"))).toBe(false);
  });

  it("is closed by the server, after the messages before", async () => {
    const [socket, server] = await loopback.connect();
    const story = storyOf(socket);
    const closed = once(server, "close");
    server.send("last words");
    server.close(4005, "bye");
    expect(await closeOf(socket)).toMatchObject({ code: 4005, reason: "bye", wasClean: true });
    expect(story).toEqual(["message 1", "transportchange 3", "connectionstatechange 3", "close 3"]);
    const [code, reason] = await closed;
    expect([code, String(reason)]).toEqual([4005, "bye"]);
  });

  it("is `sessionlost`, `error` and `close` 1006 when the session is lost and not to be replaced", async () => {
    const [socket, server] = await loopback.connect([], NO_REOPEN);
    const story = storyOf(socket);
    const receipt = socket.send(binary(4 * MIB).bytes);
    const waits = socket.send("behind it");
    await reactions();
    let detail: unknown;
    socket.onsessionlost = (event) => {
      detail = event.detail;
    };
    server.terminate();
    const { code, close } = await endOf(socket);
    expect(code).toBe("ERR_SESSION_LOST");
    expect(close).toMatchObject({ code: 1006, reason: "", wasClean: false });
    expect(story).toEqual([
      "transportchange 1",
      "connectionstatechange 1",
      "sessionlost 1",
      "connectionstatechange 3",
      "error 3",
      "close 3",
    ]);
    expect([receipt.state, waits.state]).toEqual(["unknown", "never-written"]);
    await expect(receipt.delivered).rejects.toEqual(failure("ERR_DELIVERY_UNKNOWN"));
    await expect(waits.delivered).rejects.toEqual(failure("ERR_NEVER_WRITTEN"));
    expect(detail).toEqual({ neverWritten: [waits], unknown: [receipt] });
    expect(server.readyState).toBe(3);
  });

  it("does not close when the line is cut: the session goes on over the next one", async () => {
    const [socket, server] = await loopback.connect([], { backoff: { baseMs: 1 } });
    const story = storyOf(socket);
    const seen: number[] = [];
    server.on("message", (data) => seen.push(data.length));
    const receipts = [socket.send(binary(4 * MIB).bytes), socket.send("behind it")];
    await reactions();
    loopback.cut();
    await once(socket, "connectionstatechange");
    expect([socket.connectionState, socket.transport, socket.readyState]).toEqual(["reconnecting", null, 1]);
    receipts.push(socket.send("meanwhile"));
    await Promise.all(receipts.map(({ delivered }) => delivered));
    expect(seen).toEqual([4 * MIB, 9, 9]);
    expect([socket.connectionState, socket.transport]).toEqual(["connected", "websocket"]);
    expect([socket.stats().resumes, server.stats().resumes]).toEqual([1, 1]);
    expect(story).toEqual([
      "transportchange 1",
      "connectionstatechange 1",
      "transportchange 1",
      "connectionstatechange 1",
    ]);
    expect(loopback.connections.items).toHaveLength(1);
  });

  it("throws for a channel once it is closing", async () => {
    const [socket] = await loopback.connect();
    socket.close();
    expect(() => socket.channel("files")).toThrow(failure("ERR_USAGE_CHANNEL_CLOSED"));
    await once(socket, "close");
    expect(() => socket.channel("files")).toThrow(failure("ERR_USAGE_CHANNEL_CLOSED"));
  });
});

describe("SluiceSocket: connecting", () => {
  it("shows the protocol that the server has chosen, and never ours", async () => {
    const [socket, server] = await loopback.connect(["chat.v2", "chat.v1"]);
    expect([socket.protocol, server.protocol]).toEqual(["chat.v2", "chat.v2"]);
    const [other, otherServer] = await loopback.connect();
    expect([other.protocol, otherServer.protocol]).toEqual(["", ""]);
  });

  it("lets the server choose among them", async () => {
    const offers: string[][] = [];
    loopback.server.options.handleProtocols = (offered) => {
      offers.push([...offered]);
      return "chat.v1";
    };
    const [socket] = await loopback.connect(["chat.v2", "chat.v1"]);
    expect(socket.protocol).toBe("chat.v1");
    expect(offers).toEqual([["chat.v2", "chat.v1"]]);
  });

  it.each<[string, string | false]>([
    ["none of the protocols", false],
    ["one that was not offered", "other"],
  ])("fails when the server chooses %s, and no application ever sees what was sent", async (_, choice) => {
    loopback.server.options.handleProtocols = () => choice;
    const socket = loopback.client(["chat"]);
    const receipt = socket.send("secret");
    const { code, close } = await endOf(socket);
    expect(code).toBe("ERR_CONNECT_FAILED");
    expect(close).toMatchObject({ code: 1006, wasClean: false });
    expect(receipt.state).toBe("never-written");
    expect(loopback.connections.items).toEqual([]);
    expect(socket.protocol).toBe("");
  });

  it.each<[string, SluiceSocketOptions]>([
    ["at once when it is not to connect again", NO_REOPEN],
    ["when its time is over otherwise", { connectTimeoutMs: 40 }],
  ])("fails where nobody listens, %s", async (_, options) => {
    const { url } = loopback;
    await loopback.stop();
    const socket = new SluiceSocket(url, [], { WebSocket, ...options });
    const receipt = socket.send("a");
    const { code, close } = await endOf(socket);
    expect([code, close.code, close.wasClean]).toEqual(["ERR_CONNECT_FAILED", 1006, false]);
    expect(receipt.state).toBe("never-written");
    expect([socket.mode, socket.readyState]).toEqual([null, 3]);
    loopback = await Loopback.start();
  });

  it("fails where there is no WebSocket, later and not at once", async () => {
    vi.stubGlobal("WebSocket", undefined);
    const socket = new SluiceSocket(loopback.url);
    expect(socket.readyState).toBe(0);
    const { code, close } = await endOf(socket);
    expect([code, close.code]).toEqual(["ERR_CONNECT_FAILED", 1006]);
  });

  it("takes the WebSocket of the platform", async () => {
    vi.stubGlobal("WebSocket", WebSocket);
    const socket = new SluiceSocket(loopback.url);
    await once(socket, "open");
    socket.close();
    await once(socket, "close");
  });

  it("fails when the WebSocket cannot be made, with the cause", async () => {
    const cause = new DOMException("not by this policy", "SecurityError");
    class Forbidden {
      constructor() {
        throw cause;
      }
    }
    const socket = new SluiceSocket(loopback.url, [], { WebSocket: Forbidden });
    const [[event]] = (await Promise.all([once(socket, "error"), once(socket, "close")])) as [
      [SluiceErrorEvent],
      unknown,
    ];
    expect(event.error).toMatchObject({ code: "ERR_CONNECT_FAILED", cause });
    expect(event.message).toBe(event.error.message);
  });
});

describe("SluiceSocket: servers that are none of ours, in framed mode", () => {
  let other: WebSocketServer;
  const url = () => `ws://127.0.0.1:${(other.address() as AddressInfo).port}`;

  async function serve(options: object, onConnection: (socket: WebSocket) => void = () => {}): Promise<void> {
    other = new WebSocketServer({ port: 0, host: "127.0.0.1", ...options });
    other.on("connection", onConnection);
    await once(other, "listening");
  }

  afterEach(async () => {
    for (const client of other.clients) client.terminate();
    other.close();
    await once(other, "close");
  });

  it("that choose a protocol of the application get no frame of ours", async () => {
    const frames: unknown[] = [];
    await serve({}, (socket) => socket.on("message", (data) => frames.push(data)));
    const socket = new SluiceSocket(url(), ["chat"], { WebSocket, mode: "framed" });
    const receipt = socket.send("secret");
    const { code, close } = await endOf(socket);
    expect(code).toBe("ERR_NOT_SLUICE");
    expect(close).toMatchObject({ code: 1006, wasClean: false });
    expect(receipt.state).toBe("never-written");
    expect(frames).toEqual([]);
  });

  it("that say yes to ours and never greet are given up, and get no frame of ours", async () => {
    const frames: unknown[] = [];
    await serve({}, (socket) => socket.on("message", (data) => frames.push(data)));
    const socket = new SluiceSocket(url(), [], { WebSocket, mode: "framed", connectTimeoutMs: 30 });
    const receipt = socket.send("secret");
    const { code, close } = await endOf(socket);
    expect([code, close.code]).toEqual(["ERR_CONNECT_FAILED", 1006]);
    expect(receipt.state).toBe("never-written");
    expect(frames).toEqual([]);
  });

  it.each<[string, string | Buffer]>([
    ["text", "welcome to our chat"],
    ["bytes", Buffer.from("garbage")],
  ])("that greet with %s are given up, and get no frame of ours", async (_, greeting) => {
    const frames: unknown[] = [];
    await serve({}, (socket) => {
      socket.on("message", (data) => frames.push(data));
      socket.send(greeting);
    });
    const socket = new SluiceSocket(url(), [], { WebSocket, mode: "framed" });
    const { code, close } = await endOf(socket);
    expect([code, close.code]).toEqual(["ERR_PEER_VIOLATION", 1006]);
    expect(frames).toEqual([]);
    expect(socket.mode).toBeNull();
  });

  it("that know no protocol of ours are not connected to", async () => {
    await serve({ handleProtocols: () => false });
    const socket = new SluiceSocket(url(), [], { WebSocket, mode: "framed", ...NO_REOPEN });
    const { code, close } = await endOf(socket);
    // `ws` fails such a handshake itself, as Chromium does.
    expect([code, close.code]).toEqual(["ERR_CONNECT_FAILED", 1006]);
  });
});

describe("SluiceSocket: credentials", () => {
  async function guarded(authenticate: (auth: unknown) => unknown): Promise<Loopback> {
    await loopback.stop();
    loopback = await Loopback.start({ authenticate: ({ auth }) => authenticate(auth) });
    return loopback;
  }

  it.each<[string, unknown, unknown]>([
    ["a value", { token: "t" }, { token: "t" }],
    ["a string", "t", "t"],
    ["null", null, null],
    ["a promise", Promise.resolve("t"), "t"],
    ["a function", () => "t", "t"],
    ["an async function", async () => ["t"], ["t"]],
    ["a function that has none", () => undefined, undefined],
    ["nothing", undefined, undefined],
  ])("are given as %s", async (_, auth, seen) => {
    const given: unknown[] = [];
    await guarded((value) => {
      given.push(value);
      return { user: 1 };
    });
    const [socket, server] = await loopback.connect([], { auth });
    expect(given).toEqual([seen]);
    expect(server.principal).toEqual({ user: 1 });
    await socket.send("a").delivered;
  });

  it("that come late hold back what is sent, and lose nothing", async () => {
    await guarded((auth) => auth);
    let provide: (value: string) => void = () => {};
    const socket = loopback.client([], {
      auth: new Promise((resolve) => {
        provide = resolve;
      }),
    });
    const receipt = socket.send("a");
    await once(socket, "open");
    socket.send("b");
    expect(receipt.state).toBe("queued");
    expect(loopback.connections.items).toEqual([]);
    provide("t");
    const server = await loopback.connections.next();
    const arrived = once(server, "message");
    expect(server.principal).toBe("t");
    expect(String((await arrived)[0])).toBe("a");
    await receipt.delivered;
  });

  it.each<[string, () => unknown]>([
    [
      "throws",
      () => {
        throw new Error("no token");
      },
    ],
    ["rejects", () => Promise.reject(new Error("no token"))],
    ["gives what JSON cannot carry", () => 10n],
  ])("whose function %s end the attempt, retryable, with the cause", async (_, auth) => {
    await guarded(() => true);
    const socket = loopback.client([], { auth });
    const receipt = socket.send("a");
    const [[event], close] = (await Promise.all([once(socket, "error"), closeOf(socket)])) as [
      [SluiceErrorEvent],
      SluiceCloseEvent,
    ];
    expect(event.error).toMatchObject({ code: "ERR_CONNECT_FAILED", retryable: true });
    expect(event.error.cause).toBeInstanceOf(Error);
    expect(close.code).toBe(1006);
    expect(receipt.state).toBe("never-written");
    expect(loopback.connections.items).toEqual([]);
  });

  it("that the server refuses are `error` and `close` 1008", async () => {
    await guarded((auth) => auth === "right");
    const socket = loopback.client([], { auth: "wrong" });
    const receipt = socket.send("a");
    const { code, close } = await endOf(socket);
    expect(code).toBe("ERR_REFUSED");
    expect(close).toMatchObject({ code: 1008, wasClean: true });
    expect(receipt.state).toBe("never-written");
    expect(loopback.connections.items).toEqual([]);
  });

  it("that fail after the socket was closed change nothing", async () => {
    let fail: (error: Error) => void = () => {};
    const socket = loopback.client([], {
      auth: new Promise((_, reject) => {
        fail = reject;
      }),
    });
    socket.close();
    await once(socket, "close");
    const story = storyOf(socket);
    fail(new Error("too late"));
    await reactions();
    expect(story).toEqual([]);
  });
});

describe("SluiceSocket: channels", () => {
  it("carry messages both ways, apart from the socket's own", async () => {
    const [socket, server] = await loopback.connect();
    const channel = socket.channel("files", { priority: "low" });
    const inbox = inboxOf(channel);
    const own = inboxOf(socket);
    const opened = once(server, "channel");
    await channel.send("up").delivered;
    const [serverChannel] = await opened;
    expect([serverChannel.name, serverChannel.priority]).toEqual(["files", "low"]);
    const arrived = once(serverChannel, "message");
    expect(String((await arrived)[0])).toBe("up");
    serverChannel.send("down");
    serverChannel.send(Uint8Array.of(1));
    const [text, blob] = await inbox.take(2);
    expect(text).toBe("down");
    expect(blob).toBeInstanceOf(Blob);
    expect(own.items).toEqual([]);
    expect([socket.bufferedAmount, channel.bufferedAmount]).toEqual([0, 0]);
  });

  it("are the same by the same name", async () => {
    const [socket] = await loopback.connect();
    const channel = socket.channel("files", { priority: "low" });
    expect(socket.channel("files")).toBe(channel);
    expect(channel.priority).toBe("low");
    expect(socket.channel("files", { priority: "high" })).toBe(channel);
    expect(channel.priority).toBe("high");
    expect(socket.channel("other")).not.toBe(channel);
    expect(socket.channel("other").priority).toBe("normal");
    expect(socket.stats().channels).toMatchObject({ files: { priority: "high" }, other: { priority: "normal" } });
  });

  it("that the server opens are told, and their messages wait for a listener", async () => {
    const [socket, server] = await loopback.connect();
    const told = once(socket, "channel");
    server.channel("news", { priority: "high" }).send("first");
    const [{ channel }] = await told;
    expect([channel.name, channel.priority]).toEqual(["news", "high"]);
    expect(socket.channel("news")).toBe(channel);
    const receipt = server.channel("news").send("second");
    await receipt.delivered;
    expect(await inboxOf(channel).take(2)).toEqual(["first", "second"]);
  });

  it("that the server opens wait for whoever listens later", async () => {
    const [socket, server] = await loopback.connect();
    await server.channel("news").send("first").delivered;
    await reactions();
    const told = once(socket, "channel");
    const [{ channel }] = await told;
    expect(await inboxOf(channel).next()).toBe("first");
  });

  it("that are over before anybody looks still give their messages, and then their end", async () => {
    const [socket, server] = await loopback.connect();
    const story: string[] = [];
    const ended = new Promise<void>((resolve) => {
      socket.onchannel = ({ channel }) => {
        channel.onmessage = ({ data }) => story.push(data);
        channel.onclose = () => {
          story.push("close");
          resolve();
        };
      };
    });
    const channel = server.channel("one shot");
    channel.send("a");
    channel.send("b");
    channel.close();
    await ended;
    expect(story).toEqual(["a", "b", "close"]);
  });

  it("opened by both at the same time are one", async () => {
    await loopback.stop();
    loopback = await Loopback.start({
      authenticate: () =>
        reactions()
          .then(reactions)
          .then(() => true),
    });
    // The client's CHANNEL_OPEN has come with the early data, and its event waits behind `connection`.
    loopback.server.on("connection", (server) => {
      const other = server.channel("files");
      other.on("message", (data) => other.send(`re: ${data}`));
    });
    const channel = loopback.client().channel("files");
    const inbox = inboxOf(channel);
    channel.send("from the client");
    expect(await inbox.next()).toBe("re: from the client");
  });

  it("end at both ends, and their name is free again", async () => {
    const [socket, server] = await loopback.connect();
    const channel = socket.channel("files");
    const opened = once(server, "channel");
    channel.send("a");
    const [serverChannel] = await opened;
    serverChannel.on("message", () => {});
    const ends = Promise.all([once(channel, "close"), once(serverChannel, "close")]);
    channel.close();
    await ends;
    expect([channel.state, serverChannel.state]).toEqual(["closed", "closed"]);
    expect(channel.send("late").state).toBe("never-written");
    expect(Object.keys(socket.stats().channels)).toEqual([""]);
    const again = socket.channel("files");
    expect(again).not.toBe(channel);
    await again.send("b").delivered;
  });

  it("end with the socket, before its `close`", async () => {
    const [socket, server] = await loopback.connect([], NO_REOPEN);
    const story = storyOf(socket);
    socket.channel("files").onclose = () => story.push("channel close");
    server.terminate();
    await once(socket, "close");
    expect(story.filter((entry) => !entry.endsWith(" 1"))[0]).toBe("channel close");
    expect(story.at(-1)).toBe("close 3");
  });

  it.each<[string, () => unknown]>([
    ["an empty name", () => loopback.client().channel("")],
    ["a name that is too long", () => loopback.client().channel("ä".repeat(129))],
    ["a name that is no Unicode", () => loopback.client().channel("\ud800")],
    ["a priority that does not exist", () => loopback.client().channel("a", { priority: "urgent" as never })],
  ])("are refused for %s", (_, open) => {
    expect(open).toThrow(failure("ERR_USAGE_ARGUMENT"));
  });

  it("are at most as many as both ends allow", async () => {
    const [socket] = await loopback.connect();
    for (let i = 1; i < 256; i++) socket.channel(`channel ${i}`);
    expect(() => socket.channel("one more")).toThrow(failure("ERR_TOO_MANY_CHANNELS"));
    expect(socket.channel("channel 1").state).toBe("open");
  });

  it("that nobody listens to make their sender wait, and lose nothing", async () => {
    const [socket, server] = await loopback.connect();
    const far = server.channel("flood");
    for (let i = 0; i < 10; i++) far.send(Buffer.alloc(40_000, i));
    // The other channels go on.
    const echoed = once(socket, "message");
    await server.send("passes").delivered;
    await echoed;
    expect(far.bufferedAmount).toBeGreaterThan(300_000);
    const channel = socket.channel("flood");
    channel.binaryType = "arraybuffer";
    const data = (await inboxOf(channel).take(10)) as ArrayBuffer[];
    expect(data.map((buffer) => new Uint8Array(buffer)[39_999])).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });
});

describe("SluiceSocket: large and small", () => {
  it("lets small messages pass a large one on its way up", async () => {
    const [socket, server] = await loopback.connect();
    const order: string[] = [];
    server.on("message", (data) => order.push(String(data)));
    const finished = new Promise<Buffer>((resolve) => {
      server.on("channel", (channel) => {
        channel.on("message", (data) => {
          order.push("file");
          resolve(data);
        });
      });
    });
    const { bytes } = binary(12 * MIB);
    let lines = 0;
    socket.channel("files", { priority: "low" }).send(bytes, {
      onprogress: ({ loaded }) => {
        if (lines < 20 && loaded < MIB) socket.send(`line ${lines++}`);
      },
    });
    expect(Buffer.compare(await finished, bytes)).toBe(0);
    expect(lines).toBe(20);
    expect(order).toEqual([...Array.from({ length: 20 }, (_, i) => `line ${i}`), "file"]);
  });

  it("lets small messages pass a large one on its way down", async () => {
    const [socket, server] = await loopback.connect();
    const order: unknown[] = [];
    socket.addEventListener("message", ({ data }) => order.push(data));
    const { bytes } = binary(12 * MIB);
    let lines = 0;
    server.channel("files", { priority: "low" }).send(bytes, {
      onprogress: ({ loaded }) => {
        if (lines < 20 && loaded < MIB) server.send(`line ${lines++}`);
      },
    });
    const [{ channel }] = await once(socket, "channel");
    channel.binaryType = "arraybuffer";
    const file = await inboxOf(channel).next();
    order.push("file");
    expect(Buffer.compare(Buffer.from(file as ArrayBuffer), bytes)).toBe(0);
    expect(order).toEqual([...Array.from({ length: 20 }, (_, i) => `line ${i}`), "file"]);
  });

  it("carries Blobs both ways at the same time, while small messages pass", async () => {
    const [socket, server] = await loopback.connect();
    socket.binaryType = "arraybuffer";
    const order: string[] = [];
    const [up, down] = [binary(15 * MIB, 1).bytes, binary(15 * MIB, 2).bytes];
    const [small, answered] = [inboxOf(socket), inboxOf(socket.channel("down"))];
    socket.channel("down").binaryType = "arraybuffer";
    const arrived = new Promise<Buffer>((resolve) => {
      server.channel("up").on("message", (data) => {
        order.push("up");
        resolve(data);
      });
    });
    server.on("message", (data) => server.send(String(data)));
    const receipts = [
      socket.channel("up", { priority: "low" }).send(new Blob([up as Uint8Array<ArrayBuffer>])),
      server.channel("down", { priority: "low" }).send(new Blob([down as Uint8Array<ArrayBuffer>])),
    ];
    for (let i = 0; i < 10; i++) {
      socket.send(`line ${i}`);
      expect(await small.next()).toBe(`line ${i}`);
      order.push("echo");
    }
    expect(Buffer.compare(await arrived, up)).toBe(0);
    expect(Buffer.compare(Buffer.from((await answered.next()) as ArrayBuffer), down)).toBe(0);
    await Promise.all(receipts.map(({ delivered }) => delivered));
    expect(order).toEqual([...Array.from({ length: 10 }, () => "echo"), "up"]);
  });

  it("keeps the order of one channel, large or small", async () => {
    const [socket, server] = await loopback.connect();
    const sizes = [10, 200_000, 0, 70_000, 3, 1_000_000, 5];
    const seen: number[] = [];
    server.on("message", (data) => seen.push(data.length));
    await Promise.all(sizes.map((size) => socket.send(new Uint8Array(size)).delivered));
    expect(seen).toEqual(sizes);
  });

  it("tells in `stats` what is going on", async () => {
    const [socket, server] = await loopback.connect();
    const receipt = socket.send(new Uint8Array(2 * MIB));
    expect(socket.stats().channels).toMatchObject({ "": { bufferedAmount: 2 * MIB, priority: "normal" } });
    await receipt.delivered;
    const stats = socket.stats();
    expect(stats).toMatchObject({ transport: "websocket", messagesSent: 1, messagesReceived: 0, queuedBytes: 0 });
    expect(stats.bytesSent).toBeGreaterThan(2 * MIB);
    expect(stats.roundTripTimeMs).toBeGreaterThanOrEqual(0);
    expect(server.stats()).toMatchObject({ messagesReceived: 1 });
  });
});
