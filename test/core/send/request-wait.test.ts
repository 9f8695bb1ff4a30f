import { describe, expect, it } from "vitest";
import { type Requests, RequestWait } from "../../../src/core/send/request-wait.js";

const waitOn = (requests: Requests, roundTripMs: number | undefined): RequestWait => {
  const wait = new RequestWait({ roundTripMs });
  wait.handleRequests(requests);
  return wait;
};

describe("RequestWait", () => {
  it.each([
    ["none", 100, 0],
    ["posts", undefined, 30],
    ["posts", 10, 30],
    ["posts", 100, 100],
    ["acks", undefined, 50],
    ["acks", 100, 115],
    ["batches", 10, 50],
    ["batches", 100, 115],
  ] as const)("%s, on a line of %s ms: %i ms", (requests, roundTripMs, ms) => {
    expect(waitOn(requests, roundTripMs).ms).toBe(ms);
  });

  it("is no shorter than acks keep between them where they are waited for, up to 250 ms", () => {
    const msAfter = (gapMs: number, isLimited: boolean): number => {
      const wait = waitOn("posts", 20);
      for (let now = 1000; now < 100_000; now += gapMs) wait.handleAck(isLimited, now);
      return wait.ms;
    };
    expect(msAfter(200, true)).toBeCloseTo(200, 0);
    expect(msAfter(2000, true)).toBeCloseTo(250, 0);
    expect(msAfter(200, false)).toBe(30);
  });

  it("does not count the time in which nothing was on the line", () => {
    const wait = waitOn("posts", 20);
    for (let now = 1000; now < 100_000; now += 2000) {
      wait.handleIdle(now - 40);
      wait.handleAck(true, now);
    }
    expect(wait.ms).toBeCloseTo(40, 0);
  });

  it("is shut for a while behind an ack that has come by request, and only there", () => {
    const shutAfter = (requests: Requests, ms: number): number => {
      const wait = waitOn(requests, 40);
      wait.handleAck(false, 1000);
      return wait.shutMs(1000 + ms);
    };
    expect([0, 20, 55, 500].map((ms) => shutAfter("acks", ms))).toEqual([55, 35, 0, 0]);
    expect((["none", "batches", "posts"] as const).map((requests) => shutAfter(requests, 0))).toEqual([0, 0, 0]);
  });
});
