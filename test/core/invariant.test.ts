import { describe, expect, it } from "vitest";
import { SluiceError } from "../../src/core/error.js";
import { invariant, unreachable } from "../../src/core/invariant.js";

describe("invariant", () => {
  it("is silent while it holds", () => {
    expect(() => invariant(true, "x")).not.toThrow();
  });

  it("says what is broken, as a defect of ours", () => {
    expect(() => invariant(false, "water is wet")).toThrow(
      expect.objectContaining({ code: "ERR_INTERNAL", message: "Broken invariant: water is wet" }),
    );
  });
});

describe("unreachable", () => {
  it("names the case that nobody thought of", () => {
    expect(() => unreachable("new" as never)).toThrow(SluiceError);
    expect(() => unreachable("new" as never)).toThrow(/new/);
  });
});
