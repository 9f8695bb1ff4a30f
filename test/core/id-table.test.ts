import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IdTable } from "../../src/core/id-table.js";

const value = (id: number) => ({ id });

describe("IdTable", () => {
  it("knows what was set and not deleted, and gives it in the order of the ids", () => {
    const table = new IdTable<{ id: number }>();
    for (let id = 1; id <= 1000; id++) table.set(id, value(id));
    expect(table.size).toBe(1000);
    for (let id = 1; id <= 1000; id++) if (id % 3 !== 0) expect(table.delete(id)).toBe(true);
    expect([table.get(999), table.get(1000), table.get(3), table.get(4)]).toEqual([
      value(999),
      undefined,
      value(3),
      undefined,
    ]);
    expect([...table.values()].map(({ id }) => id)).toEqual(Array.from({ length: 333 }, (_, index) => 3 * (index + 1)));
    expect([table.delete(4), table.delete(5000), table.size]).toEqual([false, false, 333]);
    table.clear();
    expect([table.size, table.get(3), [...table.values()]]).toEqual([0, undefined, []]);
  });

  it("leaves out what is deleted while it is gone through, and takes ids beyond 32 bits", () => {
    const table = new IdTable<{ id: number }>();
    const ids = [1, 2, 300, 2 ** 32 + 1, 2 ** 40];
    for (const id of ids) table.set(id, value(id));
    const seen: number[] = [];
    for (const { id } of table.values()) {
      seen.push(id);
      table.delete(2);
      table.delete(2 ** 40);
    }
    expect(seen).toEqual([1, 300, 2 ** 32 + 1]);
  });

  it("is a map from ids, whatever is done with it", () => {
    const step = fc.record({ id: fc.integer({ min: 0, max: 1200 }), does: fc.constantFrom("set", "delete", "get") });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const table = new IdTable<{ id: number }>();
        const map = new Map<number, { id: number }>();
        for (const { id, does } of steps) {
          if (does === "delete") expect(table.delete(id)).toBe(map.delete(id));
          if (does === "set") {
            const next = value(id);
            table.set(id, next);
            map.set(id, next);
          }
          expect([table.get(id), table.size]).toEqual([map.get(id), map.size]);
        }
        const byId = (a: { id: number }, b: { id: number }) => a.id - b.id;
        expect([...table.values()].sort(byId)).toEqual([...map.values()].sort(byId));
      }),
    );
  });
});
