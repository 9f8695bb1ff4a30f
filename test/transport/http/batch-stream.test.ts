import { describe, expect, it } from "vitest";
import { BatchStreamReader, batchStream, fittingCount, sizeOf } from "../../../src/transport/http/batch-stream.js";
import { hex, told, unhex } from "../../support/hex.js";

const framedBatch = (batch: Uint8Array) => batchStream([batch]);
const concat = (...parts: Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));
const filled = (size: number) => new Uint8Array(size).map((_, i) => i);

describe("BAT-06: batches in a stream", () => {
  it.each([
    [1, "01"],
    [63, "3f"],
    [64, "4040"],
    [16_384, "80004000"],
  ])("a batch of %d bytes stands behind %s", (size, header) => {
    const framed = framedBatch(filled(size));
    expect(hex(framed)).toBe(header + hex(filled(size)));
    expect(new BatchStreamReader(size).push(framed)).toEqual([filled(size)]);
  });

  it("gives batches cut in any two places, and holds only what is incomplete", () => {
    const batches = [filled(1), filled(70), filled(3)];
    const stream = concat(...batches.map(framedBatch));
    const expected = told([batches, 0, undefined]);
    for (let a = 0; a <= stream.length; a++) {
      for (let b = a; b <= stream.length; b++) {
        const reader = new BatchStreamReader(100);
        const parts = [stream.subarray(0, a), stream.subarray(a, b), stream.subarray(b)];
        const out = parts.flatMap((part) => reader.push(part));
        // One comparison, not thousands: this runs for every pair of places.
        if (told([out, reader.heldBytes, reader.violation]) !== expected) throw new Error(`cut at ${a} and ${b}`);
      }
    }
  });

  it("tells a truncated stream by what it holds", () => {
    const stream = concat(framedBatch(filled(5)), framedBatch(filled(100)));
    for (let cut = 0; cut <= stream.length; cut++) {
      const reader = new BatchStreamReader(100);
      const complete = reader.push(stream.subarray(0, cut)).reduce((sum, batch) => sum + framedBatch(batch).length, 0);
      expect(reader.heldBytes).toBe(cut - complete);
    }
  });

  it.each([
    ["a batch of no bytes", "00", 1002],
    ["a batch over the limit", "0b", 1009],
    ["a batch far over the limit", "c01fffffffffffff", 1009],
    ["a length of 2^53 or more", "ffffffffffffffff", 1009],
    ["a long spelling of nothing", "4000", 1002],
  ])("refuses %s, and reads nothing behind it", (_, bytes, code) => {
    for (const isWhole of [true, false]) {
      const reader = new BatchStreamReader(10);
      const bad = concat(unhex("01aa"), unhex(bytes), unhex("01bb"));
      const pieces = isWhole ? [bad] : [...bad].map((byte) => Uint8Array.of(byte));
      expect(pieces.flatMap((piece) => reader.push(piece))).toEqual([unhex("aa")]);
      expect(reader.violation?.code).toBe(code);
      expect(reader.push(framedBatch(filled(3)))).toEqual([]);
      expect(reader.heldBytes).toBe(0);
    }
  });

  it("takes a batch of exactly the limit, and no more", () => {
    expect(new BatchStreamReader(10).push(framedBatch(filled(10)))).toHaveLength(1);
    expect(new BatchStreamReader(10).push(framedBatch(filled(11)))).toHaveLength(0);
  });

  it("gives batches that do not share memory with the pieces", () => {
    const piece = framedBatch(filled(5));
    const [batch] = new BatchStreamReader(10).push(piece);
    piece.fill(0xee);
    expect(batch).toEqual(filled(5));
  });

  it("takes empty pieces", () => {
    const reader = new BatchStreamReader(10);
    expect(reader.push(new Uint8Array(0))).toEqual([]);
    expect(reader.heldBytes).toBe(0);
  });
});

describe("batches that go along in a stream", () => {
  const batches = [63, 64, 200].map(filled);

  it("are counted without what stands before them", () => {
    expect([sizeOf(batches), sizeOf([])]).toEqual([327, 0]);
  });

  it("are as many as fit with it, and one in any case", () => {
    const countAt = (bytesMax: number) => fittingCount(batches, bytesMax);
    expect([1, 64, 129, 130, 331, 332, 1000].map(countAt)).toEqual([1, 1, 1, 2, 2, 3, 3]);
    expect(batchStream(batches)).toHaveLength(332);
    expect(fittingCount([], 1000)).toBe(0);
  });
});
