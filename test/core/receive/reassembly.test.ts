import { describe, expect, it } from "vitest";
import { Reassembly, type ReassemblyOutcome } from "../../../src/core/receive/reassembly.js";
import type { ChunkFrame } from "../../../src/core/wire/frame.js";
import { chunk } from "../../support/frame-table.js";

const LIMITS = { messageBytesMax: 10_000, reassemblyBytesMax: 20_000, reassemblyMessagesMax: 3 };

const bytes = (count: number, value = 1) => new Uint8Array(count).fill(value);
const first = (count: number, fields: Partial<ChunkFrame> = {}) =>
  chunk({ last: false, payload: bytes(count), ...fields });
const middle = (count: number, fields: Partial<ChunkFrame> = {}) =>
  chunk({ first: false, last: false, payload: bytes(count, 2), ...fields });
const last = (count: number, fields: Partial<ChunkFrame> = {}) =>
  chunk({ first: false, payload: bytes(count, 3), ...fields });
const whole = (count: number, fields: Partial<ChunkFrame> = {}) => chunk({ payload: bytes(count), ...fields });

function fed(chunks: ChunkFrame[], limits = LIMITS): { reassembly: Reassembly; outcomes: ReassemblyOutcome[] } {
  const reassembly = new Reassembly(limits);
  return { reassembly, outcomes: chunks.map((frame) => reassembly.handleChunk(frame)) };
}

const told = (outcome: ReassemblyOutcome | undefined) =>
  outcome?.type === "message"
    ? outcome.message.bytes.length
    : outcome?.type === "violation"
      ? outcome.violation.code
      : "partial";

describe("Reassembly", () => {
  it("gives a message of one chunk as it is, without a copy", () => {
    const payload = bytes(100);
    const [outcome] = fed([chunk({ text: true, payload })]).outcomes;
    expect(outcome).toEqual({ type: "message", message: { text: true, bytes: payload } });
    expect(outcome?.type === "message" && outcome.message.bytes).toBe(payload);
  });

  it("puts a message together, and takes its kind from the first chunk", () => {
    const { outcomes, reassembly } = fed([first(1024, { text: true, totalBytes: 3058 }), middle(2000), last(34)]);
    expect(outcomes.slice(0, 2)).toEqual([{ type: "partial" }, { type: "partial" }]);
    const expected = Uint8Array.of(...bytes(1024), ...bytes(2000, 2), ...bytes(34, 3));
    expect(outcomes[2]).toEqual({ type: "message", message: { text: true, bytes: expected } });
    expect(reassembly.heldBytes).toBe(0);
  });

  it("MSG-03: keeps the messages of different channels apart", () => {
    const { outcomes } = fed([
      first(1024, { channel: 1 }),
      first(2048, { channel: 2 }),
      whole(5),
      last(1, { channel: 1 }),
      last(2, { channel: 2 }),
    ]);
    expect(outcomes.map(told)).toEqual(["partial", "partial", 5, 1025, 2050]);
  });

  const violations: [string, ChunkFrame[], number][] = [
    ["MSG-03: a first chunk inside a message", [first(1024), first(1024)], 1002],
    ["MSG-03: a whole message inside a message", [first(1024), whole(1)], 1002],
    ["MSG-03: a later chunk where nothing has begun", [middle(1024)], 1002],
    ["MSG-03: a last chunk where nothing has begun", [last(1)], 1002],
    ["MSG-03: a last chunk on another channel", [first(1024), last(1, { channel: 1 })], 1002],
    ["MSG-03: a second last chunk", [first(1024), last(1), last(1)], 1002],
    ["MSG-04: shorter than announced", [first(1024, { totalBytes: 3000 }), last(1975)], 1002],
    ["MSG-04: longer than announced, at the end", [first(1024, { totalBytes: 3000 }), last(1977)], 1002],
    ["MSG-04: longer than announced, before the end", [first(1024, { totalBytes: 3000 }), middle(1977)], 1002],
    ["MSG-04: longer than announced, at once", [first(1024, { totalBytes: 1023 })], 1002],
    ["LIM-04: one chunk that is too large", [whole(10_001)], 1009],
    ["LIM-04: a message that announces too much", [first(1024, { totalBytes: 10_001 })], 1009],
    ["LIM-04: a message that becomes too large before its end", [first(6000), middle(4001)], 1009],
    ["LIM-04: a message that becomes too large at its end", [first(6000), last(4001)], 1009],
    ["LIM-04: too many unfinished messages", [0, 1, 2, 3].map((channel) => first(1024, { channel })), 1009],
    [
      "LIM-04: too many bytes of unfinished messages",
      [first(9000, { channel: 0 }), first(9000, { channel: 1 }), first(2001, { channel: 2 })],
      1009,
    ],
  ];

  it.each(violations)("%s", (_, chunks, code) => {
    const { outcomes } = fed(chunks);
    expect(told(outcomes.at(-1))).toBe(code);
    for (const outcome of outcomes.slice(0, -1)) expect(outcome.type).not.toBe("violation");
  });

  const fine: [string, ChunkFrame[]][] = [
    ["a message of exactly the limit", [whole(10_000)]],
    ["a message of exactly the limit in pieces", [first(6000, { totalBytes: 10_000 }), last(4000)]],
    ["as many unfinished messages as allowed", [0, 1, 2].map((channel) => first(1024, { channel }))],
    ["as many unfinished bytes as allowed", [first(9000), first(9000, { channel: 1 }), first(2000, { channel: 2 })]],
    [
      "LIM-04: a last chunk over the unfinished bytes",
      [first(9000), first(9000, { channel: 1 }), first(2000, { channel: 2 }), last(1000)],
    ],
    [
      "a whole message while no more may be begun",
      [...[1, 2, 3].map((channel) => first(1024, { channel })), whole(10_000)],
    ],
    ["a last chunk of nothing", [first(1024), last(0)]],
    ["an empty message", [whole(0)]],
    ["a message that has all it announced and still to end", [first(1024, { totalBytes: 1024 }), last(0)]],
  ];

  it.each(fine)("takes %s", (_, chunks) => {
    for (const outcome of fed(chunks).outcomes) expect(outcome.type).not.toBe("violation");
  });

  it("counts what it holds, and nothing for what is only announced", () => {
    const { reassembly } = fed([first(1024, { totalBytes: 9000 }), middle(1500), first(2000, { channel: 1 })]);
    expect(reassembly.heldBytes).toBe(4524);
    reassembly.handleChunk(last(6476));
    expect(reassembly.heldBytes).toBe(2000);
  });

  it("MSG-07: forgets a message that is taken back, and the next one begins afresh", () => {
    const { reassembly } = fed([first(1024), first(2000, { channel: 1 })]);
    expect([reassembly.isPartial(0), reassembly.isPartial(1), reassembly.isPartial(2)]).toEqual([true, true, false]);
    expect(reassembly.reset(0)).toBe(true);
    expect([reassembly.isPartial(0), reassembly.heldBytes]).toEqual([false, 2000]);
    expect(reassembly.reset(0)).toBe(false);
    expect(told(reassembly.handleChunk(whole(7)))).toBe(7);
    expect(told(reassembly.handleChunk(last(9, { channel: 1 })))).toBe(2009);
  });

  it("frees its room with every message that ends or is taken back", () => {
    const reassembly = new Reassembly(LIMITS);
    for (let i = 0; i < 100; i++) {
      expect(reassembly.handleChunk(first(9000)).type).toBe("partial");
      if (i % 2 === 0) reassembly.reset(0);
      else expect(told(reassembly.handleChunk(last(1000)))).toBe(10_000);
      expect(reassembly.heldBytes).toBe(0);
    }
  });

  it("forgets everything at once", () => {
    const { reassembly } = fed([first(1024), first(2000, { channel: 1 })]);
    reassembly.clear();
    expect([reassembly.heldBytes, reassembly.isPartial(0), reassembly.isPartial(1)]).toEqual([0, false, false]);
  });

  it("keeps no large buffer alive for a small piece of it", () => {
    const buffer = new Uint8Array(64 * 1024).fill(7);
    const { reassembly } = fed([first(0, { payload: buffer.subarray(100, 1200) })]);
    buffer.fill(8);
    const outcome = reassembly.handleChunk(last(0));
    expect(outcome.type === "message" && outcome.message.bytes.every((byte) => byte === 7)).toBe(true);
  });
});
