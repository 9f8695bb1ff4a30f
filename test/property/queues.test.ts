import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DeadlineQueue } from "../../src/core/deadline-queue.js";
import { Linked, LinkedQueue } from "../../src/core/linked-queue.js";

const item = fc.nat(30);

describe("DeadlineQueue", () => {
  it("behaves like a sorted list", () => {
    const action = fc.oneof(
      { arbitrary: fc.record({ do: fc.constant("add" as const), item, at: fc.nat(10) }), weight: 4 },
      { arbitrary: fc.record({ do: fc.constant("remove" as const), item }), weight: 2 },
      { arbitrary: fc.record({ do: fc.constant("poll" as const), now: fc.nat(10) }), weight: 2 },
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 120, size: "max" }), (actions) => {
        const queue = new DeadlineQueue<number>();
        let model: { item: number; at: number }[] = [];
        for (const step of actions) {
          if (step.do === "add") {
            if (model.some((entry) => entry.item === step.item)) continue;
            queue.add(step.item, step.at);
            model.push(step);
            // Stable: of the same time what was added first.
            model.sort((a, b) => a.at - b.at);
          } else if (step.do === "remove") {
            queue.remove(step.item);
            model = model.filter((entry) => entry.item !== step.item);
          } else {
            const due = model[0] !== undefined && model[0].at <= step.now ? model.shift() : undefined;
            expect(queue.pollDue(step.now)).toBe(due?.item);
          }
          expect([queue.size, queue.nextDeadline]).toEqual([model.length, model[0]?.at]);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe("LinkedQueue", () => {
  it("behaves like an array of different items", () => {
    const action = fc.oneof(
      { arbitrary: fc.record({ do: fc.constant("push" as const), item }), weight: 4 },
      { arbitrary: fc.record({ do: fc.constant("shift" as const) }), weight: 2 },
      { arbitrary: fc.record({ do: fc.constant("remove" as const), item }), weight: 2 },
      { arbitrary: fc.record({ do: fc.constant("replace" as const), item, next: item }), weight: 2 },
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 120, size: "max" }), (actions) => {
        const queue = new LinkedQueue<Linked>();
        const items = Array.from({ length: 31 }, () => new Linked());
        const of = (number: number) => items[number] as Linked;
        const numberOf = (found: Linked | undefined) => (found === undefined ? undefined : items.indexOf(found));
        const model: number[] = [];
        for (const step of actions) {
          if (step.do === "push") {
            if (model.includes(step.item)) continue;
            queue.push(of(step.item));
            model.push(step.item);
          } else if (step.do === "shift") {
            expect(numberOf(queue.shift())).toBe(model.shift());
          } else {
            const index = model.indexOf(step.item);
            if (step.do === "remove") {
              expect(queue.remove(of(step.item))).toBe(index !== -1);
              if (index !== -1) model.splice(index, 1);
            } else {
              if (model.includes(step.next)) continue;
              expect(queue.replace(of(step.item), of(step.next))).toBe(index !== -1);
              if (index !== -1) model[index] = step.next;
            }
          }
          expect([queue.length, numberOf(queue.peek())]).toEqual([model.length, model[0]]);
        }
        while (model.length > 0) expect(numberOf(queue.shift())).toBe(model.shift());
      }),
      { numRuns: 1000 },
    );
  });
});
