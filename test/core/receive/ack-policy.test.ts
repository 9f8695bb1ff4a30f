import { describe, expect, it } from "vitest";
import { AckPolicy } from "../../../src/core/receive/ack-policy.js";
import { BatchOrder } from "../../../src/core/receive/batch-order.js";

/** A receiver that accepts batches of these sizes at these times. */
function received(...batches: [bytes: number, at: number][]): AckPolicy {
  const order = new BatchOrder();
  const acks = new AckPolicy(order);
  for (const [bytes, at] of batches) {
    order.accept(order.number + 1, bytes, at);
    acks.handleBatch(bytes, at);
  }
  return acks;
}

describe("ACK-06: AckPolicy", () => {
  it("has nothing to say before anything has come", () => {
    const acks = received();
    expect([acks.isDue(1e9), acks.peek(0), acks.nextDeadline]).toEqual([false, undefined, undefined]);
  });

  it("waits 20 ms from the first batch that is not acknowledged", () => {
    const acks = received([10, 100], [10, 115]);
    expect(acks.nextDeadline).toBe(120);
    expect([acks.isDue(119), acks.isDue(120)]).toEqual([false, true]);
  });

  it("does not wait once two chunks worth the name have come", () => {
    expect(received([1024, 0]).isDue(0)).toBe(false);
    expect(received([1024, 0], [1024, 0]).isDue(0)).toBe(true);
    expect(received([1023, 0], [1023, 0], [1024, 0]).isDue(0)).toBe(false);
  });

  it("does not wait for a second one where a slow line brings them 8 to 50 ms apart", () => {
    const isDueAt = (gapMs: number) => {
      const acks = received([1024, 100]);
      acks.handleSent(100);
      acks.handleBatch(1024, 100 + gapMs);
      return acks.isDue(100 + gapMs);
    };
    expect([7.9, 8, 49.9, 50].map(isDueAt)).toEqual([false, true, true, false]);
  });

  it("does not wait for a second large one, unless they follow each other at once", () => {
    const isDueAt = (bytes: number, gapMs: number) => {
      const acks = received([16_384, 100]);
      expect(acks.isDue(100)).toBe(true);
      acks.handleSent(100);
      acks.handleBatch(bytes, 100 + gapMs);
      return acks.isDue(100 + gapMs);
    };
    expect([1.9, 2, 60].map((gapMs) => isDueAt(16_384, gapMs))).toEqual([false, true, true]);
    expect([1.9, 2, 60].map((gapMs) => isDueAt(16_383, gapMs))).toEqual([false, false, false]);
    expect(received([65_536, 0], [65_536, 1]).isDue(1)).toBe(true);
  });

  it("takes eight of them together where they come at half a gigabit a second, and waits 4 ms for the others", () => {
    const acks = received(...Array.from({ length: 33 }, (_, index): [number, number] => [65_536, index / 2]));
    acks.handleSent(16);
    const isDueBehind = [16.25, 16.5, 16.75, 17, 17.25, 17.5, 17.75, 18].map((at) => {
      acks.handleBatch(65_536, at);
      return acks.isDue(at);
    });
    expect(isDueBehind).toEqual([...Array(7).fill(false), true]);
    acks.handleSent(18);
    acks.handleBatch(65_536, 20.5);
    expect([acks.isDue(20.5), acks.nextDeadline, acks.isDue(24.5)]).toEqual([false, 24.5, true]);
    acks.handleSent(24.5);
    // The next one is late: the line is not that fast, or its sender has waited.
    acks.handleBatch(65_536, 28.5);
    expect([acks.isDue(28.5), acks.nextDeadline]).toEqual([true, 48.5]);
  });

  it("begins anew once an ack has left", () => {
    const acks = received([5000, 0], [5000, 0]);
    acks.handleSent(10);
    expect([acks.isDue(1e9), acks.peek(0), acks.nextDeadline]).toEqual([false, undefined, undefined]);
    acks.handleBatch(5000, 60);
    expect([acks.isDue(60), acks.nextDeadline]).toEqual([false, 80]);
  });

  it("repeats itself at once after a duplicate, even with nothing else to say", () => {
    const acks = received([10, 100]);
    acks.handleSent(105);
    acks.handleDuplicate(130);
    expect([acks.isDue(130), acks.nextDeadline]).toEqual([true, 130]);
    expect(acks.peek(130)).toMatchObject({ number: 1, bytes: 10 });
  });

  it("ACK-01, ACK-03: tells all that was accepted, when the newest came, and how long ago", () => {
    const acks = received([10, 100], [20, 112.5]);
    expect(acks.peek(120)).toEqual({ type: "ack", number: 2, bytes: 30, receivedTicks: 1125, delayTicks: 75 });
  });

  it("RES-05: says everything again when asked, be it nothing, and has said it with that", () => {
    expect(received().restate(50)).toEqual({ type: "ack", number: 0, bytes: 0, receivedTicks: 500, delayTicks: 0 });
    const acks = received([10, 100]);
    acks.handleSent(105);
    expect(acks.restate(130)).toEqual({ type: "ack", number: 1, bytes: 10, receivedTicks: 1000, delayTicks: 300 });
    acks.handleBatch(5, 140);
    acks.restate(150);
    expect([acks.isDue(1e9), acks.peek(150), acks.nextDeadline]).toEqual([false, undefined, undefined]);
  });

  it("RES-05: what was due on one transport is not due on the next: the handshake has said it", () => {
    const acks = received([2000, 0], [2000, 0]);
    acks.clear();
    expect([acks.isDue(1e9), acks.nextDeadline]).toEqual([false, undefined]);
    acks.handleBatch(2000, 50);
    expect([acks.isDue(50), acks.nextDeadline]).toEqual([false, 70]);
  });

  it("does not wait where timers do not come in time, and does again where they do", () => {
    const acks = received();
    acks.handleTimers(false);
    acks.handleBatch(10, 100);
    expect([acks.isDue(100), acks.nextDeadline]).toEqual([true, 100]);
    acks.handleSent(110);
    acks.handleTimers(true);
    acks.handleBatch(10, 200);
    expect([acks.isDue(200), acks.nextDeadline]).toEqual([false, 220]);
  });

  it.each([
    ["50 ms", undefined, 50],
    ["50 ms", 60, 50],
    ["half a round trip", 160, 80],
    ["200 ms", 5000, 200],
  ])("leaves %s between two that cost a request, where a round trip takes %s ms", (_, roundTripMs, spacingMs) => {
    const order = new BatchOrder();
    const acks = new AckPolicy(order, () => roundTripMs);
    acks.handleCost(true);
    acks.handleBatch(16_384, 1000);
    expect(acks.isDue(1000)).toBe(true);
    acks.handleSent(1000);
    acks.handleBatch(16_384, 1005);
    expect([acks.isDue(999 + spacingMs), acks.isDue(1000 + spacingMs)]).toEqual([false, true]);
    expect(acks.nextDeadline).toBe(1000 + spacingMs);
    // It rides on what leaves anyway.
    expect(acks.peek(1006)).toBeDefined();
  });

  it("waits 20 ms for a small batch there, too, if the time between two is over", () => {
    const acks = received();
    acks.handleCost(true);
    acks.handleSent(100);
    acks.handleBatch(10, 110);
    expect([acks.nextDeadline, acks.isDue(149), acks.isDue(150)]).toEqual([150, false, true]);
    acks.handleSent(150);
    acks.handleBatch(10, 300);
    expect([acks.nextDeadline, acks.isDue(319), acks.isDue(320)]).toEqual([320, false, true]);
  });

  it("keeps nothing between two where timers do not come in time, whatever they cost", () => {
    const acks = received();
    acks.handleCost(true);
    acks.handleTimers(false);
    acks.handleSent(100);
    acks.handleBatch(10, 101);
    expect([acks.isDue(101), acks.nextDeadline]).toEqual([true, 101]);
  });

  it("takes an ack for sent only when told so", () => {
    const acks = received([10, 0]);
    acks.peek(5);
    expect(acks.nextDeadline).toBe(20);
  });
});
