import { describe, expect, it } from "vitest";
import { closeArguments } from "../../src/client/close-arguments.js";
import { testPorts } from "../support/ports.js";

const check = (code?: unknown, reason?: unknown) => closeArguments(code, reason, testPorts.encodeUtf8);
const domError = (name: string) => expect.objectContaining({ name, constructor: DOMException });

describe("closeArguments", () => {
  it.each([
    [undefined, undefined, 1005, ""],
    [undefined, "", 1005, ""],
    [undefined, "bye", 1000, "bye"],
    [1000, undefined, 1000, ""],
    [3000, 7, 3000, "7"],
    [4999.4, null, 4999, "null"],
    [2999.5, "", 3000, ""],
    [1000.5, "", 1000, ""],
    [3001.5, "", 3002, ""],
    ["3000", "", 3000, ""],
  ])("%j and %j are %d and %j", (code, reason, checkedCode, checkedReason) => {
    expect(check(code, reason)).toEqual({ code: checkedCode, reason: checkedReason });
  });

  it.each([0, 999, 999.4, 1001, 1000.6, 2999, 4999.5, 5000, -1, 1e9, Number.NaN, "x"])("refuse the code %s", (code) => {
    expect(() => check(code)).toThrow(domError("InvalidAccessError"));
  });

  it("throw for what has no number or no string", () => {
    for (const code of [1000n, Symbol("a")]) expect(() => check(code)).toThrow(TypeError);
    expect(() => check(1000, Symbol("a"))).toThrow(TypeError);
  });

  it("refuse a reason that a close frame does not hold, in bytes of UTF-8", () => {
    expect(check(1000, "x".repeat(123)).reason).toHaveLength(123);
    expect(() => check(1000, "ä".repeat(62))).toThrow(domError("SyntaxError"));
  });
});
