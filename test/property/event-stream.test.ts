import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeBase64Url } from "../../src/transport/http/base64url.js";
import { batchEvent, COMMENT, closeEvent, EventStreamReader, PRELUDE } from "../../src/transport/http/event-stream.js";
import { mutated } from "../support/arbitraries.js";
import { told } from "../support/hex.js";

const MAX = 120;

const batches = fc
  .tuple(fc.integer({ min: 1, max: 10 ** 15 - 1 }), fc.uint8Array({ minLength: 1, maxLength: MAX, size: "max" }))
  .map(([position, batch]) => ({
    event: { type: "batch" as const, position, batch },
    text: batchEvent(position, Buffer.from(batch).toString("base64url")),
  }));
const closes = fc
  .integer({ min: 1000, max: 4999 })
  .map((code) => ({ event: { type: "close" as const, code }, text: closeEvent(code) }));
const comments = fc.constantFrom(COMMENT, PRELUDE, ": any words\n").map((text) => ({ event: undefined, text }));
const streams = fc.array(fc.oneof(batches, closes, comments), { maxLength: 10 });
const cuts = fc.array(fc.nat(), { maxLength: 20 });

const bytesOf = (text: string) => new Uint8Array(Buffer.from(text, "latin1"));

function pieces(stream: Uint8Array, places: readonly number[]): Uint8Array[] {
  const all = [0, ...places.map((place) => place % (stream.length + 1)).sort((a, b) => a - b), stream.length];
  return all.slice(1).map((end, i) => stream.subarray(all[i], end));
}

function readAll(parts: readonly Uint8Array[]) {
  const reader = new EventStreamReader(MAX);
  const events = parts.flatMap((part) => reader.push(part));
  return { events, isViolated: reader.isViolated, comments: reader.comments };
}

describe("event streams", () => {
  it("give the same events however they are cut, and whatever ends their lines", () => {
    fc.assert(
      fc.property(streams, cuts, fc.constantFrom("\n", "\r", "\r\n"), (parts, places, end) => {
        const stream = bytesOf(parts.map(({ text }) => text.replaceAll("\n", end)).join(""));
        const events = parts.flatMap(({ event }) => event ?? []);
        const read = readAll(pieces(stream, places));
        expect(told([read.events, read.isViolated])).toBe(told([events, false]));
        expect(read.comments).toBe(parts.filter(({ event }) => event === undefined).length);
      }),
      { numRuns: 500 },
    );
  });

  it("make of noise, however cut, the same as in one piece, within their bounds, and never throw", () => {
    const noise = fc.oneof(
      fc.uint8Array({ maxLength: 400 }),
      mutated(streams.map((parts) => bytesOf(parts.map(({ text }) => text).join("")))),
      fc
        .array(fc.constantFrom("id: 1", "data: AQ", "data", "event: close", "\n", "\r", ":", "data: 1000", "\r\n"), {
          maxLength: 40,
        })
        .map((words) => bytesOf(words.join(""))),
    );
    const seen = { violated: 0, fine: 0 };
    fc.assert(
      fc.property(noise, cuts, (stream, places) => {
        const whole = readAll([stream]);
        expect(told(readAll(pieces(stream, places)))).toBe(told(whole));
        for (const event of whole.events) {
          if (event.type === "batch") expect(event.batch.length).toBeLessThanOrEqual(MAX + 64);
        }
        seen[whole.isViolated ? "violated" : "fine"] += 1;
      }),
      { numRuns: 1500 },
    );
    expect(Math.min(seen.violated, seen.fine)).toBeGreaterThan(100);
  });

  it("base64url is read as Node writes it, and nothing else is", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(decodeBase64Url(bytesOf(Buffer.from(bytes).toString("base64url")))).toEqual(bytes);
      }),
    );
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.string({ maxLength: 9 }).map(bytesOf)), (text) => {
        const read = decodeBase64Url(text);
        if (read === undefined) return;
        expect(Buffer.from(read).toString("base64url")).toBe(Buffer.from(text).toString("latin1"));
      }),
      { numRuns: 2000 },
    );
  });
});
