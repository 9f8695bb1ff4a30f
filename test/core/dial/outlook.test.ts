import { describe, expect, it } from "vitest";
import { type Memory, Outlook, type Remembered, SOUND_MS } from "../../../src/core/dial/outlook.js";

const MINUTE = 60_000;

/** A memory with something in it, that keeps what it is given. */
class Notes implements Memory {
  saved: Remembered[] = [];
  readonly #first: Remembered;

  constructor(first: Remembered = {}) {
    this.#first = first;
  }

  load(): Remembered {
    return this.#first;
  }

  save(remembered: Remembered): void {
    this.saved.push(remembered);
  }
}

/** An outlook after WebSockets have died at these ages, in ms, each after a silence. */
function having(deaths: readonly [ageMs: number, idleMs: number][], apartMs = 1000): Outlook {
  const outlook = new Outlook(undefined, 0);
  deaths.forEach(([ageMs, idleMs], i) => {
    outlook.handleDeath({ ageMs, idleMs }, i * apartMs);
  });
  return outlook;
}

describe("Outlook: blocked WebSockets", () => {
  it("are so for half an hour", () => {
    const outlook = new Outlook(undefined, 0);
    expect(outlook.isBlocked(0)).toBe(false);
    outlook.block(1000);
    expect([
      outlook.isBlocked(1000),
      outlook.isBlocked(30 * MINUTE + 999),
      outlook.isBlocked(30 * MINUTE + 1000),
    ]).toEqual([true, true, false]);
  });

  it("are not, once one has shown that it works", () => {
    const notes = new Notes();
    const outlook = new Outlook(notes, 0);
    outlook.unblock(0);
    expect(notes.saved).toEqual([]);
    outlook.block(0);
    outlook.unblock(10);
    expect([outlook.isBlocked(10), notes.saved.map(({ blockedForMs }) => blockedForMs)]).toEqual([
      false,
      [30 * MINUTE, undefined],
    ]);
  });

  it("are remembered for what is left of the time, and never for longer", () => {
    expect(new Outlook(new Notes({ blockedForMs: 5000 }), 100).isBlocked(5099)).toBe(true);
    expect(new Outlook(new Notes({ blockedForMs: 5000 }), 100).isBlocked(5100)).toBe(false);
    expect(new Outlook(new Notes({ blockedForMs: 1e12 }), 0).isBlocked(31 * MINUTE)).toBe(false);
    const notes = new Notes();
    const outlook = new Outlook(notes, 0);
    outlook.block(0);
    outlook.handleRoundTrip(80, 10 * MINUTE);
    expect(notes.saved.at(-1)).toMatchObject({ blockedForMs: 20 * MINUTE, roundTripTimeMs: 80 });
  });
});

describe("Outlook: suspicion", () => {
  it.each<[string, [number, number][], boolean]>([
    ["one that dies at once", [[0, 0]], false],
    [
      "two that live for less than 5 s together",
      [
        [2000, 900],
        [2999, 10],
      ],
      true,
    ],
    [
      "two that live for 5 s together",
      [
        [2000, 900],
        [3000, 10],
      ],
      false,
    ],
    [
      "three that live a little longer, each as long as it likes",
      [
        [7000, 900],
        [30_000, 10],
        [9000, 2],
      ],
      true,
    ],
    [
      "three that live for long",
      [
        [SOUND_MS, 900],
        [70_000, 10],
        [300_000, 2],
      ],
      false,
    ],
    [
      "two of three that live for long",
      [
        [SOUND_MS, 900],
        [70_000, 10],
        [3000, 2],
      ],
      false,
    ],
  ])("falls on %s: %j, %s", (_, deaths, expected) => {
    expect(having(deaths).isSuspect(3000)).toBe(expected);
  });

  it("does not last", () => {
    const outlook = having([
      [100, 0],
      [200, 50],
    ]);
    expect([outlook.isSuspect(10 * MINUTE - 1), outlook.isSuspect(10 * MINUTE)]).toEqual([true, false]);
  });

  it("is over when it has proved true, and when the server is to blame", () => {
    const [proved, cleared] = [
      having([
        [100, 0],
        [200, 50],
      ]),
      having([
        [100, 0],
        [200, 50],
      ]),
    ];
    proved.block(2000);
    cleared.absolve();
    for (const outlook of [proved, cleared]) {
      expect(outlook.isSuspect(2000)).toBe(false);
      outlook.handleDeath({ ageMs: 100, idleMs: 0 }, 2000);
      expect(outlook.isSuspect(2000)).toBe(false);
    }
  });
});

describe("Outlook: three deaths that are alike", () => {
  it("teach nothing where this end has lost patience: its times say nothing of the line, and the suspicion stays", () => {
    const outlook = new Outlook(undefined, 0);
    for (let i = 0; i < 3; i++) outlook.handleDeath({ ageMs: 12_000, idleMs: 5000, isSilent: i === 1 }, i * 20_000);
    expect([outlook.keepaliveMs, outlook.lifetimeMs, outlook.isSuspect(60_000)]).toEqual([undefined, undefined, true]);
  });

  it.each<[string, [number, number][], number | undefined]>([
    [
      "a silence of 4 s",
      [
        [4000, 4000],
        [9000, 4100],
        [30_000, 3900],
      ],
      2400,
    ],
    [
      "a silence of 4 s, as far apart as may be",
      [
        [4000, 4000],
        [9000, 4400],
        [30_000, 3600],
      ],
      2400,
    ],
    [
      "silences that differ",
      [
        [4000, 4000],
        [9000, 4500],
        [30_000, 3500],
      ],
      undefined,
    ],
    [
      "a silence of 2 s: not more than once in 2 s",
      [
        [20_000, 2000],
        [9000, 2000],
        [30_000, 2000],
      ],
      2000,
    ],
    [
      "no silence at all",
      [
        [20_000, 1500],
        [9000, 1500],
        [30_000, 1500],
      ],
      undefined,
    ],
    [
      "a silence that the server breaks anyway",
      [
        [90_000, 25_000],
        [50_000, 25_000],
        [70_000, 25_000],
      ],
      undefined,
    ],
    [
      "two only",
      [
        [4000, 4000],
        [9000, 4000],
      ],
      undefined,
    ],
  ])("teach how often to say something: %s", (_, deaths, expected) => {
    const outlook = having(deaths);
    expect(outlook.keepaliveMs).toBe(expected);
    if (expected !== undefined) expect([outlook.isSuspect(3000), outlook.lifetimeMs]).toEqual([false, undefined]);
  });

  it.each<[string, [number, number][], number | undefined]>([
    [
      "30 s",
      [
        [30_000, 10],
        [30_300, 700],
        [29_700, 100],
      ],
      30_000,
    ],
    [
      "an hour",
      [
        [3_600_000, 10],
        [3_700_000, 700],
        [3_500_000, 100],
      ],
      3_600_000,
    ],
    [
      "ages that differ",
      [
        [30_000, 10],
        [34_000, 700],
        [26_000, 100],
      ],
      undefined,
    ],
    [
      "so young that replacing them would not help",
      [
        [9000, 10],
        [9100, 700],
        [8900, 100],
      ],
      undefined,
    ],
  ])("teach how old they get: %s", (_, deaths, expected) => {
    const outlook = having(deaths);
    expect(outlook.lifetimeMs).toBe(expected);
    if (expected !== undefined) expect(outlook.isSuspect(3000)).toBe(false);
  });

  it("are the last three, and are remembered", () => {
    const notes = new Notes();
    const outlook = new Outlook(notes, 0);
    for (const ageMs of [1000, 30_000, 30_000]) outlook.handleDeath({ ageMs, idleMs: 0 }, 0);
    expect([outlook.lifetimeMs, notes.saved]).toEqual([undefined, []]);
    outlook.handleDeath({ ageMs: 30_000, idleMs: 0 }, 0);
    expect(notes.saved).toEqual([expect.objectContaining({ lifetimeMs: 30_000 })]);
    // They have said what they had to say.
    for (let i = 0; i < 2; i++) outlook.handleDeath({ ageMs: 60_000, idleMs: 0 }, 0);
    expect(outlook.lifetimeMs).toBe(30_000);
  });

  it("may have been on another page, whose notes are taken with care", () => {
    const told = new Outlook(new Notes({ keepaliveMs: 3000, lifetimeMs: 20_000, roundTripTimeMs: 44 }), 0);
    expect([told.keepaliveMs, told.lifetimeMs, told.roundTripTimeMs]).toEqual([3000, 20_000, 44]);
    const odd = new Outlook(new Notes({ keepaliveMs: 1, lifetimeMs: 1 }), 0);
    expect([odd.keepaliveMs, odd.lifetimeMs, odd.roundTripTimeMs]).toEqual([2000, 10_000, undefined]);
  });
});

describe("Outlook: the round trip", () => {
  it("is the last one that was known", () => {
    const outlook = new Outlook(undefined, 0);
    outlook.handleRoundTrip(50, 0);
    outlook.handleRoundTrip(undefined, 0);
    expect(outlook.roundTripTimeMs).toBe(50);
  });
});
