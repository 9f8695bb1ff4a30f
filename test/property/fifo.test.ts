import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Fifo } from "../../src/core/fifo.js";

const actions = fc.array(
  fc.oneof(
    { arbitrary: fc.record({ do: fc.constant("push" as const), item: fc.nat(5) }), weight: 4 },
    { arbitrary: fc.record({ do: fc.constant("shift" as const) }), weight: 3 },
    { arbitrary: fc.record({ do: fc.constant("drain" as const) }), weight: 1 },
  ),
  { maxLength: 80 },
);

describe("Fifo", () => {
  it("behaves like an array", () => {
    fc.assert(
      fc.property(actions, (list) => {
        const fifo = new Fifo<number>();
        const model: number[] = [];
        for (const action of list) {
          if (action.do === "push") {
            fifo.push(action.item);
            model.push(action.item);
          } else if (action.do === "shift") {
            expect(fifo.shift()).toBe(model.shift());
          } else {
            expect(fifo.drain()).toEqual(model.splice(0));
          }
          expect([fifo.length, fifo.peek()]).toEqual([model.length, model[0]]);
        }
      }),
      { numRuns: 500 },
    );
  });
});
