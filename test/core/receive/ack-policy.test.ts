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

  it("begins anew once an ack has left", () => {
    const acks = received([5000, 0], [5000, 0]);
    acks.handleSent();
    expect([acks.isDue(1e9), acks.peek(0), acks.nextDeadline]).toEqual([false, undefined, undefined]);
    acks.handleBatch(5000, 50);
    expect([acks.isDue(50), acks.nextDeadline]).toEqual([false, 70]);
  });

  it("repeats itself at once after a duplicate, even with nothing else to say", () => {
    const acks = received([10, 100]);
    acks.handleSent();
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
    acks.handleSent();
    expect(acks.restate(130)).toEqual({ type: "ack", number: 1, bytes: 10, receivedTicks: 1000, delayTicks: 300 });
    acks.handleBatch(5, 140);
    acks.restate(150);
    expect([acks.isDue(1e9), acks.peek(150), acks.nextDeadline]).toEqual([false, undefined, undefined]);
  });

  it("RES-05: what was due on one transport is not due on the next: the handshake has said it", () => {
    const acks = received([2000, 0], [2000, 0]);
    acks.handleAttached();
    expect([acks.isDue(1e9), acks.nextDeadline]).toEqual([false, undefined]);
    acks.handleBatch(2000, 50);
    expect([acks.isDue(50), acks.nextDeadline]).toEqual([false, 70]);
  });

  it("does not wait where timers do not come in time, and does again where they do", () => {
    const acks = received();
    acks.handleTimers(false);
    acks.handleBatch(10, 100);
    expect([acks.isDue(100), acks.nextDeadline]).toEqual([true, 100]);
    acks.handleSent();
    acks.handleTimers(true);
    acks.handleBatch(10, 200);
    expect([acks.isDue(200), acks.nextDeadline]).toEqual([false, 220]);
  });

  it("takes an ack for sent only when told so", () => {
    const acks = received([10, 0]);
    acks.peek(5);
    expect(acks.nextDeadline).toBe(20);
  });
});
