import { describe, expect, test } from "vitest";
import { tally } from "../../bench/lib/numbered.mjs";

describe("what the benchmark of cuts counts", () => {
  test.each([
    { title: "all of them, once and in order", numbers: [0, 1, 2, 3], lost: 0, doubled: 0, reordered: 0 },
    { title: "nothing", numbers: [], lost: 4, doubled: 0, reordered: 0 },
    { title: "one lost in the middle and one at the end", numbers: [0, 2], lost: 2, doubled: 0, reordered: 0 },
    { title: "one twice in a row", numbers: [0, 1, 1, 2, 3], lost: 0, doubled: 1, reordered: 0 },
    { title: "some again, later", numbers: [0, 1, 2, 1, 2, 3], lost: 0, doubled: 2, reordered: 0 },
    { title: "two that came late", numbers: [2, 0, 1, 3], lost: 0, doubled: 0, reordered: 2 },
    { title: "everything at once", numbers: [3, 1, 1], lost: 2, doubled: 1, reordered: 1 },
  ])("$title", ({ numbers, title: _, ...expected }) => {
    expect(tally(numbers, 4)).toEqual(expected);
  });
});
