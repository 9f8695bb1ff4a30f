import { describe, expect, it } from "vitest";
import { CHANNEL_CREDIT_BYTES } from "../../../src/core/limits.js";
import { ChannelCredit, CreditPool } from "../../../src/core/receive/credit.js";

const KIB = 1024;
const LIMITS = {
  reassemblyBytesMax: 1024 * KIB,
  channelCreditBytesMax: 1024 * KIB,
  sessionCreditBytesMax: 2048 * KIB,
};

class Bench {
  readonly pool: CreditPool;
  news = 0;
  roundTripMs: number | undefined;

  constructor(limits: Partial<typeof LIMITS> = {}) {
    this.pool = new CreditPool({ ...LIMITS, ...limits }, () => this.roundTripMs);
  }

  channel(isTaken = true): ChannelCredit {
    const credit = new ChannelCredit(this.pool, () => {
      this.news += 1;
    });
    if (isTaken) credit.handleConsumer();
    return credit;
  }
}

/** An honest peer sends as much as it may, in pieces. Returns how much that was. */
function fill(
  credit: ChannelCredit,
  upTo = Number.POSITIVE_INFINITY,
  piece = 4 * KIB,
  now = 0,
  isHeld = false,
): number {
  let sent = 0;
  while (sent + piece <= upTo && credit.receive(piece, isHeld, now)) sent += piece;
  return sent;
}

describe("ChannelCredit", () => {
  it("CRD-02: grants a first credit, and no more while nobody takes anything", () => {
    const bench = new Bench();
    const credit = bench.channel(false);
    expect(credit.granted).toBe(CHANNEL_CREDIT_BYTES);
    expect(fill(credit)).toBe(64 * KIB);
    expect([credit.receive(KIB, false, 0), credit.receive(1, false, 0)]).toEqual([true, false]);
    expect([credit.granted, credit.untaken, bench.news]).toEqual([CHANNEL_CREDIT_BYTES, CHANNEL_CREDIT_BYTES, 0]);
  });

  it("says nothing while the first credit is enough, and grants a window when it is not", () => {
    const bench = new Bench();
    const credit = bench.channel();
    expect(fill(credit, 32 * KIB)).toBe(32 * KIB);
    expect(bench.news).toBe(0);
    fill(credit, 4 * KIB);
    expect([bench.news, credit.granted]).toEqual([1, 256 * KIB]);
    fill(credit);
    expect(credit.untaken).toBe(256 * KIB);
  });

  it("grants what has been taken, when it is worth a frame", () => {
    const bench = new Bench();
    const credit = bench.channel();
    fill(credit, 128 * KIB);
    const { news, granted } = { news: bench.news, granted: credit.granted };
    credit.take(60 * KIB);
    expect([bench.news, credit.granted]).toEqual([news, granted]);
    credit.take(4 * KIB);
    expect([bench.news, credit.granted]).toEqual([news + 1, granted + 64 * KIB]);
  });

  it("CRD-04: does not tell of each message that a consumer takes which is behind its peer", () => {
    const bench = new Bench();
    const credit = bench.channel();
    const { news } = bench;
    let sent = 0;
    for (let turn = 0; turn < 10_000; turn++) {
      sent += fill(credit, Number.POSITIVE_INFINITY, 100);
      credit.take(100);
    }
    expect(sent).toBeGreaterThan(10_000 * 100);
    // Four for each window.
    expect(bench.news - news).toBeLessThanOrEqual(Math.ceil(sent / (64 * KIB)));
  });

  it("CRD-04: grants every byte that is taken where the peer might wait for it, and nothing waits for the consumer", () => {
    const bench = new Bench({ sessionCreditBytesMax: 0 });
    const credit = bench.channel();
    fill(credit, 64 * KIB);
    credit.take(64 * KIB);
    const before = credit.granted;
    credit.receive(10 * KIB, false, 0);
    credit.take(10 * KIB);
    expect(credit.granted).toBe(before);
    // The rest of this message is all that the peer has, and it sends that at once or not at all.
    expect(fill(credit, 40 * KIB, 4 * KIB, 0, true)).toBe(40 * KIB);
    expect(credit.granted).toBe(before + 10 * KIB);
    expect(credit.room).toBe(CHANNEL_CREDIT_BYTES - 40 * KIB);
  });

  it("lets an honest peer go on for ever, whatever the pieces and the pace", () => {
    for (const piece of [100, 1000, 4096, 32 * KIB]) {
      const bench = new Bench({ sessionCreditBytesMax: 1 });
      const credit = bench.channel();
      let sent = 0;
      for (let i = 0; i < 200; i++) {
        const more = fill(credit, Number.POSITIVE_INFINITY, piece);
        expect(more).toBeGreaterThan(0);
        sent += more;
        credit.take(credit.untaken);
      }
      expect(sent).toBeGreaterThan(200 * 16 * KIB);
    }
  });

  /** What a channel gets in turns of `everyMs`, when its consumer leaves so much of each. */
  const windowsOf = (everyMs: number, leaves: number, roundTripMs: number | null = 50) => {
    const bench = new Bench();
    bench.roundTripMs = roundTripMs ?? undefined;
    const credit = bench.channel();
    const windows: number[] = [];
    for (let i = 0; i < 12; i++) {
      windows.push(fill(credit, Number.POSITIVE_INFINITY, 4 * KIB, i * everyMs) + (i === 0 ? 0 : leaves));
      credit.take(credit.untaken - leaves);
    }
    return windows;
  };

  it("doubles the window when all of it comes within four round trips, and the consumer keeps up, up to its bound", () => {
    expect(windowsOf(100, 0)[0]).toBe(256 * KIB);
    expect(windowsOf(100, 0).at(-1)).toBe(1024 * KIB);
    expect(windowsOf(300, 0).at(-1)).toBe(256 * KIB);
    expect(windowsOf(300, 0, null).at(-1)).toBe(1024 * KIB);
  });

  it("a large message that is under way is no sign of a consumer that is behind", () => {
    const bench = new Bench();
    const credit = bench.channel();
    credit.want(1000 * KIB);
    fill(credit, 1000 * KIB, 4 * KIB, 0, true);
    credit.handleMessageEnd();
    credit.take(credit.untaken);
    expect(credit.granted).toBe(1000 * KIB + 512 * KIB + 32);
    const other = bench.channel();
    other.want(1000 * KIB);
    fill(other, 1000 * KIB, 4 * KIB, 0, false);
    other.take(500 * KIB);
    expect(other.granted).toBe(500 * KIB + 1000 * KIB + 32 + 256 * KIB);
  });

  it("what nobody will take comes back, and more than there is cannot be taken", () => {
    const bench = new Bench();
    const credit = bench.channel();
    fill(credit);
    credit.giveBack(100 * KIB, true);
    expect([credit.untaken, credit.granted]).toEqual([156 * KIB, 356 * KIB]);
    credit.take(1e9);
    expect([credit.untaken, credit.granted, bench.pool.untakenBytes]).toEqual([0, 512 * KIB, 0]);
  });

  it("states again what it has granted beyond the first credit", () => {
    const bench = new Bench();
    const credit = bench.channel();
    credit.restate();
    expect(bench.news).toBe(0);
    fill(credit);
    const { news } = bench;
    credit.restate();
    expect(bench.news).toBe(news + 1);
  });
});

describe("CRD-05: large messages", () => {
  it("are granted whole as soon as they begin, and a window beside", () => {
    const bench = new Bench();
    const credit = bench.channel();
    credit.receive(4 * KIB, true, 0);
    credit.want(600 * KIB);
    expect([bench.news, credit.granted]).toEqual([1, 856 * KIB + 32]);
  });

  it("keep their room until they are taken; the next one of the channel waits for that", () => {
    const bench = new Bench({ channelCreditBytesMax: 256 * KIB });
    const credit = bench.channel();
    credit.want(600 * KIB);
    fill(credit, 600 * KIB);
    credit.receive(32, true, 0);
    credit.handleMessageEnd();
    credit.want(300 * KIB);
    expect(credit.granted).toBe(856 * KIB + 32);
    fill(credit, 100 * KIB);
    credit.take(600 * KIB);
    expect(credit.granted).toBe(856 * KIB + 32);
    credit.take(32);
    expect(credit.granted).toBe(600 * KIB + 32 + 256 * KIB + 300 * KIB + 32);
  });

  it("wait for room in turn, so that large ones get theirs; what gives up lets others pass", () => {
    const bench = new Bench();
    const [first, second, third] = [bench.channel(), bench.channel(), bench.channel()] as const;
    const has = (credit: ChannelCredit) => credit.granted > 300 * KIB;
    first.want(600 * KIB);
    second.want(700 * KIB);
    third.want(300 * KIB);
    expect([first, second, third].map(has)).toEqual([true, false, false]);
    second.giveBack(0, true);
    expect([second, third].map(has)).toEqual([false, true]);
    second.want(700 * KIB);
    third.giveBack(0, true);
    expect(has(second)).toBe(false);
    first.giveBack(0, true);
    expect(has(second)).toBe(true);
  });

  it("one whose room comes too late needs none", () => {
    const bench = new Bench();
    const [first, second] = [bench.channel(), bench.channel()] as const;
    first.want(1000 * KIB);
    second.want(200 * KIB);
    fill(second, 100 * KIB);
    second.handleMessageEnd();
    first.giveBack(0, true);
    expect(second.granted).toBe(256 * KIB);
  });

  it("of a channel that ends wait no longer", () => {
    const bench = new Bench();
    const [first, second, third] = [bench.channel(), bench.channel(), bench.channel()] as const;
    first.want(600 * KIB);
    second.want(600 * KIB);
    third.want(300 * KIB);
    second.close();
    expect([second.granted, third.granted > 300 * KIB]).toEqual([CHANNEL_CREDIT_BYTES, true]);
  });
});

describe("CreditPool", () => {
  it("bounds how far all channels together may be ahead beyond their first credit", () => {
    const bench = new Bench({ sessionCreditBytesMax: 400 * KIB });
    const held = () => Array.from({ length: 8 }, () => fill(bench.channel())).reduce((sum, bytes) => sum + bytes);
    expect(held()).toBeLessThanOrEqual(8 * CHANNEL_CREDIT_BYTES + 400 * KIB);
    expect(bench.pool.untakenBytes).toBeGreaterThan(8 * 60 * KIB + 380 * KIB);
  });

  it("gives the room of a channel that has ended to others", () => {
    const bench = new Bench({ sessionCreditBytesMax: 200 * KIB });
    const first = bench.channel();
    first.close();
    const second = bench.channel();
    expect(fill(second)).toBe(256 * KIB);
  });

  it("grants no more than the first credit while memory is short, and more again afterwards", () => {
    const bench = new Bench();
    const [before, credit] = [bench.channel(), bench.channel()] as const;
    fill(before);
    bench.pool.handleScarcity(true);
    before.take(100 * KIB);
    expect(before.granted).toBe(256 * KIB);
    before.take(156 * KIB);
    expect(before.granted).toBe(256 * KIB + CHANNEL_CREDIT_BYTES);
    expect(fill(credit)).toBe(64 * KIB);
    bench.pool.handleScarcity(false);
    credit.refresh();
    expect(credit.granted).toBe(256 * KIB);
  });
});
