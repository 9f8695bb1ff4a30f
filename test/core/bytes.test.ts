import { describe, expect, it } from "vitest";
import { alone, keyOf, owned } from "../../src/core/bytes.js";

describe("keyOf", () => {
  it("tells bytes apart, length included", () => {
    const keys = [[], [0], [0, 0], [1], [255], [255, 0]].map((bytes) => keyOf(Uint8Array.from(bytes)));
    expect(new Set(keys).size).toBe(6);
    expect(keyOf(Uint8Array.of(7, 200))).toBe(keyOf(Uint8Array.of(7, 200)));
  });
});

describe("owned", () => {
  it("copies a small part of a large buffer, and nothing else", () => {
    const batch = Uint8Array.from({ length: 100 }, (_, index) => index);
    for (const [start, end, isCopied] of [
      [0, 100, false],
      [10, 60, false],
      [10, 59, true],
      [7, 7, true],
    ] as const) {
      const view = batch.subarray(start, end);
      const own = owned(view);
      expect([own, own.buffer !== batch.buffer]).toEqual([view, isCopied]);
      if (isCopied) expect(own.buffer.byteLength).toBe(view.length);
    }
  });
});

describe("alone", () => {
  it("copies what shares its memory, and nothing else", () => {
    const batch = Uint8Array.from({ length: 10 }, (_, index) => index);
    expect(alone(batch)).toBe(batch);
    for (const [start, end] of [
      [0, 9],
      [1, 10],
      [4, 4],
    ]) {
      const view = batch.subarray(start, end);
      expect(alone(view)).toEqual(view);
      expect(alone(view).buffer.byteLength).toBe(view.length);
    }
  });
});
