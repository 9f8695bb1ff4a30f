import { describe, expect, it } from "vitest";
import { isAdmitted, principalName } from "../../src/server/principal.js";

describe("isAdmitted", () => {
  it.each([undefined, null, false])("takes %s for a refusal", (principal) => {
    expect(isAdmitted(principal)).toBe(false);
  });

  it.each<[string, unknown]>([
    ["true", true],
    ["an empty string", ""],
    ["0", 0],
    ["0n", 0n],
    ["NaN", Number.NaN],
    ["an empty object", {}],
  ])("lets in with %s", (_, principal) => {
    expect(isAdmitted(principal)).toBe(true);
  });
});

describe("principalName", () => {
  it.each<[string, unknown, string | undefined]>([
    ["nothing", undefined, undefined],
    ["true, which says that somebody is let in and not who", true, undefined],
    ["a string", "ada", "string:ada"],
    ["an empty string", "", "string:"],
    ["a number", 7, "number:7"],
    ["a bigint", 7n, "bigint:7"],
    ["an object with an id", { id: "ada", role: "admin" }, "string:ada"],
    ["an object with a number for an id", { id: 7 }, "number:7"],
    ["an object with a bigint for an id", { id: 7n }, "bigint:7"],
    ["an object without an id", { name: "ada" }, 'json:{"name":"ada"}'],
    ["an object whose id is none", { id: { a: 1 } }, 'json:{"id":{"a":1}}'],
    ["a list", ["ada"], 'json:["ada"]'],
  ])("of %s", (_, principal, name) => {
    expect(principalName(principal)).toBe(name);
  });

  it("keeps those apart that only look alike", () => {
    const names = [7, 7n, "7", "number:7", { name: "7" }, ["7"], '{"name":"7"}'].map(principalName);
    expect(new Set(names).size).toBe(names.length);
  });
});
