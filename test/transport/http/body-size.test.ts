import { describe, expect, it } from "vitest";
import { BodySize } from "../../../src/transport/http/body-size.js";

const KIB = 1024;

function sized(max: number, wanted?: number): BodySize {
  const size = new BodySize(max);
  if (wanted !== undefined) size.handleRequestBytes(wanted);
  return size;
}

describe("HTTP-12: a body", () => {
  it("has 64 KiB before anybody has said more, then what should go along, within what may", () => {
    expect(sized(256 * KIB).bytes).toBe(64 * KIB);
    expect(sized(256 * KIB, 1000).bytes).toBe(1000);
    expect(sized(256 * KIB, 300 * KIB).bytes).toBe(256 * KIB);
    expect(sized(2000).bytes).toBe(2000);
  });

  it("has half of what was too large, from then on", () => {
    const size = sized(256 * KIB, 256 * KIB);
    size.handleTooLarge(101);
    size.handleSuccess();
    expect([size.bytes, size.max]).toEqual([50, 50]);
    size.handleTooLarge(1);
    expect(size.bytes).toBe(1);
  });

  it("has half of what was not through in time", () => {
    const size = sized(256 * KIB, 256 * KIB);
    size.handleFailure(80_000, true);
    expect([size.bytes, size.max]).toEqual([40_000, 40_000]);
  });

  it("has half of what has failed behind another failure, but a batch at least, and twice as much for each that is taken", () => {
    const size = sized(256 * KIB, 256 * KIB);
    size.handleFailure(256 * KIB, false);
    expect(size.bytes).toBe(256 * KIB);
    size.handleFailure(256 * KIB, false);
    expect([size.bytes, size.max]).toEqual([128 * KIB, 256 * KIB]);
    size.handleFailure(20_000, false);
    expect(size.bytes).toBe(16 * KIB);
    size.handleSuccess();
    size.handleSuccess();
    expect(size.bytes).toBe(64 * KIB);
    size.handleFailure(64 * KIB, false);
    expect(size.bytes).toBe(64 * KIB);
  });
});
