import { describe, expect, it } from "vitest";
import {
  CHOOSER_TRANSITIONS,
  Chooser,
  type ChooserInput,
  type ChooserState,
  type LineKind,
} from "../../../src/core/dial/chooser.js";
import { Outlook } from "../../../src/core/dial/outlook.js";
import { describeLegality } from "../../support/legality.js";

const BOTH: readonly LineKind[] = ["websocket", "http"];
const MINUTE = 60_000;

/** A chooser, and what it has dialled so far. */
class Bench {
  readonly outlook = new Outlook(undefined, 0);
  readonly chooser: Chooser;
  readonly dialled: [number, LineKind][] = [];
  now = 0;

  constructor(kinds: readonly LineKind[] = BOTH) {
    this.chooser = new Chooser(kinds, this.outlook);
  }

  do(run: (chooser: Chooser) => void): this {
    run(this.chooser);
    for (let kind = this.chooser.pollDial(); kind !== undefined; kind = this.chooser.pollDial()) {
      this.dialled.push([this.now, kind]);
    }
    return this;
  }

  begin(roundTripTimeMs?: number): this {
    return this.do((c) => c.begin(roundTripTimeMs, this.now));
  }

  /** Time passes, and what is due happens when it is. */
  wait(ms: number): this {
    const end = this.now + ms;
    for (let due = this.chooser.nextDeadline; due !== undefined && due <= end; due = this.chooser.nextDeadline) {
      this.now = Math.max(this.now, due);
      this.do((c) => c.handleDeadline(this.now));
    }
    this.now = end;
    return this;
  }

  greeted(kind: LineKind = "websocket"): this {
    return this.do((c) => c.handleGreeted(kind));
  }

  welcome(kind: LineKind, canMove = true): this {
    return this.do((c) => c.handleWelcome(kind, canMove, this.now));
  }

  failed(kind: LineKind, isRefused = false): this {
    return this.do((c) => c.handleFailed(kind, isRefused, this.now));
  }

  lost(ageMs?: number, idleMs = 0): this {
    const death = ageMs === undefined ? undefined : { ageMs, idleMs };
    return this.do((c) => c.handleLost(death, undefined, this.now));
  }

  /** A WebSocket carries the session for a while, and breaks off. */
  live(ageMs: number, idleMs = 0): this {
    return this.begin().greeted().welcome("websocket").wait(ageMs).lost(ageMs, idleMs);
  }

  get state(): ChooserState {
    return this.chooser.state;
  }

  get kinds(): LineKind[] {
    return this.dialled.map(([, kind]) => kind);
  }
}

/** Benches in each state, and in the variants of each that matter. */
const SCENES: Record<string, () => Bench> = {
  resting: () => new Bench(),
  "racing, WebSocket running": () => new Bench().begin(),
  "racing, WebSocket greeted": () => new Bench().begin().greeted(),
  "racing, both": () => new Bench().begin().wait(750),
  "racing, HTTP alone": () => new Bench().begin().failed("websocket"),
  "racing, HTTP first": () => {
    const bench = new Bench();
    bench.outlook.block(0);
    return bench.begin();
  },
  "carried by a WebSocket": () => new Bench().begin().welcome("websocket"),
  "carried by HTTP": () => new Bench().begin().failed("websocket").welcome("http"),
  "trying, running": () => new Bench().begin().wait(750).welcome("http"),
  "trying, greeted": () => new Bench().begin().wait(750).greeted().welcome("http"),
  stopped: () => new Bench().do((c) => c.stop()),
};

const EVENTS: Record<string, (bench: Bench) => Bench> = {
  greeted: (b) => b.greeted(),
  "WebSocket failed": (b) => b.failed("websocket"),
  "WebSocket refused": (b) => b.failed("websocket", true),
  "HTTP failed": (b) => b.failed("http"),
  withdrawn: (b) => b.do((c) => c.handleWithdrawn("http")),
  lost: (b) => b.lost(1000),
  left: (b) => b.lost(),
  "a minute": (b) => b.wait(60_000),
  online: (b) => b.do((c) => c.handleHint(b.now)).wait(0),
  rest: (b) => b.do((c) => c.rest()),
  stop: (b) => b.do((c) => c.stop()),
};

/** What each event makes of each state: the state, who carries, and what is dialled on it. */
const OUTCOMES: Record<string, Record<string, string>> = {
  resting: { rest: "resting", stop: "stopped" },
  "racing, WebSocket running": {
    greeted: "racing",
    "WebSocket failed": "racing + http",
    "WebSocket refused": "resting",
    withdrawn: "racing",
    "a minute": "racing + http",
    rest: "resting",
    stop: "stopped",
  },
  "racing, WebSocket greeted": {
    greeted: "racing",
    "WebSocket failed": "racing + http",
    "WebSocket refused": "resting",
    withdrawn: "racing",
    rest: "resting",
    stop: "stopped",
  },
  "racing, both": {
    greeted: "racing",
    "WebSocket failed": "racing",
    "WebSocket refused": "racing",
    "HTTP failed": "racing",
    withdrawn: "racing",
    rest: "resting",
    stop: "stopped",
  },
  "racing, HTTP alone": {
    "HTTP failed": "resting",
    rest: "resting",
    stop: "stopped",
  },
  "racing, HTTP first": {
    "HTTP failed": "racing + websocket",
    "a minute": "racing + websocket",
    rest: "resting",
    stop: "stopped",
  },
  "carried by a WebSocket": { lost: "resting", left: "resting", rest: "resting", stop: "stopped" },
  "carried by HTTP": {
    lost: "resting",
    left: "resting",
    "a minute": "trying + websocket",
    online: "trying + websocket",
    rest: "resting",
    stop: "stopped",
  },
  "trying, running": {
    greeted: "trying",
    "WebSocket failed": "carried",
    "WebSocket refused": "carried",
    lost: "racing",
    left: "racing",
    rest: "resting",
    stop: "stopped",
  },
  "trying, greeted": {
    greeted: "trying",
    "WebSocket failed": "carried",
    "WebSocket refused": "carried",
    lost: "racing",
    left: "racing",
    rest: "resting",
    stop: "stopped",
  },
  stopped: {},
};

describe("RES-17: the table of choosing", () => {
  const inputs: readonly ChooserInput[] = [
    "begin",
    "hedge",
    "greeted",
    "withdrawn",
    "welcome",
    "failed",
    "try",
    "hint",
    "sound",
    "lost",
    "rest",
    "stop",
  ];
  describeLegality(CHOOSER_TRANSITIONS, inputs, 25);
});

describe("Chooser: every event in every state", () => {
  for (const [scene, make] of Object.entries(SCENES)) {
    it.each(Object.entries(EVENTS))(`${scene}: %s`, (event, happen) => {
      // What cannot happen to such a line is not tried.
      if (event === "greeted" && /HTTP|resting|carried/.test(scene)) return;
      if (event === "WebSocket failed" && /HTTP|resting|carried/.test(scene)) return;
      const bench = make();
      const { length } = bench.dialled;
      const before = bench.state.name;
      happen(bench);
      const dialled = bench.dialled.slice(length, length + 1).map(([, kind]) => ` + ${kind}`);
      const expected = OUTCOMES[scene]?.[event] ?? before;
      expect(`${bench.state.name}${dialled.join("")}`).toBe(expected);
    });
  }
});

describe("Chooser: a race", () => {
  it.each<[string, number | undefined, number]>([
    ["750 ms where the round trip is not known", undefined, 750],
    ["five round trips", 100, 500],
    ["not less than 300 ms", 10, 300],
    ["not more than 2 s", 900, 2000],
  ])("has HTTP join in after %s", (_, roundTripTimeMs, at) => {
    const bench = new Bench().begin(roundTripTimeMs);
    expect([bench.dialled, bench.chooser.nextDeadline]).toEqual([[[0, "websocket"]], at]);
    expect(bench.wait(at).dialled).toEqual([
      [0, "websocket"],
      [at, "http"],
    ]);
    expect(bench.chooser.nextDeadline).toBeUndefined();
  });

  it("goes by the round trip of an earlier session", () => {
    const bench = new Bench();
    bench.outlook.handleRoundTrip(200, 0);
    expect(bench.begin().chooser.nextDeadline).toBe(1000);
  });

  it("has HTTP join in at once where the WebSocket looks blocked, and once", () => {
    const bench = new Bench().begin().wait(300);
    bench.do((c) => c.hasten());
    bench.do((c) => c.hasten()).wait(5000);
    expect(bench.dialled).toEqual([
      [0, "websocket"],
      [300, "http"],
    ]);
    const greeted = new Bench().begin().greeted();
    greeted.do((c) => c.hasten()).wait(5000);
    expect(greeted.kinds).toEqual(["websocket"]);
  });

  it("has HTTP join in at once where the WebSocket is refused", () => {
    expect(new Bench().begin().wait(20).failed("websocket").dialled).toEqual([
      [0, "websocket"],
      [20, "http"],
    ]);
  });

  it("needs no hedge once the WebSocket has greeted, however long it takes from there on", () => {
    const bench = new Bench().begin().wait(700).greeted().wait(9000);
    expect([bench.kinds, bench.welcome("websocket").wait(MINUTE).kinds]).toEqual([["websocket"], ["websocket"]]);
  });

  it.each<[LineKind, LineKind | undefined, string]>([
    ["websocket", undefined, "carried by websocket"],
    ["http", undefined, "trying by http"],
    ["http", "websocket", "carried by websocket"],
  ])("of two is won by %s, and then %s: %s", (first, second, expected) => {
    const bench = new Bench().begin().wait(750).welcome(first);
    if (second !== undefined) bench.welcome(second);
    const { state } = bench;
    expect("by" in state && `${state.name} by ${state.by}`).toBe(expected);
    expect([bench.kinds, bench.outlook.isBlocked(bench.now)]).toEqual([["websocket", "http"], false]);
  });

  it.each<[LineKind, LineKind]>([
    ["websocket", "http"],
    ["http", "websocket"],
  ])("is over when %s has failed, and then %s", (first, second) => {
    const bench = new Bench().begin().wait(750).failed(first);
    expect(bench.chooser.isResting).toBe(false);
    expect(bench.failed(second).chooser.isResting).toBe(true);
    expect(bench.begin().kinds).toEqual(["websocket", "http", "websocket"]);
  });

  it("says whether there is anybody left to try", () => {
    const bench = new Bench().begin();
    expect([bench.chooser.hasReserve, bench.wait(750).chooser.hasReserve]).toEqual([true, false]);
    expect(new Bench(["websocket"]).begin().chooser.hasReserve).toBe(false);
  });

  it("has a second hedge when the first one was taken back and the WebSocket fails after all", () => {
    const bench = new Bench().begin().wait(750).greeted();
    bench.do((c) => c.handleWithdrawn("http")).wait(5000);
    expect(bench.kinds).toEqual(["websocket", "http"]);
    expect(bench.failed("websocket").kinds).toEqual(["websocket", "http", "http"]);
  });
});

describe("Chooser: one kind alone", () => {
  it.each<LineKind>(["websocket", "http"])("%s is dialled, again and again, and nothing else", (kind) => {
    const bench = new Bench([kind]);
    for (let i = 0; i < 3; i++) bench.begin().wait(20_000).failed(kind);
    bench
      .begin()
      .welcome(kind)
      .wait(60 * MINUTE)
      .lost(60 * MINUTE)
      .begin();
    expect(new Set(bench.kinds)).toEqual(new Set([kind]));
    expect(bench.dialled).toHaveLength(5);
  });

  it("HTTP is what comes first where it is wanted first, and stays", () => {
    const bench = new Bench(["http", "websocket"])
      .begin()
      .welcome("http")
      .wait(60 * MINUTE);
    expect(bench.kinds).toEqual(["http"]);
    expect(new Bench(["http", "websocket"]).begin().failed("http").kinds).toEqual(["http", "websocket"]);
  });
});

describe("Chooser: blocked WebSockets", () => {
  it("are tried beside HTTP after 15 s, 60 s, 5 min, and every 15 min", () => {
    const bench = new Bench().begin().failed("websocket").welcome("http");
    for (let i = 0; i < 5; i++) {
      const { length } = bench.dialled;
      while (bench.dialled.length === length) bench.wait(1000);
      bench.failed("websocket");
    }
    const [, ...at] = bench.dialled.filter(([, kind]) => kind === "websocket").map(([time]) => time);
    expect(at.map((time, i) => time - (at[i - 1] ?? 0))).toEqual([15_000, 60_000, 300_000, 900_000, 900_000]);
    expect(bench.outlook.isBlocked(bench.now)).toBe(true);
  });

  it("are tried at once when the network is another one, and from there on as if for the first time", () => {
    const bench = new Bench().begin().failed("websocket").welcome("http").wait(15_000).failed("websocket").wait(10);
    bench.do((c) => c.handleHint(bench.now)).wait(0);
    expect(bench.dialled.at(-1)).toEqual([15_010, "websocket"]);
    expect(bench.failed("websocket").wait(59_999).dialled).toHaveLength(4);
    expect(bench.wait(1).dialled).toHaveLength(5);
  });

  it("that are being tried when the network changes are followed by another at once, should they fail", () => {
    const bench = new Bench().begin().wait(750).welcome("http");
    bench
      .do((c) => c.handleHint(bench.now))
      .wait(100)
      .failed("websocket")
      .wait(0);
    expect(bench.dialled.at(-1)).toEqual([850, "websocket"]);
    expect(bench.failed("websocket").wait(59_999).dialled).toHaveLength(3);
  });

  it("are not tried while the network is away", () => {
    const bench = new Bench().begin().failed("websocket").welcome("http");
    bench.do((c) => c.handleOffline(true)).wait(60_000);
    expect([bench.dialled.length, bench.chooser.nextDeadline]).toEqual([2, undefined]);
    bench.do((c) => c.handleOffline(false)).wait(0);
    expect(bench.dialled.at(-1)).toEqual([60_000, "websocket"]);
  });

  it("wait where they are known to be blocked: HTTP comes first, and they are the hedge", () => {
    const bench = new Bench();
    bench.outlook.block(0);
    expect(bench.begin().wait(750).dialled).toEqual([
      [0, "http"],
      [750, "websocket"],
    ]);
    const other = new Bench();
    other.outlook.block(0);
    other.begin().welcome("http").wait(15_000);
    expect(other.dialled).toEqual([
      [0, "http"],
      [15_000, "websocket"],
    ]);
  });

  it("stay so for half an hour from when it was last found out, not from when it was last remembered", () => {
    const bench = new Bench();
    bench.outlook.block(0);
    bench
      .wait(20 * MINUTE)
      .begin()
      .welcome("http");
    expect(bench.outlook.isBlocked(30 * MINUTE)).toBe(false);
    bench.wait(15_000).failed("websocket");
    expect(bench.outlook.isBlocked(50 * MINUTE)).toBe(true);
  });

  it("are believed again when one has carried the session for a minute", () => {
    const bench = new Bench().begin().failed("websocket").welcome("http").wait(15_000).greeted().welcome("websocket");
    bench.wait(59_999);
    expect(bench.outlook.isBlocked(bench.now)).toBe(true);
    bench.wait(1);
    expect([bench.outlook.isBlocked(bench.now), bench.chooser.nextDeadline]).toEqual([false, undefined]);
  });

  it("that take over and die at once make the next one wait", () => {
    const bench = new Bench().begin().failed("websocket").welcome("http").wait(15_000).welcome("websocket");
    bench.wait(200).lost(200).begin().welcome("http");
    expect(bench.kinds).toEqual(["websocket", "http", "websocket", "http"]);
    expect(bench.wait(59_999).kinds).toHaveLength(4);
    expect(bench.wait(1).kinds).toHaveLength(5);
  });

  it("are none where the server has answered on one: the next is tried soon, and then less soon", () => {
    const bench = new Bench().begin().wait(750).welcome("http").greeted().failed("websocket", true);
    expect(bench.outlook.isBlocked(bench.now)).toBe(false);
    expect(bench.wait(1000).kinds).toHaveLength(3);
    bench.failed("websocket", true).wait(59_999);
    expect([bench.kinds.length, bench.wait(1).kinds.length]).toEqual([3, 4]);
  });

  it("do not matter where the session cannot have another transport", () => {
    const bench = new Bench()
      .begin()
      .failed("websocket")
      .welcome("http", false)
      .wait(60 * MINUTE);
    expect(bench.kinds).toEqual(["websocket", "http"]);
    const beside = new Bench().begin().wait(750).welcome("http", false);
    expect(beside.state).toMatchObject({ name: "carried", by: "http", tryAt: undefined });
  });
});

describe("Chooser: stories of a network", () => {
  /** A middlebox that ends every WebSocket at this age; HTTP works. Gives who carries the session in the end. */
  const cutAt = (ageMs: number, times: number, idleMs = 0) => {
    const bench = new Bench();
    for (let i = 0; i < times && bench.begin().kinds.at(-1) === "websocket"; i++) {
      bench.wait(60).greeted().welcome("websocket").wait(ageMs).lost(ageMs, idleMs).wait(300);
    }
    return bench;
  };

  it("refused: HTTP at once, and from the second page on HTTP first", () => {
    const bench = new Bench().begin().wait(20).failed("websocket").wait(60).welcome("http");
    expect([bench.now, bench.outlook.isBlocked(bench.now)]).toEqual([80, true]);
    expect(bench.lost().begin().kinds.at(-1)).toBe("http");
  });

  it("hanging, or open and silent: HTTP after the hedge, and blocked once the WebSocket is given up", () => {
    const bench = new Bench().begin().wait(750).wait(60).welcome("http");
    expect([bench.state.name, bench.outlook.isBlocked(bench.now)]).toEqual(["trying", false]);
    bench.wait(9190).failed("websocket");
    expect([bench.state.name, bench.outlook.isBlocked(bench.now)]).toEqual(["carried", true]);
  });

  it("reset in the handshake: HTTP at once", () => {
    expect(new Bench().begin().wait(30).greeted().wait(10).failed("websocket").dialled.at(-1)).toEqual([40, "http"]);
  });

  it.each([200, 1000])("killed after %i ms: HTTP behind the second, and blocked because that carries", (ageMs) => {
    const bench = cutAt(ageMs, 9);
    expect(bench.kinds).toEqual(["websocket", "websocket", "http"]);
    expect(bench.outlook.isBlocked(bench.now)).toBe(false);
    bench.welcome("http");
    expect(bench.outlook.isBlocked(bench.now)).toBe(true);
  });

  it("killed by a server that crashes: HTTP is asked, fares no better, and nobody is sent there", () => {
    const bench = cutAt(200, 9).wait(20).failed("http");
    expect(bench.kinds).toEqual(["websocket", "websocket", "http", "websocket"]);
    bench.welcome("websocket").wait(200).lost(200).begin();
    expect([bench.kinds.at(-1), bench.outlook.isBlocked(bench.now)]).toEqual(["websocket", false]);
  });

  it("killed after 30 s: replaced in time, again and again", () => {
    const bench = cutAt(30_000, 3);
    expect(bench.outlook.lifetimeMs).toBe(30_000);
    bench.begin().greeted().welcome("websocket").wait(24_999);
    expect(bench.kinds).toEqual(["websocket", "websocket", "websocket", "websocket"]);
    bench.wait(1).greeted().welcome("websocket").wait(25_000);
    expect(bench.kinds).toHaveLength(6);
    // One that does not get through leaves the session where it is.
    expect(bench.failed("websocket").state).toMatchObject({ name: "carried", by: "websocket", tryAt: undefined });
  });

  it("killed after 4 s of silence: kept busy, and not blocked", () => {
    const bench = cutAt(4000, 3, 4000);
    expect([bench.outlook.keepaliveMs, bench.kinds.at(-1), bench.outlook.isSuspect(bench.now)]).toEqual([
      2400,
      "websocket",
      false,
    ]);
  });

  it("killed after 9 s whatever is sent: HTTP behind the third", () => {
    expect(cutAt(9000, 9, 100).kinds).toEqual(["websocket", "websocket", "websocket", "http"]);
  });

  it("left in good order, by whichever end: nothing is learnt", () => {
    const bench = new Bench();
    for (let i = 0; i < 5; i++) bench.begin().welcome("websocket").wait(100).lost();
    expect(bench.begin().kinds.at(-1)).toBe("websocket");
  });

  it("taken over by a WebSocket of which nothing more is heard: HTTP after the hedge", () => {
    const bench = new Bench().begin().failed("websocket").welcome("http").wait(15_000).greeted().lost();
    expect([bench.state.name, bench.kinds.length]).toEqual(["racing", 3]);
    expect(bench.wait(750).dialled.at(-1)).toEqual([15_750, "http"]);
  });
});
