import { describe, expect, it, vi } from "vitest";
import { SluiceError } from "../../src/core/error.js";

describe("SluiceError", () => {
  it("is an Error with a code, not retryable and without a cause unless told", () => {
    const error = new SluiceError("ERR_CANCELLED", "cancelled");
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ name: "SluiceError", code: "ERR_CANCELLED", message: "cancelled", retryable: false });
    expect("cause" in error).toBe(false);
    expect(error.stack).toContain("error.test");
  });

  it("carries its cause, and whether a second attempt makes sense", () => {
    const cause = new TypeError("no");
    const error = new SluiceError("ERR_SOURCE_FAILED", "failed", { cause, retryable: true });
    expect(error.cause).toBe(cause);
    expect(error.retryable).toBe(true);
  });

  it("is recognised across two copies of the library", async () => {
    vi.resetModules();
    const copy = await import("../../src/core/error.js");
    expect(copy.SluiceError).not.toBe(SluiceError);
    expect(new copy.SluiceError("ERR_INTERNAL", "x")).toBeInstanceOf(SluiceError);
    expect(new SluiceError("ERR_INTERNAL", "x")).toBeInstanceOf(copy.SluiceError);
  });

  it.each([undefined, null, 0, "ERR_INTERNAL", {}, new Error("x"), { code: "ERR_INTERNAL", name: "SluiceError" }])(
    "does not take %o for one",
    (value) => {
      expect(value instanceof SluiceError).toBe(false);
    },
  );

  it("does not show its brand where errors are listed or copied", () => {
    const error = new SluiceError("ERR_INTERNAL", "x");
    expect(Object.getOwnPropertySymbols({ ...error })).toEqual([]);
  });
});
