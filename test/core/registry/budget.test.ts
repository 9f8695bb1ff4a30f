import { describe, expect, it } from "vitest";
import { Budget, PARKED_BYTES } from "../../../src/core/registry/budget.js";

const MIB = 1 << 20;
const who = (name: string, principal?: string) => ({ name, owner: { principal } });
type Who = ReturnType<typeof who>;

/** Lets everybody go who has to, and tells who it was. */
function shed(budget: Budget<Who>): string[] {
  const gone: string[] = [];
  for (let next = budget.pollExcess(); next !== undefined; next = budget.pollExcess()) {
    gone.push(next.name);
    budget.remove(next);
  }
  return gone;
}

describe("Budget", () => {
  it("is the sum of what sessions hold, of what parked ones weigh, and of early data", () => {
    const budget = new Budget<Who>({ processBytesMax: 16 * MIB });
    const [a, b] = [who("a"), who("b", "me")];
    expect([budget.account(a, 1000), budget.account(b, 500)]).toEqual([true, true]);
    budget.accountOther(70);
    expect(budget.heldBytes).toBe(1570);
    budget.park(b);
    budget.park(b);
    expect(budget.heldBytes).toBe(1570 + PARKED_BYTES);
    expect([budget.account(a, 400), budget.account(a, 400), budget.account(a, 401)]).toEqual([false, false, true]);
    budget.unpark(b);
    budget.unpark(b);
    budget.accountOther(-70);
    expect(budget.heldBytes).toBe(901);
    budget.park(a);
    budget.remove(a);
    budget.remove(b);
    budget.remove(b);
    expect([budget.heldBytes, budget.isFull]).toEqual([0, false]);
  });

  it("asks nobody to go while it is within half of its bound", () => {
    const budget = new Budget<Who>({ processBytesMax: 16 * MIB });
    const parked = who("parked");
    budget.account(parked, 8 * MIB - PARKED_BYTES);
    budget.park(parked);
    expect(budget.pollExcess()).toBeUndefined();
    budget.account(parked, 8 * MIB - PARKED_BYTES + 1);
    expect(budget.pollExcess()).toBe(parked);
  });

  it("asks nobody to go for the sake of strangers, and lets nobody in", () => {
    const budget = new Budget<Who>({ processBytesMax: 16 * MIB });
    budget.account(who("attached"), 4 * MIB);
    const parked = who("parked");
    budget.account(parked, 4 * MIB - PARKED_BYTES);
    budget.park(parked);
    budget.accountOther(8 * MIB - 1);
    expect([budget.pollExcess(), budget.isFull]).toEqual([undefined, false]);
    budget.accountOther(1);
    expect([budget.pollExcess(), budget.isFull]).toEqual([undefined, true]);
  });

  it("lets parked sessions go first, the largest first, until it is within half of its bound", () => {
    const budget = new Budget<Who>({ processBytesMax: 16 * MIB });
    for (const [name, mib] of [
      ["a", 2],
      ["b", 4],
      ["c", 1],
      ["d", 3],
    ] as const) {
      const parked = who(name);
      budget.account(parked, mib * MIB);
      budget.park(parked);
    }
    const busy = who("busy");
    budget.account(busy, 4 * MIB);
    expect(shed(budget)).toEqual(["b", "d"]);
    expect(budget.heldBytes).toBe(7 * MIB + 2 * PARKED_BYTES);
  });

  it("bounds parked sessions that hold nothing, too", () => {
    const budget = new Budget<Who>({ processBytesMax: 2 * 100 * PARKED_BYTES });
    for (let i = 0; i < 150; i++) budget.park(who(`${i}`));
    // Nothing accounted: a session that parks has been accounted by then.
    expect(shed(budget)).toHaveLength(50);
    expect(budget.heldBytes).toBe(100 * PARKED_BYTES);
  });

  it("leaves sessions alone that have a transport, up to the bound, and then lets the largest go", () => {
    const budget = new Budget<Who>({ processBytesMax: 16 * MIB });
    const sizes = [6, 9, 1];
    for (const [i, mib] of sizes.slice(0, 2).entries()) budget.account(who(`${i}`), mib * MIB);
    expect([budget.pollExcess(), budget.isFull]).toEqual([undefined, false]);
    budget.account(who("2"), MIB);
    expect([budget.pollExcess(), budget.isFull]).toEqual([undefined, true]);
    budget.account(who("3"), 1);
    expect(shed(budget)).toEqual(["1"]);
    expect(budget.isFull).toBe(false);
  });

  describe("the share of a principal", () => {
    it("is a sixteenth: parked sessions of one that holds more leave, the largest first, and no others'", () => {
      const budget = new Budget<Who>({ processBytesMax: 16 * MIB });
      for (const [name, principal, kib] of [
        ["greedy 1", "greedy", 600],
        ["greedy 2", "greedy", 700],
        ["modest", "modest", 900],
        ["unnamed", undefined, 2000],
      ] as const) {
        const parked = who(name, principal);
        budget.account(parked, kib * 1024);
        budget.park(parked);
      }
      expect(shed(budget)).toEqual(["greedy 2"]);
    });

    it("counts sessions with a transport, and lets them be", () => {
      const budget = new Budget<Who>({ processBytesMax: 16 * MIB });
      const [busy, parked] = [who("busy", "p"), who("parked", "p")];
      budget.account(busy, 2 * MIB);
      expect(budget.pollExcess()).toBeUndefined();
      budget.account(parked, 10);
      budget.park(parked);
      expect(shed(budget)).toEqual(["parked"]);
    });

    it("is free again when they hold less", () => {
      const budget = new Budget<Who>({ processBytesMax: 16 * MIB });
      const [busy, parked] = [who("busy", "p"), who("parked", "p")];
      budget.account(busy, 2 * MIB);
      budget.account(busy, 100);
      budget.park(parked);
      expect(budget.pollExcess()).toBeUndefined();
    });
  });
});
