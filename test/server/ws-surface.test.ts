import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { type AddressInfo, connect as connectTcp, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, it } from "vitest";
import { createWebSocketStream, WebSocket, WebSocketServer } from "ws";
import { SluiceSocket } from "../../src/client/index.js";
import { type ServerMessageEvent, type ServerSocket, SluiceServer } from "../../src/server/index.js";
import { reactions } from "../support/event-loop.js";
import { Inbox } from "../support/inbox.js";

/** What a test needs of a client, which is a native WebSocket in one world and a `SluiceSocket` in another. */
interface Client extends EventTarget {
  binaryType: string;
  readonly readyState: number;
  send(data: string | Uint8Array): unknown;
  close(code?: number, reason?: string): void;
}

/** The server is typed as ours: what is asked of it has to hold for the one of `ws` as well. */
interface World {
  readonly makeServer: (options: object) => SluiceServer;
  readonly makeClient: (url: string, protocols: string[]) => Client;
}

const worlds: Record<string, World> = {
  ws: {
    makeServer: (options) => new WebSocketServer(options) as unknown as SluiceServer,
    makeClient: (url, protocols) => new WebSocket(url, protocols) as unknown as Client,
  },
  "Sluice, an ordinary client": {
    makeServer: (options) => new SluiceServer(options),
    makeClient: (url, protocols) => new WebSocket(url, protocols) as unknown as Client,
  },
  Sluice: {
    makeServer: (options) => new SluiceServer(options),
    makeClient: (url, protocols) =>
      new SluiceSocket(url, protocols, { WebSocket, onSessionLost: "close", transports: ["websocket"] }),
  },
};

const ends: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A server, a client, and the server's end of it. */
async function meet({ makeServer, makeClient }: World, options: object = {}, protocols: string[] = []) {
  const http = createServer();
  const lines = new Set<Socket>();
  http.on("connection", (line) => lines.add(line));
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const server = makeServer({ server: http, ...options });
  const url = `ws://127.0.0.1:${(http.address() as AddressInfo).port}/`;
  const connection = once(server, "connection");
  const client = makeClient(url, protocols);
  client.addEventListener("error", () => {});
  client.binaryType = "arraybuffer";
  ends.push(async () => {
    client.close();
    server.close();
    for (const line of lines) line.destroy();
    http.close();
    await once(http, "close");
  });
  await eventOf(client, "open");
  const [socket, request] = (await connection) as [ServerSocket, IncomingMessage];
  return { server, client, socket, request, url, http };
}

/** As events: a client of `ws` is an EventEmitter too, and `once` would take it for one. */
function eventOf(client: Client, type: string): Promise<Event> {
  return new Promise((resolve) => client.addEventListener(type, resolve, { once: true }));
}

/** What comes to the client, as text. */
function heardBy(client: Client): Inbox<string> {
  const inbox = new Inbox<string>();
  client.addEventListener("message", (event) => {
    const { data } = event as MessageEvent;
    inbox.push(typeof data === "string" ? data : `bytes ${Buffer.from(data).toString()}`);
  });
  return inbox;
}

describe.each(Object.entries(worlds))("the surface of `ws`, in %s:", (_, world) => {
  it("constants stand on the class and its prototype, enumerable and not writable", async () => {
    const { socket } = await meet(world);
    const owners = [Object.getPrototypeOf(socket).constructor as object, socket as object];
    for (const [value, name] of ["CONNECTING", "OPEN", "CLOSING", "CLOSED"].entries()) {
      for (const owner of owners) expect((owner as Record<string, unknown>)[name]).toBe(value);
      expect(Object.hasOwn(socket, name)).toBe(false);
      expect(name in socket).toBe(true);
      expect(() => Object.assign(socket, { [name]: 9 })).toThrow(TypeError);
    }
  });

  it("a socket is open when it is seen, has no URL, and takes members of others", async () => {
    const { socket, client, request } = await meet(world, {}, ["chat"]);
    expect(socket).toMatchObject({ readyState: 1, protocol: "chat", extensions: "", binaryType: "nodebuffer" });
    expect("url" in socket && (socket as unknown as { url: unknown }).url).toBeFalsy();
    expect(request.url).toBe("/");
    expect((client as unknown as { protocol: string }).protocol).toBe("chat");
    Object.assign(socket, { isAlive: true });
    expect((socket as unknown as { isAlive: boolean }).isAlive).toBe(true);
    expect(socket._socket?.remoteAddress).toBe("127.0.0.1");
    expect(socket._socket?.remotePort).toBe(request.socket.remotePort);
  });

  it("`handleProtocols` is read at every handshake", async () => {
    const { server, url } = await meet(world);
    server.options.handleProtocols = (protocols) => (protocols.has("b") ? "b" : false);
    const client = world.makeClient(url, ["a", "b"]);
    ends.push(() => client.close());
    const isOpen = eventOf(client, "open");
    const [socket] = await once(server, "connection");
    expect(socket.protocol).toBe("b");
    await isOpen;
  });

  it("`verifyClient` is read at every handshake, with and without a callback", async () => {
    const { server, url } = await meet(world);
    const outcomes: unknown[] = [];
    const attempt = async () => {
      const client = world.makeClient(url, []);
      client.addEventListener("error", () => {});
      const [open, closed] = [eventOf(client, "open"), eventOf(client, "close")];
      outcomes.push((await Promise.race([open, closed])).type);
      client.close();
    };
    server.options.verifyClient = () => false;
    await attempt();
    server.options.verifyClient = (info, callback) => setImmediate(() => callback(info.req.url === "/"));
    await attempt();
    expect(outcomes).toEqual(["close", "open"]);
  });

  it.each<[string, ServerSocket["binaryType"], (data: unknown) => unknown, unknown]>([
    ["nodebuffer", "nodebuffer", (data) => Buffer.isBuffer(data) && String(data), "bytes"],
    [
      "arraybuffer",
      "arraybuffer",
      (data) => data instanceof ArrayBuffer && [data.byteLength, String(Buffer.from(data))],
      [5, "bytes"],
    ],
    ["fragments", "fragments", (data) => Array.isArray(data) && String(Buffer.concat(data)), "bytes"],
    ["blob", "blob" as never, (data) => data instanceof Blob && data.size, 5],
    ["a value that it does not know", "text" as never, (data) => Buffer.isBuffer(data) && String(data), "bytes"],
  ])("`binaryType` %s is how binary messages come; text is a Buffer always", async (_type, value, read, expected) => {
    const { socket, client } = await meet(world);
    const inbox = new Inbox<unknown>();
    socket.on("message", (data, isBinary) => inbox.push([isBinary ? read(data) : String(data), isBinary]));
    socket.binaryType = value;
    client.send(Buffer.from("bytes"));
    client.send("text");
    expect(await inbox.take(2)).toEqual([
      [expected, true],
      ["text", false],
    ]);
  });

  it.each<[string, (socket: ServerSocket) => unknown, string]>([
    ["a string", (socket) => socket.send("a"), "a"],
    ["a number", (socket) => socket.send(0), "0"],
    ["a string as binary", (socket) => socket.send("a", { binary: true }), "bytes a"],
    ["a Buffer", (socket) => socket.send(Buffer.from("a")), "bytes a"],
    ["a Buffer as text", (socket) => socket.send(Buffer.from("a"), { binary: false }), "a"],
    ["an ArrayBuffer", (socket) => socket.send(Uint8Array.of(97).buffer), "bytes a"],
    ["a view of a part", (socket) => socket.send(Uint8Array.of(96, 97).subarray(1)), "bytes a"],
    ["a Blob", (socket) => socket.send(new Blob(["a"])), "bytes a"],
    ["with `compress`", (socket) => socket.send("a", { compress: true, fin: true }), "a"],
    ["nothing", (socket) => socket.send(""), ""],
  ])("sends %s", async (_kind, send, expected) => {
    const { socket, client } = await meet(world);
    const inbox = heardBy(client);
    send(socket);
    expect(await inbox.next()).toBe(expected);
  });

  it("the callback of `send` comes later, without an error, in each place where it may stand", async () => {
    const { socket } = await meet(world);
    const results = await Promise.all([
      new Promise((resolve) => socket.send("a", (...parts) => resolve(parts[0]))),
      new Promise((resolve) => socket.send("b", {}, (...parts) => resolve(parts[0]))),
      new Promise((resolve) => socket.ping((...parts) => resolve(parts[0]))),
      new Promise((resolve) => socket.pong("x", (...parts) => resolve(parts[0]))),
      new Promise((resolve) => socket.pong("x", false, (...parts) => resolve(parts[0]))),
    ]);
    expect(results.every((error) => error === undefined || error === null)).toBe(true);
  });

  it("once closed, the callbacks of `send`, `ping` and `pong` get an error, and nothing throws", async () => {
    const { socket } = await meet(world);
    const closed = once(socket, "close");
    socket.terminate();
    await closed;
    const errors = await Promise.all([
      new Promise((resolve) => socket.send("a", resolve)),
      new Promise((resolve) => socket.ping("a", false, resolve)),
      new Promise((resolve) => socket.pong("a", false, resolve)),
    ]);
    for (const error of errors) expect(error).toBeInstanceOf(Error);
    socket.send("a");
    socket.ping();
    socket.pong();
    socket.close();
    socket.terminate();
    expect(socket.readyState).toBe(3);
  });

  it("so do those of a socket that is about to close, however", async () => {
    for (const end of ["close", "terminate"] as const) {
      const { socket } = await meet(world);
      const closed = once(socket, "close");
      socket[end]();
      const errors = [
        new Promise((resolve) => socket.send("a", resolve)),
        new Promise((resolve) => socket.ping("a", false, resolve)),
        new Promise((resolve) => socket.pong("a", false, resolve)),
      ];
      for (const error of await Promise.all(errors)) expect(error).toBeInstanceOf(Error);
      await closed;
    }
  });

  it("`close` looks at its arguments while the socket is open, and not when it has been closed before", async () => {
    const { socket, client } = await meet(world);
    expect(() => socket.close(1000, "x".repeat(124))).toThrow(RangeError);
    client.close();
    await once(socket, "close");
    socket.close(1006);
    socket.close(1000, "x".repeat(124));
    const other = await meet(world);
    other.socket.close();
    other.socket.close(1006);
    await once(other.socket, "close");
  });

  it("a ping is answered by the client", async () => {
    const { socket } = await meet(world);
    const pong = once(socket, "pong");
    socket.ping("beat");
    const [data] = await pong;
    expect([Buffer.isBuffer(data), String(data)]).toEqual([true, "beat"]);
  });

  it("a pong that nobody has asked for disturbs nothing", async () => {
    const { socket, client } = await meet(world);
    const inbox = heardBy(client);
    socket.pong();
    socket.pong(Buffer.from("here"), false);
    socket.send("after");
    expect(await inbox.next()).toBe("after");
    expect(() => socket.pong("x".repeat(126))).toThrow(RangeError);
  });

  it("DOM-style listeners get events: strings, binary data, the socket as `this` and as target", async () => {
    const { socket, client } = await meet(world);
    const inbox = new Inbox<unknown>();
    socket.addEventListener("message", function (this: unknown, event: ServerMessageEvent) {
      inbox.push(["function", event.type, typeof event.data, event.target === socket, this === socket]);
    } as never);
    const object = {
      handleEvent(event: { data: unknown }) {
        inbox.push(["object", String(event.data), this === object]);
      },
    };
    socket.addEventListener("message", object);
    client.send("a");
    client.send(Buffer.from("b"));
    expect(await inbox.take(4)).toEqual([
      ["function", "message", "string", true, true],
      ["object", "a", true],
      ["function", "message", "object", true, true],
      ["object", "b", true],
    ]);
  });

  it("a DOM-style listener is there once, can be `once`, and can be removed", async () => {
    const { socket, client } = await meet(world);
    const calls: string[] = [];
    const listener = () => calls.push("listener");
    const removed = () => calls.push("removed");
    socket.addEventListener("message", listener);
    socket.addEventListener("message", listener);
    socket.addEventListener("message", () => calls.push("once"), { once: true });
    socket.addEventListener("message", removed);
    socket.removeEventListener("message", removed);
    socket.removeEventListener("message", () => {});
    socket.addEventListener("nothing" as never, listener as never);
    expect(socket.listenerCount("message")).toBe(2);
    for (const data of ["1", "2"]) {
      const arrived = once(socket, "message");
      client.send(data);
      await arrived;
    }
    expect(calls).toEqual(["listener", "once", "listener"]);
  });

  it("handler attributes are functions or null, replace each other, and go with `removeAllListeners`", async () => {
    const { socket, client } = await meet(world);
    const calls: string[] = [];
    const second = () => calls.push("second");
    expect([socket.onmessage, socket.onclose, socket.onerror, socket.onopen]).toEqual([null, null, null, null]);
    socket.onmessage = () => calls.push("first");
    socket.onmessage = second;
    expect(socket.onmessage).toBe(second);
    const arrived = once(socket, "message");
    client.send("a");
    await arrived;
    expect(calls).toEqual(["second"]);
    socket.removeEventListener("message", second);
    expect(socket.onmessage).toBe(second);
    socket.removeAllListeners("message");
    expect(socket.onmessage).toBeNull();
    socket.onmessage = second;
    socket.onmessage = "no function" as never;
    expect([socket.onmessage, socket.listenerCount("message")]).toEqual([null, 0]);
  });

  it.each<[string, (parts: { socket: ServerSocket; client: Client }) => void, unknown]>([
    ["by the client", ({ client }) => client.close(4001, "done"), { code: 4001, reason: "done", wasClean: true }],
    ["by the client, bare", ({ client }) => client.close(), { code: 1005, reason: "", wasClean: true }],
    ["by the server", ({ socket }) => socket.close(4002, "over"), { code: 4002, reason: "over", wasClean: true }],
    ["at once", ({ socket }) => socket.terminate(), { code: 1006, reason: "", wasClean: false }],
  ])("`close`, %s", async (_how, end, expected) => {
    const { socket, client } = await meet(world);
    const event = new Promise((resolve) => {
      socket.onclose = ({ type, target, code, reason, wasClean }) =>
        resolve({ type, isTarget: target === socket, code, reason, wasClean });
    });
    const parts = once(socket, "close");
    end({ socket, client });
    expect(await event).toEqual({ type: "close", isTarget: true, ...(expected as object) });
    const [code, reason] = await parts;
    expect([code, Buffer.isBuffer(reason)]).toEqual([(expected as { code: number }).code, true]);
  });

  it("`onerror` gets the error", async () => {
    const { socket } = await meet(world);
    const event = new Promise<Record<string, unknown>>((resolve) => {
      socket.onerror = resolve as never;
    });
    const error = new Error("broken");
    socket.emit("error", error as never);
    expect(await event).toMatchObject({ type: "error", target: socket, error, message: "broken" });
  });

  it("`createWebSocketStream` carries both ways, and ends both ways", async () => {
    const { socket, client } = await meet(world);
    const stream = createWebSocketStream(socket as unknown as WebSocket);
    const inbox = heardBy(client);
    const clientClosed = eventOf(client, "close");
    client.send("up ");
    stream.write("down");
    expect(await inbox.next()).toBe("bytes down");
    const arrived = text(stream);
    client.send(Buffer.from("and on"));
    await new Promise((resolve) => socket.once("message", resolve));
    const closed = once(stream, "close");
    stream.end("last");
    expect(await inbox.next()).toBe("bytes last");
    expect(await arrived).toBe("up and on");
    await closed;
    expect(await clientClosed).toMatchObject({ code: 1005, wasClean: true });
    expect(stream.destroyed).toBe(true);
  });

  it("a stream that nobody reads pauses the socket, and goes on when it is read", async () => {
    const { socket, client } = await meet(world);
    const stream = createWebSocketStream(socket as unknown as WebSocket, { readableHighWaterMark: 10_000 });
    const sent = Array.from({ length: 1000 }, (_, i) => Buffer.alloc(1000, i));
    for (const data of sent) client.send(data);
    while (!socket.isPaused) await reactions();
    // `ws` still hands on what it has read from the connection by then: 64 KiB.
    expect(stream.readableLength).toBeLessThan(100_000);
    const bytes: Buffer[] = [];
    stream.on("data", (piece: Buffer) => bytes.push(piece));
    client.close();
    await once(stream, "end");
    expect(Buffer.compare(Buffer.concat(bytes), Buffer.concat(sent))).toBe(0);
    expect(socket.isPaused).toBe(false);
  });

  it("a stream that is destroyed cuts the socket, and one over a closed socket ends", async () => {
    const { socket } = await meet(world);
    const stream = createWebSocketStream(socket as unknown as WebSocket);
    const closed = [once(stream, "close"), once(socket, "close")];
    stream.destroy();
    expect((await Promise.all(closed))[1]?.[0]).toBe(1006);
    const late = createWebSocketStream(socket as unknown as WebSocket);
    const lateClosed = once(late, "close");
    late.destroy();
    await lateClosed;
  });

  it("`close` of the server is told when the last client has gone, and again with an error", async () => {
    const { server, client } = await meet(world);
    const calls: string[] = [];
    server.close((error) => calls.push(`first ${error?.message}`));
    server.close((error) => calls.push(`second ${error?.message}`));
    await reactions();
    await reactions();
    expect([calls, server.clients.size]).toEqual([[], 1]);
    const closed = once(server, "close");
    client.close();
    await closed;
    expect(calls).toEqual(["first undefined", "second undefined"]);
    expect(await new Promise((resolve) => server.close(resolve))).toMatchObject({
      message: "The server is not running",
    });
  });

  it("what is no upgrade to a WebSocket is answered, or is the application's with `wsClientError`", async () => {
    const { server, http } = await meet(world);
    const { port } = http.address() as AddressInfo;
    const ask = (...lines: string[]) => {
      const line = connectTcp(port, "127.0.0.1");
      const head = ["Host: x", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"];
      line.write(`${[lines[0], ...head, ...lines.slice(1)].join("\r\n")}\r\n\r\n`);
      return text(line);
    };
    const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    expect(await ask("GET / HTTP/1.1")).toMatch(/^HTTP\/1.1 400 /);
    expect(await ask("POST / HTTP/1.1", key)).toMatch(/^HTTP\/1.1 405 /);
    server.once("wsClientError", (error, line, request) => {
      line.end(`HTTP/1.1 418 Teapot\r\n\r\n${request.method} ${error instanceof Error}`);
    });
    expect(await ask("GET / HTTP/1.1")).toBe("HTTP/1.1 418 Teapot\r\n\r\nGET true");
    expect(await ask("GET / HTTP/1.1", "Sec-WebSocket-Key: bad")).toMatch(/^HTTP\/1.1 400 /);
  });

  it("options that are null are not given", async () => {
    const { makeServer } = world;
    const nothing = { handleProtocols: null, verifyClient: null, path: null, host: null, backlog: null };
    const server = makeServer({ ...nothing, server: null, noServer: true, port: null });
    expect(server.shouldHandle({ url: "/any" } as IncomingMessage)).toBe(true);
    expect(() => server.address()).toThrow(Error);
    const listening = makeServer({ ...nothing, port: 0, server: null, noServer: false });
    await once(listening, "listening");
    expect((listening.address() as AddressInfo).port).toBeGreaterThan(0);
    listening.close();
    await once(listening, "close");
    expect(listening.address()).toBeNull();
  });
});

describe("beyond `ws`", () => {
  it("a message in fragments is refused at once: as two messages it would be something else", async () => {
    for (const world of [worlds["Sluice"], worlds["Sluice, an ordinary client"]] as World[]) {
      const { socket } = await meet(world);
      expect(() => socket.send("a", { fin: false })).toThrow(expect.objectContaining({ code: "ERR_USAGE_ARGUMENT" }));
    }
  });

  it("`_socket` does not keep the connection, and has finished when the socket is closed", async () => {
    const { socket, request } = await meet(worlds["Sluice"] as World);
    const view = socket._socket;
    expect(view).not.toBe(request.socket);
    expect([view?._writableState.finished, view === socket._socket, view?.encrypted]).toEqual([false, true, false]);
    const order: string[] = [];
    view?.once("finish", () => order.push("finish"));
    const closed = once(socket, "close").then(() => order.push("close"));
    socket.close();
    await closed;
    expect([order, view?._writableState.finished]).toEqual([["finish", "close"], true]);
    const late = await meet(worlds["Sluice"] as World);
    const ended = once(late.socket, "close");
    late.socket.terminate();
    await ended;
    expect(late.socket._socket?._writableState.finished).toBe(true);
  });
});
