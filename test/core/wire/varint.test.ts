import { describe, expect, it } from "vitest";
import { readVarint, VARINT_MAX, varintBytes, varintBytesAt, writeVarint } from "../../../src/core/wire/varint.js";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const bytesOf = (text: string) => Uint8Array.from(Buffer.from(text, "hex"));

/** The first three are those of RFC 9000, A.1, below 2^53; the rest are the borders between the sizes. */
const CASES: [number, string][] = [
  [37, "25"],
  [15_293, "7bbd"],
  [494_878_333, "9d7f3e7d"],
  [0, "00"],
  [63, "3f"],
  [64, "4040"],
  [16_383, "7fff"],
  [16_384, "80004000"],
  [1_073_741_823, "bfffffff"],
  [1_073_741_824, "c000000040000000"],
  [4_294_967_295, "c0000000ffffffff"],
  [4_294_967_296, "c000000100000000"],
  [VARINT_MAX, "c01fffffffffffff"],
];

describe("WIRE-02: variable-length integers", () => {
  it.each(CASES)("%d is %s", (value, text) => {
    const size = text.length / 2;
    expect(varintBytes(value)).toBe(size);
    const target = new Uint8Array(size + 4).fill(0xee);
    expect(writeVarint(target, 2, value)).toBe(2 + size);
    expect(hex(target)).toBe(`eeee${text}eeee`);
    expect(varintBytesAt(target, 2)).toBe(size);
    expect(readVarint(target, 2)).toBe(value);
  });

  it.each(["4025", "80000025", "c000000000000025"])("WIRE-03: reads 37 from the longer form %s", (text) => {
    expect(readVarint(bytesOf(text), 0)).toBe(37);
  });

  it.each(CASES)("%d (%s) is not read while a byte is missing", (_, text) => {
    const bytes = bytesOf(text);
    for (let cut = 0; cut < bytes.length; cut++) expect(readVarint(bytes.subarray(0, cut), 0)).toBeUndefined();
  });

  it.each(["c020000000000000", "ffffffffffffffff", "e000000000000000", "c2197c5eff14e88c"])(
    "refuses %s: 2^53 or more",
    (text) => {
      expect(readVarint(bytesOf(text), 0)).toBeUndefined();
      expect(varintBytesAt(bytesOf(text), 0)).toBe(8);
    },
  );

  it("reads nothing at and past the end", () => {
    expect([readVarint(new Uint8Array(0), 0), varintBytesAt(new Uint8Array(0), 0)]).toEqual([undefined, undefined]);
    expect([readVarint(bytesOf("25"), 1), varintBytesAt(bytesOf("25"), 5)]).toEqual([undefined, undefined]);
  });

  it("every first byte tells its size", () => {
    for (let first = 0; first < 256; first++) {
      expect(varintBytesAt(Uint8Array.of(first), 0)).toBe([1, 2, 4, 8][Math.floor(first / 64)]);
    }
  });
});
