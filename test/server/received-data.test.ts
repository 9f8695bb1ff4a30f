import { describe, expect, it } from "vitest";
import { isBinaryType, receivedData } from "../../src/server/received-data.js";

describe("receivedData", () => {
  it("of an ArrayBuffer is the memory itself where nothing else is in it, else a copy of its part", () => {
    const whole = Buffer.from(Uint8Array.of(1, 2, 3).buffer);
    expect(receivedData(whole, true, "arraybuffer")).toBe(whole.buffer);
    const part = receivedData(whole.subarray(1), true, "arraybuffer") as ArrayBuffer;
    expect([...new Uint8Array(part)]).toEqual([2, 3]);
  });

  it("is the Buffer itself by default, and for text", () => {
    const data = Buffer.from("a");
    expect(receivedData(data, true, "nodebuffer")).toBe(data);
    for (const type of ["nodebuffer", "arraybuffer", "fragments", "blob"] as const) {
      expect(receivedData(data, false, type)).toBe(data);
    }
  });

  it("of fragments is one, and of a Blob its bytes", async () => {
    const data = Buffer.from("ab");
    expect(receivedData(data, true, "fragments")).toEqual([data]);
    expect(await (receivedData(data, true, "blob") as Blob).text()).toBe("ab");
  });
});

describe("isBinaryType", () => {
  it.each(["nodebuffer", "arraybuffer", "fragments", "blob"])("knows %s", (value) => {
    expect(isBinaryType(value)).toBe(true);
  });

  it.each(["", "text", "Blob", null, undefined, 1])("does not know %s", (value) => {
    expect(isBinaryType(value)).toBe(false);
  });
});
