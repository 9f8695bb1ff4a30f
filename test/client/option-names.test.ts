import { describe, expect, it } from "vitest";
import { CHANNEL_NAMES, requireNames, SOCKET_NAMES } from "../../src/client/option-names.js";

const usage = (message: string) => expect.objectContaining({ code: "ERR_USAGE_ARGUMENT", message });

describe("requireNames", () => {
  it("takes every option, given or not", () => {
    for (const names of [SOCKET_NAMES, CHANNEL_NAMES]) {
      expect(() => requireNames("the options", {}, names)).not.toThrow();
      expect(() => requireNames("the options", names, names)).not.toThrow();
    }
  });

  it.each([
    [{ highwaterMark: 5 }, 'There is no "highwaterMark" in the options'],
    [{ auth: "ann", header: undefined }, 'There is no "header" in the options'],
    ["low", "the options must be an object, not low"],
    [5, "the options must be an object, not 5"],
    [null, "the options must be an object, not null"],
  ])("throws for %j", (given, message) => {
    expect(() => requireNames("the options", given as object, SOCKET_NAMES)).toThrow(usage(message));
  });
});
