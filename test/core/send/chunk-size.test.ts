import { expect, it } from "vitest";
import { chunkFloorBytes } from "../../../src/core/send/chunk-size.js";

it.each([
  [0.25, 1024],
  [1, 1280],
  [1.9, 2048],
  [2, 4096],
  [100, 4096],
])("a chunk on a line of %s Mbit/s has %i bytes or more", (mbit, bytes) => {
  expect(chunkFloorBytes(mbit * 125)).toBe(bytes);
});
