import { describe, expect, it } from "vitest";
import { BatchMemory } from "../../../src/core/send/batch-memory.js";

const KIB = 1024;

describe("BatchMemory", () => {
  it.each([48 * KIB, 64 * KIB, 65 * KIB])("gives the memory of a batch of %i bytes to the next one", (bytes) => {
    const memory = new BatchMemory();
    const first = memory.take(bytes);
    memory.give(first);
    const second = memory.take(50 * KIB);
    expect([first.length, second.length]).toEqual([bytes, 50 * KIB]);
    expect(second.buffer).toBe(first.buffer);
  });

  it.each([48 * KIB - 1, 65 * KIB + 1, 10])("leaves a batch of %i bytes to the platform", (bytes) => {
    const memory = new BatchMemory();
    const first = memory.take(bytes);
    expect(first.buffer.byteLength).toBe(bytes);
    memory.give(first);
    expect(memory.take(bytes).buffer).not.toBe(first.buffer);
  });

  it("gives nothing to two at once", () => {
    const memory = new BatchMemory();
    memory.give(memory.take(64 * KIB));
    const batches = [memory.take(64 * KIB), memory.take(64 * KIB), memory.take(64 * KIB)];
    expect(new Set(batches.map(({ buffer }) => buffer)).size).toBe(3);
  });

  it("keeps a few only, and none once it is cleared", () => {
    const memory = new BatchMemory();
    const batches = Array.from({ length: 20 }, () => memory.take(64 * KIB));
    for (const batch of batches) memory.give(batch);
    const again = new Set(Array.from({ length: 20 }, () => memory.take(64 * KIB).buffer));
    expect(batches.filter(({ buffer }) => again.has(buffer))).toHaveLength(8);
    memory.give(batches[0] as Uint8Array);
    memory.clear();
    expect(memory.take(64 * KIB).buffer).not.toBe(batches[0]?.buffer);
  });
});
