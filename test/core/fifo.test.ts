import { describe, expect, it } from "vitest";
import { Fifo } from "../../src/core/fifo.js";

const filled = (count: number) => {
  const fifo = new Fifo<number>();
  for (let i = 0; i < count; i++) fifo.push(i);
  return fifo;
};

describe("Fifo", () => {
  it("gives back in order, across pushes and shifts in any mix", () => {
    const fifo = new Fifo<number>();
    const out: number[] = [];
    let next = 0;
    for (let round = 0; round < 100; round++) {
      for (let i = 0; i < (round * 7) % 5; i++) fifo.push(next++);
      for (let i = 0; i < (round * 3) % 4; i++) {
        const item = fifo.shift();
        if (item !== undefined) out.push(item);
      }
      expect(fifo.length).toBe(next - out.length);
      expect(fifo.peek()).toBe(fifo.length === 0 ? undefined : out.length);
    }
    out.push(...fifo.drain());
    expect(out).toEqual(Array.from({ length: next }, (_, i) => i));
  });

  it("is empty at first and after its last item", () => {
    const fifo = filled(1);
    expect(fifo.shift()).toBe(0);
    expect([fifo.length, fifo.peek(), fifo.shift()]).toEqual([0, undefined, undefined]);
  });

  it("drains what is left, and can be used again", () => {
    const fifo = filled(5);
    fifo.shift();
    expect(fifo.drain()).toEqual([1, 2, 3, 4]);
    expect(fifo.drain()).toEqual([]);
    fifo.push(7);
    expect([fifo.length, fifo.shift()]).toEqual([1, 7]);
  });

  it("takes back the item that was pushed last, and no other", () => {
    const fifo = new Fifo<string>();
    expect(fifo.retract("a")).toBe(false);
    for (const item of ["a", "b"]) fifo.push(item);
    expect([fifo.retract("a"), fifo.retract("b"), fifo.length]).toEqual([false, true, 1]);
    expect(fifo.shift()).toBe("a");
    // It may stand there still, and is gone all the same.
    expect([fifo.retract("a"), fifo.length, fifo.shift()]).toEqual([false, 0, undefined]);
  });
});
