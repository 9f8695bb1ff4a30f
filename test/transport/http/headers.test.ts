import { describe, expect, it } from "vitest";
import { isMediaType, parseCount, parseKey } from "../../../src/transport/http/headers.js";

const KEY = "0123456789abcdef0123456789abcdef";

describe("headers of HTTP lines", () => {
  it("take 32 lower-case hex digits for a key, and nothing else", () => {
    expect(parseKey(KEY)).toBe(KEY);
    for (const value of [
      undefined,
      "",
      KEY.slice(1),
      `${KEY}0`,
      KEY.toUpperCase(),
      ` ${KEY}`,
      `${KEY}\n`,
      [KEY, KEY],
    ]) {
      expect(parseKey(value)).toBeUndefined();
    }
  });

  it("take plain integers, and nothing else", () => {
    expect(["0", "7", "999999999999999"].map(parseCount)).toEqual([0, 7, 999_999_999_999_999]);
    const others = [undefined, null, "", "-1", "+1", "01", "1.0", "1e3", "0x1", " 1", "1\n", "1000000000000000", ["1"]];
    for (const value of others) expect(parseCount(value)).toBeUndefined();
  });

  it("compare media types without their parameters", () => {
    for (const value of ["text/event-stream", "Text/Event-Stream; charset=utf-8", " text/event-stream ;x"]) {
      expect(isMediaType(value, "text/event-stream")).toBe(true);
    }
    for (const value of [undefined, null, "", "text/plain", "text/event-streams", "x; text/event-stream"]) {
      expect(isMediaType(value, "text/event-stream")).toBe(false);
    }
  });
});
