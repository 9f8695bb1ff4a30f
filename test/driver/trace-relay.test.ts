import { describe, expect, it } from "vitest";
import type { TraceEvent } from "../../src/core/trace.js";
import { traceRelay } from "../../src/driver/trace-relay.js";
import { FakeHost } from "../support/fake-host.js";

const event = (at: number): TraceEvent => ({ type: "window", at, phase: "steady", windowBytes: 1 });

describe("traceRelay", () => {
  it("tells in a microtask, in order, and asks for one only", () => {
    const host = new FakeHost();
    const told: TraceEvent[] = [];
    const trace = traceRelay((given) => told.push(given), host);
    for (const at of [1, 2, 3]) trace(event(at));
    expect([told, host.deferredCount]).toEqual([[], 1]);
    host.endTask();
    expect(told.map(({ at }) => at)).toEqual([1, 2, 3]);
    trace(event(4));
    host.endTask();
    expect(told).toHaveLength(4);
  });

  it("reports what the application throws, and tells the rest all the same", () => {
    const host = new FakeHost();
    const told: number[] = [];
    const trace = traceRelay(({ at }) => {
      told.push(at);
      throw new Error(`${at}`);
    }, host);
    for (const at of [1, 2]) trace(event(at));
    host.endTask();
    expect(told).toEqual([1, 2]);
    expect(host.reports.map((error) => (error as Error).message)).toEqual(["1", "2"]);
  });

  it("keeps what comes while it tells for the next time", () => {
    const host = new FakeHost();
    const told: number[] = [];
    const trace = traceRelay(({ at }) => {
      told.push(at);
      if (at === 1) trace(event(2));
    }, host);
    trace(event(1));
    host.endTask();
    expect(told).toEqual([1, 2]);
  });
});
