import { describe, expect, it } from "vitest";
import { InFlight } from "../../../src/core/send/in-flight.js";

function sent(...sizes: number[]): InFlight {
  const inFlight = new InFlight();
  for (const bytes of sizes) inFlight.add({ number: inFlight.nextNumber, bytes, sentAt: 0, chunks: [], closes: [] });
  return inFlight;
}

const numbers = (batches: readonly { number: number }[] | undefined) => batches?.map(({ number }) => number);

describe("InFlight", () => {
  it("ACK-02: counts what has been sent and not acknowledged", () => {
    const inFlight = sent(10, 20, 30);
    expect([inFlight.nextNumber, inFlight.bytes, inFlight.sentBytes, inFlight.ackedBytes]).toEqual([4, 60, 60, 0]);
    inFlight.take(2, 30);
    expect([inFlight.nextNumber, inFlight.bytes, inFlight.sentBytes, inFlight.ackedBytes]).toEqual([4, 30, 60, 30]);
  });

  it("begins with batch 1", () => {
    expect(new InFlight().nextNumber).toBe(1);
  });

  it("ACK-01: an ack covers every batch up to its number, each once", () => {
    const inFlight = sent(10, 20, 30);
    expect(numbers(inFlight.take(2, 30))).toEqual([1, 2]);
    expect(numbers(inFlight.take(3, 60))).toEqual([3]);
    expect(inFlight.bytes).toBe(0);
  });

  it("takes an ack that says the same again as no news", () => {
    const inFlight = sent(10, 20);
    inFlight.take(1, 10);
    expect(inFlight.take(1, 10)).toEqual([]);
  });

  it("ACK-04: takes an older ack as late, not as wrong", () => {
    const inFlight = sent(10, 20, 30);
    inFlight.take(3, 60);
    expect(inFlight.take(1, 10)).toEqual([]);
    expect(inFlight.bytes).toBe(0);
  });

  it("takes an ack of nothing before anything was sent", () => {
    expect(new InFlight().take(0, 0)).toEqual([]);
  });

  it.each([
    ["what was never sent", [10, 20], 3, 60],
    ["too many bytes", [10, 20], 1, 11],
    ["too few bytes", [10, 20], 2, 29],
    ["bytes before anything was sent", [], 0, 1],
    ["a batch before anything was sent", [], 1, 0],
  ])("ACK-05: refuses an ack of %s", (_, sizes, number, bytes) => {
    expect(sent(...sizes).take(number, bytes)).toBeUndefined();
  });

  it("ACK-05: refuses the same number with other bytes", () => {
    const inFlight = sent(10);
    inFlight.take(1, 10);
    expect(inFlight.take(1, 9)).toBeUndefined();
  });
});
