import { describe, expect, it } from "vitest";
import { credentialsOf } from "../../src/client/credentials.js";

describe("credentialsOf", () => {
  it.each<[string, unknown, string | undefined]>([
    ["nothing", undefined, undefined],
    ["a value", { user: "ann" }, '{"user":"ann"}'],
    ["a promise", Promise.resolve([1, 2]), "[1,2]"],
    ["a function", () => "token", '"token"'],
    ["a function that gives a promise", async () => null, "null"],
  ])("makes JSON of %s", async (_what, auth, json) => {
    expect(await credentialsOf(auth)).toEqual({ json });
  });

  it("calls a function anew each time", async () => {
    let calls = 0;
    const auth = () => ++calls;
    expect([await credentialsOf(auth), await credentialsOf(auth)]).toEqual([{ json: "1" }, { json: "2" }]);
  });

  it.each<[string, () => unknown]>([
    ["throws", () => JSON.parse("{")],
    ["gives a promise that is rejected", () => Promise.reject(new SyntaxError("no"))],
  ])("does not reject where the function %s, and says why", async (_what, auth) => {
    expect(await credentialsOf(auth)).toEqual({ cause: expect.any(SyntaxError) });
  });

  it("says why where JSON cannot carry the value", async () => {
    expect(await credentialsOf(1n)).toEqual({ cause: expect.any(TypeError) });
  });
});
