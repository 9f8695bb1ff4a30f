import { describe, expect, it } from "vitest";
import { BatchOrder } from "../../../src/core/receive/batch-order.js";

describe("BAT-04: BatchOrder", () => {
  it("has accepted nothing at first", () => {
    const order = new BatchOrder();
    expect([order.number, order.bytes, order.receivedAt(5)]).toEqual([0, 0, 5]);
  });

  it("accepts the next number and nothing else", () => {
    const order = new BatchOrder();
    const verdicts = [2, 1, 1, 3, 2, 1, 2, 4, 3].map((number, i) => order.accept(number, 100, i));
    expect(verdicts).toEqual(["gap", "next", "duplicate", "gap", "next", "duplicate", "duplicate", "gap", "next"]);
  });

  it("ACK-01: counts number, bytes and time of what it accepts only", () => {
    const order = new BatchOrder();
    order.accept(1, 10, 5);
    order.accept(2, 20, 7);
    order.accept(2, 20, 8);
    order.accept(9, 1000, 9);
    expect([order.number, order.bytes, order.receivedAt(99)]).toEqual([2, 30, 7]);
  });
});
