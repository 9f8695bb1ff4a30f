import { describe, expect, it } from "vitest";
import { SluiceError } from "../../../src/core/error.js";
import { expectBaseline } from "../../support/baseline.js";
import { binary, type End, Pair, source, text } from "../../support/pair.js";

const connected = (options = {}) => new Pair(options).connect().run(100);
const send = (pair: Pair, end: End, value: string) => pair.input(end, (s, now) => s.send(0, text(value), now));
const endsOf = (end: End) =>
  end.of("closed").map(({ code, reason, wasClean, error }) => [code, reason, wasClean, error?.code]);
const LOST = [[1006, "", false, "ERR_SESSION_LOST"]];
/** What a server says that does not keep sessions. */
const UNKEPT = { serverLimits: { resumeWindowMs: 0 } };
const abort = (pair: Pair, end: End, code = 4009, reason = "stop") =>
  pair.input(end, (s, now) => s.abort(code, reason, new SluiceError("ERR_INTERNAL", "stop"), now));

/** The last that was told of each message. */
function fates(end: End): Map<number, string> {
  const last = new Map<number, string>();
  for (const { event } of end.events) {
    if (event.type === "dropped") last.set(event.message, event.fate);
    if (event.type === "delivered") last.set(event.message, event.type);
  }
  return last;
}

describe("a lost line", () => {
  it.each<[string, number, number]>([
    ["before the greeting", 10, 0],
    ["between greeting and welcome", 45, 1],
    ["once established", 100, 1],
  ])("CLS-08, RES-01: %s is dialled again, and the session is the same", (_, ms, sessions) => {
    const pair = new Pair().connect().run(ms).cut();
    expect([endsOf(pair.client), endsOf(pair.server)]).toEqual([[], []]);
    expect(pair.client.of("detached")).toEqual([{ type: "detached", line: 1, transportCode: 1000 }]);
    expect([pair.host.registry.size, pair.host.registry.parkedCount]).toEqual([sessions, sessions]);
    send(pair, pair.client, "after");
    pair.run(1000);
    expect(pair.server.messages).toEqual(["after"]);
    expect([pair.client.of("established").length, pair.server.of("established").length]).toEqual([1, 1]);
    expect([pair.host.registry.size, pair.host.registry.parkedCount]).toEqual([1, 0]);
    expectBaseline(pair);
  });

  it("CLS-08: of a server that keeps no sessions ends them at both ends", () => {
    const pair = connected(UNKEPT).cut();
    expect([endsOf(pair.client), endsOf(pair.server)]).toEqual([LOST, LOST]);
    for (const end of [pair.client, pair.server]) expect(end.of("closed")[0]?.error).toMatchObject({ retryable: true });
    expect(pair.host.registry.size).toBe(0);
    expectBaseline(pair);
  });

  it("RES-11: of a server that keeps no sessions ends them when the page wakes", () => {
    const pair = connected(UNKEPT);
    const id = send(pair, pair.client, "once");
    pair.input(pair.client, (s, now) => s.suspend(now));
    expect(pair.run(100).server.messages).toEqual(["once"]);
    // One that has forgotten the attempt, or never knew it, would make another session of it, and read the message again.
    pair.restart();
    pair.input(pair.client, (s, now) => s.wake(now));
    pair.run(1000);
    expect([endsOf(pair.client), fates(pair.client)]).toEqual([LOST, new Map([[id, "unknown"]])]);
    expect([pair.lines.length, pair.host.registry.size]).toEqual([1, 0]);
    expectBaseline(pair);
  });

  it("RES-15: of a server that keeps no sessions ends them when it has asked to come back", () => {
    const pair = connected(UNKEPT);
    send(pair, pair.client, "before");
    pair.input(pair.server, (s, now) => s.recall(500, now));
    pair.run(1000);
    expect([endsOf(pair.client), pair.server.messages, pair.lines.length]).toEqual([LOST, ["before"], 1]);
    expectBaseline(pair);
  });

  it("that never came to be, where the first attempt is the only one", () => {
    const pair = new Pair({ dial: { retriesFirst: false } });
    const id = send(pair, pair.client, "x");
    pair.network = "down";
    pair.connect().run(100);
    expect(endsOf(pair.client)).toEqual([[1006, "", false, "ERR_CONNECT_FAILED"]]);
    expect(fates(pair.client)).toEqual(new Map([[id, "never-written"]]));
    expectBaseline(pair);
  });

  it.each([
    // A server that has forgotten everything is met on the way back; one that keeps nothing is not even asked.
    ["and the server gone", {}],
    ["and sessions not kept", UNKEPT],
  ])("CLS-09: cut at any moment, %s, says of no message what is not true", (_, options) => {
    let seen = { delivered: 0, unknown: 0, "never-written": 0 } as Record<string, number>;
    for (let ms = 0; ms < 400; ms += 6) {
      const pair = new Pair({ rateBitsPerSecond: 10e6, ...options, accepts: true });
      const ids = ["a", "b"].map((value) => send(pair, pair.client, value));
      pair.connect();
      ids.push(pair.input(pair.client, (s, now) => s.send(0, binary(200_000), now)));
      ids.push(pair.input(pair.client, (s, now) => s.send(0, binary(100_000, 2), now)));
      ids.push(send(pair, pair.client, "last"));
      pair.run(ms).restart();
      // In order: what arrived is a prefix, and what was never written is a suffix.
      const arrived = pair.server.messages.length;
      pair.accepts = false;
      pair.refuse().run(5000);
      pair.refuse().run(10_000);
      const told = fates(pair.client);
      expect([...told.keys()].sort((a, b) => a - b)).toEqual(ids);
      expect(pair.server.messages).toHaveLength(arrived);
      for (const [i, id] of ids.entries()) {
        const fate = told.get(id) as string;
        seen = { ...seen, [fate]: (seen[fate] ?? 0) + 1 };
        if (fate === "delivered") expect(i).toBeLessThan(arrived);
        if (fate === "never-written") expect(i).toBeGreaterThanOrEqual(arrived);
      }
      expectBaseline(pair);
    }
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(20);
  });

  it("CLS-09: of a source that has begun the fate is unknown, of one that has not it was never written", () => {
    const pair = connected(UNKEPT);
    const ids = [source(100_000), source(100_000)].map((init) =>
      pair.input(pair.client, (s, now) => s.send(0, init, now)),
    );
    pair.input(pair.client, (s, now) => s.supply(ids[0] as number, binary(50_000).bytes, false, now));
    pair.run(50).cut();
    expect([...fates(pair.client)]).toEqual([
      [ids[0], "unknown"],
      [ids[1], "never-written"],
    ]);
  });

  it("CLS-09: tells of a cancelled message nothing more", () => {
    const pair = connected(UNKEPT);
    const id = pair.input(pair.client, (s, now) => s.send(0, binary(500_000), now));
    pair.input(pair.client, (s, now) => s.cancel(id, now));
    pair.cut();
    expect(endsOf(pair.client)).toEqual(LOST);
    expect(pair.client.of("dropped")).toEqual([{ type: "dropped", message: id, fate: "cancelled" }]);
  });

  it("lets nothing leave that waited, whatever it was", () => {
    const pair = connected();
    const { length } = pair.client.batchesSent;
    pair.tick(
      pair.client,
      (s, now) => s.ping(new Uint8Array(1), now),
      (s, now) => s.openChannel("x", "normal", now),
      (s, now) => s.send(0, text("x"), now),
      (s, now) => s.handleTransportClosed(1, { wasClean: false, code: 1006, reason: "" }, now),
    );
    expect(pair.client.batchesSent).toHaveLength(length);
  });

  it("drops what the other end has of unfinished messages when the session is over, not before", () => {
    const pair = connected({ rateBitsPerSecond: 10e6 });
    pair.input(pair.client, (s, now) => s.send(0, binary(500_000), now));
    pair.run(200);
    expect(pair.server.session.stats.reassemblyBytes).toBeGreaterThan(0);
    pair.network = "hung";
    pair.cut();
    expect(pair.server.session.stats.reassemblyBytes).toBeGreaterThan(0);
    pair.run(119_999);
    expect([endsOf(pair.server), pair.host.registry.parkedCount]).toEqual([[], 1]);
    pair.run(1);
    expect(pair.server.session.stats.reassemblyBytes).toBe(0);
    expect([pair.server.messages, endsOf(pair.server), pair.host.registry.size]).toEqual([[], LOST, 0]);
  });

  it("ends the session once, and every call afterwards does nothing or says so", () => {
    const pair = connected(UNKEPT);
    const key = pair.input(pair.client, (s, now) => s.openChannel("x", "normal", now));
    const id = pair.input(pair.client, (s, now) => s.send(key, source(10), now));
    pair.cut();
    const { client } = pair;
    const { length } = client.batchesSent;
    pair.die(client);
    pair.input(client, (s, now) => s.handleDeadline(now + 1e6));
    pair.now += 1e6;
    pair.inject(client, Uint8Array.of(0, 7, 0));
    pair.inject(client, Uint8Array.of(0xff));
    pair.input(client, (s, now) => s.close(1000, "", now));
    pair.input(client, (s, now) => s.ping(new Uint8Array(0), now));
    pair.input(client, (s, now) => s.supply(id, new Uint8Array(10), true, now));
    pair.input(client, (s, now) => s.closeChannel(key, now));
    pair.input(client, (s, now) => s.setPriority(key, "high", now));
    pair.input(client, (s, now) => s.start(now));
    pair.input(client, (s, now) => s.provideAuth(1, "x", now));
    for (const epoch of [1, 2])
      pair.input(client, (s, now) => s.handleTransportOpen(epoch, { batchBytesMax: 1e6, greets: true }, now));
    pair.input(client, (s, now) => s.suspend(now));
    pair.input(client, (s, now) => s.wake(now));
    pair.input(client, (s, now) => s.hurry("changed", now));
    pair.input(client, (s, now) => s.handleOffline(true, now));
    pair.input(client, (s, now) => s.handleTimers(false, now));
    pair.input(client, (s, now) => s.farewell(now));
    abort(pair, client);
    expect(pair.input(client, (s, now) => s.cancel(id, now))).toBe(false);
    for (const channel of [0, key]) {
      expect(() => client.session.send(channel, text("x"), pair.now)).toThrow(
        expect.objectContaining({ code: "ERR_USAGE_CHANNEL_CLOSED" }),
      );
    }
    expect([client.session.isClosed, client.session.isClosing, client.batchesSent.length]).toEqual([
      true,
      true,
      length,
    ]);
    expectBaseline(pair);
  });
});

describe("abort", () => {
  it.each(["client", "server"] as const)(
    "CLS-07: by the %s ends both ends at once; the other learns code and reason",
    (name) => {
      const pair = connected({ rateBitsPerSecond: 10e6 });
      const [a, b] = [pair[name], pair.other(pair[name])];
      for (const end of [a, b]) pair.input(end, (s, now) => s.send(0, binary(300_000), now));
      pair.run(50);
      abort(pair, a);
      expect(endsOf(a)).toEqual([[1006, "", false, "ERR_INTERNAL"]]);
      expect(a.of("closed")[0]?.transportCode).toBe(4009);
      expect(a.sent.at(-1)?.frames.some(({ type }) => type === "abort") || a.framesSentOf("abort").length === 1).toBe(
        true,
      );
      pair.run(200);
      expect(endsOf(b)).toEqual([[4009, "stop", true, undefined]]);
      expect(b.framesSentOf("abort")).toEqual([]);
      for (const end of [a, b]) expect([...fates(end).values()]).toEqual(["unknown"]);
      expectBaseline(pair);
    },
  );

  it("CLS-07: passes everything that waits", () => {
    const pair = connected();
    pair.client.budgetBytes = 0;
    pair.input(pair.client, (s, now) => s.send(0, binary(300_000), now));
    abort(pair, pair.client);
    pair.run(30);
    expect(endsOf(pair.server)).toEqual([[4009, "stop", true, undefined]]);
    expect(pair.server.messages).toEqual([]);
  });

  it("HSK-01: by a client whose server has not greeted says nothing on the line", () => {
    const pair = new Pair();
    pair.network = "deaf";
    abort(pair.connect(), pair.client);
    expect(pair.client.batchesSent).toEqual([]);
    expect(endsOf(pair.client)).toEqual([[1006, "", false, "ERR_INTERNAL"]]);
  });

  it("HSK-14: by a server before anybody is welcome is a refusal to the client, by a client no refusal to the server", () => {
    const refused = new Pair({ accepts: false }).connect().run(50);
    refused.refuse(4401, "who?").run(50);
    expect(endsOf(refused.client)).toEqual([[4401, "who?", true, "ERR_REFUSED"]]);
    const gone = new Pair({ accepts: false }).connect().run(50);
    abort(gone, gone.client);
    gone.run(50);
    expect(gone.server.of("turned-away")).toEqual([{ type: "turned-away", transportCode: 1000, error: undefined }]);
  });

  it("CLS-10: without a code shows 1005, and an unreadable reason none", () => {
    const pair = connected();
    pair.inject(pair.client, Uint8Array.of(0, 9, 0, 1, 0xff));
    expect(endsOf(pair.client)).toEqual([[1005, "", true, undefined]]);
  });

  it("happens once, and ends a close that is under way", () => {
    const pair = connected();
    pair.input(pair.client, (s, now) => s.send(0, source(100), now));
    pair.input(pair.client, (s, now) => s.close(4001, "bye", now));
    abort(pair, pair.client);
    abort(pair, pair.client);
    pair.run(100);
    expect([pair.client.framesSentOf("abort").length, pair.client.of("closed").length]).toEqual([1, 1]);
    expectBaseline(pair);
  });
});
