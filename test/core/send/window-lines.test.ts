import { describe, expect, it } from "vitest";
import type { Millis } from "../../../src/core/time.js";
import { binary, Pair, type PairOptions, text } from "../../support/pair.js";

const START = 16 * 1024;

/** Bytes in a millisecond. */
const perMs = (mbit: number) => mbit * 125;

interface Run {
  readonly mbit: number;
  readonly roundTripMs: number;
  readonly seconds: number;
  readonly pair?: PairOptions;
  /** What happens meanwhile. */
  readonly during?: (pair: Pair, atMs: Millis) => void;
}

interface Outcome {
  readonly pair: Pair;
  /** What has come through in a part of the time, as a share of what the line carries. */
  readonly share: (fromMs: Millis, untilMs: Millis) => number;
  /** One-way times of the small messages that were sent in a part of the time, the shortest first. */
  readonly waits: (fromMs?: Millis, untilMs?: Millis) => Millis[];
}

/** An upload that has no end, and 30 bytes each 100 ms beside it. */
function run({ mbit, roundTripMs, seconds, pair: options, during }: Run): Outcome {
  const pair = new Pair({ delayMs: roundTripMs / 2, rateBitsPerSecond: mbit * 1e6, ...options }).connect().run(2000);
  const start = pair.now;
  const received: { at: Millis; bytes: number }[] = [{ at: 0, bytes: 0 }];
  const before = pair.server.session.stats.bytesReceived;
  const upload = pair.input(pair.client, (s, now) => s.openChannel("upload", "low", now));
  const file = binary(Math.min(15_000_000, Math.ceil(perMs(mbit) * 1000 * seconds)));
  for (let sent = 0; sent < perMs(mbit) * 1000 * seconds; sent += file.totalBytes)
    pair.input(pair.client, (s, now) => s.send(upload, file, now));
  const sentAt: Millis[] = [];
  for (let atMs = 0; atMs < seconds * 1000; atMs += 100) {
    during?.(pair, atMs);
    const line = String(sentAt.length).padEnd(30);
    sentAt.push(pair.now - start);
    pair.input(pair.client, (s, now) => s.send(0, text(line), now));
    pair.run(100);
    received.push({ at: pair.now - start, bytes: pair.server.session.stats.bytesReceived - before });
  }
  const bytesAt = (at: Millis) => received.filter((sample) => sample.at <= at).at(-1)?.bytes as number;
  pair.run(1000);
  const arrivals = pair.server.events.flatMap(({ at, event }) =>
    event.type === "message" && event.text ? [{ line: Number(event.data), at: at - start }] : [],
  );
  return {
    pair,
    share: (fromMs, untilMs) => (bytesAt(untilMs) - bytesAt(fromMs)) / (perMs(mbit) * (untilMs - fromMs)),
    waits: (fromMs = 0, untilMs = Number.POSITIVE_INFINITY) =>
      arrivals
        .filter(({ line }) => (sentAt[line] as number) >= fromMs && (sentAt[line] as number) < untilMs)
        .map(({ line, at }) => at - (sentAt[line] as number))
        .sort((a, b) => a - b),
  };
}

const percentile = (waits: readonly Millis[], share: number) => waits[Math.floor(waits.length * share)] as Millis;

describe("the window on lines of all kinds", () => {
  it.each([
    { mbit: 0.25, roundTripMs: 100, seconds: 20, share: 0.88, extraMs: 110 },
    { mbit: 1, roundTripMs: 100, seconds: 20, share: 0.95, extraMs: 50 },
    { mbit: 5, roundTripMs: 40, seconds: 8, share: 0.95, extraMs: 45 },
    { mbit: 10, roundTripMs: 40, seconds: 6.4, share: 0.95, extraMs: 35 },
    { mbit: 20, roundTripMs: 30, seconds: 5, share: 0.95, extraMs: 35 },
    { mbit: 100, roundTripMs: 10, seconds: 3, share: 0.95, extraMs: 30 },
    { mbit: 200, roundTripMs: 5, seconds: 3, share: 0.95, extraMs: 30 },
  ])(
    "$mbit Mbit/s and $roundTripMs ms: the line is full, and small messages are not late",
    ({ mbit, roundTripMs, seconds, share, extraMs }) => {
      const outcome = run({ mbit, roundTripMs, seconds });
      const waits = outcome.waits();
      expect(waits).toHaveLength(Math.ceil(seconds * 10));
      expect(outcome.share(0, seconds * 1000)).toBeGreaterThan(share);
      expect(percentile(waits, 0.95)).toBeLessThan(roundTripMs / 2 + extraMs);
    },
  );
});

describe("the window on lines that change", () => {
  const LINE = { mbit: 10, roundTripMs: 40 };

  it("has filled one of 500 ms after some seconds", () => {
    const outcome = run({ mbit: 10, roundTripMs: 500, seconds: 16 });
    expect(outcome.share(12_000, 16_000)).toBeGreaterThan(0.85);
    expect(percentile(outcome.waits(10_000), 0.95)).toBeLessThan(250 + 100);
  });

  it("follows a rate that falls and rises again", () => {
    const during = (pair: Pair, atMs: Millis) => {
      if (atMs === 4000) pair.rateBitsPerSecond = 2e6;
      if (atMs === 9000) pair.rateBitsPerSecond = 10e6;
    };
    const outcome = run({ ...LINE, seconds: 15, during });
    expect(outcome.share(1000, 4000)).toBeGreaterThan(0.95);
    // The queue of the faster line is gone first.
    expect(outcome.waits(4000, 7000).at(-1)).toBeLessThan(20 + 350);
    expect(outcome.share(7000, 9000) * 5).toBeGreaterThan(0.85);
    expect(percentile(outcome.waits(7000, 9000), 0.95)).toBeLessThan(20 + 60);
    expect(outcome.share(10_000, 15_000)).toBeGreaterThan(0.95);
    expect(percentile(outcome.waits(10_000, 15_000), 0.95)).toBeLessThan(20 + 40);
  });

  it("copes with a receiver that stalls for 300 ms in every second", () => {
    let pair: Pair | undefined;
    const delayMs = () => {
      const into = ((pair?.now ?? 0) + 20) % 1000;
      return 20 + Math.max(0, 300 - into);
    };
    const during = (given: Pair) => {
      pair = given;
    };
    const outcome = run({ ...LINE, seconds: 6, pair: { delayMs }, during });
    // It listens for 700 ms.
    expect(outcome.share(0, 6000)).toBeGreaterThan(0.9 * 0.7);
    expect(percentile(outcome.waits(), 0.5)).toBeLessThan(20 + 40);
    expect(outcome.waits().at(-1)).toBeLessThan(20 + 300 + 60);
  });

  it("copes with acks that come unevenly", () => {
    let seed = 1;
    const delayMs = () => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return 20 + (8 * seed) / 2 ** 32;
    };
    const outcome = run({ ...LINE, seconds: 5, pair: { delayMs } });
    expect(outcome.share(0, 5000)).toBeGreaterThan(0.93);
    expect(percentile(outcome.waits(), 0.95)).toBeLessThan(20 + 8 + 45);
  });

  it("starts anew on a new transport, and fills that", () => {
    const windows: number[] = [];
    const during = (pair: Pair, atMs: Millis) => {
      if (atMs === 2000) pair.cut();
      windows.push(pair.client.session.stats.windowBytes);
    };
    const outcome = run({ ...LINE, seconds: 6, during });
    expect(windows.slice(21, 26)).toContain(START);
    expect(Math.max(...windows)).toBeLessThan(250_000);
    expect(outcome.share(3000, 6000)).toBeGreaterThan(0.95);
    expect(percentile(outcome.waits(4000), 0.95)).toBeLessThan(20 + 40);
  });
});
