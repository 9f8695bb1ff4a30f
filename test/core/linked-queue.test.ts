import { describe, expect, it } from "vitest";
import { Linked, LinkedQueue } from "../../src/core/linked-queue.js";

class Letter extends Linked {
  readonly name: string;

  constructor(name: string) {
    super();
    this.name = name;
  }
}

/** A queue of letters, and all letters that a test talks of. */
function filled(...names: string[]) {
  const queue = new LinkedQueue<Letter>();
  const letters = new Map([..."abcdxy"].map((name) => [name, new Letter(name)]));
  const letter = (name: string) => letters.get(name) as Letter;
  for (const name of names) queue.push(letter(name));
  return { queue, letter };
}

function drained(queue: LinkedQueue<Letter>): string[] {
  const names: string[] = [];
  for (let item = queue.shift(); item !== undefined; item = queue.shift()) names.push(item.name);
  return names;
}

describe("LinkedQueue", () => {
  it("gives back in order", () => {
    const { queue, letter } = filled("a", "b");
    expect([queue.peek(), queue.shift(), queue.length]).toEqual([letter("a"), letter("a"), 1]);
    queue.push(letter("c"));
    expect(drained(queue)).toEqual(["b", "c"]);
    expect([queue.peek(), queue.shift(), queue.length]).toEqual([undefined, undefined, 0]);
  });

  it.each([
    ["a", ["b", "c"]],
    ["b", ["a", "c"]],
    ["c", ["a", "b"]],
  ])("takes out %s, wherever it stands, and goes on", (name, rest) => {
    const { queue, letter } = filled("a", "b", "c");
    expect([queue.remove(letter(name)), queue.remove(letter(name)), queue.length]).toEqual([true, false, 2]);
    queue.push(letter("d"));
    expect(drained(queue)).toEqual([...rest, "d"]);
  });

  it.each([
    ["a", ["x", "b", "c"]],
    ["b", ["a", "x", "c"]],
    ["c", ["a", "b", "x"]],
  ])("puts another in the place of %s", (name, all) => {
    const { queue, letter } = filled("a", "b", "c");
    expect(queue.replace(letter(name), letter("x"))).toBe(true);
    expect(queue.replace(letter(name), letter("y"))).toBe(false);
    expect(queue.length).toBe(3);
    expect([queue.remove(letter(name)), queue.peek()?.name]).toEqual([false, all[0]]);
    expect(drained(queue)).toEqual(all);
  });

  it("is as new when it has been emptied, and so is what stood in it", () => {
    const { queue, letter } = filled("a", "b");
    queue.clear();
    expect([queue.length, queue.peek(), queue.remove(letter("a"))]).toEqual([0, undefined, false]);
    expect(queue.replace(letter("b"), letter("c"))).toBe(false);
    const other = new LinkedQueue<Letter>();
    for (const name of ["c", "a"]) other.push(letter(name));
    expect(queue.remove(letter("a"))).toBe(false);
    expect([queue.length, drained(other)]).toEqual([0, ["c", "a"]]);
  });

  it("takes nothing that stands in a queue already", () => {
    const { queue, letter } = filled("a", "b");
    expect(() => queue.push(letter("a"))).toThrow("once");
    expect(() => queue.replace(letter("a"), letter("b"))).toThrow("once");
    expect(() => new LinkedQueue<Letter>().push(letter("b"))).toThrow("once");
  });

  it("takes a hundred thousand out of the middle in no time", () => {
    const queue = new LinkedQueue<Linked>();
    const items = Array.from({ length: 200_000 }, () => new Linked());
    for (const item of items) queue.push(item);
    for (const item of items.slice(100_000).reverse()) queue.remove(item);
    expect(queue.length).toBe(100_000);
    expect(queue.peek()).toBe(items[0]);
  });
});
