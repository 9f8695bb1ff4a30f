import { describe, expect, it } from "vitest";
import { HIGH_TOKENS_MAX, type Readiness, Scheduler } from "../../../src/core/send/scheduler.js";
import type { SendChannel } from "../../../src/core/send/send-channel.js";
import { backlogged, wholeMessage } from "../../support/outgoing.js";

const QUANTUM = 16_384;
const anyone = (): Readiness => "ready";
const allBut =
  (refused: Readiness, ...keys: number[]) =>
  ({ key }: SendChannel): Readiness =>
    keys.includes(key) ? refused : "ready";

function withChannels(...channels: SendChannel[]): Scheduler {
  const scheduler = new Scheduler(QUANTUM);
  for (const channel of channels) scheduler.handleBacklog(channel);
  return scheduler;
}

/** The keys of the channels that send, in order, `bytes` each. */
function turns(
  scheduler: Scheduler,
  count: number,
  bytes = QUANTUM,
  ask: (channel: SendChannel) => Readiness = anyone,
) {
  const keys: (number | undefined)[] = [];
  for (let i = 0; i < count; i++) {
    const channel = scheduler.pick(ask);
    keys.push(channel?.key);
    if (channel !== undefined) scheduler.charge(channel, bytes);
  }
  return keys;
}

const share = (keys: (number | undefined)[], key: number) => keys.filter((k) => k === key).length / keys.length;

describe("Scheduler", () => {
  it("has nobody's turn while nobody has anything", () => {
    const scheduler = new Scheduler(QUANTUM);
    expect(scheduler.pick(anyone)).toBeUndefined();
    const idle = backlogged(1, "normal", 0);
    scheduler.handleBacklog(idle);
    expect(idle.turn).toBe("none");
    expect(scheduler.pick(anyone)).toBeUndefined();
  });

  it("lets high go before the rest, in turn among themselves", () => {
    const scheduler = withChannels(
      backlogged(1, "normal"),
      backlogged(2, "low"),
      backlogged(3, "high"),
      backlogged(4, "high"),
    );
    expect(turns(scheduler, 6, 1000)).toEqual([3, 4, 3, 4, 3, 4]);
  });

  it("lets the rest go as soon as high has nothing left", () => {
    const high = backlogged(1, "high");
    const scheduler = withChannels(backlogged(2, "normal"), high);
    expect(turns(scheduler, 2, 1000)).toEqual([1, 1]);
    high.messages.shift();
    expect(turns(scheduler, 2)).toEqual([2, 2]);
    expect(high.turn).toBe("none");
  });

  it.each([QUANTUM, 10_000, 4096, 100])("shares 4 : 1 between normal and low in chunks of %i bytes", (bytes) => {
    const scheduler = withChannels(backlogged(1, "normal"), backlogged(2, "low"));
    const keys = turns(scheduler, 20_000, bytes);
    expect(share(keys, 1)).toBeCloseTo(0.8, 1.9);
  });

  it("shares equally among equals, and by weight among many", () => {
    const normals = [1, 2, 3].map((key) => backlogged(key, "normal"));
    const lows = [4, 5].map((key) => backlogged(key, "low"));
    const keys = turns(withChannels(...normals, ...lows), 28_000);
    for (const { key } of normals) expect(share(keys, key)).toBeCloseTo(4 / 14, 2);
    for (const { key } of lows) expect(share(keys, key)).toBeCloseTo(1 / 14, 2);
  });

  it("counts bytes, not turns: small chunks get more of them", () => {
    const [large, small] = [backlogged(1, "normal"), backlogged(2, "normal")];
    const scheduler = withChannels(large, small);
    const sent = new Map([
      [1, 0],
      [2, 0],
    ]);
    for (let i = 0; i < 20_000; i++) {
      const channel = scheduler.pick(anyone) as SendChannel;
      const bytes = channel === large ? 16_000 : 500;
      scheduler.charge(channel, bytes);
      sent.set(channel.key, (sent.get(channel.key) as number) + bytes);
    }
    expect((sent.get(1) as number) / (sent.get(2) as number)).toBeCloseTo(1, 1);
  });

  // With k normal channels busy, a low one waits for at most 4 of its own quanta, each a round of at most one quantum
  // and the rest of a chunk from each of them.
  it.each([1, 2, 5, 20])("does not starve low: beside %i normal channels it waits for at most 5 rounds", (normals) => {
    const scheduler = withChannels(
      ...Array.from({ length: normals }, (_, i) => backlogged(i + 1, "normal")),
      backlogged(99, "low"),
    );
    const keys = turns(scheduler, 200 * normals);
    const gaps: number[] = [];
    for (let last = -1, at = keys.indexOf(99); at !== -1; last = at, at = keys.indexOf(99, at + 1))
      gaps.push(at - last - 1);
    expect(gaps.length).toBeGreaterThan(20);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(5 * normals);
  });

  it("lets a channel that has just got something go before the busy ones, whatever its weight", () => {
    for (const priority of ["normal", "low"] as const) {
      const scheduler = withChannels(backlogged(1, "normal"), backlogged(2, "normal"));
      turns(scheduler, 7);
      scheduler.handleBacklog(backlogged(3, priority));
      expect(turns(scheduler, 1, 100)).toEqual([3]);
    }
  });

  it("gives a fresh channel one quantum, then the turn goes on where it was", () => {
    const scheduler = withChannels(backlogged(1, "normal"));
    turns(scheduler, 3, QUANTUM / 2);
    scheduler.handleBacklog(backlogged(2, "normal"));
    expect(turns(scheduler, 7, QUANTUM / 2)).toEqual([2, 2, 1, 2, 2, 1, 1]);
  });

  it("lets a fresh channel go before the others for two quanta at the most", () => {
    for (let phase = 8; phase < 24; phase++) {
      const scheduler = withChannels(backlogged(1, "normal"), backlogged(2, "normal"));
      turns(scheduler, phase, QUANTUM / 4);
      scheduler.handleBacklog(backlogged(3, "normal"));
      const keys = turns(scheduler, 12, QUANTUM / 4);
      const ahead = keys.findIndex((key) => key !== 3);
      expect(ahead).toBeGreaterThanOrEqual(4);
      expect(ahead).toBeLessThanOrEqual(8);
    }
  });

  it("gives nobody more than its share for pausing", () => {
    const busy = backlogged(1, "normal");
    const pauser = backlogged(2, "normal");
    const scheduler = withChannels(busy, pauser);
    const keys: number[] = [];
    for (let i = 0; i < 4000; i++) {
      const channel = scheduler.pick(anyone) as SendChannel;
      scheduler.charge(channel, QUANTUM);
      keys.push(channel.key);
      if (channel !== pauser) continue;
      // Out of messages for the length of one decision, and back at once.
      pauser.messages.shift();
      scheduler.pick(() => "no-room");
      pauser.messages.push(wholeMessage(1));
      scheduler.handleBacklog(pauser);
    }
    expect(share(keys, 2)).toBeLessThanOrEqual(0.51);
  });

  it("passes over a channel that may not cut now, and comes back to it", () => {
    const scheduler = withChannels(backlogged(1, "normal"), backlogged(2, "normal"), backlogged(3, "low"));
    expect(new Set(turns(scheduler, 40, QUANTUM, allBut("not-ready", 1)))).toEqual(new Set([2, 3]));
    expect(turns(scheduler, 2)).toContain(1);
  });

  it("holds everybody while a high channel lacks nothing but room", () => {
    const scheduler = withChannels(backlogged(1, "high"), backlogged(2, "high"), backlogged(3, "normal"));
    expect(scheduler.pick(allBut("no-room", 1))).toBeUndefined();
    expect(scheduler.pick(allBut("no-room", 2))?.key).toBe(1);
    expect(scheduler.pick(allBut("no-room", 3))?.key).toBe(1);
  });

  it("passes over a high channel that may not cut now", () => {
    const scheduler = withChannels(backlogged(1, "high"), backlogged(2, "high"), backlogged(3, "low"));
    expect(turns(scheduler, 3, 1000, allBut("not-ready", 1))).toEqual([2, 2, 2]);
    expect(turns(scheduler, 2, 1000, allBut("not-ready", 1, 2))).toEqual([3, 3]);
  });

  it("gives a channel that was blocked no credit for the time", () => {
    const scheduler = withChannels(backlogged(1, "normal"), backlogged(2, "normal"));
    turns(scheduler, 1000, QUANTUM, allBut("not-ready", 1));
    expect(share(turns(scheduler, 100), 1)).toBeLessThanOrEqual(0.52);
  });

  it("comes to an end when everybody is blocked", () => {
    const scheduler = withChannels(backlogged(1, "high"), backlogged(2, "normal"), backlogged(3, "low"));
    expect(scheduler.pick(() => "not-ready")).toBeUndefined();
    expect(scheduler.pick(() => "no-room")).toBeUndefined();
    expect(turns(scheduler, 1)).toEqual([1]);
  });

  it("lets the round stand still while the channel in turn waits for room only", () => {
    const scheduler = withChannels(backlogged(1, "normal"), backlogged(2, "low"));
    const keys: (number | undefined)[] = [];
    for (let i = 0; i < 5000; i++) {
      // Between any two chunks the window is full, and asked about, several times.
      for (let j = 0; j < 3; j++) expect(scheduler.pick(() => "no-room")).toBeUndefined();
      keys.push(...turns(scheduler, 1));
    }
    expect(share(keys, 1)).toBeCloseTo(0.8, 2);
  });

  it("lets what still has weight use the room that is too small for the channel in turn, and no more than its weight", () => {
    const scheduler = withChannels(backlogged(1, "normal"), backlogged(2, "normal"));
    expect(turns(scheduler, 10, QUANTUM / 4, allBut("no-room", 1))).toEqual([2, 2, 2, 2, ...Array(6).fill(undefined)]);
    expect(turns(scheduler, 1)).toEqual([1]);
  });

  it.each(["normal", "low"] as const)(
    "two %s channels that always pause do not keep a third from its turn",
    (priority) => {
      const pausers = [backlogged(1, priority), backlogged(2, priority)];
      const scheduler = withChannels(backlogged(3, "normal"), ...pausers);
      const keys: number[] = [];
      for (let round = 0; round < 1000; round++) {
        // Room for two chunks, then a full window, in which the pausers get their next message.
        for (let i = 0; i < 2; i++) {
          const channel = scheduler.pick(anyone) as SendChannel;
          scheduler.charge(channel, QUANTUM - 1000);
          keys.push(channel.key);
          if (pausers.includes(channel)) channel.messages.shift();
        }
        scheduler.pick(() => "no-room");
        for (const pauser of pausers) {
          if (pauser.isBacklogged) continue;
          pauser.messages.push(wholeMessage(1));
          scheduler.handleBacklog(pauser);
        }
      }
      expect(share(keys, 3)).toBeGreaterThanOrEqual(priority === "normal" ? 0.32 : 0.6);
    },
  );

  it("changes nothing by being asked", () => {
    const scheduler = withChannels(backlogged(1, "normal"), backlogged(2, "normal"), backlogged(3, "low"));
    const expected = turns(withChannels(backlogged(1, "normal"), backlogged(2, "normal"), backlogged(3, "low")), 30);
    const keys: (number | undefined)[] = [];
    for (let i = 0; i < 30; i++) {
      for (let j = 0; j < 3; j++) scheduler.pick(anyone);
      keys.push(...turns(scheduler, 1));
    }
    expect(keys).toEqual(expected);
  });

  it("follows a change of priority at once, in both directions", () => {
    const channel = backlogged(1, "low");
    const scheduler = withChannels(channel, backlogged(2, "normal"), backlogged(3, "normal"));
    turns(scheduler, 9);
    channel.priority = "high";
    scheduler.handlePriority(channel);
    expect(turns(scheduler, 3, 1000)).toEqual([1, 1, 1]);
    channel.priority = "low";
    scheduler.handlePriority(channel);
    expect(share(turns(scheduler, 900), 1)).toBeCloseTo(1 / 9, 2);
  });

  it.each(["normal", "high"] as const)(
    "gives nobody more for changing between low and %s, again and again",
    (other) => {
      const changing = backlogged(1, "low");
      const scheduler = withChannels(changing, backlogged(2, "normal"), backlogged(3, "normal"));
      const keys: number[] = [];
      for (let i = 0; i < 6000; i++) {
        const channel = scheduler.pick(anyone) as SendChannel;
        scheduler.charge(channel, QUANTUM);
        scheduler.handleAcked(QUANTUM);
        keys.push(channel.key);
        for (const priority of [other, "low"] as const) {
          changing.priority = priority;
          scheduler.handlePriority(changing);
        }
      }
      expect(share(keys, 1)).toBeLessThanOrEqual(0.34);
    },
  );

  it("takes note of a change of priority also where nothing waits", () => {
    const idle = backlogged(1, "low", 0);
    const scheduler = withChannels(backlogged(2, "normal"), idle);
    idle.priority = "high";
    scheduler.handlePriority(idle);
    expect(idle.turn).toBe("none");
    idle.messages.push(wholeMessage(1));
    scheduler.handleBacklog(idle);
    expect(turns(scheduler, 1)).toEqual([1]);
  });

  it("forgets a channel that is removed", () => {
    for (const priority of ["high", "normal", "low"] as const) {
      const channel = backlogged(1, priority);
      const scheduler = withChannels(channel, backlogged(2, "normal"));
      scheduler.remove(channel);
      scheduler.remove(channel);
      expect(channel.turn).toBe("none");
      expect(new Set(turns(scheduler, 20))).toEqual(new Set([2]));
    }
  });

  it("keeps a channel in one place however often it is told of", () => {
    const channel = backlogged(1, "normal");
    const scheduler = withChannels(channel, channel, channel, backlogged(2, "normal"));
    scheduler.handleBacklog(channel);
    expect(share(turns(scheduler, 100), 1)).toBeCloseTo(0.5, 1);
  });
});

describe("Scheduler: what high may take", () => {
  /** Takes its turns as `turns` does, and lets all that is sent be acknowledged. */
  function acked(
    scheduler: Scheduler,
    count: number,
    bytes: number,
    ask: (channel: SendChannel) => Readiness = anyone,
  ) {
    return Array.from({ length: count }, () => {
      const [key] = turns(scheduler, 1, bytes, ask);
      if (key !== undefined) scheduler.handleAcked(bytes);
      return key;
    });
  }

  it.each([100, 5000, QUANTUM, 64 * 1024])("is half of what comes through, in chunks of %i bytes", (bytes) => {
    for (const other of ["normal", "low"] as const) {
      const scheduler = withChannels(backlogged(1, "high"), backlogged(2, "high"), backlogged(3, other));
      turns(scheduler, Math.ceil(HIGH_TOKENS_MAX / bytes) + 1, bytes);
      expect(share(acked(scheduler, 10_000, bytes), 3)).toBeCloseTo(0.5, 2);
    }
  });

  it("is a bucket full at once, and nothing more before an ack", () => {
    const scheduler = withChannels(backlogged(1, "high"), backlogged(2, "normal"));
    expect(turns(scheduler, 20, 1000)).toEqual([...Array(17).fill(1), 2, 2, 2]);
    scheduler.handleAcked(6000);
    expect(turns(scheduler, 4, 1000)).toEqual([1, 1, 1, 2]);
  });

  it("is everything while nobody else waits", () => {
    const stalled = backlogged(2, "normal");
    const scheduler = withChannels(backlogged(1, "high"), stalled);
    expect(new Set(turns(scheduler, 500, QUANTUM, allBut("not-ready", 2)))).toEqual(new Set([1]));
    // And that has cost it nothing.
    expect(turns(scheduler, 18, 1000)).toEqual([...Array(17).fill(1), 2]);
  });

  it("is everything that the others cannot use, when it has no more to pay with", () => {
    const scheduler = withChannels(backlogged(1, "high"), backlogged(2, "normal"));
    turns(scheduler, 20, 1000);
    expect(turns(scheduler, 3, 1000, allBut("not-ready", 2))).toEqual([1, 1, 1]);
    expect(turns(scheduler, 3, 1000, allBut("no-room", 2))).toEqual([undefined, undefined, undefined]);
    expect(turns(scheduler, 3, 1000)).toEqual([2, 2, 2]);
  });

  it("is a bucket full beyond a window that is full, however much it is, and half of what is acknowledged then", () => {
    const scheduler = withChannels(backlogged(1, "high"), backlogged(2, "normal"));
    const sent = () => {
      let count = 0;
      const ask = (_: SendChannel, overdraftBytes: number): Readiness => (overdraftBytes >= 1000 ? "ready" : "no-room");
      for (let channel = scheduler.pick(ask); channel !== undefined && count < 100; channel = scheduler.pick(ask)) {
        expect(channel.key).toBe(1);
        expect(scheduler.overdraftBytes(channel)).toBeGreaterThanOrEqual(1000);
        scheduler.charge(channel, 1000);
        count += 1;
      }
      return count;
    };
    expect(sent()).toBe(16);
    scheduler.handleAcked(20_000);
    expect(sent()).toBe(10);
    scheduler.handleAcked(1e9);
    expect(sent()).toBe(16);
  });

  it("pays for what it sends beyond a full window also when it is alone", () => {
    const channel = backlogged(1, "high");
    const scheduler = withChannels(channel);
    const ask = (_: SendChannel, overdraftBytes: number): Readiness => (overdraftBytes >= 1000 ? "ready" : "no-room");
    for (let i = 0; i < 16; i++) scheduler.charge(scheduler.pick(ask) as SendChannel, 1000);
    expect(scheduler.pick(ask)).toBeUndefined();
  });

  it("concerns high channels only", () => {
    const [normal, low] = [backlogged(1, "normal"), backlogged(2, "low")];
    const scheduler = withChannels(normal, low);
    expect([normal, low].map((channel) => scheduler.overdraftBytes(channel))).toEqual([0, 0]);
    scheduler.pick((_, overdraftBytes) => {
      expect(overdraftBytes).toBe(0);
      return "ready";
    });
  });

  it("does not cost long where hundreds wait for something of their own", () => {
    const scheduler = withChannels(...Array.from({ length: 256 }, (_, i) => backlogged(i, "normal")));
    let asked = 0;
    scheduler.pick(() => {
      asked += 1;
      return "not-ready";
    });
    expect(asked).toBe(256);
  });
});
