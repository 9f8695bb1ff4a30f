import { describe, expect, it } from "vitest";
import { frameBytes } from "../../../src/core/wire/encode.js";
import type { ChunkFrame } from "../../../src/core/wire/frame.js";
import { binary, source, text } from "../../support/pair.js";
import { BATCH, joined, SenderBench } from "../../support/sender-bench.js";

const SLAB = 64 * 1024;

describe("Sender: what leaves", () => {
  it("has nothing to send at first", () => {
    const bench = new SenderBench();
    expect(bench.poll()).toBeUndefined();
    expect([bench.sender.isDrained, bench.messages.unsentBytes, bench.sender.bufferedBytes(0)]).toEqual([true, 0, 0]);
  });

  it("MSG-01: per channel strictly in the order of send, large or small", () => {
    const bench = new SenderBench();
    const key = bench.channel(1);
    const sizes = [10, 50_000, 0, 4097, 20_000, 3, 3, 100_000, 1];
    for (const channel of [0, key])
      for (const [i, size] of sizes.entries()) bench.sender.send(channel, binary(size, i + 1));
    bench.pollAll();
    for (const channel of [0, key]) {
      const chunks = bench.chunks.filter((chunk) => chunk.channel === channel);
      const messages: Buffer[] = [];
      let pieces: ChunkFrame[] = [];
      for (const chunk of chunks) {
        expect(chunk.first).toBe(pieces.length === 0);
        pieces.push(chunk);
        if (!chunk.last) continue;
        messages.push(joined(pieces));
        pieces = [];
      }
      expect(pieces).toEqual([]);
      expect(messages.map(({ length }) => length)).toEqual(sizes);
      for (const [i, message] of messages.entries()) {
        expect(Buffer.compare(message, binary(message.length, i + 1).bytes)).toBe(0);
      }
    }
  });

  it("MSG-09: small messages of several channels share a batch, of one priority only", () => {
    const bench = new SenderBench();
    bench.channel(1);
    bench.channel(2, "low");
    bench.poll();
    for (const key of [2, 0, 1, 0, 1]) bench.sender.send(key, text("hi"));
    const drafts = bench.pollAll();
    expect(drafts.map(({ frames }) => frames.map((frame) => frame.type === "chunk" && frame.channel))).toEqual([
      // The low channel had its message first, and so the first turn.
      [2],
      [0, 0, 1, 1],
    ]);
  });

  it("MSG-09: a chunk of a large message travels alone", () => {
    const bench = new SenderBench();
    bench.channel(1);
    bench.poll();
    bench.sender.send(0, binary(100_000));
    for (let i = 0; i < 10; i++) bench.sender.send(1, text("hi"));
    for (const { frames } of bench.pollAll()) {
      const sizes = frames.map((frame) => (frame.type === "chunk" ? frame.payload.length : 0));
      if (Math.max(...sizes) > 4096) expect(sizes).toHaveLength(1);
    }
  });

  it("knows what of a channel has not left, whatever becomes of it", () => {
    const bench = new SenderBench();
    bench.channel(1);
    bench.poll();
    const { sender } = bench;
    const amounts = () => [sender.bufferedBytes(0), sender.queuedBytes(0), sender.queuedBytes(1)];
    const message = sender.send(0, binary(40_000));
    sender.send(1, text("other"));
    expect(amounts()).toEqual([40_000, 40_000, 5]);
    bench.poll();
    bench.poll();
    const leftBytes = bench.chunks.reduce((sum, { channel, payload }) => sum + (channel === 0 ? payload.length : 0), 0);
    expect(leftBytes).toBeGreaterThan(0);
    expect(leftBytes).toBeLessThan(40_000);
    expect(amounts()).toEqual([40_000, 40_000 - leftBytes, 5]);
    bench.messages.cancel(message);
    bench.pollAll();
    expect(amounts()).toEqual([leftBytes, 0, 0]);
    bench.ack();
    expect(amounts()).toEqual([0, 0, 0]);
    const stream = sender.send(0, source(undefined));
    bench.messages.supply(stream, binary(10_000).bytes, false);
    expect(amounts()).toEqual([10_000, 10_000, 0]);
    expect(sender.queuedBytes(7)).toBe(0);
  });

  it("MSG-09: also where the chunk leaves half of the batch free", () => {
    const bench = new SenderBench();
    bench.channel(1);
    bench.poll();
    const id = bench.sender.send(0, source(SLAB));
    bench.messages.supply(id, binary(9000).bytes, false);
    bench.sender.send(1, text("hi"));
    expect(bench.pollAll().map(({ frames }) => frames.length)).toEqual([1, 1]);
  });

  it("fills no batch beyond its space, whatever is in it", () => {
    const bench = new SenderBench();
    for (let i = 1; i < 60; i++) bench.channel(i, (["high", "normal", "low"] as const)[i % 3]);
    for (let i = 0; i < 400; i++) bench.sender.send(i % 60, binary((i * 977) % 9000));
    for (let spaceBytes = BATCH, left = 500; left > 0; left--) {
      const draft = bench.poll(undefined, spaceBytes);
      const bytes = draft?.frames.reduce((sum, frame) => sum + frameBytes(frame), 0) ?? 0;
      expect(bytes).toBeLessThanOrEqual(spaceBytes);
      spaceBytes = 100 + ((left * 7919) % (BATCH - 99));
    }
    bench.pollAll();
    expect(bench.sender.isDrained).toBe(true);
    expect(bench.chunks.filter(({ last }) => last)).toHaveLength(400);
  });

  it("keeps to the room that the window leaves, but for a high channel, which may overdraw it by one chunk", () => {
    for (const [priority, bytesMax] of [
      ["normal", 50_000],
      ["low", 50_000],
      ["high", 50_000 + BATCH],
    ] as const) {
      const bench = new SenderBench();
      bench.sender.setPriority(0, priority);
      bench.sender.send(0, binary(500_000));
      let room = 50_000;
      for (let draft = bench.poll(room); draft !== undefined; draft = bench.poll(room)) {
        room -= draft.frames.reduce((sum, frame) => sum + frameBytes(frame), 0);
      }
      expect(50_000 - room).toBeLessThanOrEqual(bytesMax);
      expect(50_000 - room).toBeGreaterThan(bytesMax - BATCH / 2 - 100);
    }
  });

  it("a high channel passes a full window; the others wait", () => {
    const bench = new SenderBench();
    for (const [key, priority] of [
      [1, "high"],
      [2, "normal"],
      [3, "low"],
    ] as const)
      bench.channel(key, priority);
    bench.poll();
    for (const key of [2, 3, 1]) bench.sender.send(key, text("x"));
    expect(bench.poll(-1000)?.chunks.map(({ message }) => message.channel.key)).toEqual([1]);
    expect(bench.poll(-1000)).toBeUndefined();
  });

  it("a high channel passes a window that has shrunk by any amount, for a bucket full and half of what is acknowledged", () => {
    const bench = new SenderBench();
    bench.channel(1, "high");
    bench.sender.send(0, binary(400_000));
    bench.pollAll(400_000);
    bench.ack();
    bench.sender.send(0, binary(400_000));
    for (let i = 0; i < 100; i++) bench.sender.send(1, binary(1000));
    const sent = (roomBytes: number) => bench.pollAll(roomBytes).flatMap(({ chunks }) => chunks).length;
    expect(sent(-1_000_000)).toBe(16);
    expect(sent(-1_000_000)).toBe(0);
    bench.ack();
    expect(sent(-1_000_000)).toBe(8);
  });

  it("a high channel sends nothing beyond what the transport buffers", () => {
    const bench = new SenderBench();
    bench.sender.setPriority(0, "high");
    bench.sender.send(0, text("x"));
    expect(bench.poll(Number.NEGATIVE_INFINITY)).toBeUndefined();
    expect(bench.poll(-1000)).toBeDefined();
  });

  it("waits for room only where something lacks nothing else", () => {
    const bench = new SenderBench();
    const isWaiting = (room: number) => {
      bench.pollAll(room);
      return bench.sender.isWaitingForRoom;
    };
    expect(isWaiting(0)).toBe(false);
    const id = bench.sender.send(0, source(SLAB));
    expect(isWaiting(0)).toBe(false);
    bench.messages.supply(id, binary(SLAB).bytes, true);
    expect(isWaiting(0)).toBe(true);
    expect(isWaiting(100_000)).toBe(false);
  });

  it("sends control frames whatever the window says", () => {
    const bench = new SenderBench();
    bench.channel(1);
    expect(bench.poll(-100_000)?.frames).toEqual([
      { type: "channel-open", channel: 1, priority: "normal", name: Uint8Array.of(97) },
    ]);
  });

  it("CHN-01: no chunk overtakes the opening of its channel, however many open at once", () => {
    const bench = new SenderBench();
    for (let key = 1; key <= 200; key++) {
      bench.sender.addChannel(key, "normal");
      bench.sender.announce(key, new Uint8Array(256).fill(key));
      bench.sender.send(key, text("x"));
    }
    bench.pollAll();
    const opened = new Set<number>();
    for (const frame of bench.frames) {
      if (frame.type === "channel-open") opened.add(frame.channel);
      if (frame.type === "chunk") expect(opened).toContain(frame.channel);
    }
    expect(opened.size).toBe(200);
    expect(bench.chunks).toHaveLength(200);
  });

  it("MSG-07: no message overtakes the RESET of the one before it, however little room there is", () => {
    const bench = new SenderBench();
    const keys = Array.from({ length: 40 }, (_, i) => bench.channel(i + 1));
    bench.pollAll();
    const ids = keys.map((key) => bench.sender.send(key, binary(50_000)));
    for (let i = 0; i < 120; i++) bench.poll();
    for (const [i, id] of ids.entries()) {
      expect(bench.messages.cancel(id)).toBe(true);
      bench.sender.send(keys[i] as number, text("x"));
    }
    while (!bench.sender.isDrained) bench.poll(undefined, 41);
    const begun = new Set<number>();
    for (const frame of bench.frames) {
      if (frame.type === "reset") expect(begun.delete(frame.channel)).toBe(true);
      if (frame.type !== "chunk") continue;
      expect(begun.has(frame.channel)).toBe(!frame.first);
      if (frame.last) begun.delete(frame.channel);
      else begun.add(frame.channel);
    }
  });
});

describe("Sender: credit (CRD)", () => {
  const START = 65 * 1024;
  const cost = (chunks: readonly ChunkFrame[]) =>
    chunks.reduce((sum, { first, payload }) => sum + payload.length + (first ? 32 : 0), 0);

  it("CRD-02: goes no further than a first credit, and on from there when it is granted more", () => {
    const bench = new SenderBench(0);
    bench.sender.send(0, binary(200_000));
    bench.pollAll();
    const sent = cost(bench.chunks);
    expect(sent).toBeLessThanOrEqual(START);
    expect(sent).toBeGreaterThan(START - BATCH / 2 - 32);
    bench.sender.handleCredit(0, 100_000);
    bench.sender.handleCredit(0, 90_000);
    bench.pollAll();
    expect(cost(bench.chunks)).toBeGreaterThan(100_000 - BATCH / 2 - 32);
    expect(cost(bench.chunks)).toBeLessThanOrEqual(100_000);
    bench.sender.handleCredit(0, 200_032);
    bench.pollAll();
    expect(joined(bench.chunks).length).toBe(200_000);
  });

  it("CRD-01: a message costs 32 bytes beside its own, so empty ones are not free", () => {
    const bench = new SenderBench(0);
    for (let i = 0; i < 4000; i++) bench.sender.send(0, binary(0));
    bench.pollAll();
    expect(bench.chunks).toHaveLength(START / 32);
  });

  it("a channel without credit does not hold up the others, be it the most urgent", () => {
    const bench = new SenderBench(0);
    bench.channel(1, "high");
    bench.channel(2, "low");
    bench.sender.send(1, binary(100_000));
    bench.sender.send(2, binary(60_000));
    bench.pollAll();
    expect(bench.chunks.filter(({ channel, last }) => channel === 2 && last)).toHaveLength(1);
    expect(bench.sender.isDrained).toBe(false);
  });

  it("credit for an id that is free again is not that of the next channel", () => {
    const bench = new SenderBench(0);
    bench.channel(1);
    bench.sender.endChannel(1);
    bench.pollAll();
    bench.ack();
    bench.sender.removeChannel(1);
    bench.sender.handleCredit(1, 1e9);
    bench.channel(2);
    bench.sender.send(2, binary(100_000));
    bench.pollAll();
    expect(cost(bench.chunks)).toBeLessThanOrEqual(START);
  });
});

describe("Sender: channels", () => {
  it("CHN-02: announces a channel once, with its name and the priority it has then", () => {
    const bench = new SenderBench();
    bench.channel(1, "low");
    bench.sender.announce(1, Uint8Array.of(1));
    bench.pollAll();
    expect(bench.frames).toEqual([{ type: "channel-open", channel: 1, priority: "low", name: Uint8Array.of(97) }]);
  });

  it("CHN-05: ends a channel behind everything that was sent on it", () => {
    const bench = new SenderBench();
    bench.channel(1);
    bench.sender.send(1, binary(40_000));
    bench.sender.endChannel(1);
    expect([bench.sender.isEnding(1), bench.sender.end(1), bench.sender.isDrained]).toEqual([true, "due", false]);
    bench.pollAll();
    expect(bench.frames.at(-1)).toEqual({ type: "channel-close", channel: 1 });
    expect(bench.sent.at(-1)?.closes.map(({ key }) => key)).toEqual([1]);
    expect([bench.sender.end(1), bench.sender.isDrained]).toEqual(["sent", true]);
    bench.ack();
    expect(bench.sender.end(1)).toBe("seen");
  });

  it("ends a channel once", () => {
    const bench = new SenderBench();
    bench.channel(1);
    bench.sender.endChannel(1);
    bench.pollAll();
    bench.sender.endChannel(1);
    expect(bench.poll()).toBeUndefined();
    bench.ack();
    bench.sender.endChannel(1);
    expect(bench.poll()).toBeUndefined();
  });

  it("CHN-07: a direction that was never opened has nothing to end", () => {
    const bench = new SenderBench();
    bench.sender.addChannel(1, "normal");
    bench.sender.endChannel(1);
    expect([bench.sender.end(1), bench.poll()]).toEqual(["seen", undefined]);
  });

  it("CHN-06: gives a wire id to another channel only when its end has been acknowledged", () => {
    const bench = new SenderBench();
    bench.channel(1);
    bench.sender.endChannel(1);
    bench.pollAll();
    bench.sender.removeChannel(1);
    bench.channel(2);
    bench.ack();
    bench.channel(3);
    bench.pollAll();
    const opened = bench.frames.filter((frame) => frame.type === "channel-open").map(({ channel }) => channel);
    expect(opened).toEqual([1, 2, 1]);
  });

  it("CHN-09: refuses a channel over the peer's limit, and over 256, until an id is free again", () => {
    for (const max of [1, 5, 256]) {
      const bench = new SenderBench().limits({ channelsMax: max });
      for (let key = 1; key < max; key++) bench.channel(key);
      expect(() => bench.channel(max)).toThrow(expect.objectContaining({ code: "ERR_TOO_MANY_CHANNELS" }));
      if (max === 1) continue;
      bench.sender.endChannel(1);
      bench.pollAll();
      expect(() => bench.sender.requireFreeId()).toThrow(expect.objectContaining({ code: "ERR_TOO_MANY_CHANNELS" }));
      bench.ack();
      expect(() => bench.sender.requireFreeId()).not.toThrow();
    }
  });

  it("knows nothing of a channel that was removed or never was", () => {
    const bench = new SenderBench();
    bench.channel(1);
    bench.sender.removeChannel(1);
    for (const key of [1, 77]) {
      expect(() => bench.sender.send(key, text("x"))).toThrow(
        expect.objectContaining({ code: "ERR_USAGE_CHANNEL_CLOSED" }),
      );
      bench.sender.setPriority(key, "high");
      expect([bench.sender.isEnding(key), bench.sender.end(key), bench.sender.bufferedBytes(key)]).toEqual([
        true,
        "seen",
        0,
      ]);
    }
  });

  it("shares 4 : 1 between normal and low, and lets nobody starve, while a window opens chunk by chunk", () => {
    const bench = new SenderBench();
    bench.channel(1, "normal");
    bench.channel(2, "low");
    bench.poll();
    for (const key of [1, 2]) bench.sender.send(key, binary(4_000_000));
    let room = 64 * 1024;
    let sinceLow = 0;
    const bytes = new Map([
      [1, 0],
      [2, 0],
    ]);
    for (let i = 0; i < 200; i++) {
      for (let draft = bench.poll(room); draft !== undefined; draft = bench.poll(room)) {
        for (const chunk of draft.chunks) {
          const { key } = chunk.message.channel;
          bytes.set(key, (bytes.get(key) as number) + chunk.bytes);
          sinceLow = key === 2 ? 0 : sinceLow + chunk.bytes;
          room -= chunk.bytes;
          // Four quanta of the normal channel, each up to a chunk over.
          expect(sinceLow).toBeLessThanOrEqual(8 * BATCH);
        }
      }
      room += BATCH;
    }
    expect((bytes.get(1) as number) / (bytes.get(2) as number)).toBeGreaterThan(3.7);
    expect((bytes.get(1) as number) / (bytes.get(2) as number)).toBeLessThan(4.3);
  });

  it("follows a change of priority in the middle of a message", () => {
    const bench = new SenderBench();
    bench.channel(1, "low");
    bench.poll();
    bench.sender.send(0, binary(1_000_000));
    bench.sender.send(1, binary(200_000));
    for (let i = 0; i < 10; i++) bench.poll();
    bench.sender.setPriority(1, "high");
    const from = bench.chunks.length;
    while (bench.chunks.filter(({ channel, last }) => channel === 1 && last).length === 0) {
      bench.poll();
      bench.ack();
    }
    const channels = bench.chunks.slice(from).map(({ channel }) => channel);
    expect(channels[0]).toBe(1);
    // Half of what comes through, and a bucket full.
    expect(channels.filter((channel) => channel === 0).length).toBeLessThanOrEqual(channels.length / 2);
  });
});

describe("Sender: the end", () => {
  it("sends, takes and asks for nothing afterwards", () => {
    const bench = new SenderBench();
    bench.channel(1);
    const id = bench.sender.send(0, source(SLAB));
    bench.sender.endChannel(1);
    bench.sender.handleEnd(Number.POSITIVE_INFINITY);
    const events = bench.events.length;
    bench.messages.supply(id, binary(SLAB).bytes, true);
    expect([bench.messages.cancel(id), bench.poll(), bench.sender.isDrained, bench.messages.unsentBytes]).toEqual([
      false,
      undefined,
      true,
      0,
    ]);
    expect(bench.events).toHaveLength(events);
    expect([bench.sender.isEnding(0), bench.sender.isEnding(1)]).toEqual([true, true]);
  });
});
