import { EventEmitter, once } from "node:events";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { SluiceSocket } from "../../src/client/index.js";
import type { ServerChannel, ServerSocket } from "../../src/server/index.js";
import { captureUncaught, reactions } from "../support/event-loop.js";
import { chunk } from "../support/frame-table.js";
import { Inbox, inboxOf } from "../support/inbox.js";
import { Loopback } from "../support/loopback.js";
import { binary } from "../support/pair.js";
import { RawClient } from "../support/raw-client.js";

const MIB = 1024 * 1024;
const HIGH_WATER_BYTES = 256 * 1024;

let loopback: Loopback;
let client: SluiceSocket;
let socket: ServerSocket;

beforeEach(async () => {
  loopback = await Loopback.start();
  [client, socket] = await loopback.connect();
});

afterEach(async () => {
  vi.useRealTimers();
  await loopback.stop();
});

/** A client that acknowledges only when it is told to, and the server's end of it. */
async function deafClient(): Promise<[RawClient, ServerSocket]> {
  const peer = await new RawClient(loopback).established();
  return [peer, await loopback.connections.next()];
}

/** Resolves with the arguments of the next event; unlike `once`, an `error` event does not reject it. */
const eventOf = (emitter: ServerSocket, type: string): Promise<unknown[]> =>
  new Promise((resolve) => (emitter as unknown as EventEmitter).once(type, (...parts: unknown[]) => resolve(parts)));

describe("FramedSocket", () => {
  it("is an EventEmitter with the surface of a socket of `ws`", () => {
    expect(socket).toBeInstanceOf(EventEmitter);
    expect(socket).toMatchObject({
      CONNECTING: 0,
      OPEN: 1,
      CLOSING: 2,
      CLOSED: 3,
      readyState: 1,
      protocol: "",
      extensions: "",
      bufferedAmount: 0,
      mode: "framed",
      transport: "websocket",
      principal: undefined,
    });
    expect(socket.id).toMatch(/^[0-9a-f]{32}$/);
  });

  it("has an id that no other has", async () => {
    const [, other] = await loopback.connect();
    expect(other.id).not.toBe(socket.id);
  });

  it("gives Buffers for both kinds of message, and whether they are binary", async () => {
    const inbox = new Inbox<[boolean, string, boolean]>();
    socket.on("message", (data, isBinary) => inbox.push([Buffer.isBuffer(data), data.toString(), isBinary]));
    client.send("ä");
    client.send(new TextEncoder().encode("bytes"));
    client.send("");
    expect(await inbox.take(3)).toEqual([
      [true, "ä", false],
      [true, "bytes", true],
      [true, "", false],
    ]);
  });

  it.each<[string, (server: ServerSocket) => unknown, unknown]>([
    ["a string", (server) => server.send("a"), "a"],
    ["a number", (server) => server.send(1), "1"],
    ["a string as binary", (server) => server.send("a", { binary: true }), Uint8Array.of(97).buffer],
    ["a Buffer", (server) => server.send(Buffer.from("a")), Uint8Array.of(97).buffer],
    ["a Buffer as text", (server) => server.send(Buffer.from("a"), { binary: false }), "a"],
    ["a view", (server) => server.send(Uint8Array.of(9, 97).subarray(1)), Uint8Array.of(97).buffer],
    ["a Blob", (server) => server.send(new Blob(["a"])), Uint8Array.of(97).buffer],
    ["with options of `ws`", (server) => server.send("a", { compress: true, fin: true, mask: false }), "a"],
  ])("sends %s", async (_, send, received) => {
    client.binaryType = "arraybuffer";
    const inbox = inboxOf(client);
    send(socket);
    expect(await inbox.next()).toEqual(received);
  });

  it("refuses what cannot be sent", () => {
    expect(() => socket.send({} as never)).toThrow(TypeError);
    expect(() => socket.send(new Uint8Array(16 * MIB + 1))).toThrow(
      expect.objectContaining({ code: "ERR_MESSAGE_TOO_LARGE" }),
    );
    expect(socket.bufferedAmount).toBe(0);
  });

  it("gives a receipt for each message", async () => {
    const receipt = socket.send("a");
    expect(receipt.state).toBe("queued");
    await receipt.delivered;
    const cancelled = socket.send("b");
    expect(cancelled.cancel()).toBe(true);
    await expect(cancelled.delivered).rejects.toMatchObject({ code: "ERR_CANCELLED" });
  });

  it("shows in `stats` what is going on", async () => {
    await socket.send("a").delivered;
    expect(socket.stats()).toMatchObject({
      transport: "websocket",
      messagesSent: 1,
      channels: { "": { priority: "normal" } },
    });
  });
});

describe("FramedSocket: the callback of `send`", () => {
  it("comes soon while little waits, and not before `send` returns", async () => {
    const story: string[] = [];
    const called = new Promise<void>((resolve) => {
      socket.send("a", (error) => {
        story.push(`called with ${error}`);
        resolve();
      });
    });
    story.push("returned");
    await called;
    expect(story).toEqual(["returned", "called with undefined"]);
    await new Promise((resolve) => socket.send("b", {}, resolve));
  });

  it("comes in order", async () => {
    const order: number[] = [];
    const sent = Array.from({ length: 50 }, (_, i) => {
      return new Promise<void>((resolve) => {
        socket.send(new Uint8Array(i % 2 === 0 ? 100_000 : 1), () => {
          order.push(i);
          resolve();
        });
      });
    });
    await Promise.all(sent);
    expect(order).toEqual([...order].sort((a, b) => a - b));
  });

  it("waits until less than the high-water mark has yet to leave", async () => {
    const amounts: number[] = [];
    let left = 30;
    await new Promise<void>((resolve) => {
      const more = () => {
        amounts.push(socket.stats().queuedBytes);
        left -= 1;
        if (left === 0) resolve();
        else socket.send(new Uint8Array(100_000), more);
      };
      more();
    });
    expect(Math.max(...amounts)).toBeLessThan(HIGH_WATER_BYTES);
  });

  it("waits for a client that acknowledges nothing", async () => {
    const [peer, server] = await deafClient();
    let calls = 0;
    server.send(new Uint8Array(2 * HIGH_WATER_BYTES), () => {
      calls += 1;
    });
    await peer.next("chunk");
    await reactions();
    expect(calls).toBe(0);
    expect(server.bufferedAmount).toBe(2 * HIGH_WATER_BYTES);
    const closed = eventOf(server, "close");
    server.terminate();
    await closed;
    expect(calls).toBe(1);
  });

  it("gets an error when nothing is sent", async () => {
    const sentWith = (options: object) => new Promise((resolve) => socket.send("a", options, resolve));
    expect(await sentWith({ signal: AbortSignal.abort() })).toMatchObject({ code: "ERR_CANCELLED" });
    socket.close();
    expect(await sentWith({})).toMatchObject({ code: "ERR_NEVER_WRITTEN" });
    await once(client, "close");
    expect(await sentWith({})).toMatchObject({ code: "ERR_NEVER_WRITTEN" });
  });

  it("that throws is uncaught, and stops neither the session nor the callbacks behind it", async () => {
    const error = new Error("thrown by the application");
    const uncaught = await captureUncaught(async () => {
      socket.send("a", () => {
        throw error;
      });
      await new Promise((resolve) => socket.send("b", resolve));
    });
    expect(uncaught).toEqual([error]);
    await socket.send("c").delivered;
  });

  it("may send again, ten thousand times over", async () => {
    const inbox = inboxOf(client);
    let left = 10_000;
    const more = () => {
      left -= 1;
      socket.send(String(left), left > 0 ? more : undefined);
    };
    more();
    const messages = await inbox.take(10_000);
    expect([messages[0], messages.at(-1)]).toEqual(["9999", "0"]);
  });
});

describe("FramedSocket: pings", () => {
  it("go to the client and come back by themselves, with what they carry", async () => {
    const pong = once(socket, "pong");
    socket.ping("beat");
    const [payload] = await pong;
    expect([Buffer.isBuffer(payload), String(payload)]).toEqual([true, "beat"]);
  });

  it.each<[string, (callback: () => void) => void]>([
    ["ping(callback)", (callback) => socket.ping(callback)],
    ["ping(data, callback)", (callback) => socket.ping("a", callback)],
    ["ping(data, mask, callback)", (callback) => socket.ping("a", false, callback)],
  ])("take a callback as `ws` does: %s", async (_, ping) => {
    const pong = once(socket, "pong");
    const error = await new Promise((resolve) => ping(resolve as () => void));
    expect(error).toBeUndefined();
    await pong;
  });

  it("pass a large message on its way", async () => {
    const receipt = socket.send(binary(8 * MIB).bytes);
    const pong = once(socket, "pong");
    socket.ping();
    await pong;
    expect(receipt.state).not.toBe("delivered");
    await receipt.delivered;
  });

  it("are answered in place of a client that nothing is heard of, before the line is given up", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const [peer, server] = await deafClient();
    const pongs: string[] = [];
    server.on("pong", (data) => pongs.push(String(data)));
    peer.line.pause();
    server.ping("silence");
    vi.advanceTimersByTime(1999);
    await reactions();
    expect(pongs).toEqual([]);
    vi.advanceTimersByTime(1);
    await reactions();
    expect(pongs).toEqual(["silence"]);
    expect(server.transport).toBe("websocket");
  });

  it("of the client are told", async () => {
    const [peer, server] = await deafClient();
    const ping = once(server, "ping");
    peer.unnumbered({ type: "ping", payload: Uint8Array.of(7) });
    expect([...(await ping)[0]]).toEqual([7]);
    expect((await peer.next("pong")).payload).toEqual(Uint8Array.of(7));
  });

  it("are refused when they are too long, and fail once the socket is closed", async () => {
    expect(() => socket.ping("x".repeat(126))).toThrow(RangeError);
    const closed = eventOf(socket, "close");
    socket.terminate();
    await closed;
    socket.ping();
    expect(await new Promise((resolve) => socket.ping(resolve))).toMatchObject({ code: "ERR_NEVER_WRITTEN" });
  });
});

describe("FramedSocket: the end", () => {
  it("is closed by the server, with a Buffer for a reason", async () => {
    const closed = once(socket, "close");
    socket.close(4001, Buffer.from("bye"));
    expect(socket.readyState).toBe(2);
    const [code, reason] = await closed;
    expect([code, Buffer.isBuffer(reason), String(reason)]).toEqual([4001, true, "bye"]);
    expect([socket.readyState, socket.transport]).toEqual([3, null]);
  });

  it("is 1005 without a code", async () => {
    const closed = once(socket, "close");
    const clientClosed = once(client, "close");
    socket.close();
    expect((await closed)[0]).toBe(1005);
    expect((await clientClosed)[0]).toMatchObject({ code: 1005, wasClean: true });
  });

  it.each([999, 1005, 1006, 2999, 5000])("throws a TypeError for the code %i, as `ws` does, and goes on", (code) => {
    expect(() => socket.close(code)).toThrow(TypeError);
    expect(socket.readyState).toBe(1);
  });

  it("throws a RangeError for a long reason, as `ws` does, and goes on", () => {
    expect(() => socket.close(1000, "x".repeat(124))).toThrow(RangeError);
    expect(socket.readyState).toBe(1);
  });

  it("comes once, whatever is called", async () => {
    let closes = 0;
    socket.on("close", () => {
      closes += 1;
    });
    socket.close(4001);
    socket.close(4002);
    expect((await once(client, "close"))[0]).toMatchObject({ code: 4001 });
    await reactions();
    socket.terminate();
    socket.close();
    await reactions();
    expect(closes).toBe(1);
  });

  it("sends nothing any more: the receipt tells", () => {
    socket.close();
    expect(socket.send("late").state).toBe("never-written");
    expect(() => socket.channel("late")).toThrow(expect.objectContaining({ code: "ERR_USAGE_CHANNEL_CLOSED" }));
  });

  it("delivers what was accepted before", async () => {
    const inbox = inboxOf(client);
    socket.send(binary(MIB).bytes);
    socket.send("last");
    socket.close();
    const [, last] = await inbox.take(2);
    expect(last).toBe("last");
  });

  it("comes later, not inside `terminate`, and is 1006", async () => {
    const closed = eventOf(socket, "close");
    const lost = once(client, "sessionlost");
    let isInside = true;
    socket.on("close", () => expect(isInside).toBe(false));
    socket.terminate();
    isInside = false;
    expect(socket.readyState).toBe(2);
    expect((await closed)[0]).toBe(1006);
    expect(socket.readyState).toBe(3);
    // The client finds out when it comes back, and begins anew.
    await lost;
    expect((await loopback.connections.next()).id).not.toBe(socket.id);
  });
});

describe("FramedSocket: without a line", () => {
  /** Instead of the server that is there: one that keeps sessions for so long. */
  async function serveFor(resumeWindowMs: number): Promise<void> {
    await loopback.stop();
    loopback = await Loopback.start({ limits: { resumeWindowMs } });
  }

  /** A client that does not come back by itself, and the server's end of it. */
  async function deserter(): Promise<[RawClient, ServerSocket]> {
    const peer = await new RawClient(loopback).established();
    return [peer, await loopback.connections.next()];
  }

  it("is parked: open, without a transport; then `resume`, and what was sent meanwhile arrives", async () => {
    const [peer, server] = await deserter();
    const story: string[] = [];
    for (const event of ["park", "resume", "close"] as const) server.on(event, () => story.push(event));
    const parked = once(server, "park");
    await peer.cut();
    await parked;
    expect([server.readyState, server.transport]).toEqual([1, null]);
    const receipt = server.send("meanwhile");
    expect(server.bufferedAmount).toBe(9);
    const next = await peer.resumed();
    expect(await next.nextText()).toBe("meanwhile");
    next.ack();
    await receipt.delivered;
    expect([server.readyState, server.transport, server.stats().resumes]).toEqual([1, "websocket", 1]);
    expect(story).toEqual(["park", "resume"]);
  });

  it("answers pings in place of its client, those on their way, too: heartbeats must not end it", async () => {
    const [peer, server] = await deserter();
    const pongs = new Inbox<string>();
    server.on("pong", (data) => pongs.push(String(data)));
    const parked = once(server, "park");
    peer.line.pause();
    server.ping("first");
    server.ping("on its way");
    await peer.cut();
    await parked;
    expect(await pongs.next()).toBe("on its way");
    server.ping("parked");
    expect(await pongs.next()).toBe("parked");
    const next = await peer.resumed();
    server.ping("back");
    expect(String((await next.next("ping")).payload)).toBe(String(Buffer.from("back").join(",")));
    await reactions();
    expect(pongs.items).toEqual(["on its way", "parked"]);
    next.unnumbered({ type: "pong", payload: Buffer.from("back") });
    expect(await pongs.next()).toBe("back");
  });

  it("goes on when listeners of `park` and `resume` throw", async () => {
    const error = new Error("thrown by the application");
    const uncaught = await captureUncaught(async () => {
      const [peer, server] = await deserter();
      for (const event of ["park", "resume"] as const) {
        server.once(event, () => {
          throw error;
        });
      }
      await peer.cut();
      const next = await peer.resumed();
      server.send("a");
      expect(await next.nextText()).toBe("a");
    });
    expect(uncaught).toEqual([error, error]);
  });

  it("ends when nobody comes: `error` for whoever listens, then `close` 1006", async () => {
    await serveFor(50);
    const [peer, server] = await deserter();
    const story: unknown[] = [];
    server.on("park", () => story.push("park"));
    server.on("error", (error) => story.push(error.code));
    server.on("close", (code) => story.push(code));
    const receipt = server.send(binary(4 * MIB).bytes);
    await peer.next("chunk");
    const closed = eventOf(server, "close");
    await peer.cut();
    await closed;
    expect(story).toEqual(["park", "ERR_SESSION_LOST", 1006]);
    expect([server.readyState, server.transport]).toEqual([3, null]);
    await expect(receipt.delivered).rejects.toMatchObject({ code: "ERR_DELIVERY_UNKNOWN" });
  });

  it("does not end the process when nobody listens to `error`", async () => {
    await serveFor(50);
    const [peer, server] = await deserter();
    const closed = eventOf(server, "close");
    await peer.cut();
    expect((await closed)[0]).toBe(1006);
  });

  it("ends also when a listener of `error` throws", async () => {
    const error = new Error("thrown by the application");
    const uncaught = await captureUncaught(async () => {
      await serveFor(50);
      const [peer, server] = await deserter();
      server.on("error", () => {
        throw error;
      });
      const closed = eventOf(server, "close");
      await peer.cut();
      await closed;
    });
    expect(uncaught).toEqual([error]);
    expect(loopback.server.clients.size).toBe(0);
  });

  it("can be terminated", async () => {
    const [peer, server] = await deserter();
    const errors: string[] = [];
    server.on("error", ({ code }) => errors.push(code));
    const parked = once(server, "park");
    await peer.cut();
    await parked;
    const closed = eventOf(server, "close");
    server.terminate();
    expect((await closed)[0]).toBe(1006);
    // As with `ws`: the end that one makes oneself is no error.
    expect(errors).toEqual([]);
    expect(loopback.server.clients.has(server)).toBe(false);
  });

  it("can be closed: the client gets it when it comes back", async () => {
    const [peer, server] = await deserter();
    const parked = once(server, "park");
    await peer.cut();
    await parked;
    server.send("last");
    server.close(4001, "bye");
    const next = await peer.resumed();
    expect(await next.nextText()).toBe("last");
    expect(await next.next("close")).toMatchObject({ code: 4001 });
    next.ack();
    const closed = eventOf(server, "close");
    next.numbered({ type: "close", code: 4001, reason: Buffer.from("bye") });
    expect((await closed)[0]).toBe(4001);
  });

  it("with a window of 0, ends with its line", async () => {
    await serveFor(0);
    const [peer, server] = await deserter();
    expect(peer.session.token).toBeUndefined();
    const story: unknown[] = [];
    server.on("park", () => story.push("park"));
    server.on("error", ({ code }) => story.push(code));
    const closed = eventOf(server, "close");
    await peer.cut();
    story.push((await closed)[0]);
    expect(story).toEqual(["ERR_SESSION_LOST", 1006]);
  });
});

describe("FramedSocket: what comes with the session", () => {
  it("waits for an application that awaits `connection`, messages and the end too", async () => {
    const peer = await new RawClient(loopback).greeted();
    peer.hello();
    peer.numbered(chunk({ text: true, payload: Buffer.from("early") }));
    peer.numbered({ type: "close", code: 4000, reason: Buffer.from("and gone") });
    const story: unknown[] = [];
    const server = await loopback.connections.next();
    const closed = new Promise((resolve) => server.on("close", resolve));
    server.on("message", (data) => story.push(String(data)));
    await peer.next("close");
    peer.ack();
    peer.webSocket.close();
    story.push(await closed);
    expect(story).toEqual(["early", 4000]);
  });
});

describe("FramedSocket: channels", () => {
  it("that the client opens are told, also to whoever listens later", async () => {
    await client.channel("files", { priority: "low" }).send("a").delivered;
    const [channel] = (await once(socket, "channel")) as [ServerChannel];
    expect([channel.name, channel.priority, channel.state]).toEqual(["files", "low", "open"]);
    const [data, isBinary] = await once(channel, "message");
    expect([String(data), isBinary]).toEqual(["a", false]);
    expect(socket.channel("files")).toBe(channel);
  });

  it("are not told to the application that has opened them", async () => {
    let told = 0;
    socket.on("channel", () => {
      told += 1;
    });
    const channel = socket.channel("files", { priority: "high" });
    const arrived = once(channel, "message");
    client.channel("files").send("a");
    expect(String((await arrived)[0])).toBe("a");
    expect(told).toBe(0);
    expect(socket.channel("files", { priority: "low" })).toBe(channel);
    expect(channel.priority).toBe("low");
  });

  it("end with the socket, before its `close`", async () => {
    const story: string[] = [];
    socket.channel("files").on("close", () => story.push("channel"));
    socket.on("close", () => story.push("socket"));
    const closed = eventOf(socket, "close");
    client.close();
    await closed;
    expect(story).toEqual(["channel", "socket"]);
  });

  it.each<[string, () => unknown]>([
    ["an empty name", () => socket.channel("")],
    ["a name that is too long", () => socket.channel("x".repeat(257))],
    ["a priority that does not exist", () => socket.channel("a", { priority: "urgent" as never })],
  ])("are refused for %s", (_, open) => {
    expect(open).toThrow(expect.objectContaining({ code: "ERR_USAGE_ARGUMENT" }));
  });

  it("go on being told when a listener throws", async () => {
    const error = new Error("thrown by the application");
    const names = new Inbox<string>();
    const uncaught = await captureUncaught(async () => {
      await client.channel("a").send("").delivered;
      await client.channel("b").send("").delivered;
      socket.on("channel", ({ name }) => {
        names.push(name);
        throw error;
      });
      expect(await names.take(2)).toEqual(["a", "b"]);
    });
    expect(uncaught).toEqual([error, error]);
  });
});
