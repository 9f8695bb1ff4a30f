import { describe, expect, it } from "vitest";
import { ROUND_TRIP_WINDOW_MS } from "../../../src/core/send/path-model.js";
import { WindowController } from "../../../src/core/send/window.js";

const KIB = 1024;
const MIB = 1024 * KIB;
const START = 6 * KIB;
const START_CHUNK = START / 4 - 128;
const LIMITS = { chunkBytes: 64 * KIB, windowBytes: 16 * MIB };

interface Round {
  /** What comes through. */
  readonly rate: number;
  /** How long the quickest of its acks has taken. */
  readonly roundTripMs: number;
  /** Acks in it. */
  readonly acks?: number;
  readonly isLimited?: boolean;
  readonly bytes?: number;
  /** How long it lasts. */
  readonly ms?: number;
}

/** A controller, and a line that is whatever the test says of it: rounds, told ack by ack. */
class Bench {
  readonly window: WindowController;
  now = 1000;
  #totalBytes = 0;

  constructor(limits: Partial<typeof LIMITS> = {}) {
    this.window = new WindowController({ ...LIMITS, ...limits });
  }

  get windowBytes(): number {
    return this.window.windowBytes;
  }

  /** One round: all that was on the line at its beginning is acknowledged, and as much is on it again. */
  round({ rate, roundTripMs, acks = 8, isLimited = true, bytes = 2000, ms = 40 }: Round): this {
    const gapMs = ms / acks;
    // The very first ack ends a round by itself.
    for (let i = this.#totalBytes === 0 ? 0 : 1; i <= acks; i++) {
      this.now += i === 0 ? 0 : gapMs;
      const newBytes = i === 0 ? 1 : rate * gapMs;
      this.#totalBytes += newBytes;
      if (isLimited) this.window.handleLimited();
      this.window.handleAck(
        {
          sentAt: this.now - roundTripMs,
          ackedAt: this.now,
          receivedAt: this.now - 20,
          roundTripTimeMs: roundTripMs,
          bytes,
          newBytes,
          totalBytes: this.#totalBytes,
          lineBytes: rate * (ms - gapMs / 2),
        },
        this.now,
      );
    }
    return this;
  }

  /** Two batches that were sent together, and arrive so far apart. */
  pair(bytes: number, apartMs: number): this {
    const sentAt = this.now;
    for (const at of [sentAt + 40, sentAt + 40 + apartMs]) {
      this.now = at;
      this.#totalBytes += bytes;
      this.window.handleLimited();
      const ack = { sentAt, ackedAt: at, receivedAt: at - 20, roundTripTimeMs: at - sentAt };
      this.window.handleAck({ ...ack, bytes, newBytes: bytes, totalBytes: this.#totalBytes, lineBytes: 0 }, at);
    }
    return this;
  }

  rounds(count: number, round: Round): this {
    for (let i = 0; i < count; i++) this.round(round);
    return this;
  }

  /** Runs until start-up is over, as rounds bring nothing new, and a first probe, too. */
  steady(rate: number, roundTripMs = 40): this {
    return this.rounds(10, { rate, roundTripMs });
  }
}

/** The window of a line that carries `rate` in 40 ms: it, and a queue of 15 ms, or of two chunks. */
const steadyWindow = (rate: number, chunkBytes: number, share = 1) => {
  const queueMs = Math.min(15, Math.max(8, (128 * KIB) / rate));
  return Math.floor(rate * 40 + rate * Math.max(queueMs, (2 * chunkBytes) / rate) * share);
};

describe("WindowController: start", () => {
  it("begins with 6 KiB in four chunks", () => {
    const { window } = new Bench();
    expect([window.windowBytes, window.chunkBytes]).toEqual([START, START_CHUNK]);
  });

  it("begins within its bounds", () => {
    const { window } = new Bench({ chunkBytes: 1100, windowBytes: 5000 });
    expect([window.windowBytes, window.chunkBytes]).toEqual([5000, 1100]);
  });

  it("grows by what is acknowledged, while no rate is known", () => {
    const bench = new Bench().round({ rate: 100, roundTripMs: 40 });
    expect(bench.windowBytes).toBe(START + 4001);
  });

  it("does not take for its own what was acknowledged on a line before this one", () => {
    const { window } = new Bench();
    const sample = { sentAt: 1000, ackedAt: 1040, receivedAt: 7, roundTripTimeMs: 40, bytes: 2000, lineBytes: 0 };
    window.handleLimited();
    window.handleAck({ ...sample, newBytes: 2000, totalBytes: 5_000_000 }, 1040);
    expect(window.windowBytes).toBe(START + 2000);
  });

  it("does not grow while the application has nothing more to say", () => {
    const bench = new Bench().rounds(20, { rate: 100, roundTripMs: 40, isLimited: false });
    expect([bench.windowBytes, bench.window.chunkBytes]).toEqual([START, START_CHUNK]);
  });

  it("does not grow beyond twice of what has come through, and the queue that is meant to be", () => {
    const bench = new Bench().rounds(4, { rate: 1250, roundTripMs: 40 });
    expect(bench.windowBytes).toBe(2 * 1250 * (40 + 15));
  });

  it("does not grow beyond 256 KiB before a rate is known", () => {
    const bench = new Bench().round({ rate: 100_000, roundTripMs: 40, acks: 1 });
    expect(bench.windowBytes).toBe(256 * KIB);
  });

  it("never shrinks, whatever the rate says", () => {
    const bench = new Bench();
    let before = bench.windowBytes;
    for (const rate of [500, 500, 1, 1, 1]) {
      bench.round({ rate, roundTripMs: 40 });
      expect(bench.windowBytes).toBeGreaterThanOrEqual(before);
      before = bench.windowBytes;
    }
  });

  it("keeps to its upper bound", () => {
    const bench = new Bench({ windowBytes: 200_000 });
    for (let rate = 1000; rate < 50_000; rate *= 1.5) bench.round({ rate, roundTripMs: 40 });
    expect(bench.windowBytes).toBe(200_000);
  });

  it("grows by three for each byte that is acknowledged, up to 24 KiB, once a pair has come closely together", () => {
    expect(new Bench().pair(1500, 0.5).windowBytes).toBe(START + 1500 + 3 * 1500);
    const bench = new Bench().pair(10_000, 0.5);
    const before = bench.windowBytes;
    expect(before).toBeGreaterThan(24 * KIB);
    expect(bench.pair(1500, 0.5).windowBytes).toBe(before + 2 * 1500);
  });

  it("does not grow beyond what a line carries that has spaced such a pair, and the queue that is meant to be", () => {
    const bench = new Bench();
    const seen: number[] = [];
    while (bench.window.phase === "start") seen.push(bench.pair(1500, 12).windowBytes);
    // 1 Mbit/s: the line holds 5 KB, and two chunks of 2 KiB and what stands around them wait.
    expect(Math.max(...seen)).toBeLessThanOrEqual(125 * 40 + 2 * (2 * KIB + 128));
    expect(Math.max(...seen)).toBeGreaterThan(START);
  });

  it("goes on while rounds bring a quarter more", () => {
    const bench = new Bench();
    let rate = 300;
    for (let i = 0; i < 12; i++) {
      bench.round({ rate, roundTripMs: 40 });
      rate *= 1.3;
      expect(bench.window.phase).toBe("start");
    }
  });

  it("ends when three rounds have not brought a quarter more", () => {
    const bench = new Bench().rounds(4, { rate: 1250, roundTripMs: 40 });
    expect(bench.window.phase).toBe("start");
    bench.round({ rate: 1250, roundTripMs: 40 });
    expect(bench.window.phase).toBe("steady");
    expect(bench.windowBytes).toBe(steadyWindow(1250, 8 * KIB));
  });

  it("does not count rounds that the application has not filled", () => {
    const bench = new Bench().rounds(30, { rate: 1250, roundTripMs: 40, isLimited: false });
    expect(bench.window.phase).toBe("start");
  });

  it("ends a round after a queue has shown in the quickest of three acks, and takes off at once what is too much", () => {
    const ended = (queueMs: number, acks: number) => {
      const bench = new Bench().rounds(2, { rate: 1250, roundTripMs: 40 });
      const before = bench.windowBytes;
      bench.round({ rate: 1250, roundTripMs: 40 + queueMs, acks });
      expect(bench.window.phase).toBe("start");
      if (queueMs > 15) expect(bench.windowBytes).toBeLessThan(before);
      return bench.round({ rate: 2000, roundTripMs: 40 + queueMs, acks }).window.phase;
    };
    expect(ended(11, 4)).toBe("start");
    expect(ended(12, 2)).toBe("start");
    expect(ended(12, 3)).toBe("steady");
    expect(ended(60, 4)).toBe("steady");
  });

  it("goes on when the queue of one round is gone in the next: an event loop was held up", () => {
    const bench = new Bench().rounds(2, { rate: 200, roundTripMs: 40 });
    bench.now += 100;
    bench.round({ rate: 300, roundTripMs: 60 });
    for (let rate = 450; rate < 4000; rate *= 1.5) bench.round({ rate, roundTripMs: 40 });
    expect(bench.window.phase).toBe("start");
    expect(bench.windowBytes).toBeGreaterThan(2500 * 40);
  });

  it("does not grow by what has waited in a queue", () => {
    const windowAfter = (roundTripMs: number) => {
      const bench = new Bench().rounds(2, { rate: 1250, roundTripMs: 40 });
      const before = bench.windowBytes;
      return bench.round({ rate: 2500, roundTripMs, ms: 30 }).windowBytes - before;
    };
    expect(windowAfter(51)).toBeGreaterThan(0);
    expect(windowAfter(52)).toBe(0);
  });

  it("does not take what holds up all acks of rounds shorter than 30 ms for a queue", () => {
    const held = { rate: 200, roundTripMs: 25, ms: 5, acks: 4 };
    const phaseAfter = (count: number) => {
      const bench = new Bench().rounds(10, { rate: 200, roundTripMs: 5, ms: 5, acks: 4 });
      return bench.rounds(count, held).window.phase;
    };
    expect(phaseAfter(6)).toBe("start");
    expect(phaseAfter(20)).toBe("steady");
  });

  it("has chunks of a fourth of the window, up to 8 KiB", () => {
    const bench = new Bench();
    for (let rate = 100; rate < 10_000; rate *= 1.4) {
      bench.round({ rate, roundTripMs: 40 });
      expect(bench.window.chunkBytes).toBeLessThanOrEqual(Math.min(8 * KIB, bench.windowBytes / 4));
      expect(bench.window.chunkBytes).toBeGreaterThanOrEqual(START_CHUNK);
    }
  });
});

describe("WindowController: chunks", () => {
  // Bytes in a millisecond: 0.25, 1, 2, 5, 10, 20, 50, 100 Mbit/s.
  it.each([
    [31, KIB + 128],
    [125, KIB + 256 + 128],
    [240, 2 * KIB + 128],
    [625, 4 * KIB + 128],
    [1250, 8 * KIB],
    [2500, 16 * KIB],
    [6250, 32 * KIB],
    [12_500, 64 * KIB],
    [125_000, 64 * KIB],
  ])("at %i bytes in a millisecond are of %i bytes: about 10 ms, and no less than is worth it", (rate, chunkBytes) => {
    expect(new Bench().steady(rate).window.chunkBytes).toBe(chunkBytes);
  });

  it("are no larger than they may be", () => {
    expect(new Bench({ chunkBytes: 5000 }).steady(12_500).window.chunkBytes).toBe(5000);
    expect(new Bench({ chunkBytes: 1100 }).steady(31).window.chunkBytes).toBe(1100);
  });
});

describe("WindowController: steady", () => {
  it.each([1250, 2500, 12_500, 25_000])(
    "at %i bytes in a millisecond it holds the line, and 15 ms, two chunks, or 128 KiB and 8 ms where that is less",
    (rate) => {
      const { window, windowBytes } = new Bench().steady(rate);
      expect(windowBytes).toBe(steadyWindow(rate, window.chunkBytes));
    },
  );

  it("is two small chunks on a slow line, and never less than 4 KiB", () => {
    const slow = new Bench().steady(31);
    expect(slow.windowBytes).toBe(4 * KIB);
    expect(new Bench().steady(240, 0).windowBytes).toBe(2 * (2 * KIB + 128 + 128));
  });

  it("follows the rate down, when what was more is a second old", () => {
    const bench = new Bench().steady(1250);
    bench.rounds(10, { rate: 250, roundTripMs: 40 });
    expect(bench.windowBytes).toBeGreaterThan(50_000);
    bench.rounds(30, { rate: 250, roundTripMs: 40 });
    expect(bench.windowBytes).toBeLessThan(1.16 * steadyWindow(250, 4 * KIB + 128));
  });

  it("keeps what it knows while the application says little", () => {
    const bench = new Bench().steady(1250);
    const before = bench.windowBytes;
    // What it has been held back from is acknowledged first.
    bench.rounds(2, { rate: 1250, roundTripMs: 40, isLimited: false });
    bench.rounds(200, { rate: 10, roundTripMs: 40, isLimited: false });
    expect(bench.windowBytes).toBe(before);
  });

  it("keeps to its upper bound", () => {
    expect(new Bench({ windowBytes: 131_072 }).steady(12_500).windowBytes).toBe(131_072);
  });
});

describe("WindowController: where acks or batches go in requests", () => {
  const steadyBy = (requests: "acks" | "batches" | "posts", roundTripMs = 40): Bench => {
    const bench = new Bench();
    bench.window.handleRequests(requests);
    return bench.steady(1250, roundTripMs);
  };

  it.each(["acks", "batches"] as const)(
    "%s: holds what comes until the next one as well: a round trip, and 50 ms at least",
    (requests) => {
      expect(steadyBy(requests).windowBytes).toBeGreaterThanOrEqual(Math.floor(1250 * (40 + 15 + 40 + 15)));
      expect(steadyBy(requests, 10).windowBytes).toBeGreaterThanOrEqual(Math.floor(1250 * (10 + 15 + 50)));
    },
  );

  it("posts: holds a round trip more, 30 ms at least, and asks for half of it in each request", () => {
    const { window } = steadyBy("posts");
    expect(window.windowBytes).toBeGreaterThanOrEqual(1250 * (40 + 40 + 15));
    expect(window.windowBytes).toBeLessThan(steadyBy("batches").windowBytes);
    expect(steadyBy("posts", 10).windowBytes).toBeGreaterThanOrEqual(1250 * (10 + 30 + 15));
    expect(steadyBy("posts", 10).windowBytes).toBeLessThan(steadyBy("batches", 10).windowBytes);
    expect(window.requestBytes).toBe(Math.ceil(window.windowBytes / 2));
  });

  it("opens at the pace of the line from one ack to the next", () => {
    const { window, now } = steadyBy("acks");
    expect([0, 20, 54, 55, 500].map((ms) => window.shutBytes(now + ms))).toEqual([68_750, 43_750, 1250, 0, 0]);
    const opensAt = window.opensAt(now + 20) as number;
    expect(window.shutBytes(now + 20) - window.shutBytes(opensAt)).toBeGreaterThanOrEqual(window.chunkBytes);
    expect([window.opensAt(now + 54), window.opensAt(now + 55)]).toEqual([now + 55, undefined]);
  });

  it("opens so, too, from when nothing was on the line", () => {
    const { window, now } = steadyBy("acks");
    window.handleIdle(now + 1000);
    expect(window.shutBytes(now + 1020)).toBe(43_750);
  });

  it("is open at once where acks come by themselves, and while it does not know the line", () => {
    const bench = steadyBy("batches");
    expect([bench.window.shutBytes(bench.now), bench.window.opensAt(bench.now)]).toEqual([0, undefined]);
    const { window, now } = new Bench();
    window.handleRequests("acks");
    expect([window.shutBytes(now), window.opensAt(now)]).toEqual([0, undefined]);
  });
});

describe("WindowController: probes", () => {
  const FULL = { rate: 1250, roundTripMs: 40 };
  const base = steadyWindow(1250, 8 * KIB);

  /** Until a probe begins. */
  function probing(): Bench {
    const bench = new Bench().steady(1250);
    for (let i = 0; i < 20 && bench.windowBytes === base; i++) bench.round(FULL);
    return bench;
  }

  it("ask for 15 % more in one round of eight", () => {
    const bench = new Bench().steady(1250);
    const seen = Array.from({ length: 33 }, () => bench.round(FULL).windowBytes / base);
    expect(new Set(seen.map((share) => share.toFixed(2)))).toEqual(new Set(["1.00", "1.15"]));
    const probes = seen.flatMap((share, i) => (share > 1.1 ? [i] : []));
    expect(probes.length).toBeGreaterThanOrEqual(4);
    for (const [i, at] of probes.slice(1).entries()) expect(at - (probes[i] as number)).toBe(8);
  });

  it("ask for nothing while the application has nothing more to say", () => {
    const bench = new Bench().steady(1250);
    bench.rounds(2, { ...FULL, isLimited: false });
    for (let i = 0; i < 30; i++) expect(bench.round({ ...FULL, isLimited: false }).windowBytes).toBe(base);
  });

  it("go on in the next round but one where that has brought a twentieth more, and no queue", () => {
    const bench = probing();
    bench.round({ rate: 1400, roundTripMs: 40 });
    const wider = bench.round({ rate: 1400, roundTripMs: 40 }).windowBytes;
    expect(wider).toBeGreaterThan(1.15 * steadyWindow(1330, 8 * KIB));
  });

  it("do not go on where that has brought a queue", () => {
    const bench = probing();
    bench.round({ rate: 1400, roundTripMs: 56 });
    expect(bench.round({ rate: 1400, roundTripMs: 56 }).windowBytes).toBeLessThan(1.1 * steadyWindow(1400, 8 * KIB));
  });

  it("do not go on where that has brought nothing", () => {
    const bench = probing();
    expect(bench.round(FULL).windowBytes).toBe(base);
    expect(bench.round(FULL).windowBytes).toBe(base);
  });
});

describe("WindowController: the guard", () => {
  const LINE = 1250 * 40;

  it("lets stand a queue that is a quarter more than it is meant to be", () => {
    const bench = new Bench().steady(1250);
    bench.rounds(6, { rate: 1250, roundTripMs: 40 + 18 });
    expect(bench.windowBytes).toBeGreaterThanOrEqual(steadyWindow(1250, 8 * KIB));
  });

  it("gives way to a longer one, by half at most, but not below what the line holds", () => {
    const bench = new Bench().steady(1250);
    const full = bench.windowBytes;
    const cut = bench.round({ rate: 1250, roundTripMs: 40 + 25 }).windowBytes;
    expect(cut).toBeLessThan(0.8 * full);
    expect(cut).toBeGreaterThanOrEqual(LINE);
    const more = bench.round({ rate: 1250, roundTripMs: 40 + 200 }).windowBytes;
    expect(more).toBe(LINE);
  });

  it("lets go by a tenth in a round when the queue is gone", () => {
    const bench = new Bench().steady(1250);
    // To 0.75 of it.
    bench.round({ rate: 1250, roundTripMs: 40 + 25 });
    const seen = Array.from({ length: 6 }, () => bench.round({ rate: 1250, roundTripMs: 40 }).windowBytes);
    const full = steadyWindow(1250, 8 * KIB);
    expect(seen[0]).toBe(Math.floor(full * 0.75 * 1.1));
    expect(seen[1]).toBe(Math.floor(full * 0.75 * 1.1 ** 2));
    expect(seen.slice(3).every((bytes) => bytes >= full)).toBe(true);
  });

  it("pauses for 20 rounds where giving way twice has not made the queue shorter: somebody else fills the line", () => {
    const bench = new Bench().steady(1250);
    const full = steadyWindow(1250, 8 * KIB);
    const crowded = { rate: 1250, roundTripMs: 40 + 60 };
    const seen = Array.from({ length: 26 }, () => bench.round(crowded).windowBytes);
    expect(seen.slice(0, 2).every((bytes) => bytes < full)).toBe(true);
    const paused = seen.findIndex((bytes) => bytes >= full);
    expect(paused).toBeGreaterThanOrEqual(2);
    expect(paused).toBeLessThanOrEqual(4);
    expect(seen.slice(paused, paused + 20).every((bytes) => bytes >= full)).toBe(true);
    expect(seen[paused + 20]).toBeLessThan(full);
  });

  it("goes on where giving way makes the queue shorter", () => {
    const bench = new Bench().steady(1250);
    for (let queueMs = 100; queueMs > 20; queueMs *= 0.9) {
      expect(bench.round({ rate: 1250, roundTripMs: 40 + queueMs }).windowBytes).toBeLessThanOrEqual(1.15 * LINE);
    }
  });
});

describe("WindowController: the drain", () => {
  const queued = { rate: 1250, roundTripMs: 45 };
  const DRAINED = 0.75 * 1250 * 40;

  /** Ten seconds in which the line was never seen empty. */
  function overdue(round = queued): Bench {
    const bench = new Bench().steady(1250);
    const since = bench.now;
    while (bench.now - since <= ROUND_TRIP_WINDOW_MS - 40) {
      bench.round(round);
      expect(bench.windowBytes).toBeGreaterThan(DRAINED);
    }
    return bench;
  }

  it("empties a busy line to three quarters for 200 ms when its round trip has not been seen so short for 10 s", () => {
    const bench = overdue();
    bench.rounds(2, queued);
    expect(bench.windowBytes).toBe(DRAINED);
    bench.rounds(3, { rate: 800, roundTripMs: 42 });
    expect(bench.windowBytes).toBe(DRAINED);
    bench.rounds(2, { rate: 800, roundTripMs: 42 });
    expect(bench.windowBytes).toBeGreaterThan(DRAINED);
  });

  it("believes what it sees then: the route is a longer one", () => {
    const longer = { rate: 1250, roundTripMs: 60 };
    const bench = overdue(longer);
    const { windowBytes } = bench.rounds(16, longer);
    expect(windowBytes).toBeGreaterThanOrEqual(Math.floor(1250 * (60 + 15)));
  });

  it("holds to what it knew where the difference is no more than chunks that left together", () => {
    const bench = overdue();
    bench.rounds(8, queued);
    const seen = Array.from({ length: 8 }, () => bench.round(queued).windowBytes);
    expect(Math.min(...seen)).toBe(Math.floor(1250 * (40 + 15)));
  });

  it("is not needed where the line is seen empty now and then", () => {
    const bench = new Bench().steady(1250);
    for (let i = 0; i < 400; i++) {
      bench.round({ rate: 1250, roundTripMs: i % 100 === 0 ? 40 : 45 });
      expect(bench.windowBytes).toBeGreaterThan(DRAINED);
    }
  });

  it("spares a line that the application does not fill", () => {
    const bench = new Bench().steady(1250).rounds(2, { ...queued, isLimited: false });
    for (let i = 0; i < 300; i++) {
      bench.round({ ...queued, isLimited: false });
      expect(bench.windowBytes).toBeGreaterThan(DRAINED);
    }
  });
});
