import { describe, expect, it } from "vitest";
import { carriage, checkedPriority, FrameType, PRIORITIES } from "../../../src/core/wire/frame.js";
import { FRAME_TABLE } from "../../support/frame-table.js";

describe("frames", () => {
  it("the table of examples has every kind", () => {
    const kinds = new Set(FRAME_TABLE.map(({ frame }) => frame.type));
    expect(kinds.size).toBe(Object.keys(FrameType).length);
  });

  it.each(FRAME_TABLE)("BAT-03: $title travels $carriage", ({ frame, carriage: expected }) => {
    expect(carriage(frame.type)).toBe(expected);
  });

  it("no two kinds share a number, and none lies among the chunks", () => {
    const numbers = Object.values(FrameType);
    expect(new Set(numbers).size).toBe(numbers.length);
    for (const number of numbers) expect(number === FrameType.CHUNK || (number & 0xf0) !== FrameType.CHUNK).toBe(true);
  });
});

describe("checkedPriority", () => {
  it.each(["high", "normal", "low"])("takes %s", (value) => {
    expect(checkedPriority(value)).toBe(value);
  });

  it.each(["", "HIGH", "urgent", 0, null, undefined, "constructor", "length"])("refuses %o", (value) => {
    expect(() => checkedPriority(value)).toThrow(expect.objectContaining({ code: "ERR_USAGE_ARGUMENT" }));
  });

  it("CHN-02: the order of the priorities is their number on the wire", () => {
    expect(PRIORITIES).toEqual(["high", "normal", "low"]);
  });
});
