import { describe, expect, it } from "vitest";
import { NATIVE, nativeOf } from "../../src/client/native-web-socket.js";

describe("nativeOf", () => {
  it.each([[undefined], [null], [class {}], [{}]])("is %o itself", (given) => {
    expect(nativeOf(given)).toBe(given);
  });

  it("of a class that stands in for another is that one, also where there is none", () => {
    class Native {}
    class Installed {}
    expect(nativeOf(Object.assign(Installed, { [NATIVE]: Native }))).toBe(Native);
    expect(nativeOf(Object.assign(class {}, { [NATIVE]: undefined }))).toBeUndefined();
  });
});
