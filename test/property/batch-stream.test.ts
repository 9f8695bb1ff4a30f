import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BatchStreamReader, batchStream } from "../../src/transport/http/batch-stream.js";
import { mutated, varints } from "../support/arbitraries.js";
import { told } from "../support/hex.js";

const MAX = 300;
const contents = fc.array(fc.uint8Array({ minLength: 1, maxLength: MAX, size: "max" }), { maxLength: 12 });
const streamOf = (batches: readonly Uint8Array[]) => batchStream(batches);

/** Cuts `stream` at `cuts`, anywhere and as often as there are some. */
function pieces(stream: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [0, ...cuts.map((cut) => cut % (stream.length + 1)).sort((a, b) => a - b), stream.length];
  return places.slice(1).map((end, i) => stream.subarray(places[i], end));
}

function readAll(parts: readonly Uint8Array[]) {
  const reader = new BatchStreamReader(MAX);
  const batches: Uint8Array[] = [];
  for (const part of parts) {
    batches.push(...reader.push(part));
    expect(reader.heldBytes).toBeLessThanOrEqual(MAX + 8);
  }
  return { batches, heldBytes: reader.heldBytes, code: reader.violation?.code };
}

/** The same by looking at the whole stream at once. */
function naive(stream: Uint8Array) {
  const batches: Uint8Array[] = [];
  for (let offset = 0; ; ) {
    const first = stream[offset];
    const header = first === undefined ? 1 : 2 ** (first >> 6);
    if (offset + header > stream.length) return { batches, heldBytes: stream.length - offset, code: undefined };
    let size = BigInt((first as number) % 64);
    for (const byte of stream.subarray(offset + 1, offset + header)) size = size * 256n + BigInt(byte);
    if (size === 0n) return { batches, heldBytes: 0, code: 1002 };
    if (size > BigInt(MAX)) return { batches, heldBytes: 0, code: 1009 };
    const end = offset + header + Number(size);
    if (end > stream.length) return { batches, heldBytes: stream.length - offset, code: undefined };
    batches.push(stream.slice(offset + header, end));
    offset = end;
  }
}

const cuts = fc.array(fc.nat(), { maxLength: 20 });

describe("BAT-06: a stream of batches", () => {
  it("gives the same batches however it is cut", () => {
    fc.assert(
      fc.property(contents, cuts, (batches, places) => {
        expect(told(readAll(pieces(streamOf(batches), places)))).toBe(told({ batches, heldBytes: 0, code: undefined }));
      }),
      { numRuns: 500 },
    );
  });

  it("gives the same batches at every single cut, and byte by byte", () => {
    fc.assert(
      fc.property(contents, (batches) => {
        const stream = streamOf(batches.slice(0, 3));
        for (let cut = 0; cut <= stream.length; cut++) {
          const reader = new BatchStreamReader(MAX);
          const read = [...reader.push(stream.subarray(0, cut)), ...reader.push(stream.subarray(cut))];
          if (
            read.length !== Math.min(3, batches.length) ||
            read.some((batch, i) => Buffer.compare(batch, batches[i] as Uint8Array) !== 0)
          ) {
            throw new Error(`cut at ${cut}`);
          }
        }
        expect(readAll(Array.from(stream, (byte) => Uint8Array.of(byte))).batches).toEqual(batches.slice(0, 3));
      }),
      { numRuns: 40 },
    );
  });

  it("ERR-04: makes of noise, however cut, what looking at it at once makes", () => {
    const noise = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      mutated(contents.map(streamOf)),
      fc.tuple(contents, varints, fc.uint8Array({ maxLength: 20 })).map(([batches, length, rest]) => {
        const header = Buffer.alloc(8);
        header.writeBigUInt64BE(BigInt(length) | (3n << 62n));
        return Uint8Array.from(Buffer.concat([streamOf(batches), header, rest]));
      }),
    );
    const codes = new Set<number | undefined>();
    fc.assert(
      fc.property(noise, cuts, (stream, places) => {
        const read = readAll(pieces(stream, places));
        expect(told(read)).toBe(told(naive(stream)));
        codes.add(read.code);
      }),
      { numRuns: 1500 },
    );
    expect(codes).toEqual(new Set([undefined, 1002, 1009]));
  });
});
