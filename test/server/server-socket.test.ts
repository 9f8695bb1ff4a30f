import { describe, expect, it } from "vitest";
import { neverWritten } from "../../src/server/send-outcome.js";
import {
  checkedClose,
  pingArguments,
  ServerSocket,
  sendCallbackOf,
  sendOptionsOf,
} from "../../src/server/server-socket.js";

describe("ServerSocket", () => {
  it("has the constants of `ws`", () => {
    expect([ServerSocket.CONNECTING, ServerSocket.OPEN, ServerSocket.CLOSING, ServerSocket.CLOSED]).toEqual([
      0, 1, 2, 3,
    ]);
  });
});

describe("arguments of send", () => {
  const callback = () => {};
  type Given = [Parameters<typeof sendCallbackOf>[0], Parameters<typeof sendCallbackOf>[1]];

  it.each<[string, Given, ReturnType<typeof sendOptionsOf>, ReturnType<typeof sendCallbackOf>]>([
    ["nothing", [undefined, undefined], {}, undefined],
    ["a callback", [callback, undefined], {}, callback],
    ["options", [{ binary: true }, undefined], { binary: true }, undefined],
    ["both", [{ binary: true }, callback], { binary: true }, callback],
    ["a callback in third place", [undefined, callback], {}, callback],
    ["null, as `ws` takes it", [null as never, callback], {}, callback],
  ])("of %s", (_, given, options, onAccepted) => {
    expect([sendOptionsOf(given[0]), sendCallbackOf(...given)]).toEqual([options, onAccepted]);
  });

  it("do not say that a message is a fragment", () => {
    expect(() => sendOptionsOf({ fin: false })).toThrow(expect.objectContaining({ code: "ERR_USAGE_ARGUMENT" }));
  });
});

describe("checkedClose", () => {
  it.each<[Parameters<typeof checkedClose>, ReturnType<typeof checkedClose>]>([
    [[undefined, undefined], { code: 1005, reason: "" }],
    [[1000, undefined], { code: 1000, reason: "" }],
    [[1001, "going"], { code: 1001, reason: "going" }],
    [[1014, Buffer.from("bad gateway")], { code: 1014, reason: "bad gateway" }],
    [[3000, "x".repeat(123)], { code: 3000, reason: "x".repeat(123) }],
    [[4999, ""], { code: 4999, reason: "" }],
  ])("takes %j", (given, checked) => {
    expect(checkedClose(...given)).toEqual(checked);
  });

  it.each([0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 1000.5, Number.NaN, "1000" as never, null as never])(
    "refuses the code %s with a TypeError, as `ws` does",
    (code) => {
      expect(() => checkedClose(code, undefined)).toThrow(TypeError);
    },
  );

  it.each(["x".repeat(124), "ä".repeat(62), Buffer.alloc(124, "x")])("refuses a reason over 123 bytes", (reason) => {
    expect(() => checkedClose(1000, reason)).toThrow(RangeError);
  });
});

describe("pingArguments", () => {
  const callback = () => {};

  it.each<[string, Parameters<typeof pingArguments>, string, (() => void) | undefined]>([
    ["nothing", [undefined, undefined, undefined], "", undefined],
    ["a callback", [callback, undefined, undefined], "", callback],
    ["a string", ["beat", undefined, undefined], "beat", undefined],
    ["a string and a callback", ["beat", callback, undefined], "beat", callback],
    ["all that `ws` takes", [Buffer.from("beat"), false, callback], "beat", callback],
    ["a number", [12, undefined, undefined], "12", undefined],
    ["the longest payload", ["x".repeat(125), undefined, undefined], "x".repeat(125), undefined],
  ])("of %s", (_, given, payload, onAccepted) => {
    const [bytes, found] = pingArguments(...given);
    expect([String(bytes), found]).toEqual([payload, onAccepted]);
  });

  it.each(["x".repeat(126), "ä".repeat(63), Buffer.alloc(126)])("refuses a payload over 125 bytes", (data) => {
    expect(() => pingArguments(data, undefined, undefined)).toThrow(RangeError);
  });
});

describe("neverWritten", () => {
  it("is what sending on a closed socket fails with", () => {
    expect(neverWritten()).toMatchObject({ code: "ERR_NEVER_WRITTEN" });
  });
});
