import { describe, expect, it } from "vitest";
import { WindowProbe } from "../../../src/core/send/window-probe.js";

const ROUND = { rate: 1000, isLimited: true, isCalm: true };

/** In which of `count` rounds it asks for more; the line has been known for long. @param roundAt what those are like that are not as usual */
function asksIn(count: number, roundAt: (round: number) => Partial<typeof ROUND> = () => ({})): number[] {
  const probe = new WindowProbe();
  return Array.from({ length: count }, (_, i) => i + 1).filter((round) => {
    const { rate, isLimited, isCalm } = { ...ROUND, ...roundAt(round) };
    probe.handleRound(100 + round, rate, isLimited, isCalm);
    expect([1, 1.15]).toContain(probe.gain);
    return probe.gain > 1;
  });
}

describe("WindowProbe", () => {
  it("asks in one round of eight", () => {
    expect(asksIn(30)).toEqual([1, 9, 17, 25]);
  });

  it("goes on where the next round but one has brought a twentieth more, without a queue", () => {
    const more = (round: number) => ({ rate: round < 3 ? 1000 : 1051 });
    expect(asksIn(20, more)).toEqual([1, 3, 11, 19]);
    expect(asksIn(20, (round) => ({ rate: round < 3 ? 1000 : 1050 }))).toEqual([1, 9, 17]);
    expect(asksIn(20, (round) => ({ ...more(round), isCalm: false }))).toEqual([1, 9, 17]);
  });

  it("does not ask for more than the sender has: it waits for the next round that is full", () => {
    expect(asksIn(20, (round) => ({ isLimited: round > 4 }))).toEqual([5, 13]);
  });
});
