import { describe, expect, it } from "vitest";
import { PathEstimator } from "../../../src/core/send/path-estimator.js";

describe("PathEstimator", () => {
  it("knows nothing before the first ack, and no bandwidth after one", () => {
    const path = new PathEstimator();
    expect([path.roundTripTimeMs, path.bandwidthBitsPerSecond]).toEqual([undefined, undefined]);
    path.handleAck({ receivedAt: 0, roundTripTimeMs: 40, ackedBytes: 1000 });
    expect([path.roundTripTimeMs, path.bandwidthBitsPerSecond]).toEqual([40, undefined]);
  });

  it("smooths the round trip by an eighth of each new sample", () => {
    const path = new PathEstimator();
    path.handleAck({ receivedAt: 0, roundTripTimeMs: 40, ackedBytes: 0 });
    path.handleAck({ receivedAt: 1, roundTripTimeMs: 120, ackedBytes: 0 });
    expect(path.roundTripTimeMs).toBe(50);
    for (let i = 0; i < 100; i++) path.handleAck({ receivedAt: 2 + i, roundTripTimeMs: 120, ackedBytes: 0 });
    expect(path.roundTripTimeMs).toBeCloseTo(120, 3);
  });

  it("reads the bandwidth on the receiver's clock, over spans of 250 ms", () => {
    const path = new PathEstimator();
    const bandwidths: (number | undefined)[] = [];
    for (let i = 0; i <= 100; i++) {
      path.handleAck({ receivedAt: 5000 + i * 10, roundTripTimeMs: 40, ackedBytes: i * 12_500 });
      bandwidths.push(path.bandwidthBitsPerSecond);
    }
    expect(bandwidths[24]).toBeUndefined();
    expect(bandwidths[25]).toBe(10e6);
    expect(bandwidths.at(-1)).toBe(10e6);
  });

  it("follows a line that becomes slower", () => {
    const path = new PathEstimator();
    for (let i = 0; i <= 50; i++) path.handleAck({ receivedAt: i * 10, roundTripTimeMs: 40, ackedBytes: i * 12_500 });
    for (let i = 1; i <= 60; i++)
      path.handleAck({ receivedAt: 500 + i * 10, roundTripTimeMs: 40, ackedBytes: 625_000 + i * 1250 });
    expect(path.bandwidthBitsPerSecond).toBe(1e6);
  });

  it("is not thrown off by a receiver's clock that stands still or goes back", () => {
    const path = new PathEstimator();
    for (const receivedAt of [1000, 1000, 900, 0, 1100]) {
      path.handleAck({ receivedAt, roundTripTimeMs: 40, ackedBytes: 1000 });
      expect(path.bandwidthBitsPerSecond).toBeUndefined();
    }
  });
});
