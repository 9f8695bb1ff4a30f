import { describe, expect, it } from "vitest";
import type { PathSample } from "../../../src/core/send/path-model.js";
import { Round } from "../../../src/core/send/round.js";

const sample = (totalBytes: number, receivedAt: number): PathSample => ({
  sentAt: 0,
  ackedAt: 0,
  receivedAt,
  roundTripTimeMs: 0,
  bytes: 1000,
  totalBytes,
});

const roundOf = (samples: readonly (readonly [totalBytes: number, receivedAt: number, netMs: number])[]) => {
  const round = new Round(1, 5000, 100);
  for (const [totalBytes, receivedAt, netMs] of samples) round.handleSample(sample(totalBytes, receivedAt), netMs);
  return round;
};

describe("Round", () => {
  it("is over when all is acknowledged that was on the line at its beginning, and 30 ms have passed", () => {
    const round = new Round(1, 5000, 100);
    expect(round.isOver(sample(4999, 0), 200)).toBe(false);
    expect(round.isOver(sample(5000, 0), 129)).toBe(false);
    expect(round.isOver(sample(5000, 0), 130)).toBe(true);
  });

  it("knows the quickest, and how much later the others are on average", () => {
    const round = roundOf([
      [1000, 0, 46],
      [2000, 1, 40],
      [3000, 2, 49],
    ]);
    expect(round.quickestMs).toBe(40);
    expect(round.spreadMs).toBeCloseTo(5);
  });

  it("says nothing of the line with fewer than three acks", () => {
    const round = roundOf([
      [1000, 0, 60],
      [2000, 10, 40],
    ]);
    expect(round.hasSaidEnough).toBe(false);
    expect(round.spreadMs).toBe(0);
    expect(round.bytesPerMs).toBe(Number.POSITIVE_INFINITY);
  });

  it("tells what came through, but for the longest pause", () => {
    const round = roundOf([
      [1000, 0, 40],
      [2000, 10, 40],
      [6000, 90, 40],
      [7000, 100, 40],
    ]);
    expect(round.bytesPerMs).toBe(100);
  });
});
