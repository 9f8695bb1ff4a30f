import { describe, expect, it } from "vitest";
import { LinkedQueue } from "../../src/core/linked-queue.js";

function filled(...items: string[]): LinkedQueue<string> {
  const queue = new LinkedQueue<string>();
  for (const item of items) queue.push(item);
  return queue;
}

function drained(queue: LinkedQueue<string>): string[] {
  const items: string[] = [];
  for (let item = queue.shift(); item !== undefined; item = queue.shift()) items.push(item);
  return items;
}

describe("LinkedQueue", () => {
  it("gives back in order", () => {
    const queue = filled("a", "b");
    expect([queue.peek(), queue.shift(), queue.length]).toEqual(["a", "a", 1]);
    queue.push("c");
    expect(drained(queue)).toEqual(["b", "c"]);
    expect([queue.peek(), queue.shift(), queue.length]).toEqual([undefined, undefined, 0]);
  });

  it.each([
    ["a", ["b", "c"]],
    ["b", ["a", "c"]],
    ["c", ["a", "b"]],
  ])("takes out %s, wherever it stands, and goes on", (item, rest) => {
    const queue = filled("a", "b", "c");
    expect([queue.remove(item), queue.remove(item), queue.length]).toEqual([true, false, 2]);
    queue.push("d");
    expect(drained(queue)).toEqual([...rest, "d"]);
  });

  it.each([
    ["a", ["x", "b", "c"]],
    ["b", ["a", "x", "c"]],
    ["c", ["a", "b", "x"]],
  ])("puts another in the place of %s", (item, all) => {
    const queue = filled("a", "b", "c");
    expect([queue.replace(item, "x"), queue.replace(item, "y"), queue.length]).toEqual([true, false, 3]);
    expect([queue.remove(item), queue.peek()]).toEqual([false, all[0]]);
    expect(drained(queue)).toEqual(all);
  });

  it("is as new when it has been emptied", () => {
    const queue = filled("a", "b");
    queue.clear();
    expect([queue.length, queue.peek(), queue.remove("a"), queue.replace("b", "c")]).toEqual([
      0,
      undefined,
      false,
      false,
    ]);
    queue.push("c");
    expect(drained(queue)).toEqual(["c"]);
  });

  it("takes a hundred thousand out of the middle in no time", () => {
    const queue = new LinkedQueue<number>();
    for (let i = 0; i < 200_000; i++) queue.push(i);
    for (let i = 199_999; i >= 100_000; i--) queue.remove(i);
    expect([queue.length, queue.peek()]).toEqual([100_000, 0]);
  });
});
