import { expect, it } from "vitest";
import { Visitors } from "../../src/server/visitors.js";

it("SEC-05: counts who is at the door, by address, and forgets addresses that nobody comes from", () => {
  const visitors = new Visitors();
  const leaves = [visitors.enter("a", 2), visitors.enter("a", 2)];
  expect([visitors.enter("a", 2), visitors.enter("b", 2) === undefined, visitors.size]).toEqual([undefined, false, 2]);
  leaves[0]?.();
  leaves.push(visitors.enter("a", 2));
  expect(leaves[2]).toBeDefined();
  for (const leave of leaves.slice(1)) leave?.();
  expect(visitors.size).toBe(1);
});

it("lets each of them leave once, however often it is said", () => {
  const visitors = new Visitors();
  const leave = visitors.enter("a", 2);
  visitors.enter("a", 2);
  leave?.();
  leave?.();
  expect([visitors.size, visitors.enter("a", 1)]).toEqual([1, undefined]);
});
