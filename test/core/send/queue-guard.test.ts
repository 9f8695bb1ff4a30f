import { describe, expect, it } from "vitest";
import { QueueGuard } from "../../../src/core/send/queue-guard.js";

const CALM = { queueMs: 10, targetMs: 20, windowBytes: 1000, isTried: true };
const WINDOW = 10_000;

/** A guard, and what it leaves of a window, round by round. */
class Bench {
  readonly guard = new QueueGuard();
  count = 0;

  round(round: Partial<typeof CALM> = {}): number {
    this.count += 1;
    const { queueMs, targetMs, windowBytes, isTried } = { ...CALM, ...round };
    this.guard.handleRound(this.count, queueMs, targetMs, windowBytes, isTried);
    return this.bound;
  }

  get bound(): number {
    return this.guard.bound(WINDOW, this.count);
  }
}

describe("QueueGuard", () => {
  it("leaves all of the window where the queue is what it is meant to be, and a quarter more", () => {
    const bench = new Bench();
    expect(bench.round()).toBe(WINDOW);
    expect(bench.round({ queueMs: 25 })).toBe(WINDOW);
  });

  it("gives way by what is too much, by half at the most", () => {
    expect(new Bench().round({ queueMs: 30 })).toBeCloseTo((WINDOW * 25) / 30);
    expect(new Bench().round({ queueMs: 200 })).toBe(WINDOW / 2);
  });

  it("waits until what it has left has been tried", () => {
    const bench = new Bench();
    bench.round({ queueMs: 200 });
    expect(bench.round({ queueMs: 200, isTried: false })).toBe(WINDOW / 2);
    expect(bench.round({ queueMs: 180 })).toBe(WINDOW / 4);
  });

  it("lets go by a tenth a round once the queue is gone", () => {
    const bench = new Bench();
    bench.round({ queueMs: 200 });
    expect(bench.round()).toBeCloseTo(0.55 * WINDOW);
    for (let i = 0; i < 7; i++) bench.round();
    expect(bench.bound).toBe(WINDOW);
  });

  it("holds the window that there was before for 20 rounds, when giving way three times has not helped", () => {
    const bench = new Bench();
    bench.round({ windowBytes: 7000 });
    const left = [200, 199, 198].map((queueMs) => bench.round({ queueMs }));
    expect(left).toEqual([WINDOW / 2, WINDOW / 4, 7000]);
    for (let i = 0; i < 19; i++) expect(bench.round({ queueMs: 200 })).toBe(7000);
    expect(bench.guard.isPaused(bench.count)).toBe(true);
    expect(bench.round({ queueMs: 150 })).toBe(WINDOW / 2);
  });

  it("goes on giving way while the queue gets a twentieth shorter each time", () => {
    const bench = new Bench();
    for (const queueMs of [1000, 900, 800, 700, 600, 500]) bench.round({ queueMs });
    expect(bench.bound).toBe(WINDOW / 64);
  });

  it("forgets the window of before by a twentieth in a round without a queue", () => {
    const bench = new Bench();
    bench.round({ windowBytes: 8000 });
    bench.round({ windowBytes: 1 });
    for (let i = 0; i < 3; i++) bench.round({ queueMs: 200 });
    expect(bench.bound).toBe(0.95 * 8000);
  });
});
