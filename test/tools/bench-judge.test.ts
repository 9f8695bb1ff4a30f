import { describe, expect, test } from "vitest";
import { judgeTransfer, latenciesOf } from "../../bench/lib/judge.mjs";

const lineText = "hello";
/** Two lines, sent at 1,000 and 1,050 of a clock that is 500 ms behind the receiver's. */
const sent = { startedAt: 990, sentAt: [1000, 1050], digest: "abc" };
const lines = [
  { text: "0 hello", at: 1520 },
  { text: "1 hello", at: 1580 },
];
const file = { at: 1990, bytes: 1_000_000, digest: "abc" };
const context = { aheadMs: 500, lineText, fileBytes: 1_000_000 };

describe("what the benchmark of head-of-line blocking makes of a transfer", () => {
  test("latencies are told on one clock", () => {
    expect(latenciesOf(sent, { lines }, context)).toEqual([20, 30]);
  });

  test("goodput is the file over the time from its sending to its arrival", () => {
    const { goodputMegabit, latenciesMs } = judgeTransfer(sent, { lines, file }, context);
    expect(goodputMegabit).toBe(16);
    expect(latenciesMs).toEqual([20, 30]);
  });

  test("lines sent after the arrival of the file do not count", () => {
    const early = { ...file, at: 1540 };
    expect(judgeTransfer(sent, { lines, file: early }, context).latenciesMs).toEqual([20]);
  });

  test.each([
    { title: "a line that is missing", arrived: { lines: lines.slice(0, 1), file }, error: "1 of 2 lines" },
    { title: "a line that came twice", arrived: { lines: [...lines, ...lines.slice(1)], file }, error: "3 of 2 lines" },
    { title: "lines out of order", arrived: { lines: [...lines].reverse(), file }, error: "line 0 arrived as" },
    { title: "a file that is missing", arrived: { lines }, error: "has not arrived" },
    { title: "a file that was cut", arrived: { lines, file: { ...file, bytes: 999 } }, error: "damaged" },
    { title: "a file that was altered", arrived: { lines, file: { ...file, digest: "abd" } }, error: "damaged" },
  ])("$title is an error, not a number", ({ arrived, error }) => {
    expect(() => judgeTransfer(sent, arrived, context)).toThrow(error);
  });
});
