import { describe, expect, it } from "vitest";
import { DEFAULT_LIMITS } from "../../../src/core/limits.js";
import type { Owner } from "../../../src/core/registry/registry.js";
import { encodeBatch } from "../../../src/core/wire/encode.js";
import { Parameter } from "../../../src/core/wire/frame.js";
import { type Hello, helloFrame } from "../../../src/core/wire/handshake.js";
import { expectBaseline } from "../../support/baseline.js";
import { chunk } from "../../support/frame-table.js";
import { hex } from "../../support/hex.js";
import { naiveDecode } from "../../support/naive-decoder.js";
import { type Line, Pair, type PairOptions, text } from "../../support/pair.js";

const OWNER: Owner = { origin: "https://a.example", principal: "me" };
const SESSION = new Uint8Array(16).fill(2);
const token = (n: number) => new Uint8Array(32).fill(0x40 + n);
const resume = (change: Partial<Omit<Hello, "limits">> = {}, tokenNumber = 1): Omit<Hello, "limits"> => ({
  attemptId: new Uint8Array(16).fill(1),
  epoch: 99,
  auth: undefined,
  resume: { sessionId: SESSION, token: token(tokenNumber) },
  received: 0,
  opening: 0,
  ...change,
});
const numbered = (number: number, size = 1) => encodeBatch(number, [chunk({ payload: new Uint8Array(size) })]);

/** A session of the owner with things said in both directions, resumed as often. Its tokens are 1 to `resumes` + 1. */
function victim(resumes = 0, options: PairOptions = {}): Pair {
  const pair = new Pair({ owner: OWNER, ...options }).connect().run(100);
  for (let i = 0; i < resumes; i++) pair.cut().run(1000);
  pair.input(pair.client, (s, now) => s.send(0, text("from the client"), now));
  pair.input(pair.server, (s, now) => s.send(0, text("from the server"), now));
  return pair.run(200);
}

/** Somebody comes with this HELLO, and early data behind it. */
function knock(pair: Pair, hello: Omit<Hello, "limits">, owner = OWNER): Line {
  const line = pair.knock(owner);
  pair.say(line, encodeBatch(0, [helloFrame({ ...hello, limits: DEFAULT_LIMITS })]));
  pair.say(line, numbered(2));
  pair.run(50);
  return line;
}

/** What was answered behind the GREETING, as hex. */
const answerTo = (line: Line) => line.heard.slice(1).map(hex);

/** Whatever was tried, the owner has not noticed: everything is there, and goes on. */
function expectUnharmed(pair: Pair, events: number): void {
  expect(pair.server.events.length).toBe(events);
  for (const end of [pair.client, pair.server]) pair.input(end, (s, now) => s.send(0, text("more"), now));
  pair.run(200);
  if (pair.client.session.isClosed) throw new Error("the owner has lost the session");
  pair.cut().run(2000);
  for (const end of [pair.client, pair.server]) pair.input(end, (s, now) => s.send(0, text("after"), now));
  pair.run(200);
  expect(pair.server.messages).toEqual(["from the client", "more", "after"]);
  expect(pair.client.messages).toEqual(["from the server", "more", "after"]);
  expect([pair.client.of("closed"), pair.server.of("closed")]).toEqual([[], []]);
  expect(pair.host.registry.size).toBe(1);
  expectBaseline(pair);
}

interface Attack {
  title: string;
  hello: Omit<Hello, "limits">;
  owner?: Owner;
}

const ATTACKS: Attack[] = [
  { title: "RES-02: a forged token", hello: resume({}, 0x77) },
  {
    title: "RES-02: a token that is right but for its last bit",
    hello: resume({ resume: { sessionId: SESSION, token: token(3).map((byte, i) => (i === 31 ? byte ^ 1 : byte)) } }),
  },
  { title: "RES-02: a stale token, rotated away", hello: resume({}, 1) },
  { title: "RES-02: the stale token before that of the present transport", hello: resume({}, 2) },
  {
    title: "RES-02: a session that does not exist",
    hello: resume({ resume: { sessionId: new Uint8Array(16).fill(0x66), token: token(3) } }),
  },
  { title: "RES-03: the epoch that is there", hello: resume({ epoch: 3 }, 3) },
  { title: "RES-03: an epoch that goes back", hello: resume({ epoch: 2 }, 3) },
  { title: "RES-03: no epoch, which is the first", hello: resume({ epoch: 1 }, 3) },
  { title: "RES-04: the attempt, whose WELCOME has arrived long ago", hello: resume({ resume: undefined }) },
  {
    title: "RES-04: the attempt, as if for the first time",
    hello: resume({ resume: undefined, received: undefined, epoch: 1 }),
  },
  {
    title: "RES-04: the attempt, with a greater epoch",
    hello: resume({ resume: undefined, received: undefined }),
  },
  {
    title: "RES-04: an attempt that is not known, and must have been",
    hello: resume({ attemptId: new Uint8Array(16).fill(0x55), resume: undefined }),
  },
  { title: "RES-05: RECEIVED from the future", hello: resume({ received: 2 }, 3) },
  { title: "RES-05: RECEIVED from the far future", hello: resume({ received: Number.MAX_SAFE_INTEGER }, 3) },
  {
    title: "RES-07: another origin",
    hello: resume({ received: 1 }, 3),
    owner: { ...OWNER, origin: "https://b.example" },
  },
  { title: "RES-07: no origin", hello: resume({ received: 1 }, 3), owner: { ...OWNER, origin: "" } },
  { title: "RES-07: another principal", hello: resume({ received: 1 }, 3), owner: { ...OWNER, principal: "you" } },
  { title: "RES-07: no principal", hello: resume({ received: 1 }, 3), owner: { ...OWNER, principal: undefined } },
];

describe("whoever is not the owner of a session, or does not know it", () => {
  it.each(ATTACKS)("is refused, and the owner loses nothing: $title", ({ hello, owner }) => {
    for (const isParked of [false, true]) {
      const pair = victim(2);
      if (isParked) {
        pair.network = "hung";
        pair.cut();
      }
      const events = pair.server.events.length;
      const { parkedCount } = pair.host.registry;
      for (let i = 0; i < 3; i++) {
        const line = knock(pair, hello, owner);
        const frames = line.heard.slice(1).flatMap((batch) => naiveDecode(batch).frames);
        expect(frames).toMatchObject([{ type: "abort", code: 1008 }]);
        expect(line.taker).toBeUndefined();
      }
      expect([pair.host.registry.parkedCount, pair.host.registry.size]).toEqual([parkedCount, 1]);
      pair.network = "up";
      if (isParked) pair.run(15_000);
      expectUnharmed(pair, isParked ? pair.server.events.length : events);
    }
  });

  it("RES-07: is told the same to the byte, whatever was wrong", () => {
    const pair = victim(2);
    const answers = ATTACKS.map(({ hello, owner }) => answerTo(knock(pair, hello, owner)));
    expect(answers[0]).toHaveLength(1);
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    // Also the same as who fails authentication.
    pair.accepts = false;
    const line = knock(pair, resume({}, 3));
    pair.host.refuse(line);
    pair.run(50);
    expect(answerTo(line)).toEqual(answers[0]);
  });

  it("RES-07: is told the same of a session that has ended, has expired, or has never been", () => {
    const answers = ["ended", "expired", "never"].map((how) => {
      const pair = victim(0, { serverLimits: { resumeWindowMs: 5000 } });
      if (how === "ended") pair.input(pair.client, (s, now) => s.close(1000, "", now));
      if (how === "expired") {
        pair.network = "hung";
        pair.cut();
      }
      pair.run(6000);
      const sessionId = how === "never" ? new Uint8Array(16).fill(0x66) : SESSION;
      expect(pair.host.registry.size).toBe(how === "never" ? 1 : 0);
      return answerTo(knock(pair, resume({ received: 1, resume: { sessionId, token: token(1) } })));
    });
    expect(answers[0]).toHaveLength(1);
    for (const answer of answers) expect(answer).toEqual(answers[0]);
  });

  it("RES-03: who repeats the owner's own HELLO, early data included, is refused", () => {
    const pair = victim(2);
    const heard = pair.client.batchesSent.filter(({ line }) => line.index === 2).map(({ batch }) => batch);
    const events = pair.server.events.length;
    const line = pair.knock(OWNER);
    for (const batch of heard) pair.say(line, batch);
    pair.run(50);
    expect(answerTo(line)).toHaveLength(1);
    expectUnharmed(pair, events);
  });

  it("RES-03: of two copies of one HELLO that is good, one is let in", () => {
    const pair = victim(0);
    pair.network = "hung";
    pair.cut().run(300);
    const lines = [1, 2].map(() => knock(pair, resume({ received: 1, epoch: 3 }, 1)));
    expect(lines.map(({ taker }) => taker?.epoch)).toEqual([3, undefined]);
  });
});

describe("RES-04: one attempt, one session", () => {
  const attempt = (change = {}) => resume({ resume: undefined, received: undefined, epoch: 1, ...change });

  it("however many copies of its HELLO come, and in whichever order", () => {
    const pair = new Pair({ owner: OWNER });
    const lines = [attempt(), attempt(), attempt({ epoch: 3 }), attempt({ epoch: 2 }), attempt({ epoch: 3 })].map(
      (hello) => knock(pair, hello),
    );
    expect([pair.host.registry.size, pair.host.ends.length]).toEqual([1, 2]);
    const kinds = lines.map(({ heard }) => naiveDecode(heard[1] as Uint8Array).frames[0]?.type);
    expect(kinds).toEqual(["welcome", "abort", "welcome", "abort", "abort"]);
    const sessions = lines
      .flatMap(({ heard }) => heard.flatMap((batch) => naiveDecode(batch).frames))
      .flatMap((frame) => (frame.type === "welcome" ? [frame.parameters.get(Parameter.SESSION)] : []))
      .map((bytes) => hex(bytes as Uint8Array));
    expect(new Set(sessions).size).toBe(1);
  });

  it("not of another client: who has the attempt id is not yet who has made the attempt", () => {
    const pair = new Pair({ owner: OWNER });
    knock(pair, attempt());
    const stranger = knock(pair, attempt({ epoch: 2 }), { ...OWNER, principal: "you" });
    expect(naiveDecode(stranger.heard[1] as Uint8Array).frames).toMatchObject([{ type: "abort", code: 1008 }]);
    expect(pair.host.registry.size).toBe(1);
  });

  it.each(["closed", "expired"] as const)("and none once that one is %s, for as long as a copy may be late", (how) => {
    const pair = victim(0, { serverLimits: { resumeWindowMs: 5000 } });
    if (how === "closed") pair.input(pair.client, (s, now) => s.close(1000, "", now));
    else {
      pair.network = "hung";
      pair.cut();
    }
    pair.run(6000);
    expect(pair.host.registry.size).toBe(0);
    for (const epoch of [1, 2, 99]) {
      const line = knock(pair, attempt({ epoch }));
      expect(naiveDecode(line.heard[1] as Uint8Array).frames).toMatchObject([{ type: "abort", code: 1008 }]);
    }
    expect([pair.host.registry.size, pair.host.ends.length]).toEqual([0, 1]);
    pair.run(300_000);
    expect(pair.host.registry.attemptsCount).toBe(0);
  });
});

describe("HSK-07, HSK-10: whoever does not finish the handshake", () => {
  it("costs nothing behind the time that it has: a thousand who never say HELLO", () => {
    const pair = victim();
    const events = pair.server.events.length;
    const lines = Array.from({ length: 1000 }, () => pair.knock());
    pair.run(4999);
    expect(lines.every(({ reception }) => reception?.isOver === false)).toBe(true);
    pair.run(1);
    expect(lines.every(({ reception }) => reception?.isOver === true)).toBe(true);
    expect(lines.every(({ endedBy }) => endedBy.has("server"))).toBe(true);
    expect([pair.host.registry.size, pair.host.registry.attemptsCount]).toEqual([1, 1]);
    pair.run(100);
    expectUnharmed(pair, events);
  });

  it("holds 32 KiB at the most while the application decides", () => {
    const pair = victim();
    pair.accepts = false;
    const events = pair.server.events.length;
    const lines = Array.from({ length: 50 }, () => {
      const line = pair.knock();
      const hello = resume({ attemptId: new Uint8Array(16).fill(0x70), resume: undefined, received: undefined });
      pair.say(line, encodeBatch(0, [helloFrame({ ...hello, limits: DEFAULT_LIMITS })]));
      for (let number = 1; number <= 40; number++) pair.say(line, numbered(number, 1000));
      return line;
    });
    for (const { reception } of lines) {
      expect([reception?.isOver, reception?.heldBytes]).toEqual([true, 0]);
    }
    const patient = pair.knock();
    const hello = resume({ attemptId: new Uint8Array(16).fill(0x71), resume: undefined, received: undefined });
    pair.say(patient, encodeBatch(0, [helloFrame({ ...hello, limits: DEFAULT_LIMITS })]));
    for (let number = 1; number <= 32; number++) pair.say(patient, numbered(number, 1000));
    expect(patient.reception?.heldBytes).toBeGreaterThan(32_000);
    expect(patient.reception?.heldBytes).toBeLessThanOrEqual(32 * 1024);
    pair.run(5000);
    expect(patient.reception?.heldBytes).toBe(0);
    pair.accepts = true;
    expectUnharmed(pair, events);
  });

  it("RES-02: and says nothing behind WELCOME either, is parked and expires like anybody", () => {
    const pair = new Pair({ owner: OWNER, registry: { principalSessionsMax: 4 } });
    for (let n = 0; n < 20; n++) {
      const attemptId = new Uint8Array(16).fill(0x20 + n);
      const line = knock(pair, resume({ attemptId, resume: undefined, received: undefined, epoch: 1 }));
      pair.cut(line);
      expect(pair.host.registry.size).toBeLessThanOrEqual(4);
    }
    pair.run(300_000);
    expect([pair.host.registry.size, pair.host.registry.attemptsCount, pair.host.registry.heldBytes]).toEqual([
      0, 0, 0,
    ]);
  });
});

describe("ACK-05: an ack from the future", () => {
  it.each(["client", "server"] as const)("ends the session, also on a transport that has been resumed: %s", (name) => {
    const pair = victim(1);
    const ack = { type: "ack", number: 5, bytes: 500, receivedTicks: 0, delayTicks: 0 } as const;
    pair.inject(pair[name], encodeBatch(0, [ack]));
    expect(pair[name].of("closed")).toMatchObject([{ transportCode: 1002, error: { code: "ERR_PEER_VIOLATION" } }]);
  });

  it("RES-06: of what the present transport has not had yet is one, too", () => {
    const pair = new Pair().connect().run(100);
    pair.input(pair.client, (s, now) => s.send(0, text("x"), now));
    const { bytesSent } = pair.client.session.stats;
    pair.network = "deaf";
    pair.cut().run(300);
    // Nothing has been sent on the new transport, not even HELLO.
    const ack = { type: "ack", number: 1, bytes: bytesSent, receivedTicks: 0, delayTicks: 0 } as const;
    pair.inject(pair.client, encodeBatch(0, [ack]));
    expect(pair.client.of("delivered")).toEqual([]);
    expect(pair.client.of("detached").map(({ line }) => line)).toEqual([1, 2]);
  });
});
