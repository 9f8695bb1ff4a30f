import { once } from "node:events";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, it } from "vitest";
import { createWebSocketStream, WebSocket, WebSocketServer } from "ws";
import { SluiceSocket } from "../../src/client/index.js";
import { type ServerSocket, SluiceServer } from "../../src/server/index.js";
import { reactions } from "../support/event-loop.js";
import { Inbox } from "../support/inbox.js";
import { Loopback } from "../support/loopback.js";

const inUse = expect.objectContaining({ code: "ERR_USAGE_CONSUMER" });

type Client = Pick<WebSocket, "addEventListener" | "close"> & { send(data: string | Buffer): unknown };
interface Meeting {
  readonly client: Client;
  readonly socket: ServerSocket;
}

let loopback: Loopback | undefined;
afterEach(async () => {
  await loopback?.stop();
  loopback = undefined;
});

async function framed(): Promise<Meeting> {
  loopback = await Loopback.start();
  const [client, socket] = await loopback.connect();
  return { client: client as never, socket };
}

async function plain(): Promise<Meeting> {
  loopback = await Loopback.start();
  const client = loopback.webSocket();
  await once(client, "open");
  return { client, socket: await loopback.connections.next() };
}

describe.each([
  ["a client of ours", framed],
  ["an ordinary client", plain],
])("ServerSocket: taking messages of %s", (_, meet) => {
  it("by iteration, until it is closed", async () => {
    const { client, socket } = await meet();
    const seen: unknown[] = [];
    client.send("gün");
    client.send(Buffer.from("bytes"));
    for await (const message of socket) {
      seen.push(message);
      if (seen.length === 2) client.close();
    }
    expect(seen).toEqual(["gün", Buffer.from("bytes")]);
    expect(() => socket.readable).toThrow(inUse);
  });

  it("by iteration, from the first message on", async () => {
    const { client, socket } = await meet();
    client.send("early");
    expect(await socket[Symbol.asyncIterator]().next()).toMatchObject({ value: "early" });
  });

  it("as a stream", async () => {
    const { client, socket } = await meet();
    const reader = socket.readable.getReader();
    client.send("a");
    expect(await reader.read()).toMatchObject({ value: "a" });
    client.close();
    await reader.closed;
    expect(() => socket.incoming).toThrow(inUse);
  });

  it("as they begin", async () => {
    const { client, socket } = await meet();
    const iterator = socket.incoming[Symbol.asyncIterator]();
    client.send("gün");
    client.send(Buffer.alloc(100_000, 7));
    const first = (await iterator.next()).value;
    expect([first?.type, first?.size, await first?.text()]).toEqual(["text", 4, "gün"]);
    const second = (await iterator.next()).value;
    expect([second?.type, (await second?.arrayBuffer())?.byteLength]).toEqual(["binary", 100_000]);
    expect(() => socket[Symbol.asyncIterator]()).toThrow(inUse);
  });

  it("by a listener, and by nothing else then", async () => {
    const { client, socket } = await meet();
    const heard = new Inbox<string>();
    socket.addEventListener("message", ({ data }) => heard.push(String(data)));
    client.send("a");
    expect(await heard.next()).toBe("a");
    expect(() => socket[Symbol.asyncIterator]()).toThrow(inUse);
  });

  it("fails behind what is held when it cuts the line itself", async () => {
    const { client, socket } = await meet();
    const iterator = socket[Symbol.asyncIterator]();
    client.send("a");
    expect(await iterator.next()).toMatchObject({ value: "a" });
    const next = iterator.next();
    socket.terminate();
    await expect(next).rejects.toMatchObject({ code: "ERR_CONNECTION_LOST" });
  });

  it("in the form that `binaryType` asks for", async () => {
    const { client, socket } = await meet();
    socket.binaryType = "arraybuffer";
    client.send(Buffer.from([1]));
    expect(await socket[Symbol.asyncIterator]().next()).toEqual({ done: false, value: Uint8Array.of(1).buffer });
  });
});

describe.each<[string, (options: object) => SluiceServer, (url: string) => Client]>([
  ["ws", (options) => new WebSocketServer(options) as unknown as SluiceServer, (url) => new WebSocket(url)],
  ["Sluice, an ordinary client", (options) => new SluiceServer(options), (url) => new WebSocket(url)],
  [
    "Sluice",
    (options) => new SluiceServer(options),
    (url) => new SluiceSocket(url, [], { WebSocket, onSessionLost: "close", transports: ["websocket"] }) as never,
  ],
])("pause and resume, in %s:", (_, makeServer, makeClient) => {
  const ends: (() => unknown)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });

  async function meet() {
    const server = makeServer({ port: 0 });
    await once(server, "listening");
    const connection = once(server, "connection");
    const client = makeClient(`ws://127.0.0.1:${(server.address() as { port: number }).port}/`);
    client.addEventListener("error", () => {});
    const gone = new Promise((resolve) => client.addEventListener("close", resolve));
    ends.push(async () => {
      for (const socket of server.clients) socket.terminate();
      client.close();
      await gone;
      server.close();
      await once(server, "close");
    });
    const open = new Promise((resolve) => client.addEventListener("open", resolve));
    const [socket] = (await connection) as [ServerSocket];
    await open;
    const heard = new Inbox<string>();
    socket.on("message", (data) => heard.push(String(data)));
    const closed = new Promise<number>((resolve) => socket.on("close", (code) => resolve(code)));
    return { client, socket, heard, closed };
  }

  it("a paused socket hands on nothing until it is resumed", async () => {
    const { client, socket, heard } = await meet();
    expect(socket.isPaused).toBe(false);
    client.send("a");
    await heard.next();
    socket.pause();
    expect(socket.isPaused).toBe(true);
    for (const line of ["b", "c"]) client.send(line);
    for (let i = 0; i < 20; i++) await reactions();
    expect(heard.items).toEqual(["a"]);
    socket.resume();
    expect(socket.isPaused).toBe(false);
    expect(await heard.take(2)).toEqual(["b", "c"]);
  });

  it("`close` of a paused socket waits behind what it holds", async () => {
    const { client, socket, heard, closed } = await meet();
    let isClosed = false;
    void closed.then(() => {
      isClosed = true;
    });
    socket.pause();
    client.send("held");
    client.close(4000);
    for (let i = 0; i < 20; i++) await reactions();
    expect([heard.items, isClosed]).toEqual([[], false]);
    socket.resume();
    expect(await closed).toBe(4000);
    expect(heard.items).toEqual(["held"]);
  });

  it("`terminate` of a paused socket ends it at once", async () => {
    const { client, socket, closed } = await meet();
    socket.pause();
    client.send("held");
    await reactions();
    socket.terminate();
    expect(await closed).toBe(1006);
  });

  it("a closed socket is not paused any more", async () => {
    const { client, socket, closed } = await meet();
    client.close();
    await closed;
    socket.pause();
    expect(socket.isPaused).toBe(false);
  });

  it("`createWebSocketStream` reads as slowly as it is read, and to the end", async () => {
    const { client, socket } = await meet();
    const stream = createWebSocketStream(socket as unknown as WebSocket, { readableHighWaterMark: 1000 });
    for (let i = 0; i < 10; i++) client.send(`${i}`.repeat(500));
    client.close();
    // Two messages fill the stream, which pauses the socket; that of `ws` goes on with what it has read.
    for (let i = 0; i < 50 && !socket.isPaused; i++) await reactions();
    expect([socket.isPaused, stream.readableLength >= 1000]).toEqual([true, true]);
    const all = await text(stream);
    expect(all).toBe(Array.from({ length: 10 }, (_, i) => `${i}`.repeat(500)).join(""));
  });
});

describe("ServerSocket: an ordinary client whose messages nobody takes", () => {
  it("is not read from until somebody does, and nothing is lost", async () => {
    const { client, socket } = (await plain()) as { client: WebSocket; socket: ServerSocket };
    const iterator = socket[Symbol.asyncIterator]();
    const [size, count] = [64 * 1024, 256];
    for (let i = 0; i < count; i++) client.send(Buffer.alloc(size, i));
    for (let i = 0; i < 200; i++) await reactions();
    // 16 MiB are more than all kernel buffers take: the rest waits at the client.
    expect(socket.stats().messagesReceived).toBeLessThan(count);
    expect(client.bufferedAmount).toBeGreaterThan(0);
    const seen: number[] = [];
    for (let i = 0; i < count; i++) seen.push(((await iterator.next()).value as Buffer)[size - 1] as number);
    expect(seen).toEqual(Array.from({ length: count }, (_, i) => i));
    expect(socket.stats().messagesReceived).toBe(count);
    const closed = once(client, "close");
    client.close();
    expect((await iterator.next()).done).toBe(true);
    await closed;
  });
});
