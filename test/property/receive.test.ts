import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BatchOrder } from "../../src/core/receive/batch-order.js";
import { Reassembly } from "../../src/core/receive/reassembly.js";
import { chunk } from "../support/frame-table.js";

const LIMITS = { messageBytesMax: 9000, reassemblyBytesMax: 20_000, reassemblyMessagesMax: 3 };

/** What a peer may do that has come past the decoder: any chunk on any of a few channels, or a RESET. */
const inputs = fc.array(
  fc.oneof(
    {
      arbitrary: fc
        .record({
          channel: fc.nat(4),
          first: fc.boolean(),
          last: fc.boolean(),
          size: fc.nat(5000),
          total: fc.option(fc.nat(10_000)),
        })
        .map(({ total, size, ...flags }) =>
          chunk({
            ...flags,
            payload: new Uint8Array(flags.last ? size % 2000 : 1024 + size),
            totalBytes: flags.first && !flags.last ? (total ?? undefined) : undefined,
          }),
        ),
      weight: 6,
    },
    { arbitrary: fc.nat(4).map((channel) => ({ type: "reset" as const, channel })), weight: 1 },
  ),
  { maxLength: 60 },
);

interface Held {
  bytes: number;
  total: number | undefined;
}

/** What has to come of a chunk, from the rules alone. */
function judge(
  held: Map<number, Held>,
  { channel, first, last, payload, totalBytes }: ReturnType<typeof chunk>,
): number | "held" | "ok" {
  const known = held.get(channel);
  if (first === (known !== undefined)) return 1002;
  const bytes = (known?.bytes ?? 0) + payload.length;
  const total = known === undefined ? totalBytes : known.total;
  if (bytes > LIMITS.messageBytesMax || (total ?? 0) > LIMITS.messageBytesMax) return 1009;
  if (total !== undefined && (bytes > total || (last && bytes < total))) return 1002;
  if (last) {
    held.delete(channel);
    return "ok";
  }
  held.set(channel, { bytes, total });
  const sum = [...held.values()].reduce((all, each) => all + each.bytes, 0);
  return held.size > LIMITS.reassemblyMessagesMax || sum > LIMITS.reassemblyBytesMax ? 1009 : "held";
}

describe("Reassembly", () => {
  it("MSG-03, MSG-04, LIM-04: judges every chunk as the rules say, and never holds more than its limit", () => {
    const seen = new Map<unknown, number>();
    fc.assert(
      fc.property(inputs, (list) => {
        const reassembly = new Reassembly(LIMITS);
        const held = new Map<number, Held>();
        for (const input of list) {
          if (input.type === "reset") {
            expect(reassembly.reset(input.channel)).toBe(held.delete(input.channel));
            continue;
          }
          const outcome = reassembly.handleChunk(input);
          const expected = judge(held, input);
          seen.set(expected, (seen.get(expected) ?? 0) + 1);
          if (typeof expected === "number") {
            expect(outcome).toMatchObject({ type: "violation", violation: { code: expected } });
            return;
          }
          expect(outcome.type).toBe(expected === "ok" ? "message" : "partial");
          const sum = [...held.values()].reduce((all, each) => all + each.bytes, 0);
          expect(reassembly.heldBytes).toBe(sum);
          expect(sum).toBeLessThanOrEqual(LIMITS.reassemblyBytesMax);
        }
      }),
      { numRuns: 1500 },
    );
    for (const outcome of [1002, 1009, "held", "ok"]) expect(seen.get(outcome)).toBeGreaterThan(10);
  });

  it("MSG-05: puts together what was cut anywhere", () => {
    fc.assert(
      fc.property(fc.nat(8000), fc.array(fc.nat(8000), { maxLength: 6 }), (size, cuts) => {
        const reassembly = new Reassembly(LIMITS);
        const bytes = new Uint8Array(size).map((_, i) => i * 31);
        const places = [0, ...cuts.map((cut) => cut % (size + 1)).sort((a, b) => a - b), size];
        for (let i = 1; i < places.length; i++) {
          const payload = bytes.subarray(places[i - 1], places[i]);
          const outcome = reassembly.handleChunk(chunk({ first: i === 1, last: i === places.length - 1, payload }));
          if (outcome.type === "message") expect(Buffer.compare(outcome.message.bytes, bytes)).toBe(0);
          else expect([outcome.type, i < places.length - 1]).toEqual(["partial", true]);
        }
        expect(reassembly.heldBytes).toBe(0);
      }),
      { numRuns: 300 },
    );
  });
});

describe("BAT-04: BatchOrder", () => {
  it("accepts each number once and in order, whatever comes", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 8 }), { maxLength: 60 }), (numbers) => {
        const order = new BatchOrder();
        const accepted = numbers.filter((number, i) => order.accept(number, number, i) === "next");
        expect(accepted).toEqual(accepted.map((_, i) => i + 1));
        expect(order.number).toBe(accepted.length);
        expect(order.bytes).toBe(accepted.reduce((sum, number) => sum + number, 0));
      }),
      { numRuns: 500 },
    );
  });
});
