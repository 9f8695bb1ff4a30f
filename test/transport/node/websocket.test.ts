import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { webSocketTransport } from "../../../src/transport/node/websocket.js";
import type { Transport, TransportDeath, TransportHandler } from "../../../src/transport/transport.js";

/** What a transport has told, each entry awaitable. */
class Story implements TransportHandler {
  readonly entries: unknown[][] = [];
  #waiting: { count: number; resolve: () => void }[] = [];

  handleOpen(opened: { subprotocol: string; extensions: string }): void {
    this.#add("open", opened);
  }

  handleBatch(batch: Uint8Array): void {
    this.#add("batch", batch);
  }

  handleWritable(): void {
    this.#add("writable");
  }

  handleClosed(death: TransportDeath): void {
    this.#add("closed", death);
  }

  /** Resolves when there are `count` entries. */
  has(count: number): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ count, resolve });
      this.#wake();
    });
  }

  of(type: string): unknown[] {
    return this.entries.filter(([name]) => name === type).map(([, value]) => value);
  }

  #add(...entry: unknown[]): void {
    this.entries.push(entry);
    this.#wake();
  }

  #wake(): void {
    for (const { count, resolve } of this.#waiting) if (this.entries.length >= count) resolve();
  }
}

let server: WebSocketServer;
let client: WebSocket;
let socket: WebSocket;
let transport: Transport;
let story: Story;

beforeEach(async () => {
  server = new WebSocketServer({ port: 0, host: "127.0.0.1", maxPayload: 1000, handleProtocols: () => "sluice.v1" });
  await once(server, "listening");
  client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, ["sluice.v1"]);
  [[socket]] = (await Promise.all([once(server, "connection"), once(client, "open")])) as [[WebSocket], unknown];
  story = new Story();
  transport = webSocketTransport(socket, 1000);
});

afterEach(async () => {
  client.terminate();
  socket.terminate();
  server.close();
  await once(server, "close");
});

/** The TCP connection below the client. */
const line = () => (client as unknown as { _socket: Socket })._socket;

describe("Node WebSocket transport", () => {
  it("is open from the start, and says so", () => {
    transport.start(story);
    expect(transport.name).toBe("websocket");
    expect(transport.batchBytesMax).toBe(1000);
    expect(story.entries).toEqual([["open", { subprotocol: "sluice.v1", extensions: "" }]]);
  });

  it("brings batches, whole and in order; a text message is none", async () => {
    transport.start(story);
    client.send(Uint8Array.of(1, 2));
    client.send("text");
    client.send(Uint8Array.of(3));
    await story.has(4);
    expect(story.of("batch").map((batch) => [...(batch as Uint8Array)])).toEqual([[1, 2], [], [3]]);
  });

  it.each(["nodebuffer", "arraybuffer", "fragments"] as const)(
    "brings bytes whatever the socket gives: %s",
    async (type) => {
      socket.binaryType = type;
      transport.start(story);
      client.send(Uint8Array.of(1, 2), { fin: false });
      client.send(Uint8Array.of(3), { fin: true });
      await story.has(2);
      const [batch] = story.of("batch");
      expect(batch).toBeInstanceOf(Uint8Array);
      expect([...(batch as Uint8Array)]).toEqual([1, 2, 3]);
    },
  );

  it("sends binary messages, and says when they have been passed on", async () => {
    transport.start(story);
    const arrived = once(client, "message");
    transport.send(Uint8Array.of(7, 8));
    const [data, isBinary] = await arrived;
    expect([[...data], isBinary]).toEqual([[7, 8], true]);
    await story.has(2);
    expect(story.entries.at(-1)).toEqual(["writable"]);
    expect(transport.bufferedBytes).toBe(0);
  });

  it("counts what waits for a line that is full", async () => {
    transport.start(story);
    line().pause();
    for (let i = 0; i < 1000 && transport.bufferedBytes === 0; i++) transport.send(new Uint8Array(1 << 20));
    expect(transport.bufferedBytes).toBeGreaterThan(0);
    line().resume();
    while (transport.bufferedBytes > 0) await story.has(story.entries.length + 1);
    expect(story.of("writable").length).toBeGreaterThan(0);
  });

  it("tells of a close handshake with its code and reason", async () => {
    transport.start(story);
    client.close(4000, "bye");
    await story.has(2);
    expect(story.entries.at(-1)).toEqual(["closed", { wasClean: true, code: 4000, reason: "bye" }]);
  });

  it("tells of a close handshake without a code", async () => {
    transport.start(story);
    client.close();
    await story.has(2);
    expect(story.entries.at(-1)).toEqual(["closed", { wasClean: true, code: 1005, reason: "" }]);
  });

  it.each(["cut", "reset"])("tells of a line that is %s", async (how) => {
    transport.start(story);
    if (how === "cut") line().destroy();
    else line().resetAndDestroy();
    await story.has(2);
    expect(story.entries.at(-1)).toEqual(["closed", { wasClean: false, code: 1006, reason: "" }]);
  });

  it.each([
    ["a message over the limit", 1009, () => client.send(new Uint8Array(1001))],
    ["text that is not UTF-8", 1007, () => client.send(Buffer.from([0xff]), { binary: false })],
    ["bytes that are no frame", 1002, () => line().write(Buffer.from([0xff, 0xff, 0xff]))],
  ])("survives %s, and the peer is told", async (_, code, break_) => {
    transport.start(story);
    const closed = once(client, "close");
    break_();
    expect((await closed)[0]).toBe(code);
    await story.has(2);
    expect(story.entries).toHaveLength(2);
    expect(story.of("closed")).toEqual([{ wasClean: false, code: 1006, reason: "" }]);
  });

  it("closes with a code and tells nothing any more", async () => {
    transport.start(story);
    const [closed, arrived] = [once(client, "close"), once(client, "message")];
    transport.send(Uint8Array.of(1));
    transport.close(1008, "no");
    transport.send(Uint8Array.of(2));
    client.send(Uint8Array.of(3));
    expect([...(await arrived)[0]]).toEqual([1]);
    const [code, reason] = await closed;
    expect([code, String(reason)]).toEqual([1008, "no"]);
    expect(story.entries).toHaveLength(1);
  });

  it("terminates at once and tells nothing any more", async () => {
    transport.start(story);
    const closed = once(client, "close");
    transport.terminate();
    expect((await closed)[0]).toBe(1006);
    expect(story.entries).toHaveLength(1);
    transport.send(Uint8Array.of(1));
    transport.close(1000, "");
  });
});
