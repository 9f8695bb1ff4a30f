import { describe, expect, it } from "vitest";
import { CHANNEL_CREDIT_BYTES } from "../../../src/core/limits.js";
import type { Frame } from "../../../src/core/wire/frame.js";
import { expectBaseline } from "../../support/baseline.js";
import { binary, type End, type EndEvent, Pair, source, text } from "../../support/pair.js";

const KIB = 1024;
const sendText = (pair: Pair, end: End, value: string, channel = 0) =>
  pair.input(end, (s, now) => s.send(channel, text(value), now));
const fatesOf = (end: End) => end.of("dropped").map(({ message, fate }) => [message, fate] as const);

/** Answers `pull`s with slabs of `slab` bytes of `bytes`. */
function supplies(pair: Pair, end: End, bytes: Uint8Array, slab: number): void {
  end.react = (event: EndEvent) => {
    if (event.type !== "pull") return;
    const piece = bytes.slice(event.offset, event.offset + slab);
    const ended = event.offset + piece.length === bytes.length;
    pair.input(end, (s, now) => s.supply(event.message, piece, ended, now));
  };
}

describe("messages", () => {
  it("MSG-01: carries what was sent before the transport was open, in order, and acknowledges it", () => {
    const pair = new Pair();
    const ids = ["a", "b", "c"].map((value) => sendText(pair, pair.client, value));
    expect(pair.client.session.bufferedBytes()).toBe(3);
    pair.connect().run(500);
    expect(pair.server.messages).toEqual(["a", "b", "c"]);
    expect(pair.client.of("delivered").map((event) => event.message)).toEqual(ids);
    expectBaseline(pair);
  });

  it("carries messages of every size both ways at once, exactly once and in order", () => {
    const pair = new Pair({ rateBitsPerSecond: 100e6, delayMs: 5 }).connect().run(100);
    const sizes = [0, 1, 1023, 1024, 4096, 4097, 8191, 16_376, 16_384, 16_385, 65_536, 300_000, 3];
    for (const [i, size] of sizes.entries()) {
      for (const end of [pair.client, pair.server]) pair.input(end, (s, now) => s.send(0, binary(size, i + 1), now));
    }
    pair.run(2000);
    for (const end of [pair.client, pair.server]) {
      expect(end.messages.map((message) => message.length)).toEqual(sizes);
      for (const [i, message] of end.messages.entries()) {
        expect(Buffer.compare(message as Uint8Array, binary(message.length, i + 1).bytes)).toBe(0);
      }
    }
    expectBaseline(pair);
  });

  it("WIRE-05: carries text as it is: empty, a byte order mark, characters of every length, cut anywhere", () => {
    const pair = new Pair().connect().run(100);
    const values = ["", "\ufeffmark", "aé€😀".repeat(20_000), "\0"];
    for (const value of values) sendText(pair, pair.client, value);
    pair.run(500);
    expect(pair.server.of("message").map(({ text, data }) => text && values.indexOf(data as string))).toEqual([
      0, 1, 2, 3,
    ]);
  });

  it("MSG-09: coalesces a thousand tiny messages of one tick: 4 bytes each at most, and few batches", () => {
    const pair = new Pair().connect().run(100);
    const before = pair.client.sent.length;
    const values = Array.from({ length: 1000 }, (_, i) => `message ${i}`);
    pair.tick(pair.client, ...values.map((value) => (s: End["session"], now: number) => s.send(0, text(value), now)));
    pair.run(500);
    const batches = pair.client.sent.slice(before).filter(({ number }) => number > 0);
    const payload = values.join("").length;
    const overhead = batches.reduce((sum, { bytes }) => sum + bytes, 0) - payload;
    // The first chunks are 1.4 KiB, and larger ones follow.
    expect(batches.length).toBeLessThanOrEqual(Math.ceil((payload + 4000) / 1408));
    expect(overhead).toBeLessThanOrEqual(4 * 1000 + 4 * batches.length);
    expect(pair.server.messages).toEqual(values);
    expectBaseline(pair);
  });

  it("MSG-09: coalesces what gathers while the window is full", () => {
    const pair = new Pair({ rateBitsPerSecond: 1e6 }).connect().run(200);
    pair.input(pair.client, (s, now) => s.send(0, binary(100_000), now));
    for (let i = 0; i < 200; i++) sendText(pair, pair.client, `${i}`);
    const before = pair.client.batchesSent.length;
    pair.run(3000);
    const isSmall = (frame: Frame) => frame.type === "chunk" && frame.payload.length <= 3;
    const batches = pair.client.sent.slice(before).filter(({ frames }) => frames.filter(isSmall).length > 1);
    expect(batches.length).toBeLessThanOrEqual(2);
    expect(batches.flatMap(({ frames }) => frames.filter(isSmall))).toHaveLength(200);
    expect(pair.server.messages.slice(1)).toEqual(Array.from({ length: 200 }, (_, i) => `${i}`));
  });

  it("keeps no more in flight than the window, whatever is queued", () => {
    const pair = new Pair({ rateBitsPerSecond: 10e6, clientLimits: { windowBytes: 40_000 } }).connect().run(100);
    pair.input(pair.client, (s, now) => s.send(0, binary(1_000_000), now));
    for (let i = 0; i < 400; i++) {
      expect(pair.client.session.stats.inFlightBytes).toBeLessThanOrEqual(40_000);
      pair.run(2.5);
    }
    pair.run(2000);
    expect(pair.server.messages).toHaveLength(1);
    expectBaseline(pair);
  });
});

describe("receipts", () => {
  const stories = (end: End, id: number) =>
    end.events.map(({ event }) => event).filter((event) => "message" in event && event.message === id);

  it("go from started through progress to written and delivered, in that order", () => {
    const pair = new Pair({ rateBitsPerSecond: 10e6 }).connect().run(100);
    const id = pair.input(pair.client, (s, now) => s.send(0, { ...binary(300_000), wantsProgress: true }, now));
    pair.run(1000);
    const story = stories(pair.client, id);
    const types = story.map(({ type }) => type);
    expect(types[0]).toBe("started");
    expect(types.at(-1)).toBe("delivered");
    expect(types.filter((type) => type !== "progress")).toEqual(["started", "written", "delivered"]);
    expect(types.indexOf("written")).toBeGreaterThan(types.indexOf("progress"));
    const acked = story.flatMap((event) => (event.type === "progress" ? [event.ackedBytes] : []));
    expect(acked.every((bytes, i) => bytes > (acked[i - 1] ?? 0))).toBe(true);
    expect([acked.length > 10, acked.at(-1)]).toEqual([true, 300_000]);
  });

  it("CLS-09: are delivered only once the other end has the message", () => {
    const pair = new Pair({ delayMs: 50 }).connect().run(300);
    sendText(pair, pair.client, "x");
    pair.run(69);
    expect(pair.server.messages).toEqual(["x"]);
    expect(pair.client.of("delivered")).toEqual([]);
    pair.run(60);
    expect(pair.client.of("delivered")).toHaveLength(1);
  });

  it("are there for the messages of both ends", () => {
    const pair = new Pair().connect().run(100);
    const ids = [pair.client, pair.server].map((end) => sendText(pair, end, "x"));
    pair.run(100);
    for (const [i, end] of [pair.client, pair.server].entries()) {
      expect(end.of("delivered")).toEqual([{ type: "delivered", message: ids[i] }]);
    }
  });

  it("go with what is buffered: it falls as acks arrive, and to nothing", () => {
    const pair = new Pair({ rateBitsPerSecond: 10e6 }).connect().run(100);
    pair.input(pair.client, (s, now) => s.send(0, binary(200_000), now));
    const seen: number[] = [pair.client.session.bufferedBytes()];
    for (let i = 0; i < 40; i++) {
      pair.run(10);
      seen.push(pair.client.session.bufferedBytes());
    }
    expect(seen[0]).toBe(200_000);
    expect(seen.every((bytes, i) => i === 0 || bytes <= (seen[i - 1] as number))).toBe(true);
    expect(seen.at(-1)).toBe(0);
  });
});

describe("cancel", () => {
  it("before anything has left: the other end never learns of the message", () => {
    const pair = new Pair();
    const id = sendText(pair, pair.client, "x");
    expect(pair.input(pair.client, (s, now) => s.cancel(id, now))).toBe(true);
    sendText(pair, pair.client, "y");
    pair.connect().run(200);
    expect([pair.server.messages, fatesOf(pair.client)]).toEqual([["y"], [[id, "cancelled"]]]);
    expect(pair.client.framesSentOf("reset")).toEqual([]);
    expectBaseline(pair);
  });

  it("MSG-07: in the middle, at any moment: the other end forgets it, and what follows arrives", () => {
    for (let ms = 0; ms <= 280; ms += 7) {
      const pair = new Pair({ rateBitsPerSecond: 10e6 }).connect().run(100);
      const id = pair.input(pair.client, (s, now) => s.send(0, { ...binary(250_000), wantsProgress: true }, now));
      pair.run(ms);
      const done = pair.input(pair.client, (s, now) => s.cancel(id, now));
      sendText(pair, pair.client, "next");
      pair.run(1000);
      expect(pair.server.messages.length).toBe(done ? 1 : 2);
      expect(pair.server.messages.at(-1)).toBe("next");
      expect(fatesOf(pair.client)).toEqual(done ? [[id, "cancelled"]] : []);
      expect(pair.client.framesSentOf("reset")).toHaveLength(done ? 1 : 0);
      // Nothing is told of a message after its end.
      const story = pair.client.events.filter(({ event }) => "message" in event && event.message === id);
      expect(story.at(-1)?.event.type).toBe(done ? "dropped" : "delivered");
      expectBaseline(pair);
    }
  });

  it("after the last chunk has left: too late, it is delivered", () => {
    const pair = new Pair().connect().run(100);
    const id = sendText(pair, pair.client, "x");
    expect(pair.input(pair.client, (s, now) => s.cancel(id, now))).toBe(false);
    pair.run(100);
    expect(pair.input(pair.client, (s, now) => s.cancel(id, now))).toBe(false);
    expect(pair.server.messages).toEqual(["x"]);
  });

  it("of a source in its middle stops the pulls", () => {
    const pair = new Pair({ rateBitsPerSecond: 10e6 }).connect().run(100);
    supplies(pair, pair.client, binary(1_000_000).bytes, 64 * KIB);
    const id = pair.input(pair.client, (s, now) => s.send(0, source(1_000_000), now));
    pair.run(200);
    const pulls = pair.client.of("pull").length;
    expect(pair.input(pair.client, (s, now) => s.cancel(id, now))).toBe(true);
    pair.run(1000);
    expect(pair.client.of("pull")).toHaveLength(pulls);
    expect(pair.server.messages).toEqual([]);
    expectBaseline(pair);
  });
});

describe("sources", () => {
  it.each([
    { slab: 256 * KIB, total: true },
    { slab: 10_000, total: true },
    { slab: 40_001, total: false },
    { slab: 1_000_000, total: false },
  ])("arrive whole, slabs of $slab (length known: $total), read no further ahead than needed", ({ slab, total }) => {
    const { bytes } = binary(900_000);
    const pair = new Pair({ rateBitsPerSecond: 10e6 }).connect().run(100);
    supplies(pair, pair.client, bytes, slab);
    const id = pair.input(pair.client, (s, now) => s.send(0, source(total ? bytes.length : undefined), now));
    for (let i = 0; i < 30; i++) {
      expect(pair.client.session.stats.queuedBytes).toBeLessThanOrEqual(128 * KIB + slab);
      pair.run(50);
    }
    expect(Buffer.compare(pair.server.messages[0] as Uint8Array, bytes)).toBe(0);
    expect(pair.client.of("delivered")).toEqual([{ type: "delivered", message: id }]);
    expectBaseline(pair);
  });

  it("that stall hold up nobody but their own channel", () => {
    const pair = new Pair().connect().run(100);
    const files = pair.input(pair.client, (s, now) => s.openChannel("files", "high", now));
    const id = pair.input(pair.client, (s, now) => s.send(files, source(1000), now));
    sendText(pair, pair.client, "behind", files);
    sendText(pair, pair.client, "other");
    pair.run(100);
    expect(pair.server.messages).toEqual(["other"]);
    pair.input(pair.client, (s, now) => s.supply(id, binary(1000).bytes, true, now));
    pair.run(100);
    expect(pair.server.messages.map((message) => message.length)).toEqual([5, 1000, 6]);
    expectBaseline(pair);
  });

  it("CRD-07: of unknown length are refused as soon as they are over the peer's limit; the session goes on", () => {
    const pair = new Pair({ serverLimits: { messageBytesMax: 100_000, reassemblyBytesMax: 200_000 } })
      .connect()
      .run(100);
    supplies(pair, pair.client, binary(150_000).bytes, 30_000);
    const id = pair.input(pair.client, (s, now) => s.send(0, source(undefined), now));
    sendText(pair, pair.client, "next");
    pair.run(500);
    expect(fatesOf(pair.client)).toEqual([[id, "too-large"]]);
    expect(pair.server.messages).toEqual(["next"]);
    expectBaseline(pair);
  });

  it("CRD-05: many large ones at once stay within what the other end holds, and all of them come", () => {
    const serverLimits = { messageBytesMax: 120_000, reassemblyBytesMax: 150_000, sessionCreditBytesMax: 1 };
    const pair = new Pair({ rateBitsPerSecond: 10e6, serverLimits }).connect().run(100);
    for (let i = 0; i < 6; i++) {
      const channel = pair.input(pair.client, (s, now) => s.openChannel(`file ${i}`, i % 2 ? "low" : "normal", now));
      pair.input(pair.client, (s, now) => s.send(channel, binary(70_000 + i * 10_000), now));
    }
    let most = 0;
    for (let i = 0; i < 200; i++) {
      pair.run(5);
      most = Math.max(most, pair.server.session.stats.untakenBytes);
    }
    expect(most).toBeGreaterThan(60_000);
    expect(most).toBeLessThanOrEqual(150_000 + 6 * CHANNEL_CREDIT_BYTES);
    expect(pair.server.messages).toHaveLength(6);
    expectBaseline(pair);
  });
});
