import { describe, expect, it } from "vitest";
import { chunkHeaderBytes, encodeBatch, frameBytes } from "../../../src/core/wire/encode.js";
import { chunk, FRAME_TABLE } from "../../support/frame-table.js";
import { hex, unhex } from "../../support/hex.js";
import { TestText } from "../../support/ports.js";

describe("encodeBatch", () => {
  it.each(FRAME_TABLE)("$title", ({ hex: expected, frame }) => {
    expect(hex(encodeBatch(0, [frame]))).toBe(`00${hex(unhex(expected))}`);
    expect(frameBytes(frame)).toBe(unhex(expected).length);
  });

  it.each([
    [0, "00"],
    [1, "01"],
    [64, "4040"],
    [2 ** 32, "c000000100000000"],
  ])("BAT-01: batch %d begins with its number", (number, expected) => {
    expect(hex(encodeBatch(number, [{ type: "detach" }]))).toBe(`${expected}0a`);
  });

  it("BAT-01: frames follow each other with nothing between", () => {
    const frames = FRAME_TABLE.map(({ frame }) => frame);
    const expected = FRAME_TABLE.map((row) => hex(unhex(row.hex))).join("");
    expect(hex(encodeBatch(7, frames))).toBe(`07${expected}`);
  });

  it("writes a text that is not encoded yet as its bytes", () => {
    const value = "grün ".repeat(20);
    const late = { ...chunk({ text: true }), payload: new TestText(value) };
    const early = chunk({ text: true, payload: new TextEncoder().encode(value) });
    expect(frameBytes(late)).toBe(frameBytes(early));
    expect(hex(encodeBatch(1, [late, late]))).toBe(hex(encodeBatch(1, [early, early])));
  });

  it("MSG-02: TEXT stands on the first chunk only", () => {
    expect(hex(encodeBatch(1, [chunk({ first: false, text: true })]))).toBe("01420000");
  });
});

describe("chunkHeaderBytes", () => {
  it.each([
    [0, undefined, 3],
    [63, undefined, 3],
    [64, undefined, 4],
    [16_383, undefined, 4],
    [16_384, undefined, 6],
    [1024, 63, 5],
    [1024, 16_384, 8],
    [16_384, 2 ** 30, 14],
  ])("a payload of %d bytes, total %s: %d bytes", (length, totalBytes, expected) => {
    expect(chunkHeaderBytes(totalBytes, length)).toBe(expected);
  });

  it("a message of up to 16,383 bytes costs at most 4 bytes", () => {
    for (const length of [0, 1, 63, 64, 1000, 16_383]) {
      const frame = chunk({ payload: new Uint8Array(length) });
      expect(frameBytes(frame) - length).toBeLessThanOrEqual(4);
    }
  });
});
