import { expect, it } from "vitest";
import { chunkBytesAt, chunkFloorBytes, startChunkBytes } from "../../../src/core/send/chunk-size.js";

const KIB = 1024;

it.each([
  [0.25, 1024],
  [1, 1280],
  [1.9, 2048],
  [2, 4096],
  [100, 4096],
])("a chunk on a line of %s Mbit/s has %i bytes or more", (mbit, bytes) => {
  expect(chunkFloorBytes(mbit * 125)).toBe(bytes);
});

it.each([
  [undefined, 4 * KIB + 128],
  [31, KIB + 128],
  [1250, 8 * KIB],
  [12_500, 64 * KIB],
])("a chunk at %s bytes in a millisecond is a power of two of about 10 ms: %i bytes", (rate, bytes) => {
  expect(chunkBytesAt(rate)).toBe(bytes);
});

it.each([
  [6 * KIB, undefined, 1.5 * KIB - 128],
  [4 * KIB, undefined, KIB + 128],
  [1000 * KIB, undefined, 4 * KIB + 128],
  [1000 * KIB, 600, 6000],
  [1000 * KIB, 100_000, 8 * KIB],
  [1000 * KIB, 100, KIB + 256],
])("a chunk of start-up in a window of %i bytes, where the line has shown %s, has %i bytes", (window, peak, bytes) => {
  expect(startChunkBytes(window, peak)).toBe(bytes);
});
