import { describe, expect, it } from "vitest";
import { encodeBatch } from "../../../src/core/wire/encode.js";
import { isGreeting } from "../../../src/core/wire/greeting.js";

const GREETING = { type: "greeting", parameters: new Map() } as never;

describe("isGreeting", () => {
  it("knows what a server of ours begins with (HSK-01)", () => {
    expect(isGreeting(encodeBatch(0, [GREETING]))).toBe(true);
  });

  it.each<[string, Uint8Array]>([
    ["nothing", new Uint8Array(0)],
    ["garbage", Uint8Array.of(0, 0xff, 1, 2)],
    ["a greeting that is cut off", encodeBatch(0, [GREETING]).slice(0, 2)],
    ["a numbered one", encodeBatch(1, [GREETING])],
    ["another frame", encodeBatch(0, [{ type: "detach" }])],
  ])("takes %s for something else", (_, batch) => {
    expect(isGreeting(batch)).toBe(false);
  });
});
