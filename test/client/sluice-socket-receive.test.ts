import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SluiceSocket } from "../../src/client/websocket.js";
import type { ServerSocket } from "../../src/server/index.js";
import { clientStory } from "../support/client-story.js";
import { reactions } from "../support/event-loop.js";
import { inboxOf } from "../support/inbox.js";
import { Loopback } from "../support/loopback.js";
import { MemoryNetwork } from "../support/memory-network.js";
import { say } from "../support/talk.js";

const inUse = expect.objectContaining({ code: "ERR_USAGE_CONSUMER" });

describe("SluiceSocket: taking messages", () => {
  let loopback: Loopback;
  let client: SluiceSocket;
  let server: ServerSocket;

  beforeEach(async () => {
    loopback = await Loopback.start();
    [client, server] = await loopback.connect();
    client.binaryType = "arraybuffer";
  });

  afterEach(() => loopback.stop());

  it("by iteration, from the first message on, until the socket is closed", async () => {
    loopback.server.on("connection", (socket) => {
      for (const data of ["a", Buffer.from([1]), "c"]) socket.send(data);
      socket.close(4000, "done");
    });
    const socket = loopback.client();
    socket.binaryType = "arraybuffer";
    const seen: unknown[] = [];
    const closed = once(socket, "close");
    for await (const message of socket) seen.push(message);
    expect(seen).toEqual(["a", Uint8Array.of(1).buffer, "c"]);
    expect((await closed)[0]).toMatchObject({ code: 4000, wasClean: true });
  });

  it("by iteration, and not by events as well", async () => {
    const iterator = client[Symbol.asyncIterator]();
    const heard = inboxOf(client);
    server.send("a");
    server.send("b");
    expect([await iterator.next(), await iterator.next()]).toMatchObject([{ value: "a" }, { value: "b" }]);
    expect(heard.items).toEqual([]);
    expect(() => client.readable).toThrow(inUse);
    expect(() => client.incoming).toThrow(inUse);
  });

  it("by events, and by nothing else then; without a listener others may come", async () => {
    server.send("to nobody");
    await once(client, "message").then(() => {});
    expect(() => client[Symbol.asyncIterator]()).toThrow(inUse);
    const [other, far] = await loopback.connect();
    other.onmessage = null;
    other.addEventListener("message", null);
    const iterator = other[Symbol.asyncIterator]();
    far.send("a");
    expect(await iterator.next()).toMatchObject({ value: "a" });
  });

  it("as a stream", async () => {
    const reader = client.readable.getReader();
    for (const data of ["a", "b"]) server.send(data);
    expect([await reader.read(), await reader.read()]).toMatchObject([{ value: "a" }, { value: "b" }]);
    server.close(1000);
    await reader.closed;
  });

  it("as slowly as it takes them: the server waits, on this channel alone, and loses nothing", async () => {
    const { readable } = client.channel("stream");
    const loop = client.channel("loop")[Symbol.asyncIterator]();
    const events = inboxOf(client.channel("events"));
    client.channel("events").pause();
    const names = ["stream", "loop", "events"];
    const far = names.map((name) => server.channel(name));
    const receipts = far.flatMap((channel) =>
      Array.from({ length: 40 }, (_, i) => channel.send(Buffer.alloc(50_000, i))),
    );
    const heard = once(client, "message");
    server.send("passes");
    await heard;
    for (let i = 0; i < 200; i++) await reactions();
    for (const channel of far) expect(channel.bufferedAmount).toBeGreaterThan(1_000_000);
    client.channel("events").resume();
    await events.take(40);
    const last = async (data: unknown) => new Uint8Array(await (data as Blob).arrayBuffer())[49_999];
    const reader = readable.getReader();
    const seen: unknown[] = [];
    for (let i = 0; i < 40; i++)
      seen.push(await last((await reader.read()).value), await last((await loop.next()).value));
    expect(seen).toEqual(Array.from({ length: 80 }, (_, i) => i >> 1));
    await Promise.all(receipts.map(({ delivered }) => delivered));
  });

  it("of any size, as they begin, and as slowly as they are read", async () => {
    const { incoming } = client;
    const size = 40 * 1024 * 1024;
    const receipt = server.send(new Blob([new Uint8Array(size).fill(7)]));
    const iterator = incoming[Symbol.asyncIterator]();
    const message = (await iterator.next()).value;
    expect(message).toMatchObject({ type: "binary", size });
    for (let i = 0; i < 200; i++) await reactions();
    expect(server.bufferedAmount).toBeGreaterThan(size - 2 * 1024 * 1024);
    let read = 0;
    const reader = message?.body.getReader();
    for (let part = await reader?.read(); part !== undefined && !part.done; part = await reader?.read()) {
      read += part.value.length;
    }
    expect(read).toBe(size);
    await receipt.delivered;
  });

  it("not when their sender takes them back", async () => {
    const iterator = client.incoming[Symbol.asyncIterator]();
    const receipt = server.send(new Blob([new Uint8Array(4 * 1024 * 1024)]));
    const message = (await iterator.next()).value;
    const reader = message?.body.getReader();
    await reader?.read();
    receipt.cancel();
    server.send("next");
    await expect(
      (async () => {
        while (!(await reader?.read())?.done);
      })(),
    ).rejects.toMatchObject({ code: "ERR_CANCELLED" });
    expect(await (await iterator.next()).value?.text()).toBe("next");
  });

  it("not what it skips: a body that is cancelled goes by", async () => {
    const iterator = client.incoming[Symbol.asyncIterator]();
    server.send(new Blob([new Uint8Array(8 * 1024 * 1024)]));
    server.send("next");
    await (await iterator.next()).value?.body.cancel();
    expect(await (await iterator.next()).value?.text()).toBe("next");
  });

  it("not what nobody is left for: closing does not wait for it", async () => {
    for (let i = 0; i < 100; i++) server.send(Buffer.alloc(50_000));
    for await (const _ of client) break;
    const closed = once(client, "close");
    client.close(4000);
    expect((await closed)[0]).toMatchObject({ code: 4000, wasClean: true });
    expect(await client[Symbol.asyncIterator]().next()).toMatchObject({ done: true });
  });

  it("as they begin", async () => {
    const { incoming } = client;
    server.send("gün");
    server.send(Buffer.alloc(100_000, 7));
    const seen: unknown[] = [];
    for await (const message of incoming) {
      if (message.type === "text") seen.push(message.size, await message.text());
      else {
        seen.push(message.size, (await message.arrayBuffer()).byteLength);
        break;
      }
    }
    expect(seen).toEqual([4, "gün", 100_000, 100_000]);
  });

  it("not while events are paused; other channels go on, and `close` waits", async () => {
    const story = clientStory(client);
    const files = client.channel("files");
    const inbox = inboxOf(files);
    client.pause();
    expect(client.isPaused).toBe(true);
    server.send("held");
    server.channel("files").send("passes");
    expect(await inbox.next()).toBe("passes");
    const closed = once(files, "close");
    server.close(4000, "done");
    await closed;
    await reactions();
    expect(story.filter((line) => /message|close/.test(line))).toEqual([]);
    client.resume();
    await once(client, "close");
    expect(story.filter((line) => /^(message|close) /.test(line))).toEqual(["message held", "close 4000"]);
  });

  it("not any more, once it has closed itself: not even what is held", async () => {
    const story = clientStory(client);
    client.pause();
    server.send("held");
    const files = client.channel("files");
    const inbox = inboxOf(files);
    server.channel("files").send("passes");
    await inbox.next();
    const closed = once(client, "close");
    client.close();
    client.resume();
    await closed;
    expect(story.filter((line) => /^(message|close) /.test(line))).toEqual(["close 1005"]);
  });

  it("goes on with a loop when it closes itself, until the other end has heard it", async () => {
    server.send("a");
    const seen: unknown[] = [];
    for await (const message of client) {
      seen.push(message);
      if (message === "a") {
        // Sent before the server knows.
        server.send("b");
        client.close();
      }
    }
    expect(seen).toEqual(["a", "b"]);
  });
});

describe("SluiceSocket: taking messages across sessions", () => {
  let network: MemoryNetwork;

  beforeEach(() => {
    network = new MemoryNetwork();
  });

  afterEach(() => network.stop());

  async function connect(onSessionLost: "close" | "reopen"): Promise<SluiceSocket> {
    const socket = new SluiceSocket("wss://example.com/live", [], { WebSocket: network.WebSocket, onSessionLost });
    await network.run(10);
    return socket;
  }

  async function lose(): Promise<void> {
    network.restart();
    await network.run(20_000);
  }

  it("a loop goes on in the next one", async () => {
    const socket = await connect("reopen");
    const iterator = socket[Symbol.asyncIterator]();
    network.server.end.send("", say("a"));
    await network.run(50);
    await lose();
    network.server.end.send("", say("b"));
    await network.run(50);
    expect([await iterator.next(), await iterator.next()]).toMatchObject([{ value: "a" }, { value: "b" }]);
    socket.close();
    await network.run(1000);
    expect((await iterator.next()).done).toBe(true);
  });

  it("a loop fails where there is none, behind what is held", async () => {
    const socket = await connect("close");
    const [iterator, files] = [socket[Symbol.asyncIterator](), socket.channel("files")];
    const { readable } = files;
    network.server.end.send("", say("a"));
    await network.run(50);
    await lose();
    expect(socket.readyState).toBe(SluiceSocket.CLOSED);
    expect(await iterator.next()).toMatchObject({ value: "a" });
    const lost = { code: "ERR_SESSION_LOST" };
    await expect(iterator.next()).rejects.toMatchObject(lost);
    await expect(readable.getReader().read()).rejects.toMatchObject(lost);
  });
});
