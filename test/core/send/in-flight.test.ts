import { describe, expect, it } from "vitest";
import { InFlight } from "../../../src/core/send/in-flight.js";

function sent(...sizes: number[]): InFlight {
  const inFlight = new InFlight();
  for (const size of sizes) {
    inFlight.add({
      number: inFlight.nextNumber,
      batch: new Uint8Array(size).fill(inFlight.nextNumber),
      sentAt: 0,
      chunks: [],
      closes: [],
      opens: false,
    });
  }
  return inFlight;
}

const numbers = (batches: readonly { number: number }[] | undefined) => batches?.map(({ number }) => number);

/** Sends again whatever is due, up to `count` batches, and returns their numbers. */
function replay(inFlight: InFlight, now = 0, count = Number.POSITIVE_INFINITY): number[] {
  const replayed: number[] = [];
  for (let due = inFlight.due; due !== undefined && replayed.length < count; due = inFlight.due) {
    replayed.push(due.number);
    inFlight.handleReplayed(now);
  }
  return replayed;
}

describe("InFlight", () => {
  it("ACK-02: counts what has been sent and not acknowledged", () => {
    const inFlight = sent(10, 20, 30);
    expect([inFlight.nextNumber, inFlight.bytes, inFlight.sentBytes, inFlight.ackedBytes]).toEqual([4, 60, 60, 0]);
    inFlight.take(2, 30);
    expect([inFlight.nextNumber, inFlight.bytes, inFlight.sentBytes, inFlight.ackedBytes]).toEqual([4, 30, 60, 30]);
    expect([inFlight.sentNumber, inFlight.lineBytes]).toEqual([3, 30]);
  });

  it("begins with batch 1", () => {
    expect([new InFlight().nextNumber, new InFlight().sentNumber]).toEqual([1, 0]);
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

  it("keeps the books over thousands of batches, acknowledged in portions of any size", () => {
    const inFlight = new InFlight();
    let acked = 0;
    for (let number = 1; number <= 3000; number++) {
      inFlight.add({ number, batch: new Uint8Array(3), sentAt: number, chunks: [], closes: [], opens: false });
      if (number % 7 !== 0 && number % 131 !== 0) continue;
      const upTo = number - (number % 5);
      const expected = Math.max(0, upTo - acked);
      expect(inFlight.take(upTo, 3 * Math.max(upTo, acked))).toHaveLength(expected);
      acked = Math.max(acked, upTo);
      expect([inFlight.bytes, inFlight.lineBytes]).toEqual([3 * (number - acked), 3 * (number - acked)]);
    }
  });
});

describe("RES-06: InFlight, sent again", () => {
  it("has nothing due while one transport carries it", () => {
    expect(sent(10, 20).due).toBeUndefined();
    expect(new InFlight().due).toBeUndefined();
  });

  it("begins with the oldest that is not acknowledged, and ends with the newest, bytes unchanged", () => {
    const inFlight = sent(10, 20, 30, 40);
    inFlight.take(1, 10);
    inFlight.rewind();
    expect(inFlight.due?.batch).toEqual(new Uint8Array(20).fill(2));
    expect(replay(inFlight)).toEqual([2, 3, 4]);
    expect(inFlight.due).toBeUndefined();
  });

  it("counts as on the line only what the present transport has had", () => {
    const inFlight = sent(10, 20, 30);
    inFlight.rewind();
    expect([inFlight.bytes, inFlight.lineBytes]).toEqual([60, 0]);
    replay(inFlight, 0, 2);
    expect([inFlight.bytes, inFlight.lineBytes]).toEqual([60, 30]);
  });

  it("dates a batch anew when it is sent again", () => {
    const inFlight = sent(10);
    inFlight.rewind();
    replay(inFlight, 500);
    expect(inFlight.take(1, 10)?.[0]?.sentAt).toBe(500);
  });

  it("goes on behind what the transport has had before, and dates that by when", () => {
    const inFlight = sent(10, 20, 30);
    inFlight.take(1, 10);
    inFlight.rewind({ number: 2, times: new Map([[2, 700]]) });
    expect([inFlight.due?.number, inFlight.lineNumber, inFlight.lineBytes]).toEqual([3, 2, 20]);
    expect(inFlight.take(2, 30)?.[0]?.sentAt).toBe(700);
  });

  it("gives what is not acknowledged behind any number", () => {
    const inFlight = sent(10, 20, 30);
    expect([0, 1, 3].map((number) => inFlight.after(number)?.number)).toEqual([1, 2, undefined]);
    inFlight.take(2, 30);
    expect([0, 1, 2, 3].map((number) => inFlight.after(number)?.number)).toEqual([3, 3, 3, undefined]);
  });

  it("begins from the front again on the transport after that", () => {
    const inFlight = sent(10, 20, 30);
    inFlight.rewind();
    replay(inFlight, 0, 2);
    inFlight.take(1, 10);
    inFlight.rewind();
    expect(replay(inFlight)).toEqual([2, 3]);
  });

  it("puts a new batch behind those that are due", () => {
    const inFlight = sent(10, 20);
    inFlight.rewind();
    replay(inFlight);
    inFlight.add({ number: 3, batch: new Uint8Array(5), sentAt: 9, chunks: [], closes: [], opens: false });
    expect([inFlight.due, inFlight.lineBytes, inFlight.sentNumber]).toEqual([undefined, 35, 3]);
  });

  it("ACK-05: refuses an ack of what this transport has not had yet, though another one has", () => {
    const inFlight = sent(10, 20, 30);
    inFlight.rewind();
    replay(inFlight, 0, 1);
    expect(inFlight.take(2, 30)).toBeUndefined();
    expect(numbers(inFlight.take(1, 10))).toEqual([1]);
    expect(inFlight.take(0, 0)).toEqual([]);
  });

  it("RES-05: a peer may say anything between what it has acknowledged and what was sent", () => {
    const inFlight = sent(10, 20, 30);
    inFlight.take(1, 10);
    expect([0, 1, 2, 3, 4].map((number) => inFlight.canSettle(number))).toEqual([false, true, true, true, false]);
    inFlight.rewind();
    expect([0, 1, 2, 3, 4].map((number) => inFlight.canSettle(number))).toEqual([false, true, true, true, false]);
    expect([0, 1].map((number) => new InFlight().canSettle(number))).toEqual([true, false]);
  });

  it.each([
    [1, [], [2, 3, 4]],
    [2, [2], [3, 4]],
    [4, [2, 3, 4], []],
  ])("RES-05: skips what the peer has up to %i", (received, settled, replayed) => {
    const inFlight = sent(10, 20, 30, 40);
    inFlight.take(1, 10);
    inFlight.rewind();
    expect(numbers(inFlight.settle(received))).toEqual(settled);
    expect(replay(inFlight)).toEqual(replayed);
    expect(inFlight.lineBytes).toBe(inFlight.bytes);
  });

  it("CHN-10: knows the last batch that is not acknowledged and opens a channel", () => {
    const inFlight = new InFlight();
    const openings: number[] = [];
    for (const opens of [false, true, true, false]) {
      const number = inFlight.nextNumber;
      inFlight.add({ number, batch: new Uint8Array(10), sentAt: 0, chunks: [], closes: [], opens });
      openings.push(inFlight.openingNumber);
    }
    expect(openings).toEqual([0, 2, 3, 3]);
    inFlight.take(2, 20);
    expect(inFlight.openingNumber).toBe(3);
    inFlight.rewind();
    expect(inFlight.openingNumber).toBe(3);
    inFlight.settle(3);
    expect(inFlight.openingNumber).toBe(0);
  });

  it("RES-05: settles in the middle of a replay what has left and what has not, and counts both right", () => {
    const inFlight = sent(10, 20, 30, 40);
    inFlight.rewind();
    replay(inFlight, 0, 2);
    expect(numbers(inFlight.settle(3))).toEqual([1, 2, 3]);
    expect([inFlight.bytes, inFlight.lineBytes]).toEqual([40, 0]);
    expect(replay(inFlight)).toEqual([4]);
    expect([inFlight.bytes, inFlight.lineBytes]).toEqual([40, 40]);
    expect(numbers(inFlight.take(4, 100))).toEqual([4]);
    expect([inFlight.bytes, inFlight.lineBytes]).toEqual([0, 0]);
  });
});
