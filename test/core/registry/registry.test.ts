import { describe, expect, it } from "vitest";
import { PARKED_BYTES } from "../../../src/core/registry/budget.js";
import { type Entry, type Owner, Registry, type RegistryLimits } from "../../../src/core/registry/registry.js";
import type { Hello } from "../../../src/core/wire/handshake.js";
import { UNANNOUNCED_LIMITS } from "../../../src/core/wire/parameters.js";
import { testHash } from "../../support/ports.js";

const LIMITS: RegistryLimits = { resumeWindowMs: 1000, principalSessionsMax: 3, processBytesMax: 256 << 20 };
const ME: Owner = { origin: "https://a.example", principal: "me" };
const INSTANCE = new Uint8Array(16).fill(0xa1);
const id = (seed: number) => new Uint8Array(16).fill(seed);
const token = (seed: number) => new Uint8Array(32).fill(seed);

const hello = (change: Partial<Hello> = {}): Hello => ({
  limits: UNANNOUNCED_LIMITS,
  attemptId: id(1),
  epoch: 1,
  auth: undefined,
  resume: undefined,
  received: undefined,
  opening: 0,
  ...change,
});

interface Session {
  readonly name: string;
  receivedMax: number;
}

class Bench {
  readonly registry: Registry<Session>;
  #made = 0;

  constructor(limits: Partial<RegistryLimits> = {}) {
    this.registry = new Registry({ ...LIMITS, ...limits }, testHash, INSTANCE, (session, received) => {
      return received <= session.receivedMax;
    });
  }

  /** A session whose WELCOME has not arrived yet. Its id, attempt and first token are made of its number. */
  make(owner: Owner = ME): Entry<Session> {
    this.#made += 1;
    const n = this.#made;
    const session = { name: `session ${n}`, receivedMax: 10 };
    return this.registry.add(session, id(100 + n), token(n), hello({ attemptId: id(n) }), owner);
  }

  established(owner: Owner = ME): Entry<Session> {
    const entry = this.make(owner);
    this.registry.confirm(entry);
    return entry;
  }

  parked(owner: Owner = ME, now = 0): Entry<Session> {
    const entry = this.established(owner);
    this.registry.park(entry, now);
    return entry;
  }

  decide(change: Partial<Hello>, owner: Owner = ME, now = 0): string {
    return this.registry.decide(hello(change), owner, now).type;
  }

  /** A HELLO that resumes session `n`, by default with its first token and the next epoch. */
  resume(n: number, change: Partial<Hello> = {}, with_ = token(n)): Partial<Hello> {
    return { attemptId: id(n), epoch: 2, resume: { sessionId: id(100 + n), token: with_ }, received: 0, ...change };
  }

  evicted(): string[] {
    const names: string[] = [];
    for (let entry = this.registry.pollEvicted(); entry !== undefined; entry = this.registry.pollEvicted()) {
      names.push(entry.session.name);
    }
    return names;
  }
}

describe("Registry: who comes for the first time", () => {
  it("HSK-04: gets a session", () => {
    const bench = new Bench();
    expect(bench.decide({})).toBe("create");
    expect([bench.registry.size, bench.registry.attemptsCount]).toEqual([0, 0]);
    bench.make();
    expect([bench.registry.size, bench.registry.attemptsCount, bench.registry.parkedCount]).toEqual([1, 1, 0]);
  });

  it("RES-04: gets none where it may have had one elsewhere: it has said what it has received of it", () => {
    expect(new Bench().decide({ received: 0 })).toBe("refuse");
    expect(new Bench().decide({ epoch: 2, received: 3 })).toBe("refuse");
  });

  it("RES-04: gets one where what it has sent can only have been read here, and was not", () => {
    const cases = [INSTANCE, id(0xa2), INSTANCE.subarray(1), new Uint8Array(0), undefined];
    const decisions = cases.map((reader) => new Bench().decide({ epoch: 2, received: 0, reader }));
    expect(decisions).toEqual(["create", "refuse", "refuse", "refuse", "refuse"]);
  });

  it("RES-04: gets none from a server that names no instance: nobody knows whom it stands for", () => {
    const registry = new Registry(LIMITS, testHash, new Uint8Array(0), () => true);
    expect(registry.decide(hello({ received: 0, reader: new Uint8Array(0) }), ME, 0).type).toBe("refuse");
  });

  it("RES-03: may come with any epoch: those before may have failed on the way", () => {
    expect(new Bench().decide({ epoch: 9 })).toBe("create");
  });

  it("is added once", () => {
    const bench = new Bench();
    bench.make();
    const again = () => bench.registry.add({ name: "", receivedMax: 0 }, id(99), token(1), hello(), ME);
    expect(again).toThrow(expect.objectContaining({ code: "ERR_INTERNAL" }));
  });
});

describe("Registry: who comes again without WELCOME", () => {
  it("RES-04: gets the session that the attempt has made, as long as no WELCOME is known to have arrived", () => {
    const bench = new Bench();
    const entry = bench.make();
    for (const received of [undefined, 0]) {
      const decision = bench.registry.decide(hello({ epoch: 2, received }), ME, 0);
      expect(decision).toEqual({ type: "attach", entry });
    }
    bench.registry.confirm(entry);
    expect(bench.decide({ epoch: 2 })).toBe("refuse");
  });

  it("RES-03: not with an epoch that has been", () => {
    const bench = new Bench();
    const entry = bench.make();
    expect([bench.decide({ epoch: 1 }), bench.decide({ epoch: 2 })]).toEqual(["refuse", "attach"]);
    bench.registry.attach(entry, hello({ epoch: 5 }), token(50));
    expect([bench.decide({ epoch: 4 }), bench.decide({ epoch: 5 }), bench.decide({ epoch: 6 })]).toEqual([
      "refuse",
      "refuse",
      "attach",
    ]);
  });

  it.each([
    [0, 120_000],
    [1000, 120_000],
    [300_000, 300_000],
  ])(
    "RES-04: where sessions are kept for %i ms, an attempt whose session has ended makes no second one for %i ms",
    (resumeWindowMs, memoryMs) => {
      const bench = new Bench({ resumeWindowMs });
      const entry = bench.make();
      bench.registry.remove(entry, 100);
      expect([bench.registry.size, bench.registry.attemptsCount]).toEqual([0, 1]);
      for (const epoch of [1, 2, 9]) expect(bench.decide({ epoch })).toBe("refuse");
      expect(bench.registry.nextDeadline()).toBe(100 + memoryMs);
      bench.registry.handleDeadline(99 + memoryMs);
      expect(bench.decide({})).toBe("refuse");
      bench.registry.handleDeadline(100 + memoryMs);
      expect([bench.decide({}), bench.registry.attemptsCount, bench.registry.nextDeadline()]).toEqual([
        "create",
        0,
        undefined,
      ]);
    },
  );

  it("RES-04: remembers 65,536 attempts and no more, the newest", () => {
    const bench = new Bench();
    const attempt = (n: number) => new Uint8Array([n, n >> 8, n >> 16, ...new Uint8Array(13).fill(7)]);
    for (let n = 0; n < 65_540; n++) {
      const session = { name: "", receivedMax: 0 };
      const entry = bench.registry.add(session, id(1), token(1), hello({ attemptId: attempt(n) }), ME);
      bench.registry.remove(entry, n / 1000);
    }
    expect(bench.registry.attemptsCount).toBe(65_536);
    const known = [0, 3, 4, 65_539].map((n) => bench.decide({ attemptId: attempt(n) }));
    expect(known).toEqual(["create", "create", "refuse", "refuse"]);
    bench.registry.handleDeadline(1e6);
    expect(bench.registry.attemptsCount).toBe(0);
  });
});

describe("Registry: who comes back", () => {
  it("RES-01: gets the session, parked or not: an old transport may only look alive", () => {
    for (const make of ["parked", "established"] as const) {
      const bench = new Bench();
      const entry = bench[make]();
      expect(bench.registry.decide(hello(bench.resume(1)), ME, 0)).toEqual({ type: "attach", entry });
    }
  });

  it.each<[string, (bench: Bench) => Partial<Hello>, Owner?]>([
    ["RES-02: with a token that is not its own", (bench) => bench.resume(1, {}, token(77))],
    ["RES-02: with the token of another session", (bench) => bench.resume(1, {}, token(2))],
    ["RES-02: with its attempt alone, its WELCOME having arrived", () => ({ attemptId: id(1), epoch: 2, received: 0 })],
    ["RES-02: of a session that does not exist", (bench) => bench.resume(9)],
    ["RES-03: with the epoch that is there", (bench) => bench.resume(1, { epoch: 1 })],
    ["RES-05: with a counter from the future", (bench) => bench.resume(1, { received: 11 })],
    ["RES-07: from another origin", (bench) => bench.resume(1), { ...ME, origin: "https://evil.example" }],
    ["RES-07: from no origin", (bench) => bench.resume(1), { ...ME, origin: "" }],
    ["RES-07: as another principal", (bench) => bench.resume(1), { ...ME, principal: "you" }],
    ["RES-07: as no principal", (bench) => bench.resume(1), { ...ME, principal: undefined }],
  ])("%s, is refused, and the owner loses nothing by it", (_, change, owner = ME) => {
    const bench = new Bench();
    const entry = bench.parked();
    bench.established();
    const before = { ...entry };
    for (let i = 0; i < 3; i++) expect(bench.decide(change(bench), owner)).toBe("refuse");
    expect(entry).toEqual(before);
    expect([bench.registry.parkedCount, bench.registry.size, bench.evicted()]).toEqual([1, 2, []]);
    expect(bench.decide(bench.resume(1))).toBe("attach");
  });

  it("RES-07: a session of nobody is not one of somebody without an origin", () => {
    const nobody: Owner = { origin: "", principal: undefined };
    const bench = new Bench();
    bench.parked(nobody);
    expect(bench.decide(bench.resume(1), nobody)).toBe("attach");
    expect(bench.decide(bench.resume(1), { origin: "", principal: "" })).toBe("refuse");
    expect(bench.decide(bench.resume(1), { origin: "null", principal: undefined })).toBe("refuse");
  });

  it("RES-02: rotates the token, and takes the one before only until the new one has arrived", () => {
    const bench = new Bench();
    const entry = bench.parked();
    const first = hello(bench.resume(1));
    bench.registry.attach(entry, first, token(50));
    expect(entry.epoch).toBe(2);
    // The WELCOME is on its way, and may be lost: both are good.
    expect(bench.decide(bench.resume(1, { epoch: 3 }))).toBe("attach");
    expect(bench.decide(bench.resume(1, { epoch: 3 }, token(50)))).toBe("attach");
    // RES-03: a copy of the HELLO itself is not.
    expect(bench.registry.decide(first, ME, 0).type).toBe("refuse");
    bench.registry.confirm(entry);
    expect(bench.decide(bench.resume(1, { epoch: 3 }))).toBe("refuse");
    expect(bench.decide(bench.resume(1, { epoch: 3 }, token(50)))).toBe("attach");
  });

  it("RES-02: a token whose WELCOME got lost is good until another one has arrived", () => {
    const bench = new Bench();
    const entry = bench.parked();
    bench.registry.attach(entry, hello(bench.resume(1)), token(50));
    bench.registry.attach(entry, hello(bench.resume(1, { epoch: 3 })), token(51));
    const good = () => [1, 50, 51].map((n) => bench.decide(bench.resume(1, { epoch: 4 }, token(n))));
    expect(good()).toEqual(["attach", "attach", "attach"]);
    bench.registry.confirm(entry);
    expect(good()).toEqual(["refuse", "refuse", "attach"]);
  });

  it("RES-03: attaches under rising epochs only", () => {
    const bench = new Bench();
    const entry = bench.parked();
    const attach = () => bench.registry.attach(entry, hello(bench.resume(1, { epoch: 1 })), token(50));
    expect(attach).toThrow(expect.objectContaining({ code: "ERR_INTERNAL" }));
  });
});

describe("RES-11: Registry: parking", () => {
  it("lasts for the window, counted from the loss of the transport", () => {
    const bench = new Bench();
    const entry = bench.parked(ME, 100);
    expect([entry.expiresAt, bench.registry.nextDeadline()]).toEqual([1100, 1100]);
    bench.registry.handleDeadline(1099);
    expect(bench.evicted()).toEqual([]);
    bench.registry.handleDeadline(1100);
    expect([bench.evicted(), bench.registry.size, bench.registry.parkedCount]).toEqual([["session 1"], 0, 0]);
    expect(bench.decide(bench.resume(1))).toBe("refuse");
  });

  it("ends when a transport comes, and begins anew when that is lost, too", () => {
    const bench = new Bench();
    const entry = bench.parked(ME, 100);
    bench.registry.attach(entry, hello(bench.resume(1)), token(50));
    expect([entry.expiresAt, bench.registry.nextDeadline(), bench.registry.parkedCount]).toEqual([
      undefined,
      undefined,
      0,
    ]);
    bench.registry.handleDeadline(1e6);
    expect(bench.registry.size).toBe(1);
    bench.registry.park(entry, 1e6);
    expect(bench.registry.nextDeadline()).toBe(1_001_000);
  });

  it("expires in the order of loss, each in its time", () => {
    const bench = new Bench();
    const entries = [0, 1, 2, 3].map(() => bench.established());
    for (const [i, now] of [
      [2, 10],
      [0, 20],
      [3, 20],
      [1, 30],
    ] as const) {
      bench.registry.park(entries[i] as Entry<Session>, now);
    }
    bench.registry.handleDeadline(1020);
    expect(bench.evicted()).toEqual(["session 3", "session 1", "session 4"]);
    expect(bench.registry.nextDeadline()).toBe(1030);
  });

  it("is nothing for a session that is gone", () => {
    const bench = new Bench();
    const entry = bench.established();
    bench.registry.remove(entry, 0);
    bench.registry.park(entry, 10);
    bench.registry.account(entry, 1e9, 10);
    bench.registry.remove(entry, 10);
    expect([bench.registry.parkedCount, bench.registry.heldBytes, bench.registry.size]).toEqual([0, 0, 0]);
  });
});

describe("RES-16: Registry: bounds", () => {
  it("one principal: the session that has been parked longest makes room", () => {
    const bench = new Bench();
    const [first, second, third] = [bench.established(), bench.established(), bench.established()];
    expect(bench.decide({ attemptId: id(9) })).toBe("busy");
    bench.registry.park(second, 10);
    bench.registry.park(first, 20);
    expect(bench.decide({ attemptId: id(9) }, { ...ME, principal: "you" })).toBe("create");
    expect(bench.evicted()).toEqual([]);
    expect([bench.decide({ attemptId: id(9) }, ME, 30), bench.evicted()]).toEqual(["create", ["session 2"]]);
    bench.make();
    expect([bench.decide({ attemptId: id(10) }, ME, 30), bench.evicted()]).toEqual(["create", ["session 1"]]);
    bench.make();
    expect([bench.decide({ attemptId: id(11) }, ME, 30), bench.evicted()]).toEqual(["busy", []]);
    bench.registry.remove(third, 40);
    expect(bench.decide({ attemptId: id(11) }, ME, 40)).toBe("create");
  });

  it("one principal: whoever has no name is not counted with others who have none", () => {
    const bench = new Bench();
    const nobody = { ...ME, principal: undefined };
    for (let i = 0; i < 20; i++) bench.established(nobody);
    expect(bench.decide({ attemptId: id(99) }, nobody)).toBe("create");
  });

  it("one principal: a resume is let in however many there are, and nobody has to go for one that is refused", () => {
    const bench = new Bench();
    for (let i = 0; i < 3; i++) bench.parked();
    expect(bench.decide(bench.resume(1))).toBe("attach");
    expect([bench.decide(bench.resume(1, {}, token(99))), bench.decide({ attemptId: id(9), received: 0 })]).toEqual([
      "refuse",
      "refuse",
    ]);
    expect(bench.evicted()).toEqual([]);
  });

  it("memory: parked sessions leave above half of the bound, the largest first, and cannot be resumed", () => {
    const bench = new Bench({ processBytesMax: 1 << 20 });
    const nobody = { ...ME, principal: undefined };
    const entries = [100_000, 200_000, 0].map((bytes) => {
      const entry = bench.established(nobody);
      bench.registry.account(entry, bytes, 0);
      return entry;
    });
    for (const entry of entries.slice(0, 2)) bench.registry.park(entry, 0);
    expect(bench.evicted()).toEqual([]);
    bench.registry.account(entries[2] as Entry<Session>, 400_000, 0);
    expect([bench.evicted(), bench.registry.heldBytes]).toEqual([["session 2"], 500_000 + PARKED_BYTES]);
    expect([bench.decide(bench.resume(2), nobody), bench.decide(bench.resume(1), nobody)]).toEqual([
      "refuse",
      "attach",
    ]);
  });

  it("memory: at the bound nobody new is let in, and who has a session is", () => {
    const bench = new Bench({ processBytesMax: 1 << 20, principalSessionsMax: 100 });
    const entry = bench.established({ ...ME, principal: undefined });
    bench.registry.account(entry, 1 << 20, 0);
    expect([bench.registry.isFull, bench.decide({ attemptId: id(9) })]).toEqual([true, "busy"]);
    expect(bench.decide(bench.resume(1), { ...ME, principal: undefined })).toBe("attach");
    bench.registry.account(entry, 0, 0);
    expect([bench.registry.isFull, bench.decide({ attemptId: id(9) })]).toEqual([false, "create"]);
  });

  it("memory: counts early data and what a parked session weighs, and forgets what has gone", () => {
    const bench = new Bench();
    bench.registry.accountEarly(1234);
    const entry = bench.parked();
    bench.registry.account(entry, 66, 0);
    expect(bench.registry.heldBytes).toBe(1300 + PARKED_BYTES);
    bench.registry.accountEarly(-1234);
    bench.registry.remove(entry, 0);
    expect(bench.registry.heldBytes).toBe(0);
  });

  it("memory: ten thousand clients that park and vanish leave nothing behind", () => {
    const bench = new Bench({ resumeWindowMs: 100 });
    for (let n = 0; n < 10_000; n++) {
      const attemptId = new Uint8Array([n, n >> 8, ...new Uint8Array(14)]);
      const sessionId = attemptId.slice().reverse();
      const owner = { ...ME, principal: `${n % 7}` };
      bench.registry.handleDeadline(n);
      if (bench.registry.decide(hello({ attemptId }), owner, n).type !== "create") continue;
      const entry = bench.registry.add(
        { name: `${n}`, receivedMax: 0 },
        sessionId,
        token(1),
        hello({ attemptId }),
        owner,
      );
      bench.registry.account(entry, 1000, n);
      bench.registry.park(entry, n);
      bench.evicted();
    }
    expect(bench.registry.size).toBeLessThanOrEqual(21);
    bench.registry.handleDeadline(1e6);
    bench.evicted();
    bench.registry.handleDeadline(2e6);
    expect([bench.registry.size, bench.registry.attemptsCount, bench.registry.heldBytes]).toEqual([0, 0, 0]);
  });
});
