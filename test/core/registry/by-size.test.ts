import { describe, expect, it } from "vitest";
import { BySize } from "../../../src/core/registry/by-size.js";

describe("BySize", () => {
  it("knows the largest of a few, whatever becomes of them", () => {
    const all = new BySize<string>();
    expect([all.largest, all.size]).toEqual([undefined, 0]);
    all.set("none", 0);
    expect(all.largest).toBe("none");
    for (const [name, size] of Object.entries({ a: 1, b: 500, c: 450, d: 256, e: 511 })) all.set(name, size);
    expect(all.largest).toBe("e");
    all.set("e", 3);
    expect(all.largest).toBe("b");
    all.set("c", 510);
    expect(all.largest).toBe("c");
    expect([all.delete("c"), all.delete("c"), all.has("c"), all.has("b"), all.size]).toEqual([
      true,
      false,
      false,
      true,
      5,
    ]);
    for (const name of ["b", "d", "e", "a"]) {
      expect(all.largest).toBe(name);
      all.delete(name);
    }
    expect(all.largest).toBe("none");
  });

  it("of a crowd, gives one that is more than half as large, and looks at no other", () => {
    const all = new BySize<number>();
    const many = 20_000;
    for (let i = 0; i < many; i++) all.set(i, 1024 + (i % 1000));
    for (let i = 0; i < many - 64; i++) {
      const largest = all.largest as number;
      // The one that has been there for longest.
      expect(largest).toBe(i);
      all.delete(largest);
    }
    expect((all.largest as number) % 1000).toBe(999);
  });

  it("holds sizes of any kind", () => {
    const all = new BySize<number>();
    for (const size of [1, 2 ** 31, 2 ** 40, 2 ** 53 - 1]) {
      all.set(size, size);
      expect(all.largest).toBe(size);
    }
  });
});
