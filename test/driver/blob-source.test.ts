import { describe, expect, it } from "vitest";
import { BlobSource } from "../../src/driver/blob-source.js";

describe("BlobSource", () => {
  it("reads the piece that is asked for, and knows the whole length", async () => {
    const source = new BlobSource(new Blob([Uint8Array.from({ length: 100 }, (_, i) => i)]));
    expect(source.totalBytes).toBe(100);
    expect([...(await source.read(10, 5))]).toEqual([10, 11, 12, 13, 14]);
    expect([...(await source.read(98, 2))]).toEqual([98, 99]);
  });

  it("passes on that the Blob can no longer be read", async () => {
    const gone = { size: 3, slice: () => ({ arrayBuffer: () => Promise.reject(new Error("gone")) }) };
    await expect(new BlobSource(gone).read(0, 3)).rejects.toThrow("gone");
  });
});
