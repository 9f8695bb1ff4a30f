import { describe, expect, it } from "vitest";
import type { Millis } from "../../../src/core/time.js";
import { Random } from "../../simulation/random.js";
import { binary, Pair } from "../../support/pair.js";
import { runWindow, type WindowRun, type WindowRunOptions } from "../../support/window-run.js";

const START = 6 * 1024;

type Spaced = Omit<WindowRunOptions, "seconds" | "mbit"> & { mbit: number; share: number; p95: number };

const percentile = (waits: readonly Millis[], share: number) =>
  waits[Math.min(waits.length - 1, Math.floor(waits.length * share))] as Millis;

/** How much later than half a round trip the small messages come. */
const extraMs = (run: WindowRun, roundTripMs: Millis, share: number, fromMs?: Millis, untilMs?: Millis) =>
  percentile(run.waits(fromMs, untilMs), share) - roundTripMs / 2;

interface ByRequest {
  readonly mbit: number;
  readonly roundTripMs: Millis;
  readonly share: number;
  readonly p50: Millis;
  readonly p95: Millis;
}

/** Eight seconds on a line where something goes in requests: how much comes through, and how late small messages are. */
function runByRequest(line: ByRequest, requests: Pick<WindowRunOptions, "ackRequests" | "postsMax">): WindowRun {
  const { mbit, roundTripMs } = line;
  const run = runWindow({ ...line, seconds: 8, ...requests });
  expect(run.share(mbit, 0, 8000)).toBeGreaterThan(line.share);
  expect(extraMs(run, roundTripMs, 0.5, 2000)).toBeLessThan(line.p50);
  expect(extraMs(run, roundTripMs, 0.95, 2000)).toBeLessThan(line.p95);
  return run;
}

describe("the window on lines of all kinds", () => {
  // Where a line takes long, TCP below is what holds start-up back: 10 Mbit/s and 500 ms are five doublings.
  it.each([
    { mbit: 0.25, roundTripMs: 100, seconds: 20, share: 0.93, p95: 130, fullAt: 1000 },
    { mbit: 0.25, roundTripMs: 500, seconds: 20, share: 0.9, p95: 150, fullAt: 1500 },
    { mbit: 1, roundTripMs: 20, seconds: 15, share: 0.93, p95: 70, fullAt: 500 },
    { mbit: 1, roundTripMs: 100, seconds: 20, share: 0.95, p95: 60, fullAt: 500 },
    { mbit: 2, roundTripMs: 50, seconds: 10, share: 0.95, p95: 60, fullAt: 300 },
    { mbit: 5, roundTripMs: 40, seconds: 8, share: 0.94, p95: 40, fullAt: 300 },
    { mbit: 10, roundTripMs: 5, seconds: 4, share: 0.96, p95: 30, fullAt: 200 },
    { mbit: 10, roundTripMs: 40, seconds: 6.4, share: 0.95, p95: 35, fullAt: 250 },
    { mbit: 10, roundTripMs: 100, seconds: 6.4, share: 0.9, p95: 45, fullAt: 1000 },
    { mbit: 10, roundTripMs: 500, seconds: 16, share: 0.73, p95: 200, fullAt: 4500 },
    { mbit: 20, roundTripMs: 30, seconds: 5, share: 0.95, p95: 35, fullAt: 300 },
    { mbit: 50, roundTripMs: 200, seconds: 6, share: 0.68, p95: 80, fullAt: 2500 },
    { mbit: 100, roundTripMs: 10, seconds: 2, share: 0.95, p95: 30, fullAt: 150 },
    { mbit: 100, roundTripMs: 100, seconds: 4, share: 0.75, p95: 50, fullAt: 1200 },
    { mbit: 200, roundTripMs: 5, seconds: 2, share: 0.95, p95: 30, fullAt: 150 },
  ])("$mbit Mbit/s and $roundTripMs ms: the line is soon full, and small messages are not late", (line) => {
    const { mbit, roundTripMs, seconds } = line;
    const run = runWindow(line);
    expect(run.waits()).toHaveLength(Math.ceil(seconds * 10));
    expect(run.share(mbit, 0, seconds * 1000)).toBeGreaterThan(line.share);
    expect(run.share(mbit, line.fullAt, line.fullAt + Math.max(1000, roundTripMs * 2))).toBeGreaterThan(0.85);
    expect(extraMs(run, roundTripMs, 0.95)).toBeLessThan(line.p95);
  });

  it("1 Mbit/s and 100 ms: the first chunks are few, and of a segment of TCP each, also after the line was drained", () => {
    const run = runWindow({ mbit: 1, roundTripMs: 100, seconds: 30 });
    // A chunk takes 11 ms.
    expect(run.waits(0, 1500).at(-1)).toBeLessThan(50 + 4 * 11);
    expect(percentile(run.waits(), 0.99)).toBeLessThan(50 + 50);
    expect(percentile(run.waits(11_000), 0.5)).toBeLessThan(50 + 2 * 11);
  });

  it("100 Mbit/s and 10 ms: 8 MB are through in little more than the line takes for them", () => {
    const run = runWindow({ mbit: 100, roundTripMs: 10, seconds: 1, uploadBytes: 8_000_000 });
    expect(run.doneAt).toBeLessThan(640 / 0.93);
  });

  it("100 Mbit/s and 10 ms: a queue of 256 KiB does not run over, though acks come up to 8 ms late", () => {
    const run = runWindow({ mbit: 100, roundTripMs: 10, seconds: 3, queueBytes: 256 * 1024, ackJitterMs: 8 });
    expect(run.losses).toBe(0);
    expect(run.share(100, 0, 3000)).toBeGreaterThan(0.94);
    expect(run.waits().at(-1)).toBeLessThan(5 + 20);
  });
});

describe("the window where acks go in requests, one at a time", () => {
  it.each([
    { mbit: 1, roundTripMs: 40, share: 0.85, p50: 30, p95: 75 },
    { mbit: 10, roundTripMs: 20, share: 0.95, p50: 20, p95: 30 },
    { mbit: 10, roundTripMs: 40, share: 0.92, p50: 25, p95: 50 },
    { mbit: 10, roundTripMs: 100, share: 0.78, p50: 25, p95: 120 },
    { mbit: 50, roundTripMs: 30, share: 0.92, p50: 20, p95: 35 },
  ])("$mbit Mbit/s and $roundTripMs ms: the line is full, and small messages are not late", (line) => {
    const run = runByRequest(line, { ackRequests: true });
    expect(run.share(line.mbit, 2000, 8000)).toBeGreaterThan(0.9);
  });
});

describe("the window where batches go in POSTs, two at a time", () => {
  it.each([
    { mbit: 1, roundTripMs: 40, share: 0.95, p50: 75, p95: 110 },
    { mbit: 1, roundTripMs: 100, share: 0.88, p50: 95, p95: 160 },
    { mbit: 10, roundTripMs: 20, share: 0.95, p50: 50, p95: 75 },
    { mbit: 10, roundTripMs: 40, share: 0.94, p50: 60, p95: 90 },
    { mbit: 10, roundTripMs: 100, share: 0.83, p50: 85, p95: 140 },
    { mbit: 50, roundTripMs: 30, share: 0.94, p50: 50, p95: 75 },
    { mbit: 100, roundTripMs: 100, share: 0.78, p50: 90, p95: 150 },
  ])("$mbit Mbit/s and $roundTripMs ms: the line is full, and small messages wait for one POST", (line) => {
    const run = runByRequest(line, { postsMax: 2 });
    expect(run.share(line.mbit, 2000, 8000)).toBeGreaterThan(0.95);
    expect(run.waits().at(-1)).toBeLessThan(3 * line.roundTripMs + 120);
  });
});

describe("the window where batches go in POSTs, one at a time", () => {
  // While an answer is waited for, nothing goes up.
  it.each([
    { mbit: 1, roundTripMs: 40, share: 0.7, p50: 130, p95: 240 },
    { mbit: 1, roundTripMs: 100, share: 0.6, p50: 230, p95: 400 },
    { mbit: 10, roundTripMs: 5, share: 0.85, p50: 40, p95: 70 },
    { mbit: 10, roundTripMs: 20, share: 0.6, p50: 50, p95: 80 },
    { mbit: 10, roundTripMs: 40, share: 0.6, p50: 85, p95: 160 },
    { mbit: 10, roundTripMs: 100, share: 0.55, p50: 200, p95: 380 },
    { mbit: 50, roundTripMs: 30, share: 0.58, p50: 65, p95: 140 },
  ])(
    "$mbit Mbit/s and $roundTripMs ms: the line is busy for more than half of the time, and small messages wait for one POST",
    (line) => void runByRequest(line, { postsMax: 1 }),
  );
});

describe("the window where the peer takes the line for a longer one, and spaces its acks by that", () => {
  it.each([
    { postsMax: 1, mbit: 10, roundTripMs: 20, share: 0.5, p95: 300 },
    { postsMax: 2, mbit: 1, roundTripMs: 20, share: 0.85, p95: 250 },
    { postsMax: 2, mbit: 10, roundTripMs: 20, share: 0.9, p95: 200 },
    { postsMax: 2, mbit: 100, roundTripMs: 40, share: 0.8, p95: 250 },
    { ackRequests: true, mbit: 1, roundTripMs: 20, share: 0.9, p95: 100 },
    { ackRequests: true, mbit: 10, roundTripMs: 20, share: 0.9, p95: 100 },
    { ackRequests: true, mbit: 100, roundTripMs: 40, share: 0.9, p95: 200 },
  ] as Spaced[])("%j: it does not take what comes between two acks for all that the line carries", (line) => {
    const run = runWindow({ ...line, seconds: 12, ackRoundTripMs: 400 });
    expect(run.share(line.mbit, 4000, 12_000)).toBeGreaterThan(line.share);
    expect(percentile(run.waits(4000), 0.95)).toBeLessThan(line.p95);
  });
});

describe("the window on lines that change", () => {
  const LINE = { mbit: 10, roundTripMs: 40 };

  it("follows a rate that falls and rises again", () => {
    const mbit = (at: Millis) => (at >= 4000 && at < 9000 ? 2 : 10);
    const run = runWindow({ ...LINE, mbit, seconds: 15 });
    expect(run.share(10, 1000, 4000)).toBeGreaterThan(0.95);
    // What stands before the slower line takes 280 ms.
    expect(run.waits(4000, 4500).at(-1)).toBeLessThan(20 + 280);
    expect(run.waits(4700, 9000).at(-1)).toBeLessThan(20 + 100);
    expect(run.share(2, 5000, 9000)).toBeGreaterThan(0.85);
    expect(run.share(10, 10_000, 15_000)).toBeGreaterThan(0.93);
    expect(percentile(run.waits(10_000, 15_000), 0.95)).toBeLessThan(20 + 40);
  });

  it("copes with a receiver that stalls for 300 ms in every second", () => {
    const stalledUntil = (at: Millis) => (at % 1000 < 300 ? at - (at % 1000) + 300 : at);
    const run = runWindow({ ...LINE, seconds: 6, stalledUntil });
    // It listens for 700 ms.
    expect(run.share(10, 0, 6000)).toBeGreaterThan(0.85 * 0.7);
    expect(percentile(run.waits(), 0.5)).toBeLessThan(20 + 40);
    expect(run.waits().at(-1)).toBeLessThan(20 + 300 + 80);
  });

  it("finds out what a long line carries though its receiver stalls again and again in the first seconds", () => {
    const random = new Random(194);
    const stalls: [from: Millis, until: Millis][] = [];
    for (let at = 0; at < 3000; ) {
      const until = at - Math.log(1 - random.unit()) * 40;
      stalls.push([at, until]);
      at = until - Math.log(1 - random.unit()) * 30;
    }
    const stalledUntil = (at: Millis) => stalls.find(([from, until]) => from <= at && at < until)?.[1] ?? at;
    const run = runWindow({
      mbit: 10,
      roundTripMs: 200,
      seconds: 12,
      queueBytes: 1 << 20,
      ackJitterMs: 4,
      stalledUntil,
    });
    expect(run.share(10, 8000, 12_000)).toBeGreaterThan(0.8);
  });

  it.each([1, 4])("copes with a receiver that looks once in %i ms only", (tickMs) => {
    const stalledUntil = (at: Millis) => Math.ceil(at / tickMs) * tickMs;
    const run = runWindow({ mbit: 20, roundTripMs: 30, seconds: 5, stalledUntil });
    expect(run.share(20, 0, 5000)).toBeGreaterThan(0.93);
    expect(percentile(run.waits(500), 0.95)).toBeLessThan(15 + 50);
    expect(run.waits().at(-1)).toBeLessThan(15 + 100);
  });

  it.each([
    { ackJitterMs: 8, share: 0.94 },
    { ackJitterMs: 20, share: 0.85 },
  ])("copes with acks that come up to $ackJitterMs ms late", ({ ackJitterMs, share }) => {
    const run = runWindow({ ...LINE, seconds: 8, ackJitterMs });
    expect(run.share(10, 1000, 8000)).toBeGreaterThan(share);
    expect(percentile(run.waits(), 0.95)).toBeLessThan(20 + 45);
  });

  it("starts anew on a new transport, and fills that", () => {
    const pair = new Pair({ delayMs: 20, rateBitsPerSecond: 10e6 }).connect().run(500);
    for (let i = 0; i < 3; i++) pair.input(pair.client, (s, now) => s.send(0, binary(4_000_000), now));
    const windows: number[] = [];
    for (let at = 0; at < 6000; at += 100) {
      if (at === 2000) pair.cut();
      windows.push(pair.client.session.stats.windowBytes);
      pair.run(100);
    }
    expect(windows.slice(21, 26)).toContain(START);
    expect(Math.max(...windows)).toBeLessThan(250_000);
    const before = pair.server.session.stats.bytesReceived;
    pair.run(1000);
    expect(pair.server.session.stats.bytesReceived - before).toBeGreaterThan(0.93 * 1_250_000);
  });
});

describe("the window beside a flow that takes all it can get", () => {
  // Of a line that both share, a flow that gives way to queues would get nothing.
  it.each([
    { mbit: 10, roundTripMs: 40, queueMs: 40 },
    { mbit: 10, roundTripMs: 40, queueMs: 100 },
    { mbit: 50, roundTripMs: 20, queueMs: 100 },
  ])("$mbit Mbit/s, $roundTripMs ms, a queue of $queueMs ms: keeps a share, and leaves one", (line) => {
    const { mbit, queueMs } = line;
    const queueBytes = queueMs * mbit * 125;
    const run = runWindow({ ...line, queueBytes, seconds: 30, rival: { from: 5000, until: 25_000 } });
    for (let at = 8000; at < 24_000; at += 4000) {
      expect(run.share(mbit, at, at + 4000)).toBeGreaterThan(0.1);
      expect(run.rivalShare(mbit, at, at + 4000)).toBeGreaterThan(0.2);
    }
    // It is the other's queue; what it holds up is not ours to help.
    expect(percentile(run.waits(8000, 24_000), 0.95)).toBeLessThan(line.roundTripMs * 2.5 + 1.2 * queueMs);
    // Once it has gone, so has its queue.
    expect(run.share(mbit, 26_000, 30_000)).toBeGreaterThan(0.8);
    expect(percentile(run.waits(27_000), 0.95)).toBeLessThan(line.roundTripMs / 2 + 60);
  });
});
