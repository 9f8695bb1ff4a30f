import { describe, expect, it } from "vitest";
import { CHANNEL_CREDIT_BYTES } from "../../../src/core/limits.js";
import { CreditPool } from "../../../src/core/receive/credit.js";
import { type Arrival, InboundChannel, type ReceiveMode } from "../../../src/core/receive/inbound-channel.js";
import { chunk } from "../../support/frame-table.js";

const KIB = 1024;
const LIMIT = 200 * KIB;
const POOL = { reassemblyBytesMax: 1024 * KIB, channelCreditBytesMax: 512 * KIB, sessionCreditBytesMax: 2048 * KIB };
const bytes = (size: number, fill = 7) => new Uint8Array(size).fill(fill);

class Bench {
  readonly arrivals: Arrival[] = [];
  readonly channel: InboundChannel;
  news = 0;

  constructor(mode: ReceiveMode, messageBytesMax = LIMIT) {
    const onNews = () => {
      this.news += 1;
    };
    this.channel = new InboundChannel(
      { pool: new CreditPool(POOL, () => undefined), limits: { messageBytesMax }, mode, onNews },
      (arrival) => this.arrivals.push(arrival),
    );
  }

  /** A message in chunks of so many bytes, as long as there is credit. */
  send(size: number, piece: number, options: { known?: boolean; text?: boolean; now?: number } = {}): this {
    const { known = true, text = false, now = 0 } = options;
    for (let sent = 0; sent < size || sent === 0; sent += piece) {
      const payload = bytes(Math.min(piece, size - sent), sent / piece + 1);
      const last = sent + payload.length === size;
      const totalBytes = sent === 0 && known && !last ? size : undefined;
      const violation = this.channel.handleChunk(chunk({ first: sent === 0, last, text, totalBytes, payload }), now);
      if (violation !== undefined) throw new Error(violation.reason);
      if (last) break;
    }
    return this;
  }

  begin(size: number, totalBytes?: number, now = 0): this {
    expect(this.channel.handleChunk(chunk({ last: false, totalBytes, payload: bytes(size) }), now)).toBeUndefined();
    return this;
  }

  more(size: number, last = false, now = 0): this {
    expect(this.channel.handleChunk(chunk({ first: false, last, payload: bytes(size) }), now)).toBeUndefined();
    return this;
  }

  get types(): string[] {
    return this.arrivals.map(({ type }) => type);
  }
}

describe("whole messages", () => {
  it("come when their last chunk has, with what they cost", () => {
    const bench = new Bench("messages").send(10, 10, { text: true }).send(0, 1).send(5000, 2000);
    expect(bench.arrivals).toMatchObject([
      { type: "message", text: true, cost: 42 },
      { type: "message", text: false, cost: 32 },
      { type: "message", cost: 5032 },
    ]);
    const { bytes: joined } = bench.arrivals[2] as { bytes: Uint8Array };
    expect(Buffer.compare(joined, Buffer.concat([bytes(2000, 1), bytes(2000, 2), bytes(1000, 3)]))).toBe(0);
    expect(bench.channel.credit.untaken).toBe(10 + 0 + 5000 + 3 * 32);
  });

  it("MSG-03, MSG-04: what makes no message is a violation", () => {
    const codeOf = (...chunks: Parameters<typeof chunk>[0][]) => {
      const bench = new Bench("messages");
      return chunks.map((init) => bench.channel.handleChunk(chunk(init), 0)?.code).at(-1);
    };
    const first = { last: false, payload: bytes(1024) };
    expect(codeOf({ first: false })).toBe(1002);
    expect(codeOf(first, {})).toBe(1002);
    expect(codeOf({ ...first, totalBytes: 1030 }, { first: false, payload: bytes(7) })).toBe(1002);
    expect(codeOf({ ...first, totalBytes: 1030 }, { first: false, payload: bytes(5) })).toBe(1002);
    expect(codeOf({ ...first, totalBytes: 1000 })).toBe(1002);
    expect(codeOf({ ...first, totalBytes: 1030 }, { first: false, payload: bytes(6) })).toBeUndefined();
  });

  it("CRD-03: more than the credit is a violation", () => {
    const bench = new Bench("undecided").begin(CHANNEL_CREDIT_BYTES - 32);
    expect(bench.channel.handleChunk(chunk({ first: false, payload: bytes(1) }), 0)?.code).toBe(1002);
  });

  it("CRD-05: large ones are granted room as soon as they begin, those of unknown length when they have grown", () => {
    const bench = new Bench("messages").begin(1024, LIMIT);
    expect(bench.channel.credit.room).toBeGreaterThanOrEqual(LIMIT - 1024);
    const unknown = new Bench("messages").begin(15 * KIB);
    expect(unknown.news).toBe(0);
    unknown.more(KIB);
    expect(unknown.channel.credit.room).toBeGreaterThanOrEqual(LIMIT);
  });

  it("MSG-07: one that is taken back leaves nothing behind", () => {
    const bench = new Bench("messages");
    expect(bench.channel.handleReset()).toBe(false);
    bench.begin(50_000, LIMIT);
    expect([bench.channel.heldBytes, bench.channel.isPartial]).toEqual([50_000, true]);
    expect(bench.channel.handleReset()).toBe(true);
    expect([bench.channel.heldBytes, bench.channel.isPartial, bench.channel.credit.untaken]).toEqual([0, false, 0]);
    bench.send(3000, 2000);
    expect(bench.types).toEqual(["message"]);
  });
});

describe("CRD-07: messages over the limit", () => {
  it("are rejected as soon as that shows, and what still comes of them is dropped", () => {
    for (const totalBytes of [LIMIT + 1, undefined]) {
      const bench = new Bench("messages", 50_000);
      const total = totalBytes === undefined ? undefined : 60_000;
      bench.begin(40_000, total);
      if (total === undefined) bench.more(10_001);
      expect(bench.arrivals).toEqual([{ type: "verdict", message: 1, code: 1009 }]);
      bench.more(9_000);
      expect([bench.channel.credit.untaken, bench.channel.heldBytes]).toEqual([0, 0]);
      if (total === undefined) bench.channel.handleReset();
      else bench.more(11_000, true);
      bench.send(10, 10);
      expect(bench.types).toEqual(["verdict", "message"]);
    }
  });

  it("are counted with all others, those that were taken back too", () => {
    const bench = new Bench("messages", 50_000).send(10, 10).begin(1024);
    bench.channel.handleReset();
    bench.send(60_000, 60_000);
    expect(bench.arrivals.at(-1)).toEqual({ type: "verdict", message: 3, code: 1009 });
  });

  it("wait for somebody to decide how they are taken", () => {
    const asMessages = new Bench("undecided").begin(40_000, LIMIT + 1);
    const asIncoming = new Bench("undecided").begin(40_000, LIMIT + 1).more(20_000);
    expect([asMessages.types, asIncoming.types]).toEqual([[], []]);
    asMessages.channel.receive("messages");
    asIncoming.channel.receive("incoming");
    expect(asMessages.types).toEqual(["verdict"]);
    expect(asIncoming.arrivals).toMatchObject([
      { type: "incoming", text: false, totalBytes: LIMIT + 1 },
      { type: "verdict", message: 1, code: undefined },
      { type: "piece", last: false, cost: 40_032 },
      { type: "piece", last: false, cost: 20_000 },
    ]);
  });

  it("are rejected where they are whole before anybody has decided", () => {
    const bench = new Bench("undecided", 1000).send(1001, 1001);
    expect(bench.arrivals).toEqual([{ type: "verdict", message: 1, code: 1009 }]);
  });
});

describe("messages that are taken as they begin", () => {
  it("come in pieces, each with its cost, whatever their size", () => {
    const bench = new Bench("incoming").send(5000, 2000, { text: true }).send(0, 1).send(3000, 2000, { known: false });
    expect(bench.arrivals).toMatchObject([
      { type: "incoming", text: true, totalBytes: 5000 },
      { type: "piece", last: false, cost: 2032 },
      { type: "piece", last: false, cost: 2000 },
      { type: "piece", last: true, cost: 1000 },
      { type: "incoming", totalBytes: 0 },
      { type: "piece", last: true, cost: 32 },
      { type: "incoming", totalBytes: undefined },
      { type: "piece", cost: 2032 },
      { type: "piece", last: true, cost: 1000 },
    ]);
    expect(bench.channel.heldBytes).toBe(0);
  });

  it("CRD-07: over the limit are admitted, of unknown length when that shows, and once", () => {
    const known = new Bench("incoming", 3000).send(5000, 2000);
    expect(known.types).toEqual(["incoming", "verdict", "piece", "piece", "piece"]);
    const unknown = new Bench("incoming", 3000).send(9000, 2000, { known: false });
    expect(unknown.types).toEqual(["incoming", "piece", "verdict", "piece", "piece", "piece", "piece"]);
    expect(unknown.arrivals[2]).toEqual({ type: "verdict", message: 1, code: undefined });
  });

  it("are granted no more than the window: the sender goes at the pace of the consumer", () => {
    const bench = new Bench("incoming").begin(60_000, 10_000_000);
    for (let i = 0; i < 4; i++) bench.more(48_000);
    expect(bench.channel.credit.granted).toBe(256 * KIB);
    bench.channel.credit.take(100_000);
    expect(bench.channel.credit.granted).toBe(256 * KIB + 100_000);
  });

  it("may be taken back in their middle", () => {
    const bench = new Bench("incoming").begin(2000);
    expect(bench.channel.handleReset()).toBe(true);
    expect(bench.types).toEqual(["incoming", "piece", "incoming-reset"]);
    // What has been handed on is still to be taken.
    expect(bench.channel.credit.untaken).toBe(2032);
    bench.send(10, 10);
    expect(bench.types.slice(3)).toEqual(["incoming", "piece"]);
  });
});

describe("CRD-07: behind our own CLOSE", () => {
  it("no verdict can follow: what is over the limit is dropped, also in its middle, and the rest goes on", () => {
    const silent = (mode: ReceiveMode) => {
      const bench = new Bench(mode, 3000);
      bench.channel.handleCloseSent();
      return bench;
    };
    expect(silent("messages").send(5000, 2000).send(10, 10).types).toEqual(["message"]);
    const incoming = silent("incoming").send(5000, 2000).send(5000, 2000, { known: false }).send(10, 10);
    expect(incoming.types).toEqual(["incoming", "piece", "incoming-reset", "incoming", "piece"]);
    expect(incoming.channel.credit.untaken).toBe(2032 + 42);
    const undecided = silent("undecided").begin(2000, 5000);
    undecided.channel.receive("incoming");
    expect([undecided.types, undecided.channel.credit.untaken]).toEqual([[], 0]);
  });
});

describe("CRD-08: a message that stands still", () => {
  const IDLE = 30_000;

  it("is to be taken back after a while, when its sender could go on; what comes of it all the same is taken", () => {
    const bench = new Bench("messages").begin(40_000, LIMIT, 1000);
    expect(bench.channel.idleDeadline(IDLE)).toBe(31_000);
    bench.more(2000, false, 5000);
    bench.channel.handleIdle(34_999, IDLE);
    expect(bench.types).toEqual([]);
    bench.channel.handleIdle(35_000, IDLE);
    expect(bench.arrivals).toEqual([{ type: "verdict", message: 1, code: 1013 }]);
    expect([bench.channel.idleDeadline(IDLE), bench.channel.heldBytes]).toEqual([undefined, 42_000]);
    bench.more(LIMIT - 42_000, true);
    expect(bench.types).toEqual(["verdict", "message"]);
  });

  it("has all the time in the world while nobody takes it, it has no credit, or its body is being read", () => {
    expect(new Bench("undecided").begin(40_000, LIMIT).channel.idleDeadline(IDLE)).toBeUndefined();
    expect(new Bench("incoming").begin(40_000, LIMIT).channel.idleDeadline(IDLE)).toBeUndefined();
    expect(new Bench("messages").channel.idleDeadline(IDLE)).toBeUndefined();
    const bench = new Bench("messages")
      .send(LIMIT, 16 * KIB)
      .send(100 * KIB, 16 * KIB)
      .begin(60_000, LIMIT);
    for (let room = bench.channel.credit.room; room >= 1024; room = bench.channel.credit.room) {
      bench.more(Math.min(room, 32 * KIB));
    }
    expect(bench.channel.idleDeadline(IDLE)).toBeUndefined();
  });

  it("the time without a transport does not count", () => {
    const bench = new Bench("messages").begin(40_000, LIMIT, 1000);
    bench.channel.handleAttached(20_000);
    expect(bench.channel.idleDeadline(IDLE)).toBe(50_000);
  });
});
