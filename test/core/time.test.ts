import { describe, expect, it } from "vitest";
import { isDue, type Millis, millisToTicks, sooner, ticksToMillis } from "../../src/core/time.js";

describe("ACK-03: clocks on the wire", () => {
  it.each([
    [0, 0],
    [1, 10],
    [0.04, 0],
    [0.05, 1],
    [12.34, 123],
    [107_374_182.3, 1_073_741_823],
  ])("%d ms are %i ticks of 100 µs", (millis, ticks) => {
    expect(millisToTicks(millis)).toBe(ticks);
  });

  it("never go below zero, whatever a clock says", () => {
    expect(millisToTicks(-5)).toBe(0);
  });

  it("come back to within half a tick", () => {
    for (const millis of [0, 0.3, 17.77, 1e6 + 0.123]) {
      expect(Math.abs(ticksToMillis(millisToTicks(millis)) - millis)).toBeLessThanOrEqual(0.0501);
    }
  });
});

describe("isDue", () => {
  it.each([
    [10, 9.9, false],
    [10, 10, true],
    [10, 11, true],
    [undefined, 1e9, false],
  ])("a time of %s at %d: %s", (deadline, now, due) => {
    expect(isDue(deadline, now)).toBe(due);
  });
});

describe("sooner", () => {
  it.each<[Millis | undefined, Millis | undefined, Millis | undefined]>([
    [1, 2, 1],
    [2, 1, 1],
    [0, undefined, 0],
    [undefined, 0, 0],
    [undefined, undefined, undefined],
  ])("of %s and %s is %s", (one, other, first) => {
    expect(sooner(one, other)).toBe(first);
  });
});
