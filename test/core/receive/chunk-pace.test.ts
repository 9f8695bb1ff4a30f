import { describe, expect, it } from "vitest";
import { ChunkPace } from "../../../src/core/receive/chunk-pace.js";

const CHUNK = 64 * 1024;

/** Chunks that come at these times, the first at 0. */
function paced(count: number, gapMsAt: (index: number) => number, bytes = CHUNK): ChunkPace {
  const pace = new ChunkPace();
  let now = 0;
  for (let index = 0; index < count; index++) {
    if (index > 0) now += gapMsAt(index);
    pace.handleChunk(bytes, now);
  }
  return pace;
}

describe("ChunkPace", () => {
  it("takes a line for fast after 32 chunks at half a gigabit a second", () => {
    expect(paced(32, () => 1).isFast).toBe(false);
    expect(paced(33, () => 1).isFast).toBe(true);
    expect(paced(33, () => 1.1).isFast).toBe(false);
    expect(paced(33, () => 0.25, 16_384).isFast).toBe(true);
    expect(paced(33, () => 0.3, 16_384).isFast).toBe(false);
  });

  it("is not taken in by chunks of a slower line that come in bunches", () => {
    // 200 Mbit/s: ten at once every 26 ms, which ends a run; and three every 7.9 ms, which does not.
    expect(paced(400, (index) => (index % 10 === 0 ? 26 : 0)).isFast).toBe(false);
    expect(paced(400, (index) => (index % 3 === 0 ? 7.9 : 0)).isFast).toBe(false);
  });

  it("has nothing from chunks that are small, and nothing against them", () => {
    expect(paced(1000, () => 0.01, 16_383).isFast).toBe(false);
    const pace = paced(33, () => 0.5);
    pace.handleChunk(100, 16.5);
    expect(pace.isFast).toBe(true);
  });

  it("goes back at once where one is missing, and after a slower run", () => {
    const pace = paced(33, () => 0.5);
    pace.handleChunk(CHUNK, 16 + 7.9);
    expect(pace.isFast).toBe(true);
    pace.handleChunk(CHUNK, 16 + 7.9 + 8);
    expect(pace.isFast).toBe(false);
    expect(paced(65, (index) => (index <= 32 ? 0.5 : 1.5)).isFast).toBe(false);
  });
});
