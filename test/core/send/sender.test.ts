import { describe, expect, it } from "vitest";
import type { SentBatch } from "../../../src/core/send/in-flight.js";
import { type Draft, type SendEvent, Sender } from "../../../src/core/send/sender.js";
import { frameBytes } from "../../../src/core/wire/encode.js";
import type { ChunkFrame, Frame, Priority } from "../../../src/core/wire/frame.js";
import { type AnnouncedLimits, UNANNOUNCED_LIMITS } from "../../../src/core/wire/parameters.js";
import { binary, source, text } from "../../support/pair.js";

const BATCH = 16 * 1024;
const SLAB = 64 * 1024;

/** A sender whose batches are acknowledged when the test says so. */
class Bench {
  readonly events: SendEvent[] = [];
  /** Message and offset of each `pull`. */
  readonly pulls: [number, number][] = [];
  readonly sender = new Sender({ chunkBytes: BATCH }, (event) => {
    this.events.push(event);
    if (event.type === "pull") this.pulls.push([event.message, event.offset]);
  });
  readonly sent: Draft[] = [];
  readonly #creditBytes: number;
  #acked = 0;

  /** @param creditBytes what the peer grants on each channel */
  constructor(creditBytes: number = Number.MAX_SAFE_INTEGER) {
    this.#creditBytes = creditBytes;
    this.sender.handleCredit(0, creditBytes);
  }

  channel(key: number, priority: Priority = "normal"): number {
    this.sender.addChannel(key, priority);
    this.sender.announce(key, Uint8Array.of(96 + key));
    this.sender.handleCredit(key, this.#creditBytes);
    return key;
  }

  limits(limits: Partial<AnnouncedLimits>): this {
    this.sender.handlePeerLimits({ ...UNANNOUNCED_LIMITS, ...limits });
    return this;
  }

  poll(roomBytes = Number.POSITIVE_INFINITY, spaceBytes = BATCH): Draft | undefined {
    const draft = this.sender.pollDraft({ number: this.sent.length + 1, spaceBytes, roomBytes, batchBytesMax: BATCH });
    if (draft !== undefined) this.sent.push(draft);
    return draft;
  }

  pollAll(roomBytes?: number): Draft[] {
    const drafts: Draft[] = [];
    for (let draft = this.poll(roomBytes); draft !== undefined; draft = this.poll(roomBytes)) drafts.push(draft);
    return drafts;
  }

  /** The peer acknowledges the next so many batches. */
  ack(count = this.sent.length - this.#acked): void {
    for (let i = 0; i < count; i++) {
      const { frames, chunks, closes } = this.sent[this.#acked++] as Draft;
      const batch: SentBatch = {
        number: this.#acked,
        batch: new Uint8Array(frames.reduce((sum, frame) => sum + frameBytes(frame), 0)),
        sentAt: 0,
        chunks,
        closes,
        opens: false,
      };
      this.sender.handleAcked(batch);
    }
  }

  get frames(): Frame[] {
    return this.sent.flatMap(({ frames }) => frames);
  }

  get chunks(): ChunkFrame[] {
    return this.frames.filter((frame) => frame.type === "chunk");
  }

  /** What the application hears of a message, in order. */
  story(id: number): string[] {
    return this.events
      .filter((event) => event.message === id && event.type !== "pull")
      .map((event) => (event.type === "dropped" ? event.fate : event.type));
  }
}

const joined = (chunks: ChunkFrame[]) => Buffer.concat(chunks.map(({ payload }) => payload));

describe("Sender: what leaves", () => {
  it("has nothing to send at first", () => {
    const bench = new Bench();
    expect(bench.poll()).toBeUndefined();
    expect([bench.sender.isDrained, bench.sender.unsentBytes, bench.sender.bufferedBytes(0)]).toEqual([true, 0, 0]);
  });

  it("MSG-01: per channel strictly in the order of send, large or small", () => {
    const bench = new Bench();
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
    const bench = new Bench();
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
    const bench = new Bench();
    bench.channel(1);
    bench.poll();
    bench.sender.send(0, binary(100_000));
    for (let i = 0; i < 10; i++) bench.sender.send(1, text("hi"));
    for (const { frames } of bench.pollAll()) {
      const sizes = frames.map((frame) => (frame.type === "chunk" ? frame.payload.length : 0));
      if (Math.max(...sizes) > 4096) expect(sizes).toHaveLength(1);
    }
  });

  it("MSG-09: also where the chunk leaves half of the batch free", () => {
    const bench = new Bench();
    bench.channel(1);
    bench.poll();
    const id = bench.sender.send(0, source(SLAB));
    bench.sender.supply(id, binary(9000).bytes, false);
    bench.sender.send(1, text("hi"));
    expect(bench.pollAll().map(({ frames }) => frames.length)).toEqual([1, 1]);
  });

  it("fills no batch beyond its space, whatever is in it", () => {
    const bench = new Bench();
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
      const bench = new Bench();
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
    const bench = new Bench();
    for (const [key, priority] of [
      [1, "high"],
      [2, "normal"],
      [3, "low"],
    ] as const)
      bench.channel(key, priority);
    bench.poll();
    for (const key of [2, 3, 1]) bench.sender.send(key, text("x"));
    expect(bench.poll(-1000)?.chunks.map(({ channel }) => channel.key)).toEqual([1]);
    expect(bench.poll(-1000)).toBeUndefined();
  });

  it("a high channel passes a window that has shrunk by any amount, for a bucket full and half of what is acknowledged", () => {
    const bench = new Bench();
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
    const bench = new Bench();
    bench.sender.setPriority(0, "high");
    bench.sender.send(0, text("x"));
    expect(bench.poll(Number.NEGATIVE_INFINITY)).toBeUndefined();
    expect(bench.poll(-1000)).toBeDefined();
  });

  it("waits for room only where something lacks nothing else", () => {
    const bench = new Bench();
    const isWaiting = (room: number) => {
      bench.pollAll(room);
      return bench.sender.isWaitingForRoom;
    };
    expect(isWaiting(0)).toBe(false);
    const id = bench.sender.send(0, source(SLAB));
    expect(isWaiting(0)).toBe(false);
    bench.sender.supply(id, binary(SLAB).bytes, true);
    expect(isWaiting(0)).toBe(true);
    expect(isWaiting(100_000)).toBe(false);
  });

  it("sends control frames whatever the window says", () => {
    const bench = new Bench();
    bench.channel(1);
    expect(bench.poll(-100_000)?.frames).toEqual([
      { type: "channel-open", channel: 1, priority: "normal", name: Uint8Array.of(97) },
    ]);
  });

  it("CHN-01: no chunk overtakes the opening of its channel, however many open at once", () => {
    const bench = new Bench();
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
    const bench = new Bench();
    const keys = Array.from({ length: 40 }, (_, i) => bench.channel(i + 1));
    bench.pollAll();
    const ids = keys.map((key) => bench.sender.send(key, binary(50_000)));
    for (let i = 0; i < 120; i++) bench.poll();
    for (const [i, id] of ids.entries()) {
      expect(bench.sender.cancel(id)).toBe(true);
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

describe("Sender: receipts", () => {
  it("tells of a small message: written, then delivered", () => {
    const bench = new Bench();
    const id = bench.sender.send(0, text("hi"));
    expect(bench.story(id)).toEqual([]);
    bench.poll();
    expect(bench.story(id)).toEqual(["written"]);
    bench.ack();
    expect(bench.story(id)).toEqual(["written", "delivered"]);
  });

  it("tells of a large message: started, written when its last chunk leaves, delivered when that is acknowledged", () => {
    const bench = new Bench();
    const id = bench.sender.send(0, { ...binary(40_000), wantsProgress: true });
    bench.poll();
    expect(bench.story(id)).toEqual(["started"]);
    bench.pollAll();
    expect(bench.story(id)).toEqual(["started", "written"]);
    bench.ack();
    expect(bench.story(id)).toEqual(["started", "written", "progress", "progress", "progress", "delivered"]);
    const steps = bench.events.filter((event) => event.type === "progress").map(({ ackedBytes }) => ackedBytes);
    expect(steps).toEqual([...steps].sort((a, b) => a - b));
    expect(steps.at(-1)).toBe(40_000);
  });

  it("tells no progress that nobody asked for", () => {
    const bench = new Bench();
    bench.sender.send(0, binary(40_000));
    bench.pollAll();
    bench.ack();
    expect(bench.events.map(({ type }) => type)).toEqual(["started", "written", "delivered"]);
  });

  it("counts what is buffered until it is acknowledged, and what is unsent until it leaves", () => {
    const bench = new Bench();
    bench.sender.send(0, binary(40_000));
    bench.sender.send(0, binary(10));
    expect([bench.sender.bufferedBytes(0), bench.sender.unsentBytes]).toEqual([40_010, 40_010]);
    const first = (bench.poll()?.chunks[0]?.bytes ?? 0) as number;
    expect([bench.sender.bufferedBytes(0), bench.sender.unsentBytes]).toEqual([40_010, 40_010 - first]);
    bench.ack();
    expect(bench.sender.bufferedBytes(0)).toBe(40_010 - first);
    bench.pollAll();
    bench.ack();
    expect([bench.sender.bufferedBytes(0), bench.sender.unsentBytes]).toEqual([0, 0]);
  });

  it("numbers messages from 1 over all channels", () => {
    const bench = new Bench();
    bench.channel(1);
    expect([0, 1, 0].map((key) => bench.sender.send(key, text("x")))).toEqual([1, 2, 3]);
  });
});

describe("Sender: cancel", () => {
  it("takes a queued message back, and nobody else notices", () => {
    const bench = new Bench();
    const [a, b, c] = ["a", "b", "c"].map((value) => bench.sender.send(0, text(value))) as [number, number, number];
    expect(bench.sender.cancel(b)).toBe(true);
    bench.pollAll();
    expect(joined(bench.chunks).toString()).toBe("ac");
    expect([a, b, c].map((id) => bench.story(id))).toEqual([["written"], ["cancelled"], ["written"]]);
    bench.ack();
    expect([bench.sender.bufferedBytes(0), bench.sender.unsentBytes]).toEqual([0, 0]);
  });

  it("MSG-07: takes a message back in the middle with RESET, and the next one follows", () => {
    const bench = new Bench();
    const large = bench.sender.send(0, { ...binary(100_000), wantsProgress: true });
    const small = bench.sender.send(0, text("next"));
    bench.poll();
    bench.poll();
    expect(bench.sender.cancel(large)).toBe(true);
    expect(bench.poll()?.frames).toMatchObject([
      { type: "reset", channel: 0 },
      { type: "chunk", first: true, last: true },
    ]);
    bench.ack();
    expect(bench.story(large)).toEqual(["started", "cancelled"]);
    expect(bench.story(small)).toEqual(["written", "delivered"]);
    expect([bench.sender.bufferedBytes(0), bench.sender.unsentBytes]).toEqual([0, 0]);
  });

  it("does not take back what has left, was taken back or never was", () => {
    const bench = new Bench();
    const id = bench.sender.send(0, text("x"));
    bench.poll();
    expect(bench.sender.cancel(id)).toBe(false);
    bench.ack();
    expect(bench.sender.cancel(id)).toBe(false);
    const other = bench.sender.send(0, text("x"));
    expect([bench.sender.cancel(other), bench.sender.cancel(other), bench.sender.cancel(99)]).toEqual([
      true,
      false,
      false,
    ]);
    expect(bench.frames.filter(({ type }) => type === "reset")).toEqual([]);
  });

  it("lets the message behind a stuck source go", () => {
    const bench = new Bench();
    const stuck = bench.sender.send(0, source(1000));
    bench.sender.send(0, text("next"));
    expect(bench.poll()).toBeUndefined();
    bench.sender.cancel(stuck);
    expect(joined((bench.poll()?.frames ?? []) as ChunkFrame[]).toString()).toBe("next");
  });
});

describe("Sender: sources", () => {
  it.each([
    { slab: 1000, total: 100_000 },
    { slab: 16_384, total: 100_000 },
    { slab: 65_537, total: 300_000 },
    { slab: 256 * 1024, total: 1_000_000 },
    { slab: 100_000, total: undefined },
    { slab: 333, total: undefined },
  ])("pulls slabs of $slab bytes (total $total) as it needs them, and sends every byte in order", ({ slab, total }) => {
    const { bytes } = binary(total ?? 250_000);
    const bench = new Bench();
    const id = bench.sender.send(0, source(total));
    let offset = 0;
    for (let i = 0; offset < bytes.length || i < bench.pulls.length; i++) {
      while (bench.pulls.length <= i) if (bench.poll() === undefined) throw new Error("stuck");
      expect(bench.pulls[i]).toEqual([id, offset]);
      const piece = bytes.slice(offset, offset + slab);
      offset += piece.length;
      bench.sender.supply(id, piece, offset === bytes.length);
      // Never far ahead of what has left: half a slab, and the one that has just come.
      expect(bench.sender.unsentBytes).toBeLessThanOrEqual(128 * 1024 + slab);
    }
    bench.pollAll();
    bench.ack();
    expect(Buffer.compare(joined(bench.chunks), bytes)).toBe(0);
    expect(bench.story(id)).toEqual(["started", "written", "delivered"]);
    expect([bench.sender.bufferedBytes(0), bench.sender.unsentBytes]).toEqual([0, 0]);
  });

  it("reads ahead for the message at the head only", () => {
    const bench = new Bench();
    const a = bench.sender.send(0, source(SLAB));
    const b = bench.sender.send(0, source(SLAB));
    expect(bench.pulls).toEqual([[a, 0]]);
    bench.sender.supply(a, binary(SLAB).bytes, true);
    expect(bench.pulls).toEqual([[a, 0]]);
    bench.pollAll();
    expect(bench.pulls).toEqual([
      [a, 0],
      [b, 0],
    ]);
  });

  it("pulls for the next message when the one before is taken back", () => {
    const bench = new Bench();
    const a = bench.sender.send(0, source(SLAB));
    const b = bench.sender.send(0, source(SLAB));
    bench.sender.cancel(a);
    expect(bench.pulls).toEqual([
      [a, 0],
      [b, 0],
    ]);
  });

  it("ignores a piece that comes after its message has been taken back", () => {
    const bench = new Bench();
    const id = bench.sender.send(0, source(SLAB));
    bench.sender.cancel(id);
    bench.sender.supply(id, binary(SLAB).bytes, true);
    expect([bench.poll(), bench.sender.unsentBytes, bench.sender.bufferedBytes(0)]).toEqual([undefined, 0, 0]);
  });

  it("asks no source of which nothing is to come", () => {
    const bench = new Bench();
    const id = bench.sender.send(0, source(0));
    bench.poll();
    bench.ack();
    expect(bench.story(id)).toEqual(["written", "delivered"]);
    expect(bench.pulls).toEqual([]);
  });

  it("a source that has nothing yet holds up its own channel only", () => {
    const bench = new Bench();
    bench.channel(1, "low");
    bench.sender.send(0, source(SLAB));
    bench.sender.send(1, text("goes"));
    bench.poll();
    expect(joined(bench.chunks).toString()).toBe("goes");
  });

  it("counts an unknown length as it comes", () => {
    const bench = new Bench();
    const id = bench.sender.send(0, source(undefined));
    expect(bench.sender.bufferedBytes(0)).toBe(0);
    bench.sender.supply(id, binary(5000).bytes, false);
    expect(bench.sender.bufferedBytes(0)).toBe(5000);
    bench.sender.cancel(id);
    expect([bench.sender.bufferedBytes(0), bench.sender.unsentBytes]).toEqual([0, 0]);
  });
});

describe("Sender: limits of the peer", () => {
  it("LIM-06: drops what waits and is too large when the limits arrive", () => {
    const bench = new Bench();
    const [small, large, edge] = [10, 2001, 2000].map((size) => bench.sender.send(0, binary(size))) as [
      number,
      number,
      number,
    ];
    bench.limits({ messageBytesMax: 2000 });
    expect([small, large, edge].map((id) => bench.story(id))).toEqual([[], ["too-large"], []]);
    expect(bench.sender.messageBytesMax).toBe(2000);
    bench.pollAll();
    bench.ack();
    expect(bench.chunks.map(({ payload }) => payload.length)).toEqual([10, 2000]);
    expect([bench.sender.bufferedBytes(0), bench.sender.unsentBytes]).toEqual([0, 0]);
  });
});

describe("Sender: messages over the limit of the peer (CRD-07, CRD-08)", () => {
  const over = (size: number | undefined) => {
    const bench = new Bench().limits({ messageBytesMax: 20_000 });
    const id = bench.sender.send(0, source(size));
    return { bench, id };
  };

  it("leave, if they are read piece by piece, and are delivered when the peer has admitted them, in any order", () => {
    for (const admitFirst of [true, false]) {
      const { bench, id } = over(30_000);
      bench.sender.supply(id, binary(30_000).bytes, true);
      bench.pollAll();
      if (admitFirst) bench.sender.handleAdmit(0, 1);
      else bench.ack();
      expect(bench.story(id)).toEqual(["started", "written"]);
      if (admitFirst) bench.ack();
      else bench.sender.handleAdmit(0, 1);
      expect(bench.story(id)).toEqual(["started", "written", "delivered"]);
      bench.sender.handleReject(0, 1, 1009);
      expect(bench.story(id)).toHaveLength(3);
    }
  });

  it("of unknown length count from the byte on that is too much", () => {
    const { bench, id } = over(undefined);
    bench.sender.supply(id, binary(20_000).bytes, true);
    bench.pollAll();
    bench.ack();
    expect(bench.story(id)).toEqual(["started", "written", "delivered"]);
    const next = bench.sender.send(0, source(undefined));
    bench.sender.supply(next, binary(20_001).bytes, true);
    bench.pollAll();
    bench.ack();
    expect(bench.story(next)).toEqual(["started", "written"]);
  });

  it("end when the peer rejects them: with RESET in their middle, and without one behind their end", () => {
    const { bench, id } = over(90_000);
    bench.sender.supply(id, binary(60_000).bytes, false);
    bench.pollAll();
    bench.sender.handleReject(0, 1, 1009);
    expect(bench.story(id)).toEqual(["started", "too-large"]);
    expect(bench.poll()?.frames).toEqual([{ type: "reset", channel: 0 }]);
    const next = bench.sender.send(0, source(30_000));
    bench.sender.supply(next, binary(30_000).bytes, true);
    bench.pollAll();
    bench.sender.handleReject(0, 2, 1009);
    expect(bench.story(next)).toEqual(["started", "written", "too-large"]);
    expect(bench.poll()).toBeUndefined();
    bench.ack();
    expect([bench.sender.bufferedBytes(0), bench.sender.unsentBytes]).toEqual([0, 0]);
  });

  it("that the peer does not want to wait for are refused; a verdict on what has ended is of no account", () => {
    const { bench, id } = over(20_000);
    bench.sender.supply(id, binary(18_000).bytes, false);
    bench.poll();
    bench.sender.handleReject(0, 2, 1013);
    bench.sender.handleReject(5, 1, 1013);
    bench.sender.handleAdmit(5, 1);
    expect(bench.story(id)).toEqual(["started"]);
    bench.sender.handleReject(0, 1, 1013);
    expect(bench.story(id)).toEqual(["started", "refused"]);
    bench.sender.handleReject(0, 1, 1013);
    expect(bench.story(id)).toHaveLength(2);
  });

  it("end when the peer closes, as nobody will take them; those that it has admitted do not", () => {
    const bench = new Bench().limits({ messageBytesMax: 20_000 });
    const ids = [30_000, 40_000, 50_000, 60_000].map((size) => bench.sender.send(0, source(size)));
    for (const [i, id] of ids.entries()) {
      bench.sender.supply(id, binary(i < 3 ? 30_000 + i * 10_000 : 40_000).bytes, i < 3);
      bench.pollAll();
    }
    bench.sender.handleAdmit(0, 2);
    expect(bench.sender.isDrained).toBe(false);
    bench.sender.handlePeerClose();
    expect(ids.map((id) => bench.story(id).at(-1))).toEqual(["too-large", "written", "too-large", "too-large"]);
    bench.pollAll();
    bench.ack();
    expect(bench.story(ids[1] as number).at(-1)).toBe("delivered");
    const late = bench.sender.send(0, source(30_000));
    bench.sender.supply(late, binary(30_000).bytes, true);
    bench.pollAll();
    expect(bench.sender.isDrained).toBe(true);
    bench.ack();
    expect(bench.story(late).at(-1)).toBe("too-large");
  });

  it("keep their channel open until the peer has said what becomes of them", () => {
    const bench = new Bench().limits({ messageBytesMax: 20_000 });
    bench.channel(1);
    const id = bench.sender.send(1, source(30_000));
    bench.sender.supply(id, binary(30_000).bytes, true);
    bench.sender.endChannel(1);
    bench.pollAll();
    bench.ack();
    expect(bench.frames.some(({ type }) => type === "channel-close")).toBe(false);
    bench.sender.handleAdmit(1, 1);
    expect(bench.pollAll().flatMap(({ frames }) => frames)).toEqual([{ type: "channel-close", channel: 1 }]);
  });
});

describe("Sender: credit (CRD)", () => {
  const START = 65 * 1024;
  const cost = (chunks: readonly ChunkFrame[]) =>
    chunks.reduce((sum, { first, payload }) => sum + payload.length + (first ? 32 : 0), 0);

  it("CRD-02: goes no further than a first credit, and on from there when it is granted more", () => {
    const bench = new Bench(0);
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
    const bench = new Bench(0);
    for (let i = 0; i < 4000; i++) bench.sender.send(0, binary(0));
    bench.pollAll();
    expect(bench.chunks).toHaveLength(START / 32);
  });

  it("a channel without credit does not hold up the others, be it the most urgent", () => {
    const bench = new Bench(0);
    bench.channel(1, "high");
    bench.channel(2, "low");
    bench.sender.send(1, binary(100_000));
    bench.sender.send(2, binary(60_000));
    bench.pollAll();
    expect(bench.chunks.filter(({ channel, last }) => channel === 2 && last)).toHaveLength(1);
    expect(bench.sender.isDrained).toBe(false);
  });

  it("credit for an id that is free again is not that of the next channel", () => {
    const bench = new Bench(0);
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
    const bench = new Bench();
    bench.channel(1, "low");
    bench.sender.announce(1, Uint8Array.of(1));
    bench.pollAll();
    expect(bench.frames).toEqual([{ type: "channel-open", channel: 1, priority: "low", name: Uint8Array.of(97) }]);
  });

  it("CHN-05: ends a channel behind everything that was sent on it", () => {
    const bench = new Bench();
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
    const bench = new Bench();
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
    const bench = new Bench();
    bench.sender.addChannel(1, "normal");
    bench.sender.endChannel(1);
    expect([bench.sender.end(1), bench.poll()]).toEqual(["seen", undefined]);
  });

  it("CHN-06: gives a wire id to another channel only when its end has been acknowledged", () => {
    const bench = new Bench();
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
      const bench = new Bench().limits({ channelsMax: max });
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
    const bench = new Bench();
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
    const bench = new Bench();
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
          bytes.set(chunk.channel.key, (bytes.get(chunk.channel.key) as number) + chunk.bytes);
          sinceLow = chunk.channel.key === 2 ? 0 : sinceLow + chunk.bytes;
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
    const bench = new Bench();
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
  it("CLS-09: tells of every message whether it can have arrived", () => {
    const bench = new Bench();
    bench.channel(1);
    const [delivered, sent, begun, queued] = [
      bench.sender.send(0, text("a")),
      bench.sender.send(0, text("b")),
      bench.sender.send(0, binary(100_000)),
      bench.sender.send(0, text("d")),
    ];
    bench.poll(undefined, 15);
    bench.poll();
    bench.poll();
    const other = bench.sender.send(1, source(undefined));
    bench.ack(2);
    bench.sender.handleEnd(Number.POSITIVE_INFINITY);
    expect([delivered, sent, begun, queued, other].map((id) => bench.story(id))).toEqual([
      ["written", "delivered"],
      ["written", "delivered"],
      ["started", "unknown"],
      ["never-written"],
      ["never-written"],
    ]);
  });

  it.each<[number, string[]]>([
    [Number.POSITIVE_INFINITY, ["unknown", "unknown", "unknown", "never-written"]],
    [3, ["unknown", "unknown", "unknown", "never-written"]],
    [2, ["unknown", "unknown", "never-written", "never-written"]],
    [1, ["unknown", "never-written", "never-written", "never-written"]],
    [0, ["never-written", "never-written", "never-written", "never-written"]],
  ])(
    "CLS-09: a peer that has read no batch beyond %d knows nothing of what began behind it",
    (readNumberMax, fates) => {
      const bench = new Bench();
      // The second message begins in batch 2 and goes on in 3, with the third one behind it in a batch of its own.
      const ids = [text("a"), binary(20_000), text("c")].map((init) => bench.sender.send(0, init));
      bench.poll(undefined, 15);
      bench.poll();
      bench.poll(undefined, 5000);
      expect(bench.sent.map(({ chunks }) => chunks.map(({ message }) => message.id))).toEqual([[1], [2], [2, 3]]);
      ids.push(bench.sender.send(0, text("d")));
      bench.sender.handleEnd(readNumberMax);
      expect(ids.map((id) => bench.story(id).at(-1))).toEqual(fates);
    },
  );

  it("sends, takes and asks for nothing afterwards", () => {
    const bench = new Bench();
    bench.channel(1);
    const id = bench.sender.send(0, source(SLAB));
    bench.sender.endChannel(1);
    bench.sender.handleEnd(Number.POSITIVE_INFINITY);
    const events = bench.events.length;
    bench.sender.supply(id, binary(SLAB).bytes, true);
    expect([bench.sender.cancel(id), bench.poll(), bench.sender.isDrained, bench.sender.unsentBytes]).toEqual([
      false,
      undefined,
      true,
      0,
    ]);
    expect(bench.events).toHaveLength(events);
    expect([bench.sender.isEnding(0), bench.sender.isEnding(1)]).toEqual([true, true]);
  });

  it("gives each message one fate", () => {
    const bench = new Bench();
    const ids = Array.from({ length: 30 }, (_, i) => bench.sender.send(0, binary(i * 997)));
    for (let i = 0; i < 5; i++) bench.poll();
    for (const id of ids) if (id % 4 === 0) bench.sender.cancel(id);
    bench.poll();
    bench.ack(3);
    bench.sender.handleEnd(Number.POSITIVE_INFINITY);
    for (const id of ids) {
      const fates = bench.events.filter(
        ({ message, type }) => message === id && (type === "delivered" || type === "dropped"),
      );
      expect(fates).toHaveLength(1);
    }
  });
});
