import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Readiness, Scheduler } from "../../src/core/send/scheduler.js";
import type { SendChannel } from "../../src/core/send/send-channel.js";
import type { Priority } from "../../src/core/wire/frame.js";
import { backlogged, wholeMessage } from "../support/outgoing.js";

const QUANTUM = 16_384;

/** How a channel beside the one that is watched behaves. */
type Habit = "busy" | "comes and goes" | "pauses after each turn";

interface Step {
  /** What the channel sends that is picked. */
  readonly bytes: number;
  /** Which of those that come and go do so now, and how often a full window is looked at before. */
  readonly toggles: number;
  readonly looks: number;
}

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({ bytes: fc.integer({ min: 1, max: QUANTUM }), toggles: fc.nat(255), looks: fc.nat(2) }),
  { minLength: 100, maxLength: 400, size: "max" },
);

const habits = (count: number): fc.Arbitrary<Habit[]> =>
  fc.array(fc.constantFrom<Habit>("busy", "comes and goes", "pauses after each turn", "pauses after each turn"), {
    minLength: count,
    maxLength: count,
  });

/** Lets the others do as they use to while one channel always has work. Returns the bytes between its turns. */
function gaps(list: Step[], others: { priority: Priority; habit: Habit }[], watched: Priority) {
  const scheduler = new Scheduler(QUANTUM);
  const victim = backlogged(100, watched);
  const channels = others.map(({ priority, habit }, i) => ({ habit, channel: backlogged(i, priority, 0) }));
  scheduler.handleBacklog(victim);
  const result: number[] = [];
  let waited = 0;
  for (const { bytes, toggles, looks } of list) {
    for (const [i, { habit, channel }] of channels.entries()) {
      const isBusy = habit !== "comes and goes" || ((toggles >> i) & 1) === 1;
      if (channel.isBacklogged && !isBusy) channel.messages.clear();
      if (!channel.isBacklogged && isBusy) channel.messages.push(wholeMessage(1));
      scheduler.handleBacklog(channel);
    }
    const picked = scheduler.pick(() => "ready") as SendChannel;
    expect(picked.isBacklogged).toBe(true);
    scheduler.charge(picked, bytes);
    if (picked === victim) {
      result.push(waited);
      waited = 0;
    } else {
      waited += bytes;
      if (channels[picked.key]?.habit === "pauses after each turn") picked.messages.clear();
    }
    for (let i = 0; i < looks; i++) scheduler.pick(() => "no-room");
  }
  return { max: Math.max(waited, ...result), turns: result.length };
}

describe("Scheduler", () => {
  // Between two of its turns a low channel gets four quanta of a quarter each, so five rounds at the most begin; in
  // each of them another channel has one turn, and one more where it was idle and is fresh, of one quantum and the
  // rest of a chunk each.
  it.each([1, 2, 4, 7])("never lets a low channel wait for more than 20 quanta of each of %i others", (count) => {
    let turns = 0;
    fc.assert(
      fc.property(steps, habits(count), (list, chosen) => {
        const run = gaps(
          list,
          chosen.map((habit) => ({ habit, priority: "normal" })),
          "low",
        );
        turns += run.turns;
        expect(run.max).toBeLessThanOrEqual(count * 5 * 4 * QUANTUM);
      }),
      { numRuns: 60 },
    );
    expect(turns).toBeGreaterThan(100);
  });

  it("never lets a normal channel wait for more than two rounds of the others", () => {
    fc.assert(
      fc.property(steps, habits(4), (list, chosen) => {
        const run = gaps(
          list,
          chosen.map((habit, i) => ({ habit, priority: i % 2 === 0 ? "normal" : "low" })),
          "normal",
        );
        expect(run.max).toBeLessThanOrEqual(4 * 2 * 4 * QUANTUM);
      }),
      { numRuns: 100 },
    );
  });

  it("gives a normal channel four times what a low one gets, whatever the sizes, and equals the same", () => {
    const mixes = fc.record({
      normals: fc.integer({ min: 1, max: 5 }),
      lows: fc.integer({ min: 1, max: 5 }),
      sizes: fc.array(fc.integer({ min: 1, max: 64 * 1024 }), { minLength: 1, maxLength: 20 }),
    });
    fc.assert(
      fc.property(mixes, ({ normals, lows, sizes }) => {
        const channels = [...Array(normals + lows).keys()].map((key) =>
          backlogged(key, key < normals ? "normal" : "low"),
        );
        const scheduler = new Scheduler(QUANTUM);
        for (const channel of channels) scheduler.handleBacklog(channel);
        const sent: number[] = Array(channels.length).fill(0);
        const total = 200 * QUANTUM * channels.length;
        for (let i = 0, all = 0; all < total; i++) {
          const channel = scheduler.pick(() => "ready") as SendChannel;
          const bytes = sizes[(i * 7 + channel.key) % sizes.length] as number;
          scheduler.charge(channel, bytes);
          sent[channel.key] = (sent[channel.key] as number) + bytes;
          all += bytes;
        }
        // Within a quantum and a chunk of its share.
        const shares = sent.map((bytes, key) => bytes / (key < normals ? 4 : 1));
        const slack = QUANTUM / 4 + 64 * 1024;
        expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(slack + QUANTUM);
      }),
      { numRuns: 60 },
    );
  });

  it("picks somebody whenever somebody is ready, nobody otherwise, and keeps every channel in one place", () => {
    const priorities = fc.constantFrom<Priority>("high", "normal", "low");
    const readiness = fc.constantFrom<Readiness>("ready", "no-room", "not-ready");
    const action = fc.record({
      channel: fc.nat(5),
      work: fc.boolean(),
      priority: fc.option(priorities),
      states: fc.array(readiness, { minLength: 6, maxLength: 6 }),
      bytes: fc.nat(QUANTUM),
    });
    const picks = { some: 0, none: 0 };
    fc.assert(
      fc.property(
        fc.array(priorities, { minLength: 6, maxLength: 6 }),
        fc.array(action, { maxLength: 80 }),
        (initial, list) => {
          const scheduler = new Scheduler(QUANTUM);
          const channels = initial.map((priority, i) => backlogged(i, priority, 0));
          for (const { channel: index, work, priority, states, bytes } of list) {
            const changed = channels[index] as SendChannel;
            if (work) changed.messages.push(wholeMessage(1));
            else changed.messages.clear();
            scheduler.handleBacklog(changed);
            if (priority !== null) {
              changed.priority = priority;
              scheduler.handlePriority(changed);
            }
            const ready = channels.filter(({ isBacklogged, key }) => isBacklogged && states[key] === "ready");
            if (bytes % 3 === 0) scheduler.handleAcked(bytes);
            const canTake = channels.some((channel) => scheduler.overdraftBytes(channel) > 0);
            const picked = scheduler.pick(({ key }) => states[key] as Readiness);
            picks[picked === undefined ? "none" : "some"] += 1;
            if (picked !== undefined) expect(ready).toContain(picked);
            // While one that is in turn waits for room, the rest may have used up what they had.
            if (picked === undefined) expect(ready.length === 0 || states.includes("no-room")).toBe(true);
            const areHigh = ({ priority }: SendChannel) => priority === "high";
            const waitsForRoom = ({ isBacklogged, key }: SendChannel) => isBacklogged && states[key] === "no-room";
            const isHighHeld = channels.some((channel) => areHigh(channel) && waitsForRoom(channel));
            const others = channels.filter((channel) => !areHigh(channel));
            // While high can pay, one of them that waits for room holds everybody.
            if (canTake && ready.some(areHigh) && picked !== undefined) expect(picked.priority).toBe("high");
            if (canTake && ready.some(areHigh) && picked === undefined) expect(isHighHeld).toBe(true);
            if (canTake && picked !== undefined && picked.priority !== "high") expect(isHighHeld).toBe(false);
            // When it cannot, it takes nothing from anybody who could use it.
            if (!canTake && picked?.priority === "high") {
              expect(others.some((channel) => waitsForRoom(channel) || ready.includes(channel))).toBe(false);
            }
            if (!canTake && ready.some(areHigh) && picked === undefined) {
              expect(isHighHeld || others.some(waitsForRoom)).toBe(true);
            }
            if (picked !== undefined) scheduler.charge(picked, bytes);
            for (const { isBacklogged, turn } of channels) expect(isBacklogged && turn === "none").toBe(false);
          }
        },
      ),
      { numRuns: 300 },
    );
    expect(Math.min(picks.some, picks.none)).toBeGreaterThan(200);
  });
});
