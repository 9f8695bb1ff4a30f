import { once } from "node:events";
import type { Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { WebSocket } from "ws";
import type { ServerSocket, SluiceServerOptions } from "../../src/server/index.js";
import { reactions } from "../support/event-loop.js";
import { Inbox } from "../support/inbox.js";
import { Loopback } from "../support/loopback.js";

let loopback: Loopback;
let client: WebSocket;
let socket: ServerSocket;

beforeEach(async () => {
  loopback = await Loopback.start({ maxPayload: 1000 });
  client = loopback.webSocket(["chat"]);
  await once(client, "open");
  socket = await loopback.connections.next();
});

afterEach(() => loopback.stop());

const line = () => (client as unknown as { _socket: Socket })._socket;

describe("PlainSocket", () => {
  it("shows an ordinary client as any other socket", () => {
    expect(socket).toMatchObject({
      mode: "plain",
      readyState: 1,
      protocol: "chat",
      extensions: "",
      transport: "websocket",
      bufferedAmount: 0,
      principal: undefined,
      OPEN: 1,
    });
    expect(socket.id).toMatch(/^[0-9a-f]{32}$/);
  });

  it("gives Buffers for both kinds of message, and whether they are binary", async () => {
    const inbox = new Inbox<[string, boolean]>();
    socket.on("message", (data, isBinary) => inbox.push([data.toString(), isBinary]));
    client.send("ä");
    client.send(Buffer.from("one, "), { fin: false });
    client.send(Buffer.from("two"), { fin: true });
    expect(await inbox.take(2)).toEqual([
      ["ä", false],
      ["one, two", true],
    ]);
  });

  it.each<[string, () => unknown, [string, boolean]]>([
    ["a string", () => socket.send("a"), ["a", false]],
    ["a number", () => socket.send(1), ["1", false]],
    ["a string as binary", () => socket.send("a", { binary: true }), ["a", true]],
    ["a Buffer", () => socket.send(Buffer.from("a")), ["a", true]],
    ["a Buffer as text", () => socket.send(Buffer.from("a"), { binary: false }), ["a", false]],
    ["an ArrayBuffer", () => socket.send(Uint8Array.of(97).buffer), ["a", true]],
    ["a Blob", () => socket.send(new Blob(["a"])), ["a", true]],
  ])("sends %s", async (_, send, received) => {
    const arrived = once(client, "message");
    send();
    const [data, isBinary] = await arrived;
    expect([String(data), isBinary]).toEqual(received);
  });

  it("refuses what cannot be sent", () => {
    expect(() => socket.send({} as never)).toThrow(TypeError);
  });

  it("calls back once the message is on its way, and knows no more", async () => {
    let receipt = socket.send("a");
    await receipt.written;
    await expect(receipt.delivered).rejects.toMatchObject({ code: "ERR_NO_ACK" });
    expect([receipt.state, receipt.cancel()]).toEqual(["unknown", false]);
    const error = await new Promise((resolve) => {
      receipt = socket.send("b", resolve);
    });
    expect(error ?? undefined).toBeUndefined();
    expect(receipt.state).toBe("unknown");
  });

  it("does not send for a signal that is aborted", async () => {
    const signal = AbortSignal.abort();
    const error = await new Promise((resolve) => socket.send("a", { signal }, resolve));
    expect(error).toMatchObject({ code: "ERR_CANCELLED" });
    expect(socket.send("a", { signal }).state).toBe("cancelled");
    const arrived = once(client, "message");
    socket.send("b");
    expect(String((await arrived)[0])).toBe("b");
  });

  it("sends nothing any more once it is closing", async () => {
    socket.close();
    const receipt = socket.send("late");
    expect(receipt.state).toBe("never-written");
    expect(await new Promise((resolve) => socket.send("late", resolve))).toMatchObject({ code: "ERR_NEVER_WRITTEN" });
    await expect(receipt.delivered).rejects.toMatchObject({ code: "ERR_NEVER_WRITTEN" });
  });

  it("pings and pongs", async () => {
    const [pong, ping] = [once(socket, "pong"), once(socket, "ping")];
    socket.ping("beat");
    expect(String((await pong)[0])).toBe("beat");
    client.ping("knock");
    expect(String((await ping)[0])).toBe("knock");
    expect(await new Promise((resolve) => socket.ping(resolve))).toBeUndefined();
    expect(() => socket.ping("x".repeat(126))).toThrow(RangeError);
    socket.close();
    expect(await new Promise((resolve) => socket.ping("a", resolve))).toMatchObject({ code: "ERR_NEVER_WRITTEN" });
  });

  it("knows no channels", () => {
    expect(() => socket.channel("files")).toThrow(expect.objectContaining({ code: "ERR_NOT_SLUICE" }));
  });

  it("has the same `stats`", async () => {
    const arrived = once(socket, "message");
    await Promise.all([socket.send("four").written, socket.send(new Blob(["sixsix"])).written]);
    client.send("12345");
    await arrived;
    expect(socket.stats()).toEqual({
      transport: "websocket",
      roundTripTimeMs: undefined,
      bandwidthBitsPerSecond: undefined,
      windowBytes: Number.POSITIVE_INFINITY,
      inFlightBytes: 0,
      queuedBytes: 0,
      messagesSent: 2,
      messagesReceived: 1,
      bytesSent: 10,
      bytesReceived: 5,
      resumes: 0,
      channels: { "": { bufferedAmount: 0, priority: "normal", waitingFor: null } },
    });
  });

  it.each([
    [() => socket.close(), 1005, ""],
    [() => socket.close(4000, "bye"), 4000, "bye"],
    [() => socket.close(1001, Buffer.from("going")), 1001, "going"],
    [() => socket.terminate(), 1006, ""],
  ])("ends as it is told: %s", async (end, code, reason) => {
    const [closed, clientClosed] = [once(socket, "close"), once(client, "close")];
    end();
    expect(socket.readyState).toBe(2);
    expect((await clientClosed)[0]).toBe(code);
    const [serverCode, serverReason] = await closed;
    expect([serverCode, String(serverReason)]).toEqual([code, reason]);
    expect([socket.readyState, socket.transport]).toEqual([3, null]);
  });

  it("throws for bad codes and reasons as `ws` does, and goes on", () => {
    expect(() => socket.close(1005)).toThrow(TypeError);
    expect(() => socket.close(1000, "x".repeat(124))).toThrow(RangeError);
    expect(socket.readyState).toBe(1);
  });

  it.each<[string, number, () => void]>([
    ["a message over the limit", 1009, () => client.send(new Uint8Array(1001))],
    ["text that is not UTF-8", 1007, () => client.send(Buffer.from([0xff]), { binary: false })],
    ["bytes that are no frame", 1002, () => line().write(Buffer.from([0xff, 0xff, 0xff]))],
  ])("survives %s, whether somebody listens to `error` or not", async (_, code, attack) => {
    const [closed, serverClosed] = [once(client, "close"), new Promise((resolve) => socket.on("close", resolve))];
    attack();
    expect((await closed)[0]).toBe(code);
    await serverClosed;

    client = loopback.webSocket();
    await once(client, "open");
    socket = await loopback.connections.next();
    const error = new Promise((resolve) => socket.on("error", resolve));
    const closedAgain = new Promise((resolve) => socket.on("close", resolve));
    attack();
    expect(await error).toMatchObject({ code: "ERR_PEER_VIOLATION", cause: expect.any(Error) });
    await closedAgain;
  });
});

describe("PlainSocket: what is sent", () => {
  const failure = (code: string) => expect.objectContaining({ code });

  /** A client that does not read, until it is told to. */
  async function slowClient(options: Partial<SluiceServerOptions>): Promise<void> {
    await loopback.stop();
    loopback = await Loopback.start(options);
    client = loopback.webSocket();
    await once(client, "open");
    socket = await loopback.connections.next();
    line().pause();
    client.on("message", () => {});
  }

  /** Fills the kernel's buffers, until bytes stay here. */
  async function fill(): Promise<void> {
    while (socket.bufferedAmount === 0) {
      socket.send(new Uint8Array(100_000));
      await reactions();
    }
  }

  it("has a high-water mark: `ready`, `desiredSize`, `drain`, and a stream that waits", async () => {
    await slowClient({ highWaterMark: 1000 });
    expect(socket.desiredSize).toBe(1000);
    await socket.ready;
    await fill();
    expect(socket.desiredSize).toBe(1000 - socket.bufferedAmount);
    const drained = once(socket, "drain");
    const writer = socket.writable.getWriter();
    let isWritten = false;
    const write = writer.write("behind").then(() => {
      isWritten = true;
    });
    await reactions();
    expect(isWritten).toBe(false);
    line().resume();
    await Promise.all([drained, socket.ready, write]);
    expect(socket.bufferedAmount).toBeLessThan(1000);
    const closed = once(client, "close");
    await writer.close();
    expect((await closed)[0]).toBe(1000);
  });

  it("keeps nobody waiting behind the end, and breaks the stream", async () => {
    await slowClient({ highWaterMark: 1000 });
    await fill();
    const { ready } = socket;
    const broken = expect(socket.writable.getWriter().closed).rejects.toEqual(failure("ERR_NEVER_WRITTEN"));
    const closed = once(socket, "close");
    socket.terminate();
    await Promise.all([closed, ready, broken]);
    expect(socket.desiredSize).toBe(0);
  });

  it("is bounded, and a refused `send` changes nothing", async () => {
    await slowClient({ maxBufferedAmount: 200_000 });
    await fill();
    const before = socket.bufferedAmount;
    const refused = new Promise((resolve) => socket.send(new Uint8Array(200_000), resolve));
    expect(await refused).toEqual(failure("ERR_BUFFER_FULL"));
    expect([socket.bufferedAmount, socket.readyState]).toEqual([before, 1]);
    expect(() => socket.send(new Uint8Array(200_001))).toThrow(expect.objectContaining({ retryable: false }));
    line().resume();
  });

  it("leaves at once, in time and unreplaced", async () => {
    const inbox = new Inbox<string>();
    client.on("message", (data) => inbox.push(String(data)));
    const receipts = ["a", "b"].map((data) => socket.send(data, { ttl: 1, key: "k" }));
    expect(await inbox.take(2)).toEqual(["a", "b"]);
    for (const receipt of receipts) await receipt.written;
    expect(() => socket.send("a", { ttl: 0 })).toThrow(failure("ERR_USAGE_ARGUMENT"));
    expect(() => socket.send("a", { key: "" })).toThrow(failure("ERR_USAGE_ARGUMENT"));
  });
});
