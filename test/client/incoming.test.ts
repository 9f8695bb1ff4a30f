import { describe, expect, it } from "vitest";
import { dataOf } from "../../src/client/incoming.js";

describe("dataOf", () => {
  it.each(["blob", "arraybuffer"] as const)("leaves text alone (%s)", (type) => {
    expect(dataOf("hello", type)).toBe("hello");
  });

  it("makes a Blob of bytes", async () => {
    const blob = dataOf(Uint8Array.of(1, 2, 3), "blob") as Blob;
    expect(blob).toBeInstanceOf(Blob);
    expect(blob.type).toBe("");
    expect([...new Uint8Array(await blob.arrayBuffer())]).toEqual([1, 2, 3]);
  });

  it("makes an ArrayBuffer of a part of a larger one: the rest is none of the application's business", () => {
    const batch = Uint8Array.of(9, 9, 1, 2, 3, 9);
    const buffer = dataOf(batch.subarray(2, 5), "arraybuffer") as ArrayBuffer;
    expect(buffer).toBeInstanceOf(ArrayBuffer);
    expect([...new Uint8Array(buffer)]).toEqual([1, 2, 3]);
  });

  it("copies nothing that is whole", () => {
    const bytes = Uint8Array.of(1, 2, 3);
    expect(dataOf(bytes, "arraybuffer")).toBe(bytes.buffer);
  });

  it("makes something empty of nothing", () => {
    expect((dataOf(new Uint8Array(0), "arraybuffer") as ArrayBuffer).byteLength).toBe(0);
    expect((dataOf(new Uint8Array(8).subarray(4, 4), "arraybuffer") as ArrayBuffer).byteLength).toBe(0);
    expect((dataOf(new Uint8Array(0), "blob") as Blob).size).toBe(0);
  });
});
