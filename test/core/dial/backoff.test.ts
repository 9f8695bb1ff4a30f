import { describe, expect, it } from "vitest";
import { backoffMs, DEFAULT_BACKOFF } from "../../../src/core/dial/backoff.js";

describe("RES-12: backoffMs", () => {
  it.each([
    [1, 500],
    [2, 1000],
    [3, 2000],
    [4, 4000],
    [5, 8000],
    [6, 15_000],
    [7, 15_000],
    [1000, 15_000],
    [Number.MAX_SAFE_INTEGER, 15_000],
  ])("after %i failures waits for anything up to %i ms", (failures, longestMs) => {
    expect(backoffMs(DEFAULT_BACKOFF, failures, 0)).toBe(0);
    expect(backoffMs(DEFAULT_BACKOFF, failures, 0.5)).toBe(longestMs / 2);
    expect(backoffMs(DEFAULT_BACKOFF, failures, 1 - 2 ** -53)).toBeLessThanOrEqual(longestMs);
  });

  it("goes by what it is given", () => {
    expect([1, 2, 3, 9].map((failures) => backoffMs({ baseMs: 10, maxMs: 25 }, failures, 0.5))).toEqual([
      5, 10, 12.5, 12.5,
    ]);
    expect(backoffMs({ baseMs: 100, maxMs: 50 }, 1, 0.5)).toBe(25);
    expect(backoffMs({ baseMs: 0, maxMs: 0 }, 5, 0.9)).toBe(0);
  });

  it("stays well inside of the time that a server keeps a session", () => {
    expect(DEFAULT_BACKOFF.maxMs * 4).toBeLessThanOrEqual(120_000);
  });
});
