import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CHANNEL_CREDIT_BYTES, type Limits } from "../../src/core/limits.js";
import { encodeBatch } from "../../src/core/wire/encode.js";
import type { Priority } from "../../src/core/wire/frame.js";
import { batches, mutated } from "../support/arbitraries.js";
import { expectBaseline } from "../support/baseline.js";
import { type Action, Conversation, type ConversationOptions } from "../support/conversation.js";
import { type End, Pair } from "../support/pair.js";

const TIGHT: Partial<Limits> = {
  messageBytesMax: 30_000,
  batchBytesMax: 5000,
  channelsMax: 3,
  reassemblyBytesMax: 50_000,
  chunkBytes: 4096,
  windowBytes: 9000,
  sessionCreditBytesMax: 100_000,
};

/** What a peer can make an end hold, whatever it does. */
const UNTAKEN_BYTES_MAX = 50_000 + 100_000 + 3 * CHANNEL_CREDIT_BYTES;

const ends = fc.constantFrom("client" as const, "server" as const);
const index = fc.nat(30);
const priority = fc.constantFrom<Priority>("high", "normal", "low");
const size = fc.oneof(fc.nat(100), fc.nat(5000), fc.integer({ min: 15_000, max: 30_000 }), fc.nat(60_000));

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    arbitrary: fc.record({
      end: ends,
      do: fc.constant("send"),
      channel: index,
      size,
      as: fc.constantFrom("whole", "whole", "known", "unknown"),
      ttl: fc.oneof(
        { arbitrary: fc.constant(undefined), weight: 3 },
        { arbitrary: fc.integer({ min: 1, max: 1500 }), weight: 1 },
      ),
      key: fc.constantFrom(undefined, undefined, undefined, "a", "b"),
    }),
    weight: 8,
  },
  {
    arbitrary: fc.record({ end: ends, do: fc.constant("wait"), ms: fc.oneof(fc.constant(0), fc.nat(30), fc.nat(400)) }),
    weight: 6,
  },
  { arbitrary: fc.record({ end: ends, do: fc.constant("open"), name: index, priority }), weight: 5 },
  {
    arbitrary: fc.record({ end: ends, do: fc.constant("supply"), slab: fc.integer({ min: 1, max: 40_000 }) }),
    weight: 3,
  },
  { arbitrary: fc.record({ end: ends, do: fc.constant("cancel"), message: index }), weight: 2 },
  { arbitrary: fc.record({ end: ends, do: fc.constant("close-channel"), channel: index }), weight: 4 },
  { arbitrary: fc.record({ end: ends, do: fc.constant("prioritise"), channel: index, priority }), weight: 1 },
  { arbitrary: fc.record({ end: ends, do: fc.constantFrom("block", "unblock", "unblock") }), weight: 1 },
  { arbitrary: fc.record({ end: ends, do: fc.constant("repeat"), batch: index }), weight: 1 },
  { arbitrary: fc.record({ end: ends, do: fc.constant("ping") }), weight: 1 },
) as fc.Arbitrary<Action>;

/** What may befall the line meanwhile. */
const disturbance: fc.Arbitrary<Action> = fc.record({
  end: ends,
  do: fc.constantFrom("cut", "cut", "cut", "lose", "strand", "strand", "sleep", "wake", "wake", "hurry", "recall"),
  ms: fc.oneof(fc.nat(60), fc.integer({ min: 100, max: 1000 })),
}) as fc.Arbitrary<Action>;

const options: fc.Arbitrary<ConversationOptions> = fc.record({
  limits: fc.constantFrom(
    {},
    TIGHT,
    { ...TIGHT, channelsMax: 5, reassemblyBytesMax: 30_000 },
    { ...TIGHT, sessionCreditBytesMax: 1 },
  ),
  delaysMs: fc.array(fc.nat(80), { minLength: 1, maxLength: 8 }),
  rateBitsPerSecond: fc.constantFrom(1e6, 10e6, Number.POSITIVE_INFINITY),
  decidesAfter: fc.nat(6),
});

const actions = fc.array(action, { maxLength: 60, size: "max" });
const disturbed = fc.array(fc.oneof({ arbitrary: action, weight: 4 }, { arbitrary: disturbance, weight: 1 }), {
  minLength: 10,
  maxLength: 80,
  size: "max",
});

/** Everything that was sent, received and dropped in all runs of a property: a suite that does nothing must not pass. */
class Tally {
  sent = 0;
  received = 0;
  dropped = 0;
  resumes = 0;
  readonly frames = new Map<string, number>();
  readonly fates = new Map<string, number>();

  add({ counts, fates, pair }: Conversation): void {
    for (const [fate, count] of fates) this.fates.set(fate, (this.fates.get(fate) ?? 0) + count);
    this.sent += counts.sent;
    this.received += counts.received;
    this.dropped += counts.dropped;
    this.resumes += pair.client.session.stats.resumes;
    for (const { type } of [...pair.client.framesSent, ...pair.server.framesSent]) {
      this.frames.set(type, (this.frames.get(type) ?? 0) + 1);
    }
  }
}

function begun(setup: ConversationOptions, list: readonly Action[]): Conversation {
  const conversation = new Conversation(setup);
  // Some of it happens before there is a connection.
  const [early, late] = [list.slice(0, list.length / 5), list.slice(list.length / 5)];
  for (const each of early) if (each.end === "client") conversation.do(each);
  conversation.pair.connect();
  for (const each of late) conversation.do(each);
  return conversation;
}

describe("Session: anything at all, on both ends", () => {
  it("MSG-01, MSG-08: left to itself, every message arrives once and in order, and nothing is left over", () => {
    const tally = new Tally();
    fc.assert(
      fc.property(options, actions, (setup, list) => {
        const conversation = begun(setup, list);
        conversation.settle();
        conversation.checkComplete();
        expectBaseline(conversation.pair);
        tally.add(conversation);
      }),
      { numRuns: 250 },
    );
    expect(tally.received).toBeGreaterThan(200);
    expect(tally.dropped).toBeGreaterThan(20);
    for (const fate of ["cancelled", "expired", "superseded"]) expect(tally.fates.get(fate)).toBeGreaterThan(10);
    for (const type of ["channel-open", "channel-close", "reset", "ping", "pong"])
      expect(tally.frames.get(type)).toBeGreaterThan(5);
  });

  it("RES-01: whatever happens to the line, every message arrives once and in order, and nobody notices", () => {
    const tally = new Tally();
    fc.assert(
      fc.property(options, disturbed, (setup, list) => {
        const conversation = begun(setup, list);
        conversation.settle();
        conversation.checkComplete();
        for (const end of [conversation.pair.client, conversation.pair.server]) {
          expect(end.of("established")).toHaveLength(1);
        }
        expect(conversation.pair.host.registry.size).toBe(1);
        expectBaseline(conversation.pair);
        tally.add(conversation);
      }),
      { numRuns: 250 },
    );
    expect(tally.received).toBeGreaterThan(200);
    expect(tally.dropped).toBeGreaterThan(20);
    for (const fate of ["cancelled", "expired", "superseded"]) expect(tally.fates.get(fate)).toBeGreaterThan(10);
    expect(tally.resumes).toBeGreaterThan(150);
    for (const type of ["detach", "goaway", "channel-close", "reset"]) {
      expect(tally.frames.get(type)).toBeGreaterThan(3);
    }
  });

  it("CLS: closed by either end or both, it ends cleanly, and what was accepted has arrived", () => {
    const tally = new Tally();
    fc.assert(
      fc.property(
        options,
        actions,
        fc.constantFrom("client", "server", "both"),
        fc.nat(100),
        fc.boolean(),
        (setup, list, who, later, isCut) => {
          const conversation = begun(setup, list);
          const { pair } = conversation;
          const closers = who === "both" ? [pair.client, pair.server] : [pair[who as "client" | "server"]];
          // A close while connecting, with nothing to send, fails: that is another test's matter.
          if (pair.client.of("greeted").length === 0) pair.run(200);
          if (!pair.server.hasSession) conversation.settle();
          for (const closer of closers) {
            pair.input(closer, (s, now) => s.close(4000, "bye", now));
            pair.run(later);
          }
          if (isCut) pair.cut();
          conversation.settle();
          pair.run(10_000);
          conversation.checkFates();
          for (const end of [pair.client, pair.server]) {
            expect(end.of("closed")).toMatchObject([{ code: 4000, reason: "bye", wasClean: true, error: undefined }]);
          }
          const { sent, received, dropped } = conversation.counts;
          const crossed = [pair.client, pair.server]
            .flatMap((end) => end.of("dropped"))
            .filter(({ fate }) => fate === "unknown").length;
          // The last ack of all may be lost with the line.
          if (who !== "both" && !isCut) expect(crossed).toBe(0);
          expect(received).toBe(sent - dropped + crossed);
          expectBaseline(pair);
          tally.add(conversation);
        },
      ),
      { numRuns: 120 },
    );
    expect(tally.received).toBeGreaterThan(100);
  });

  it.each([
    ["sessions are not kept", true],
    ["the server has forgotten everything", false],
  ])("CLS-09: cut at any moment, where %s, each message has one fate, and it is true", (_, isUnkept) => {
    const fates = new Set<string>();
    fc.assert(
      fc.property(options, isUnkept ? actions : disturbed, fc.nat(300), (setup, list, later) => {
        const limits = { ...setup.limits, ...(isUnkept ? { resumeWindowMs: 0 } : {}) };
        const conversation = begun({ ...setup, limits }, list);
        const { pair } = conversation;
        pair.run(later);
        if (isUnkept) pair.cut();
        else pair.restart();
        // Who has had no session may try again, but gets none.
        pair.accepts = false;
        conversation.isRefused = true;
        pair.input(pair.client, (s, now) => s.wake(now));
        for (let i = 0; i < 10; i++) pair.run(200).refuse();
        pair.network = "down";
        pair.run(1e6);
        conversation.checkFates();
        expectBaseline(pair);
        for (const end of [pair.client, pair.server]) for (const { fate } of end.of("dropped")) fates.add(fate);
      }),
      { numRuns: 120 },
    );
    const all = ["cancelled", "expired", "superseded", "never-written", "unknown"];
    for (const fate of all) expect(fates).toContain(fate);
  });
});

describe("ERR-04: Session: a peer that says anything at all", () => {
  const encoded = batches.map(({ number, frames }) => encodeBatch(number % 4, frames));
  const hostile = fc.array(fc.oneof(encoded, mutated(encoded), fc.uint8Array({ maxLength: 30 })), { maxLength: 12 });
  const moments = fc.constantFrom(
    ...(["hello", "decision", "established", "closing", "resumed"] as const).map((at) => ({ name: "server", at })),
    ...(["greeting", "welcome", "established", "closing", "resuming", "resumed"] as const).map((at) => ({
      name: "client",
      at,
    })),
  );
  type Moment = typeof moments extends fc.Arbitrary<infer T> ? T : never;

  function victimAt({ name, at }: Moment): { pair: Pair; victim: End } {
    const pair = new Pair({
      accepts: at !== "decision" && at !== "welcome",
      ...(at === "hello" ? { auth: "pending" } : {}),
      clientLimits: TIGHT,
      serverLimits: TIGHT,
    });
    if (at === "greeting") pair.network = "deaf";
    pair.connect().run(100);
    if (at === "closing") pair.input(pair.server, (s, now) => s.close(1000, "", now));
    if (at === "resuming") pair.network = "deaf";
    if (at === "resuming" || at === "resumed") pair.cut().run(400);
    return { pair, victim: name === "client" ? pair.client : pair.server };
  }

  it("never throws, never tells more than was said, holds no more than its limits, and ends at most once", () => {
    const ended = { yes: 0, no: 0, detached: 0 };
    fc.assert(
      fc.property(moments, hostile, (moment, list) => {
        const { pair, victim } = victimAt(moment);
        const { length } = victim.of("detached");
        for (const batch of list) {
          const before = victim.events.length;
          pair.inject(victim, batch);
          // An event for a byte at the most, and the end.
          expect(victim.events.length - before).toBeLessThanOrEqual(batch.length + 2);
          if (victim.hasSession) expect(victim.session.stats.untakenBytes).toBeLessThanOrEqual(UNTAKEN_BYTES_MAX);
          expect(pair.client.line?.reception?.heldBytes ?? 0).toBeLessThanOrEqual(32 * 1024);
          const [end] = [...victim.of("closed"), ...victim.of("turned-away")];
          if (end?.error?.code !== "ERR_PEER_VIOLATION") continue;
          expect([1002, 1007, 1008, 1009]).toContain(end.transportCode);
          if (end.type === "closed") expect(end).toMatchObject({ code: 1006, wasClean: false });
        }
        if (victim.of("detached").length > length) ended.detached += 1;
        pair.network = "hung";
        pair.accepts = false;
        pair.lose().run(300_000);
        const ends = [...victim.of("closed"), ...victim.of("turned-away")];
        expect(ends).toHaveLength(1);
        ended[ends[0]?.error?.code === "ERR_PEER_VIOLATION" ? "yes" : "no"] += 1;
        expect([pair.host.registry.size, pair.host.registry.heldBytes]).toEqual([0, 0]);
        if (!victim.hasSession) return;
        expect([
          victim.session.pollEvent(),
          victim.session.pollTransmit(1, pair.now),
          victim.session.nextDeadline(),
        ]).toEqual([undefined, undefined, undefined]);
      }),
      { numRuns: 400 },
    );
    expect(Math.min(ended.yes, ended.no, ended.detached)).toBeGreaterThan(20);
  });
});
