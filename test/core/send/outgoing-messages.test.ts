import { describe, expect, it } from "vitest";
import { binary, source, text } from "../../support/pair.js";
import { joined, SenderBench } from "../../support/sender-bench.js";

const SLAB = 64 * 1024;

describe("OutgoingMessages: receipts", () => {
  it("tells of a small message: written, then delivered", () => {
    const bench = new SenderBench();
    const id = bench.sender.send(0, text("hi"));
    expect(bench.story(id)).toEqual([]);
    bench.poll();
    expect(bench.story(id)).toEqual(["written"]);
    bench.ack();
    expect(bench.story(id)).toEqual(["written", "delivered"]);
  });

  it("tells of a large message: started, written when its last chunk leaves, delivered when that is acknowledged", () => {
    const bench = new SenderBench();
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
    const bench = new SenderBench();
    bench.sender.send(0, binary(40_000));
    bench.pollAll();
    bench.ack();
    expect(bench.events.map(({ type }) => type)).toEqual(["started", "written", "delivered"]);
  });

  it("counts what is buffered until it is acknowledged, and what is unsent until it leaves", () => {
    const bench = new SenderBench();
    bench.sender.send(0, binary(40_000));
    bench.sender.send(0, binary(10));
    expect([bench.sender.bufferedBytes(0), bench.messages.unsentBytes]).toEqual([40_010, 40_010]);
    const first = (bench.poll()?.chunks[0]?.bytes ?? 0) as number;
    expect([bench.sender.bufferedBytes(0), bench.messages.unsentBytes]).toEqual([40_010, 40_010 - first]);
    bench.ack();
    expect(bench.sender.bufferedBytes(0)).toBe(40_010 - first);
    bench.pollAll();
    bench.ack();
    expect([bench.sender.bufferedBytes(0), bench.messages.unsentBytes]).toEqual([0, 0]);
  });

  it("numbers messages from 1 over all channels", () => {
    const bench = new SenderBench();
    bench.channel(1);
    expect([0, 1, 0].map((key) => bench.sender.send(key, text("x")))).toEqual([1, 2, 3]);
  });
});

describe("OutgoingMessages: cancel", () => {
  it("takes a queued message back, and nobody else notices", () => {
    const bench = new SenderBench();
    const [a, b, c] = ["a", "b", "c"].map((value) => bench.sender.send(0, text(value))) as [number, number, number];
    expect(bench.messages.cancel(b)).toBe(true);
    bench.pollAll();
    expect(joined(bench.chunks).toString()).toBe("ac");
    expect([a, b, c].map((id) => bench.story(id))).toEqual([["written"], ["cancelled"], ["written"]]);
    bench.ack();
    expect([bench.sender.bufferedBytes(0), bench.messages.unsentBytes]).toEqual([0, 0]);
  });

  it("MSG-07: takes a message back in the middle with RESET, and the next one follows", () => {
    const bench = new SenderBench();
    const large = bench.sender.send(0, { ...binary(100_000), wantsProgress: true });
    const small = bench.sender.send(0, text("next"));
    bench.poll();
    bench.poll();
    expect(bench.messages.cancel(large)).toBe(true);
    expect(bench.poll()?.frames).toMatchObject([
      { type: "reset", channel: 0 },
      { type: "chunk", first: true, last: true },
    ]);
    bench.ack();
    expect(bench.story(large)).toEqual(["started", "cancelled"]);
    expect(bench.story(small)).toEqual(["written", "delivered"]);
    expect([bench.sender.bufferedBytes(0), bench.messages.unsentBytes]).toEqual([0, 0]);
  });

  it("does not take back what has left, was taken back or never was", () => {
    const bench = new SenderBench();
    const id = bench.sender.send(0, text("x"));
    bench.poll();
    expect(bench.messages.cancel(id)).toBe(false);
    bench.ack();
    expect(bench.messages.cancel(id)).toBe(false);
    const other = bench.sender.send(0, text("x"));
    expect([bench.messages.cancel(other), bench.messages.cancel(other), bench.messages.cancel(99)]).toEqual([
      true,
      false,
      false,
    ]);
    expect(bench.frames.filter(({ type }) => type === "reset")).toEqual([]);
  });

  it("lets the message behind a stuck source go", () => {
    const bench = new SenderBench();
    const stuck = bench.sender.send(0, source(1000));
    bench.sender.send(0, text("next"));
    expect(bench.poll()).toBeUndefined();
    bench.messages.cancel(stuck);
    bench.poll();
    expect(joined(bench.chunks).toString()).toBe("next");
  });
});

describe("OutgoingMessages: sources", () => {
  it.each([
    { slab: 1000, total: 100_000 },
    { slab: 16_384, total: 100_000 },
    { slab: 65_537, total: 300_000 },
    { slab: 256 * 1024, total: 1_000_000 },
    { slab: 100_000, total: undefined },
    { slab: 333, total: undefined },
  ])("pulls slabs of $slab bytes (total $total) as it needs them, and sends every byte in order", ({ slab, total }) => {
    const { bytes } = binary(total ?? 250_000);
    const bench = new SenderBench();
    const id = bench.sender.send(0, source(total));
    let offset = 0;
    for (let i = 0; offset < bytes.length || i < bench.pulls.length; i++) {
      while (bench.pulls.length <= i) if (bench.poll() === undefined) throw new Error("stuck");
      expect(bench.pulls[i]).toEqual([id, offset]);
      const piece = bytes.slice(offset, offset + slab);
      offset += piece.length;
      bench.messages.supply(id, piece, offset === bytes.length);
      // Never far ahead of what has left: half a slab, and the one that has just come.
      expect(bench.messages.unsentBytes).toBeLessThanOrEqual(128 * 1024 + slab);
    }
    bench.pollAll();
    bench.ack();
    expect(Buffer.compare(joined(bench.chunks), bytes)).toBe(0);
    expect(bench.story(id)).toEqual(["started", "written", "delivered"]);
    expect([bench.sender.bufferedBytes(0), bench.messages.unsentBytes]).toEqual([0, 0]);
  });

  it("reads ahead for the message at the head only", () => {
    const bench = new SenderBench();
    const a = bench.sender.send(0, source(SLAB));
    const b = bench.sender.send(0, source(SLAB));
    expect(bench.pulls).toEqual([[a, 0]]);
    bench.messages.supply(a, binary(SLAB).bytes, true);
    expect(bench.pulls).toEqual([[a, 0]]);
    bench.pollAll();
    expect(bench.pulls).toEqual([
      [a, 0],
      [b, 0],
    ]);
  });

  it("pulls for the next message when the one before is taken back", () => {
    const bench = new SenderBench();
    const a = bench.sender.send(0, source(SLAB));
    const b = bench.sender.send(0, source(SLAB));
    bench.messages.cancel(a);
    expect(bench.pulls).toEqual([
      [a, 0],
      [b, 0],
    ]);
  });

  it("ignores a piece that comes after its message has been taken back", () => {
    const bench = new SenderBench();
    const id = bench.sender.send(0, source(SLAB));
    bench.messages.cancel(id);
    bench.messages.supply(id, binary(SLAB).bytes, true);
    expect([bench.poll(), bench.messages.unsentBytes, bench.sender.bufferedBytes(0)]).toEqual([undefined, 0, 0]);
  });

  it("asks no source of which nothing is to come", () => {
    const bench = new SenderBench();
    const id = bench.sender.send(0, source(0));
    bench.poll();
    bench.ack();
    expect(bench.story(id)).toEqual(["written", "delivered"]);
    expect(bench.pulls).toEqual([]);
  });

  it("a source that has nothing yet holds up its own channel only", () => {
    const bench = new SenderBench();
    bench.channel(1, "low");
    bench.sender.send(0, source(SLAB));
    bench.sender.send(1, text("goes"));
    bench.poll();
    expect(joined(bench.chunks).toString()).toBe("goes");
  });

  it("counts an unknown length as it comes", () => {
    const bench = new SenderBench();
    const id = bench.sender.send(0, source(undefined));
    expect(bench.sender.bufferedBytes(0)).toBe(0);
    bench.messages.supply(id, binary(5000).bytes, false);
    expect(bench.sender.bufferedBytes(0)).toBe(5000);
    bench.messages.cancel(id);
    expect([bench.sender.bufferedBytes(0), bench.messages.unsentBytes]).toEqual([0, 0]);
  });
});

describe("OutgoingMessages: limits of the peer", () => {
  it("LIM-06: drops what waits and is too large when the limits arrive", () => {
    const bench = new SenderBench();
    const [small, large, edge] = [10, 2001, 2000].map((size) => bench.sender.send(0, binary(size))) as [
      number,
      number,
      number,
    ];
    bench.limits({ messageBytesMax: 2000 });
    expect([small, large, edge].map((id) => bench.story(id))).toEqual([[], ["too-large"], []]);
    expect(bench.messages.bytesMax).toBe(2000);
    bench.pollAll();
    bench.ack();
    expect(bench.chunks.map(({ payload }) => payload.length)).toEqual([10, 2000]);
    expect([bench.sender.bufferedBytes(0), bench.messages.unsentBytes]).toEqual([0, 0]);
  });
});

describe("OutgoingMessages: messages over the limit of the peer (CRD-07, CRD-08)", () => {
  const over = (size: number | undefined) => {
    const bench = new SenderBench().limits({ messageBytesMax: 20_000 });
    const id = bench.sender.send(0, source(size));
    return { bench, id };
  };

  it("leave, if they are read piece by piece, and are delivered when the peer has admitted them, in any order", () => {
    for (const admitFirst of [true, false]) {
      const { bench, id } = over(30_000);
      bench.messages.supply(id, binary(30_000).bytes, true);
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
    bench.messages.supply(id, binary(20_000).bytes, true);
    bench.pollAll();
    bench.ack();
    expect(bench.story(id)).toEqual(["started", "written", "delivered"]);
    const next = bench.sender.send(0, source(undefined));
    bench.messages.supply(next, binary(20_001).bytes, true);
    bench.pollAll();
    bench.ack();
    expect(bench.story(next)).toEqual(["started", "written"]);
  });

  it("end when the peer rejects them: with RESET in their middle, and without one behind their end", () => {
    const { bench, id } = over(90_000);
    bench.messages.supply(id, binary(60_000).bytes, false);
    bench.pollAll();
    bench.sender.handleReject(0, 1, 1009);
    expect(bench.story(id)).toEqual(["started", "too-large"]);
    expect(bench.poll()?.frames).toEqual([{ type: "reset", channel: 0 }]);
    const next = bench.sender.send(0, source(30_000));
    bench.messages.supply(next, binary(30_000).bytes, true);
    bench.pollAll();
    bench.sender.handleReject(0, 2, 1009);
    expect(bench.story(next)).toEqual(["started", "written", "too-large"]);
    expect(bench.poll()).toBeUndefined();
    bench.ack();
    expect([bench.sender.bufferedBytes(0), bench.messages.unsentBytes]).toEqual([0, 0]);
  });

  it("that the peer does not want to wait for are refused; a verdict on what has ended is of no account", () => {
    const { bench, id } = over(20_000);
    bench.messages.supply(id, binary(18_000).bytes, false);
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
    const bench = new SenderBench().limits({ messageBytesMax: 20_000 });
    const ids = [30_000, 40_000, 50_000, 60_000].map((size) => bench.sender.send(0, source(size)));
    for (const [i, id] of ids.entries()) {
      bench.messages.supply(id, binary(i < 3 ? 30_000 + i * 10_000 : 40_000).bytes, i < 3);
      bench.pollAll();
    }
    bench.sender.handleAdmit(0, 2);
    expect(bench.sender.isDrained).toBe(false);
    bench.messages.handlePeerClose();
    expect(ids.map((id) => bench.story(id).at(-1))).toEqual(["too-large", "written", "too-large", "too-large"]);
    bench.pollAll();
    bench.ack();
    expect(bench.story(ids[1] as number).at(-1)).toBe("delivered");
    const late = bench.sender.send(0, source(30_000));
    bench.messages.supply(late, binary(30_000).bytes, true);
    bench.pollAll();
    expect(bench.sender.isDrained).toBe(true);
    bench.ack();
    expect(bench.story(late).at(-1)).toBe("too-large");
  });

  it("keep their channel open until the peer has said what becomes of them", () => {
    const bench = new SenderBench().limits({ messageBytesMax: 20_000 });
    bench.channel(1);
    const id = bench.sender.send(1, source(30_000));
    bench.messages.supply(id, binary(30_000).bytes, true);
    bench.sender.endChannel(1);
    bench.pollAll();
    bench.ack();
    expect(bench.frames.some(({ type }) => type === "channel-close")).toBe(false);
    bench.sender.handleAdmit(1, 1);
    expect(bench.pollAll().flatMap(({ frames }) => frames)).toEqual([{ type: "channel-close", channel: 1 }]);
  });
});

describe("OutgoingMessages: the end", () => {
  it("CLS-09: tells of every message whether it can have arrived", () => {
    const bench = new SenderBench();
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
      const bench = new SenderBench();
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

  it("gives each message one fate", () => {
    const bench = new SenderBench();
    const ids = Array.from({ length: 30 }, (_, i) => bench.sender.send(0, binary(i * 997)));
    for (let i = 0; i < 5; i++) bench.poll();
    for (const id of ids) if (id % 4 === 0) bench.messages.cancel(id);
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
