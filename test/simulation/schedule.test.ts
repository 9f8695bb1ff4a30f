import { describe, expect, it } from "vitest";
import { PROFILES } from "./plan.js";
import { runRange, tellStory } from "./run.js";
import { FOUND_SEEDS } from "./seeds.js";

describe("a schedule", () => {
  it("is the same story each time for the same seed, and another one for another seed", () => {
    const storyOf = (seed: number) => {
      const lines: string[] = [];
      expect(tellStory(seed, "all", (line) => lines.push(line))).toBeUndefined();
      return lines;
    };
    expect(storyOf(7).length).toBeGreaterThan(50);
    expect(storyOf(7)).toEqual(storyOf(7));
    expect(storyOf(7)).not.toEqual(storyOf(8));
  });

  it.each(PROFILES)("of the profile %s has at least 20 messages and 2 faults", (profile) => {
    const report = runRange({ from: 1, count: 20, profile, failuresMax: 1 });
    expect(report.failures).toEqual([]);
    expect(report.schedules).toBe(20);
    expect(report.messagesMin).toBeGreaterThanOrEqual(20);
    expect(report.faultsMin).toBeGreaterThanOrEqual(2);
  });

  it.each([
    { seed: 101_107, what: "the line" },
    { seed: 140_095, what: "the window" },
  ])("of seed $seed has no more than $what carries in time", ({ seed }) => {
    expect(tellStory(seed, undefined, () => {})).toBeUndefined();
  });

  it("of seed 219273 has no more to keep for one client than the server has room for", () => {
    expect(tellStory(219_273, undefined, () => {})).toBeUndefined();
  });

  it.each(FOUND_SEEDS)("of seed $seed ends well: $cause", ({ seed, profile }) => {
    expect(tellStory(seed, profile, () => {})).toBeUndefined();
  });
});
