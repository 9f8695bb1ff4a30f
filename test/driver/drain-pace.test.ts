import { describe, expect, it } from "vitest";
import { DrainPace } from "../../src/driver/drain-pace.js";

describe("DrainPace", () => {
  it("looks soon at first, then twice as late each time that nothing has moved, up to a bound", () => {
    const pace = new DrainPace();
    let now = 1000;
    const delays: number[] = [];
    for (let turn = 0; turn < 9; turn++) {
      const next = pace.next(0, 1000, now);
      delays.push(next - now);
      now = next;
    }
    expect(delays).toEqual([4, 8, 16, 32, 64, 128, 250, 250, 250]);
  });

  it("goes by how fast the buffer runs down", () => {
    const pace = new DrainPace();
    pace.next(0, 100_000, 1000);
    // 1,000 bytes in 4 ms, and 20,000 to go.
    expect(pace.next(1000, 20_000, 1004)).toBe(1004 + 80);
    expect(pace.next(1_000_000, 1000, 1084)).toBe(1084 + 4);
    expect(pace.next(1_000_001, 1_000_000, 1088)).toBe(1088 + 250);
  });

  it("does not put off what is due when somebody asks in between", () => {
    const pace = new DrainPace();
    expect(pace.next(0, 1000, 1000)).toBe(1004);
    expect(pace.next(0, 1000, 1003)).toBe(1004);
    expect(pace.next(0, 1000, 1004)).toBe(1012);
  });

  it("begins anew after a rest", () => {
    const pace = new DrainPace();
    pace.next(0, 1000, 1000);
    pace.next(0, 1000, 1004);
    pace.rest();
    expect(pace.next(0, 1000, 2000)).toBe(2004);
  });
});
