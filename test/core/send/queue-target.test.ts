import { describe, expect, it } from "vitest";
import { queueTargetMs, unevenQueueMs } from "../../../src/core/send/queue-target.js";

const KIB = 1024;

describe("unevenQueueMs", () => {
  it.each([
    [0, 15],
    [1250, 15],
    [(128 * KIB) / 10, 10],
    [125_000, 8],
  ])("at %d bytes in a millisecond is %d ms: 128 KiB, within 8 and 15 ms", (rate, ms) => {
    expect(unevenQueueMs(rate)).toBe(ms);
  });
});

describe("queueTargetMs", () => {
  it("is what keeps the line busy, or two chunks where they take longer", () => {
    expect(queueTargetMs(1250, 8 * KIB, 0)).toBe(15);
    expect(queueTargetMs(512, 4090, 0)).toBe(2 * (4090 / 512));
  });

  it("is one and a half where a chunk takes 8 ms or longer, as each is acknowledged by itself", () => {
    expect(queueTargetMs(100, 2000, 0)).toBe(1.5 * 20);
    expect(queueTargetMs(512, 4096, 0)).toBe(15);
  });

  it("has what waits for a request on top, and two chunks there", () => {
    expect(queueTargetMs(1250, 8 * KIB, 50)).toBe(50 + 15);
    expect(queueTargetMs(100, 2000, 50)).toBe(50 + 2 * 20);
  });
});
