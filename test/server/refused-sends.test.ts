import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createWebSocketStream } from "ws";
import { Parameter } from "../../src/core/wire/frame.js";
import { varint } from "../../src/core/wire/parameters.js";
import type { ServerSocket } from "../../src/server/index.js";
import { captureUncaught, reactions } from "../support/event-loop.js";
import { chunk } from "../support/frame-table.js";
import { Loopback } from "../support/loopback.js";
import { RawClient } from "../support/raw-client.js";

const failure = (code: string) => expect.objectContaining({ code });

let loopback: Loopback;

beforeEach(async () => {
  loopback = await Loopback.start({ maxBufferedAmount: 1 << 20 });
});

afterEach(async () => {
  for (const socket of loopback.server.clients) socket.terminate();
  await loopback.stop();
});

/** A client that takes no message of more than so many bytes. */
async function picky(messageBytesMax: number): Promise<RawClient> {
  const peer = await new RawClient(loopback).greeted();
  peer.hello([
    [Parameter.ATTEMPT, peer.session.attempt],
    [Parameter.MESSAGE_BYTES_MAX, varint(messageBytesMax)],
  ]);
  await peer.next("welcome");
  peer.ack();
  return peer;
}

/** Sends as much as the server grants, up to `bytesMax`, and acknowledges nothing of what comes back. */
async function flood(peer: RawClient, bytesMax: number): Promise<void> {
  let [credit, used] = [66_560, 0];
  while (used < bytesMax && peer.webSocket.readyState === 1) {
    for (const { bytes } of peer.of("channel-credit")) credit = Math.max(credit, bytes);
    await reactions();
    if (used + 60_032 > credit) continue;
    used += 60_032;
    peer.numbered(chunk({ payload: new Uint8Array(60_000) }));
  }
}

/** Fills what may be buffered for a client that acknowledges nothing. */
async function full(): Promise<[RawClient, ServerSocket]> {
  const peer = await new RawClient(loopback).established();
  const socket = await loopback.connections.next();
  socket.send(new Uint8Array(1 << 20), () => {});
  return [peer, socket];
}

describe("a client cannot make `send` throw in a listener, and with that end the process", () => {
  it("by what it says it takes: its session ends with 1009", async () => {
    loopback.server.on("connection", (socket) => socket.send("hi"));
    let closed: unknown;
    const uncaught = await captureUncaught(async () => {
      const peer = await picky(0);
      [closed] = await peer.closed;
    });
    expect([uncaught, closed]).toEqual([[], 1009]);
  });

  it("by not reading: its session ends with 1013", async () => {
    const errors: unknown[] = [];
    loopback.server.on("connection", (socket) => {
      socket.on("message", (data) => socket.send(data));
      socket.on("error", (error) => errors.push(error));
    });
    let closed: unknown;
    const uncaught = await captureUncaught(async () => {
      const peer = await new RawClient(loopback).established();
      await flood(peer, 8 << 20);
      [closed] = await peer.closed;
    });
    expect([uncaught, closed, errors]).toEqual([[], 1013, [failure("ERR_BUFFER_FULL")]]);
  });

  it("by channels whose ends it does not acknowledge", async () => {
    loopback.server.on("connection", (socket) => {
      socket.on("channel", (channel) => channel.on("message", (data) => channel.send(data)));
    });
    let closed: unknown;
    const uncaught = await captureUncaught(async () => {
      const peer = await new RawClient(loopback).established();
      for (let i = 0; i < 300 && peer.webSocket.readyState === 1; i++) {
        const name = Buffer.from(`c${i}`);
        const open = { type: "channel-open", channel: 1, priority: "normal", name } as const;
        peer.numbered(open, chunk({ channel: 1, payload: name }));
        for (let turns = 0; turns < 4; turns++) await reactions();
        peer.numbered({ type: "channel-close", channel: 1 });
      }
      [closed] = await peer.closed;
    });
    expect([uncaught, closed]).toEqual([[], 1013]);
  });

  it("as an ordinary client, either: it is cut", async () => {
    const client = loopback.webSocket([]);
    await once(client, "open");
    client.pause();
    const socket = await loopback.connections.next();
    const closed = once(socket, "close");
    const receipts = Array.from({ length: 200 }, () => socket.send(new Uint8Array(100_000)));
    expect(receipts.at(-1)?.state).toBe("never-written");
    expect((await closed)[0]).toBe(1006);
    client.terminate();
  });
});

describe("who gave a callback", () => {
  it("learns of a full buffer there, and the session goes on", async () => {
    const [peer, socket] = await full();
    const told: unknown[] = [];
    const receipts = [socket.send("x", (error) => told.push(error)), socket.send("y", {}, (error) => told.push(error))];
    expect(receipts.map(({ state }) => state)).toEqual(["never-written", "never-written"]);
    await expect(receipts[0]?.written).rejects.toEqual(failure("ERR_BUFFER_FULL"));
    expect([told, socket.readyState]).toEqual([[failure("ERR_BUFFER_FULL"), failure("ERR_BUFFER_FULL")], 1]);
    expect(peer.webSocket.readyState).toBe(1);
  });

  it("learns of a message that the client does not take", async () => {
    await picky(10);
    const socket = await loopback.connections.next();
    const told = await new Promise((resolve) => socket.send("more than ten", resolve));
    expect([told, socket.readyState]).toEqual([failure("ERR_MESSAGE_TOO_LARGE"), 1]);
  });

  it("learns that a message was lost with its session", async () => {
    const [, socket] = await full();
    const lost = new Promise((resolve) => socket.send(new Blob([new Uint8Array(1 << 20)]), resolve));
    socket.terminate();
    expect(await lost).toEqual(failure("ERR_NEVER_WRITTEN"));
  });

  it("learns it through a stream of `ws`, too", async () => {
    const [client, socket] = await loopback.connect();
    const stream = createWebSocketStream(socket as never);
    stream.on("error", () => {});
    const written = new Promise((resolve) => stream.write(Buffer.alloc(1 << 20), resolve));
    await reactions();
    socket.terminate();
    await once(socket, "close");
    expect(await written).toEqual(failure("ERR_DELIVERY_UNKNOWN"));
    client.close();
  });
});

describe("what is the application's own fault", () => {
  it("is thrown at once, and changes nothing", async () => {
    await loopback.stop();
    loopback = await Loopback.start({ maxPayload: 1000, maxBufferedAmount: 500 });
    await new RawClient(loopback).established();
    const socket = await loopback.connections.next();
    const channel = socket.channel("files");
    const sends = [
      (size: number) => socket.send(new Uint8Array(size)),
      (size: number) => channel.send(new Uint8Array(size)),
    ];
    for (const send of sends) {
      expect(() => send(1001)).toThrow(failure("ERR_MESSAGE_TOO_LARGE"));
      expect(() => send(501)).toThrow(failure("ERR_BUFFER_FULL"));
    }
    await reactions();
    expect([socket.readyState, socket.bufferedAmount]).toEqual([1, 0]);
  });
});
