import { describe, expect, it } from "vitest";
import { keyOf } from "../../src/core/bytes.js";

describe("keyOf", () => {
  it("tells bytes apart, length included", () => {
    const keys = [[], [0], [0, 0], [1], [255], [255, 0]].map((bytes) => keyOf(Uint8Array.from(bytes)));
    expect(new Set(keys).size).toBe(6);
    expect(keyOf(Uint8Array.of(7, 200))).toBe(keyOf(Uint8Array.of(7, 200)));
  });
});
