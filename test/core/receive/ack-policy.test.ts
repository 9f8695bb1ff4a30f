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

  it("takes an ack for sent only when told so", () => {
    const acks = received([10, 0]);
    acks.peek(5);
    expect(acks.nextDeadline).toBe(20);
  });
});
