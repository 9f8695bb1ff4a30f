import { describe, expect, it } from "vitest";
import { DeadlineQueue } from "../../src/core/deadline-queue.js";

function filled(times: Record<string, number>): DeadlineQueue<string> {
  const queue = new DeadlineQueue<string>();
  for (const [item, at] of Object.entries(times)) queue.add(item, at);
  return queue;
}

function polled(queue: DeadlineQueue<string>, now: number): string[] {
  const items: string[] = [];
  for (let item = queue.pollDue(now); item !== undefined; item = queue.pollDue(now)) items.push(item);
  return items;
}

describe("DeadlineQueue", () => {
  it("gives what is due, the earliest first, and of the same time what was added first", () => {
    const queue = filled({ c: 3, a: 1, b2: 2, b1: 2, d: 4 });
    expect(queue.nextDeadline).toBe(1);
    expect([polled(queue, 0.9), polled(queue, 3), queue.nextDeadline, queue.size]).toEqual([
      [],
      ["a", "b2", "b1", "c"],
      4,
      1,
    ]);
  });

  it("never waits for what has been taken out", () => {
    const queue = filled({ a: 5, b: 1, c: 3 });
    queue.remove("b");
    queue.remove("b");
    queue.remove("x");
    expect([queue.nextDeadline, queue.size]).toEqual([3, 2]);
    expect(polled(queue, 10)).toEqual(["c", "a"]);
    expect(queue.nextDeadline).toBeUndefined();
  });

  it("keeps its order when one is taken out deep in a branch that is later than the others", () => {
    const queue = filled({ a: 1, late: 10, b: 2, later: 11, latest: 12, c: 3 });
    queue.remove("later");
    expect(polled(queue, 20)).toEqual(["a", "b", "c", "late", "latest"]);
  });

  it("is as new when it has been emptied", () => {
    const queue = filled({ a: 1, b: 2 });
    queue.clear();
    expect([queue.size, queue.nextDeadline, polled(queue, 10)]).toEqual([0, undefined, []]);
    queue.add("a", 7);
    expect(polled(queue, 7)).toEqual(["a"]);
  });
});
