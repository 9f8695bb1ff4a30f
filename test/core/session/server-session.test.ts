import { describe, expect, it } from "vitest";
import { DEFAULT_LIMITS, type Limits, MESSAGE_COST_BYTES } from "../../../src/core/limits.js";
import type { SessionEvent } from "../../../src/core/session/events.js";
import { ServerSession } from "../../../src/core/session/server-session.js";
import type { Admission, HeldBatch } from "../../../src/core/session/session-types.js";
import { encodeBatch } from "../../../src/core/wire/encode.js";
import { type Frame, Parameter, type Parameters } from "../../../src/core/wire/frame.js";
import { type Hello, readGreeting, readWelcome } from "../../../src/core/wire/handshake.js";
import { UNANNOUNCED_LIMITS } from "../../../src/core/wire/parameters.js";
import { chunk } from "../../support/frame-table.js";
import { naiveDecode } from "../../support/naive-decoder.js";
import { text } from "../../support/pair.js";
import { testPorts } from "../../support/ports.js";

const SESSION = new Uint8Array(16).fill(2);
const TOKEN = new Uint8Array(32).fill(3);
const numbered = (number: number, value = "x") =>
  encodeBatch(number, [chunk({ text: true, payload: testPorts.encodeUtf8(value) })]);
const DEATH = { wasClean: false, code: 1006, reason: "" };

/** A server's session whose host and client are the test. */
class Bench {
  readonly session: ServerSession;
  readonly events: SessionEvent[] = [];
  now = 1000;

  constructor(limits: Partial<Limits> = {}) {
    this.session = new ServerSession({
      limits: { ...DEFAULT_LIMITS, ...limits },
      ports: testPorts,
      sessionId: SESSION,
      protocol: testPorts.encodeUtf8("chat"),
    });
  }

  attach(hello: Partial<Hello> = {}, admission: Partial<Admission> = {}): this {
    const whole: Hello = {
      limits: UNANNOUNCED_LIMITS,
      attemptId: new Uint8Array(16).fill(1),
      epoch: 1,
      auth: undefined,
      resume: undefined,
      received: undefined,
      opening: 0,
      ...hello,
    };
    return this.do((s) =>
      s.attach({ hello: whole, token: TOKEN, batchBytesMax: 1e6, held: [], ...admission }, this.now),
    );
  }

  say(batch: Uint8Array, epoch = 1): this {
    return this.do((s) => s.handleBatch(epoch, batch, this.now));
  }

  send(value: string): this {
    return this.do((s) => s.send(0, text(value), this.now));
  }

  do(run: (session: ServerSession) => unknown): this {
    run(this.session);
    for (let event = this.session.pollEvent(); event !== undefined; event = this.session.pollEvent()) {
      this.events.push(event);
    }
    return this;
  }

  /** What leaves now: number and frames of each batch. */
  said(): { number: number; frames: Frame[] }[] {
    const all: { number: number; frames: Frame[] }[] = [];
    for (let batch = this.poll(); batch !== undefined; batch = this.poll()) all.push(naiveDecode(batch));
    return all;
  }

  /** Its kinds only. */
  kinds(): string[] {
    return this.said().map(({ number, frames }) => `${number} ${frames.map(({ type }) => type).join(" ")}`);
  }

  poll(): Uint8Array | undefined {
    const batch = this.session.pollTransmit(1e6, this.now);
    this.do(() => {});
    return batch;
  }

  get story(): string[] {
    return this.events.map(({ type }) => type);
  }
}

const ack = (number: number, bytes: number): Uint8Array =>
  encodeBatch(0, [{ type: "ack", number, bytes, receivedTicks: 0, delayTicks: 0 }]);

/** What stands in a WELCOME. */
function parametersIn(said: { frames: Frame[] } | undefined): Parameters {
  const [frame] = said?.frames ?? [];
  if (frame?.type !== "welcome") throw new Error("no welcome");
  return frame.parameters;
}

describe("ServerSession: attach", () => {
  it("HSK-08, RES-02: answers with WELCOME, alone and first: session, token, window, limits, protocol", () => {
    const bench = new Bench({ resumeWindowMs: 9000 }).attach().send("x");
    const [welcome, next] = bench.said();
    expect(readWelcome(parametersIn(welcome), UNANNOUNCED_LIMITS)).toMatchObject({
      sessionId: SESSION,
      token: TOKEN,
      resumeWindowMs: 9000,
      received: 0,
    });
    expect(parametersIn(welcome).get(Parameter.PROTOCOL)).toEqual(testPorts.encodeUtf8("chat"));
    expect([welcome?.number, welcome?.frames.length, next?.number]).toEqual([0, 1, 1]);
    expect(bench.story).toEqual(["established", "written"]);
  });

  it("HTTP-04: says in WELCOME what a GREETING would have said, where there was none", () => {
    const instance = new Uint8Array(16).fill(7);
    const greeted = new Bench().attach().said()[0];
    expect(parametersIn(greeted).has(Parameter.INSTANCE)).toBe(false);
    const [welcome] = new Bench({ heartbeatMs: 1111 }).attach({}, { instance }).said();
    expect(readGreeting(parametersIn(welcome), UNANNOUNCED_LIMITS, DEFAULT_LIMITS)).toMatchObject({
      instance,
      heartbeatMs: 1111,
      protocol: testPorts.encodeUtf8("chat"),
    });
  });

  it("HSK-07: reads what was held, behind `established`, and acknowledges it by when it came", () => {
    const held: HeldBatch[] = [numbered(1, "a"), numbered(2, "b")].map((batch, i) => ({ batch, receivedAt: 500 + i }));
    const bench = new Bench().attach({}, { held });
    expect(bench.story).toEqual(["established", "message", "message"]);
    const [welcome, answer] = bench.said();
    // RES-05: what stands in WELCOME does not count the early data behind its HELLO.
    expect(parametersIn(welcome).has(Parameter.RECEIVED)).toBe(false);
    expect(answer?.frames).toMatchObject([{ type: "ack", number: 2, receivedTicks: 5010, delayTicks: 4990 }]);
  });

  it("RES-05: on the next transport says what it has received, and sends again what the client has not", () => {
    const bench = new Bench().attach().say(numbered(1)).say(numbered(2)).send("a").send("b");
    bench.said();
    bench.send("c").do((s) => s.handleTransportClosed(1, DEATH, bench.now));
    bench.send("d").attach({ epoch: 2, received: 1 });
    const said = bench.said();
    expect(readWelcome(parametersIn(said[0]), UNANNOUNCED_LIMITS)).toMatchObject({ received: 2 });
    // "a" and "b" were in one batch, which the client has; "c" had not left.
    expect(said.slice(1).map(({ number }) => number)).toEqual([2]);
    expect(said[1]?.frames).toMatchObject([{ type: "chunk" }, { type: "chunk" }]);
    expect(bench.events.filter(({ type }) => type === "delivered")).toHaveLength(2);
  });

  it("RES-09: cuts the transport that it still has, before it makes its answer, and reads nothing more from it", () => {
    const bench = new Bench().attach().say(numbered(1, "old"));
    bench.said();
    bench.do((s) => s.ping(new Uint8Array(0), bench.now)).attach({ epoch: 5, received: 0 });
    expect(bench.events.slice(-2)).toEqual([
      { type: "detached", line: 1, transportCode: 1000 },
      { type: "resumed", line: 5 },
    ]);
    bench.say(numbered(2, "late"), 1).say(Uint8Array.of(0xff), 1);
    bench.do((s) => s.handleTransportClosed(1, DEATH, bench.now));
    expect(bench.kinds()).toEqual(["0 welcome"]);
    bench.say(numbered(2, "new"), 5);
    expect(bench.events.filter(({ type }) => type === "message")).toMatchObject([{ data: "old" }, { data: "new" }]);
    expect(bench.session.stats.resumes).toBe(1);
  });

  it("LIM-07: goes by the limits of the first HELLO", () => {
    const limits = (messageBytesMax: number) => ({ ...UNANNOUNCED_LIMITS, messageBytesMax, reassemblyBytesMax: 1e6 });
    const bench = new Bench().attach({ limits: limits(100) }).attach({ epoch: 2, received: 0, limits: limits(5) });
    expect(() => bench.session.send(0, text("x".repeat(100)), bench.now)).not.toThrow();
    expect(() => bench.session.send(0, text("x".repeat(101)), bench.now)).toThrow(
      expect.objectContaining({ code: "ERR_MESSAGE_TOO_LARGE" }),
    );
  });

  it("does nothing for a session that is over", () => {
    const bench = new Bench().attach();
    bench.do((s) => s.close(1000, "", bench.now)).do((s) => s.handleDeadline(bench.now + 6000));
    bench.now += 6000;
    const { length } = bench.events;
    bench.said();
    bench.attach({ epoch: 2 });
    expect([bench.events.length, bench.said(), bench.session.canAttach(0)]).toEqual([length, [], false]);
  });

  it("RES-05: lets a client come that says what can be", () => {
    const bench = new Bench().attach().send("a");
    expect([0, 1].map((received) => bench.session.canAttach(received))).toEqual([true, false]);
    bench.said();
    expect([0, 1, 2].map((received) => bench.session.canAttach(received))).toEqual([true, true, false]);
    bench.say(ack(1, bench.session.stats.bytesSent));
    // What was said on the transport before may have overtaken it.
    expect([0, 1, 2].map((received) => bench.session.canAttach(received))).toEqual([true, true, false]);
  });
});

describe("RES-02: ServerSession: that WELCOME has arrived", () => {
  it("is known from the first ack in an unnumbered batch, once on each transport", () => {
    const bench = new Bench().attach();
    bench.said();
    for (let i = 0; i < 3; i++) bench.say(ack(0, 0));
    expect(bench.story).toEqual(["established", "confirmed"]);
    bench.attach({ epoch: 2, received: 0 }).say(ack(0, 0), 1).say(ack(0, 0), 2);
    expect(bench.story).toEqual(["established", "confirmed", "detached", "resumed", "confirmed"]);
  });

  it.each<[string, Uint8Array]>([
    ["a numbered batch", numbered(1)],
    [
      "an ack in a numbered batch, which may be older than the WELCOME",
      encodeBatch(1, [{ type: "ack", number: 0, bytes: 0, receivedTicks: 0, delayTicks: 0 }]),
    ],
    ["a ping", encodeBatch(0, [{ type: "ping", payload: new Uint8Array(0) }])],
    ["a pong", encodeBatch(0, [{ type: "pong", payload: new Uint8Array(0) }])],
  ])("is not known from %s", (_, batch) => {
    const bench = new Bench().attach().say(batch);
    expect(bench.story).not.toContain("confirmed");
    expect(bench.story).not.toContain("closed");
  });
});

describe("ServerSession: without a transport", () => {
  it.each<[string, (bench: Bench) => void, number]>([
    ["that ends", (bench) => bench.do((s) => s.handleTransportClosed(1, DEATH, bench.now)), 1000],
    ["RES-14: that the client leaves with DETACH", (bench) => bench.say(encodeBatch(0, [{ type: "detach" }])), 1000],
    ["BAT-04: that has lost something", (bench) => bench.say(numbered(7)), 1002],
    [
      "KAL-04: that is silent",
      (bench) => {
        for (const ms of [25_000, 35_000]) {
          bench.now = 1000 + ms;
          bench.do((s) => s.handleDeadline(bench.now)).said();
        }
      },
      1000,
    ],
  ])("RES-10: %s, waits, says nothing and has no deadline", (_, end, transportCode) => {
    const bench = new Bench().attach();
    bench.said();
    end(bench);
    expect(bench.events.at(-1)).toEqual({ type: "detached", line: 1, transportCode });
    bench.send("waits").do((s) => s.ping(new Uint8Array(0), bench.now));
    bench.do((s) => s.recall(0, bench.now));
    expect([bench.said(), bench.session.nextDeadline(), bench.session.canAttach(0)]).toEqual([[], undefined, true]);
    bench.attach({ epoch: 2, received: 0 });
    // Nothing unnumbered is kept for the next one.
    expect(bench.kinds()).toEqual(["0 welcome", "1 chunk"]);
  });

  it("RES-14: reads nothing behind DETACH", () => {
    const bench = new Bench().attach();
    bench.said();
    bench.say(encodeBatch(0, [{ type: "detach" }, { type: "ping", payload: new Uint8Array(0) }])).say(numbered(1));
    expect([bench.story, bench.said()]).toEqual([["established", "detached"], []]);
  });

  it("RES-11: where sessions are not kept, is over", () => {
    for (const end of ["closed", "detach"] as const) {
      const bench = new Bench({ resumeWindowMs: 0 }).attach().send("x");
      bench.said();
      if (end === "closed") bench.do((s) => s.handleTransportClosed(1, DEATH, bench.now));
      else bench.say(encodeBatch(0, [{ type: "detach" }]));
      expect(bench.events.slice(-2)).toMatchObject([
        { type: "dropped", fate: "unknown" },
        { type: "closed", code: 1006, error: { code: "ERR_SESSION_LOST" } },
      ]);
    }
  });

  it("holds what it has to send, to send again and to put together, and says how much", () => {
    const bench = new Bench().attach();
    bench.said();
    bench.send("twenty bytes of text");
    expect(bench.session.heldBytes).toBe(20);
    bench.said();
    const inFlight = bench.session.stats.inFlightBytes;
    expect(bench.session.heldBytes).toBe(inFlight);
    bench.say(encodeBatch(1, [chunk({ last: false, payload: new Uint8Array(2000) })]));
    expect(bench.session.heldBytes).toBe(inFlight + 2000 + MESSAGE_COST_BYTES);
    bench.do((s) => s.handleTransportClosed(1, DEATH, bench.now));
    expect(bench.session.heldBytes).toBe(inFlight + 2000 + MESSAGE_COST_BYTES);
    bench.attach({ epoch: 2, received: 1 }).say(encodeBatch(2, [{ type: "reset", channel: 0 }]), 2);
    expect(bench.session.heldBytes).toBe(0);
  });
});

describe("KAL-07: ServerSession: a client that takes nothing of what is on its line", () => {
  it("is parked after 30 s, though it gives signs of life, and gets all of it when it comes back", () => {
    const bench = new Bench().attach();
    bench.said();
    bench.say(ack(0, 0)).send("a");
    bench.said();
    bench.now += 20_000;
    const sign = encodeBatch(0, [{ type: "pong", payload: new Uint8Array(0) }]);
    bench.say(sign).do((s) => s.handleDeadline(bench.now));
    bench.said();
    expect(bench.events.some(({ type }) => type === "detached")).toBe(false);
    bench.now += 10_000;
    bench.do((s) => s.handleDeadline(bench.now));
    expect(bench.events.at(-1)).toMatchObject({ type: "detached", transportCode: 1000 });
    bench.attach({ epoch: 2, received: 0 });
    expect(bench.said().flatMap(({ frames }) => frames.map(({ type }) => type))).toContain("chunk");
  });

  it("has all its time while there is nothing on its line, and when the server itself was asleep", () => {
    const idle = new Bench().attach();
    idle.said();
    idle.say(ack(0, 0));
    idle.now += 24_000;
    idle.do((s) => s.handleDeadline(idle.now));
    expect(idle.events.some(({ type }) => type === "detached")).toBe(false);
    const asleep = new Bench().attach();
    asleep.said();
    asleep.say(ack(0, 0)).send("a");
    asleep.said();
    asleep.now += 33_000;
    asleep.do((s) => s.handleDeadline(asleep.now));
    expect(asleep.events.some(({ type }) => type === "detached")).toBe(false);
  });
});

describe("RES-15: ServerSession: recall", () => {
  it("says GOAWAY, and goes on", () => {
    const bench = new Bench().attach();
    bench.said();
    bench.do((s) => s.recall(5000, bench.now)).send("x");
    expect(bench.said()).toMatchObject([{ frames: [{ type: "goaway", delayMs: 5000 }] }, { number: 1 }]);
    expect(bench.session.isClosing).toBe(false);
  });
});

describe("KAL-06: ServerSession: pong", () => {
  it("is said with what it carries, and not without a transport", () => {
    const bench = new Bench();
    bench.do((s) => s.pong(Uint8Array.of(1), bench.now));
    bench.attach();
    bench.said();
    bench.do((s) => s.pong(Uint8Array.of(4, 5), bench.now));
    expect(bench.said()).toMatchObject([{ number: 0, frames: [{ type: "pong", payload: Uint8Array.of(4, 5) }] }]);
  });
});

describe("ServerSession: what only a server says", () => {
  it.each<Frame>([
    { type: "greeting", parameters: new Map() },
    { type: "hello", parameters: new Map() },
    { type: "welcome", parameters: new Map() },
    { type: "goaway", delayMs: 0 },
  ])("HSK-11: is a violation when it comes from a client: $type", (frame) => {
    const bench = new Bench().attach();
    bench.said();
    bench.say(encodeBatch(0, [frame]));
    expect(bench.events.at(-1)).toMatchObject({ transportCode: 1002, error: { code: "ERR_PEER_VIOLATION" } });
    expect(bench.said()).toMatchObject([{ frames: [{ type: "abort", code: 1002 }] }]);
  });

  it("CLS-07: an ABORT of the client is the end, with its code", () => {
    const bench = new Bench().attach().say(encodeBatch(0, [{ type: "abort", code: 1001, reason: new Uint8Array(0) }]));
    expect(bench.events.at(-1)).toMatchObject({ type: "closed", code: 1001, wasClean: true, error: undefined });
  });
});
