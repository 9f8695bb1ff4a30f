import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Line } from "../../tools/link-model.mjs";

const TEN_MEGABIT = { rateBitsPerSecond: 10e6, delayMs: 20, queueBytesMax: 256 * 1024 };

describe("a line", () => {
  test("an idle line costs the serialisation time and the delay", () => {
    const line = new Line<string>(TEN_MEGABIT);
    line.push("a", 1250, 100); // 10,000 bits at 10 Mbit/s: 1 ms
    expect(line.nextArrivalAt()).toBe(121);
    expect(line.poll(120.9)).toBeUndefined();
    expect(line.poll(121)).toEqual({ item: "a", bytes: 1250, arrivesAt: 121 });
    expect(line.nextArrivalAt()).toBeUndefined();
  });

  test("8 MB at 10 Mbit/s take 6.7 s however late and however rarely the line is asked", () => {
    for (const stepMs of [0.3, 1, 7, 250]) {
      const line = new Line<number>(TEN_MEGABIT);
      const total = 8 * 1024 * 1024;
      let pushed = 0;
      let arrived = 0;
      let lastArrivesAt = 0;
      for (let now = 0; arrived < total; now += stepMs) {
        for (let flown = line.poll(now); flown !== undefined; flown = line.poll(now)) {
          arrived += flown.bytes;
          lastArrivesAt = flown.arrivesAt;
        }
        while (pushed < total && line.roomBytes(now) >= 1024) {
          line.push(pushed, 1024, now);
          pushed += 1024;
        }
      }
      // A queue of 256 KiB is emptied in 210 ms: asked every 250 ms, the line stands idle for lack of input.
      const idleShare = stepMs === 250 ? 250 / 209.7 : 1;
      expect(lastArrivesAt / ((total * 8) / 10e3 + 20)).toBeCloseTo(idleShare, 1);
    }
  });

  test("what queues up waits for what is in front of it", () => {
    const line = new Line<string>(TEN_MEGABIT);
    line.push("bulk", 125_000, 0);
    line.push("chat", 30, 10);
    expect(line.queuedBytes).toBe(125_030);
    expect(line.poll(119)).toBeUndefined();
    expect(line.poll(120)?.item).toBe("bulk");
    expect(line.poll(121)?.arrivesAt).toBeCloseTo(120.024, 6);
  });

  test("room shrinks with what is pushed and grows as the serialiser works, not as the bytes arrive", () => {
    const line = new Line<string>({ ...TEN_MEGABIT, queueBytesMax: 2500 });
    line.push("a", 1250, 0);
    line.push("b", 1250, 0);
    expect(line.roomBytes(0)).toBe(0);
    expect(line.nextDepartureAt()).toBe(1);
    expect(line.roomBytes(1)).toBe(1250);
    expect(line.flyingBytes).toBe(1250);
    expect(line.roomBytes(2)).toBe(2500);
  });

  test("a marker keeps its place and takes no time", () => {
    const line = new Line<string>(TEN_MEGABIT);
    line.push("bytes", 1250, 0);
    line.push("end", 0, 0);
    expect(line.poll(21)?.item).toBe("bytes");
    expect(line.poll(21)).toEqual({ item: "end", bytes: 0, arrivesAt: 21 });
  });

  test("a marker passes an idle line that stands still, bytes do not until it moves again", () => {
    const line = new Line<string>({ ...TEN_MEGABIT, rateBitsPerSecond: 0 });
    line.push("marker", 0, 0);
    line.push("bytes", 1250, 0);
    expect(line.poll(1e6)?.item).toBe("marker");
    expect(line.nextArrivalAt()).toBeUndefined();
    expect(line.nextDepartureAt()).toBeUndefined();
    line.set({ rateBitsPerSecond: 10e6 }, 2e6);
    expect(line.nextArrivalAt()).toBe(2e6 + 21);
  });

  test("an unlimited line without delay passes everything at once", () => {
    const line = new Line<string>({ rateBitsPerSecond: Number.POSITIVE_INFINITY, delayMs: 0, queueBytesMax: 1 });
    line.push("a", 1e9, 5);
    expect(line.roomBytes(5)).toBe(1);
    expect(line.poll(5)?.arrivesAt).toBe(5);
  });

  test("a new rate takes over in the middle of an item", () => {
    const line = new Line<string>(TEN_MEGABIT);
    line.push("a", 12_500, 0); // 10 ms at 10 Mbit/s
    line.set({ rateBitsPerSecond: 1e6 }, 5); // half of it is left: 50 ms
    expect(line.nextDepartureAt()).toBeCloseTo(55, 6);
    line.set({ rateBitsPerSecond: 100e6 }, 30); // half of that: 0.25 ms
    expect(line.nextDepartureAt()).toBeCloseTo(30.25, 6);
  });

  test("a rate set before a queued item was begun counts from the item's own start", () => {
    const line = new Line<string>(TEN_MEGABIT);
    line.set({ rateBitsPerSecond: 1e6 }, 50);
    line.push("a", 125, 100);
    expect(line.nextDepartureAt()).toBe(101);
  });

  test("a shorter delay never lets later items overtake earlier ones", () => {
    const line = new Line<string>({ ...TEN_MEGABIT, delayMs: 500 });
    line.push("first", 1250, 0);
    line.roomBytes(1);
    line.set({ delayMs: 1 }, 2);
    line.push("second", 1250, 2);
    expect(line.poll(500)).toBeUndefined();
    expect(line.poll(501)?.item).toBe("first");
    expect(line.poll(501)).toEqual({ item: "second", bytes: 1250, arrivesAt: 501 });
  });

  test("a cut forgets what was under way", () => {
    const line = new Line<string>(TEN_MEGABIT);
    line.push("a", 125_000, 0);
    line.push("b", 125_000, 0);
    line.roomBytes(101);
    line.clear();
    expect([line.queuedBytes, line.flyingBytes, line.nextArrivalAt()]).toEqual([0, 0, undefined]);
    line.push("c", 1250, 200);
    expect(line.nextArrivalAt()).toBe(221);
  });

  test.each([
    ["rate", { ...TEN_MEGABIT, rateBitsPerSecond: -1 }],
    ["rate", { ...TEN_MEGABIT, rateBitsPerSecond: Number.NaN }],
    ["delay", { ...TEN_MEGABIT, delayMs: -1 }],
    ["delay", { ...TEN_MEGABIT, delayMs: Number.POSITIVE_INFINITY }],
    ["queue", { ...TEN_MEGABIT, queueBytesMax: 0 }],
  ])("a senseless %s is refused", (what, settings) => {
    expect(() => new Line(settings)).toThrow(RangeError);
    expect(() => new Line(settings)).toThrow(what);
  });
});

test("nothing is lost, reordered or faster than the rate, whatever is pushed, polled and changed when", () => {
  const step = fc.record({
    waitMs: fc.double({ min: 0, max: 50, noNaN: true }),
    bytes: fc.nat({ max: 20_000 }),
    rateBitsPerSecond: fc.option(fc.constantFrom(0, 1e5, 1e6, 1e8), { nil: undefined, freq: 8 }),
    poll: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const line = new Line<number>({ ...TEN_MEGABIT, rateBitsPerSecond: 1e6 });
      let now = 0;
      let rate = 1e6;
      let bitsAllowed = 0;
      let bitsArrived = 0;
      let pushed = 0;
      const arrived: number[] = [];
      const poll = () => {
        for (let flown = line.poll(now); flown !== undefined; flown = line.poll(now)) {
          arrived.push(flown.item);
          bitsArrived += flown.bytes * 8;
          expect(flown.arrivesAt).toBeLessThanOrEqual(now);
        }
        expect(bitsArrived).toBeLessThanOrEqual(bitsAllowed + 1);
      };
      for (const { waitMs, bytes, rateBitsPerSecond, poll: polls } of steps) {
        now += waitMs;
        bitsAllowed += (rate * waitMs) / 1000;
        if (rateBitsPerSecond !== undefined) {
          rate = rateBitsPerSecond;
          line.set({ rateBitsPerSecond }, now);
        }
        line.push(pushed, bytes, now);
        pushed += 1;
        if (polls) poll();
      }
      line.set({ rateBitsPerSecond: Number.POSITIVE_INFINITY }, now);
      bitsAllowed = Number.POSITIVE_INFINITY;
      now += 20;
      poll();
      expect(arrived).toEqual(Array.from({ length: pushed }, (_, index) => index));
      expect(line.queuedBytes + line.flyingBytes).toBe(0);
    }),
  );
});
