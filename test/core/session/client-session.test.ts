import { describe, expect, it } from "vitest";
import { SluiceError } from "../../../src/core/error.js";
import { encodeBatch } from "../../../src/core/wire/encode.js";
import { expectBaseline } from "../../support/baseline.js";
import { binary, type End, Pair, text } from "../../support/pair.js";

const connected = (options = {}) => new Pair(options).connect().run(100);
const send = (pair: Pair, end: End, value: string) => pair.input(end, (s, now) => s.send(0, text(value), now));
const endsOf = (end: End) => end.of("closed").map(({ code, error }) => [code, error?.code]);
const epochs = (pair: Pair) => pair.client.of("dial").map(({ line }) => line);
/** Cut, and no way back for the time being. */
const away = (options = {}) => {
  const pair = connected(options);
  pair.network = "hung";
  return pair.cut();
};

describe("ClientSession: connecting", () => {
  it("dials once it is told to start, once", () => {
    const pair = new Pair();
    pair.run(1000);
    expect(pair.client.of("dial")).toEqual([]);
    pair.network = "hung";
    pair.connect().connect();
    expect(pair.client.of("dial")).toEqual([{ type: "dial", line: 1, kind: "websocket", sessionId: undefined }]);
  });

  it("names the session that it dials for, where there is one", () => {
    const pair = connected().cut().run(1000);
    expect(pair.client.of("dial")).toEqual([
      { type: "dial", line: 1, kind: "websocket", sessionId: undefined },
      { type: "dial", line: 2, kind: "websocket", sessionId: new Uint8Array(16).fill(2) },
    ]);
  });

  it("RES-12: tries again after a failure, within the time to connect, all attempts together", () => {
    const pair = new Pair();
    pair.network = "down";
    const id = send(pair, pair.client, "x");
    pair.connect().run(9999);
    expect(pair.client.at("dial")).toEqual([0, 270, 790, 1810, 3830, 7850]);
    expect(endsOf(pair.client)).toEqual([]);
    pair.run(1);
    expect(endsOf(pair.client)).toEqual([[1006, "ERR_CONNECT_FAILED"]]);
    expect(pair.client.of("dropped")).toEqual([{ type: "dropped", message: id, fate: "never-written" }]);
    pair.run(60_000);
    expect(epochs(pair)).toEqual([1, 2, 3, 4, 5, 6]);
    expectBaseline(pair);
  });

  it("is connected by whichever attempt gets through", () => {
    const pair = new Pair();
    pair.network = "down";
    send(pair, pair.client, "early");
    pair.connect().run(1000);
    pair.network = "up";
    pair.run(2000);
    expect([pair.server.messages, pair.client.of("established").length]).toEqual([["early"], 1]);
    expect(pair.client.session.stats.resumes).toBe(0);
    expectBaseline(pair);
  });

  it("tells why the last attempt failed, where its maker knows", () => {
    const pair = new Pair({ dial: { connectTimeoutMs: 1000 } });
    pair.network = "hung";
    pair.connect();
    const error = Object.assign(new Error("refused"), { code: "ERR_NOT_SLUICE" }) as never;
    pair.input(pair.client, (s, now) =>
      s.handleTransportClosed(1, { wasClean: false, code: 1006, reason: "" }, now, error),
    );
    expect(endsOf(pair.client)).toEqual([]);
    pair.run(1000);
    expect(pair.client.of("closed")[0]?.error).toBe(error);
  });

  it.each(["down", "deaf"] as const)("where it may not try again, fails at once: %s", (network) => {
    const pair = new Pair({ dial: { retriesFirst: false }, clientLimits: { handshakeTimeoutMs: 2000 } });
    pair.network = network;
    pair.connect().run(2000);
    expect([endsOf(pair.client), epochs(pair)]).toEqual([[[1006, "ERR_CONNECT_FAILED"]], [1]]);
    expectBaseline(pair);
  });

  it("where it may not try again, does so all the same once a server has greeted", () => {
    const pair = new Pair({ dial: { retriesFirst: false } }).connect().run(30).cut();
    send(pair, pair.client, "x");
    pair.run(1000);
    expect([pair.server.messages, endsOf(pair.client)]).toEqual([["x"], []]);
  });

  it("takes what comes from its present transport only", () => {
    const pair = new Pair();
    pair.network = "hung";
    pair.connect();
    for (const epoch of [0, 2, 99]) {
      pair.input(pair.client, (s, now) => s.handleTransportOpen(epoch, { batchBytesMax: 1e6, greets: true }, now));
      pair.input(pair.client, (s, now) => s.handleBatch(epoch, Uint8Array.of(0xff), now));
      pair.input(pair.client, (s, now) =>
        s.handleTransportClosed(epoch, { wasClean: false, code: 1006, reason: "" }, now),
      );
    }
    expect(pair.client.story).toEqual(["dial"]);
  });
});

describe("ClientSession: refused", () => {
  const refusedWith = (pair: Pair, code: number) => {
    pair.accepts = false;
    pair.run(100);
    return pair.refuse(code, "why").run(50);
  };

  it("RES-13: at the first HELLO, with nothing sent before, it is over, and nothing was read", () => {
    const pair = new Pair({ accepts: false });
    const id = send(pair, pair.client, "early");
    refusedWith(pair.connect(), 1008);
    expect(pair.client.of("closed")).toMatchObject([{ code: 1008, reason: "why", error: { code: "ERR_REFUSED" } }]);
    expect(pair.client.of("dropped")).toEqual([{ type: "dropped", message: id, fate: "never-written" }]);
    expectBaseline(pair);
  });

  it("RES-13: at a later HELLO of a first attempt, what had left before may have been read", () => {
    const pair = new Pair({ accepts: false });
    const first = send(pair, pair.client, "before");
    pair.connect().run(45).cut();
    const second = send(pair, pair.client, "behind");
    pair.run(500);
    refusedWith(pair, 1008);
    expect(endsOf(pair.client)).toEqual([[1006, "ERR_SESSION_LOST"]]);
    expect(pair.client.of("dropped").map(({ message, fate }) => [message, fate])).toEqual([
      [first, "unknown"],
      [second, "never-written"],
    ]);
  });

  it.each([1012, 1013])("RES-13: for the moment (%i), it comes back, and the session is there", (code) => {
    const pair = connected();
    pair.accepts = false;
    pair.cut();
    const id = send(pair, pair.client, "kept");
    pair.run(500);
    refusedWith(pair, code);
    expect([endsOf(pair.client), pair.host.registry.parkedCount]).toEqual([[], 1]);
    pair.accepts = true;
    pair.run(5000);
    expect(pair.server.messages).toEqual(["kept"]);
    expect(pair.client.of("delivered")).toEqual([{ type: "delivered", message: id }]);
    expectBaseline(pair);
  });

  it("RES-12: waits longer each time that it is refused for the moment", () => {
    const pair = connected();
    pair.accepts = false;
    pair.cut();
    for (let i = 0; i < 60; i++) pair.run(500).refuse(1013, "");
    const times = pair.client.at("dial");
    const gaps = times.slice(1).map((at, i) => at - (times[i] as number));
    expect(gaps.length).toBeGreaterThan(5);
    // Half of what may be at the most, and half a second until the answer.
    for (const [i, gap] of gaps.slice(1).entries()) {
      const longestMs = Math.min(15_000, 500 * 2 ** (i + 1));
      expect(gap).toBeGreaterThanOrEqual(longestMs / 2);
      expect(gap).toBeLessThanOrEqual(longestMs / 2 + 600);
    }
  });

  it("RES-13: on the way back, it has lost the session", () => {
    const pair = connected();
    pair.accepts = false;
    pair.cut().run(500);
    refusedWith(pair, 1008);
    expect(endsOf(pair.client)).toEqual([[1006, "ERR_SESSION_LOST"]]);
    expectBaseline(pair);
  });

  it("RES-13: by somebody who has not seen its HELLO, it tries elsewhere: a proxy speaks for itself", () => {
    const pair = connected();
    pair.network = "deaf";
    pair.cut().run(300);
    pair.inject(pair.client, encodeBatch(0, [{ type: "abort", code: 1008, reason: new Uint8Array(0) }]));
    expect(endsOf(pair.client)).toEqual([]);
    pair.network = "up";
    pair.run(5000);
    expect(pair.client.of("resumed")).toHaveLength(1);
  });

  it.each([
    [1001, { code: 1001, reason: "", wasClean: true, error: undefined }],
    [1012, { code: 1006, wasClean: false, error: { code: "ERR_SESSION_LOST", retryable: true } }],
    [1013, { code: 1006, wasClean: false, error: { code: "ERR_SESSION_LOST", retryable: true } }],
  ])("CLS-07, RES-13: once attached, ABORT %i is the end", (code, end) => {
    const pair = connected().cut().run(1000);
    const id = send(pair, pair.client, "x");
    pair.inject(pair.client, encodeBatch(0, [{ type: "abort", code, reason: new Uint8Array(0) }]));
    expect(pair.client.of("closed")).toMatchObject([end]);
    expect(pair.client.of("dropped")).toEqual([{ type: "dropped", message: id, fate: "unknown" }]);
    expect(pair.client.framesSentOf("abort")).toEqual([]);
    pair.run(60_000);
    expect(epochs(pair)).toEqual([1, 2]);
  });
});

describe("ClientSession: giving up", () => {
  it("RES-12: when the server surely has: window, heartbeat and grace after the loss", () => {
    const pair = away({ serverLimits: { resumeWindowMs: 20_000, heartbeatMs: 3000, heartbeatGraceMs: 1000 } });
    const id = send(pair, pair.client, "x");
    expect(pair.client.session.nextDeadline()).toBe(350);
    pair.run(23_999);
    expect(endsOf(pair.client)).toEqual([]);
    pair.run(1);
    expect(endsOf(pair.client)).toEqual([[1006, "ERR_SESSION_LOST"]]);
    expect(pair.client.of("dropped")).toEqual([{ type: "dropped", message: id, fate: "never-written" }]);
    expectBaseline(pair);
  });

  it("RES-12: counts from the first loss, not from each failure", () => {
    const pair = connected({ serverLimits: { resumeWindowMs: 20_000, heartbeatMs: 3000, heartbeatGraceMs: 1000 } });
    pair.network = "down";
    pair.cut().run(24_000);
    expect(endsOf(pair.client)).toEqual([[1006, "ERR_SESSION_LOST"]]);
    expect(pair.client.of("dial").length).toBeGreaterThan(4);
  });

  it("RES-12: has the whole time again after each resume", () => {
    const pair = connected({ serverLimits: { resumeWindowMs: 20_000 } });
    pair.network = "down";
    pair.cut().run(10_000);
    pair.network = "up";
    pair.run(15_000);
    expect(pair.client.of("resumed")).toHaveLength(1);
    pair.network = "hung";
    pair.cut().run(54_999);
    expect(endsOf(pair.client)).toEqual([]);
    pair.run(1);
    expect(endsOf(pair.client)).toEqual([[1006, "ERR_SESSION_LOST"]]);
  });
});

describe("ClientSession: close while there is no line", () => {
  it("CLS-06: dials at once, delivers what it has, and ends cleanly", () => {
    const pair = away();
    pair.network = "down";
    pair.run(25_000);
    const id = send(pair, pair.client, "last");
    pair.network = "up";
    const before = pair.client.of("dial").length;
    pair.input(pair.client, (s, now) => s.close(4001, "bye", now));
    expect(pair.client.of("dial")).toHaveLength(before + 1);
    pair.run(300);
    expect(pair.client.of("closed")).toMatchObject([{ code: 4001, wasClean: true }]);
    expect(pair.server.of("closed")).toMatchObject([{ code: 4001, wasClean: true }]);
    expect(pair.client.of("delivered")).toEqual([{ type: "delivered", message: id }]);
    expect(pair.host.registry.size).toBe(0);
    expectBaseline(pair);
  });

  it("CLS-06: gives up after the close timeout", () => {
    const pair = away();
    const id = send(pair, pair.client, "x");
    pair.input(pair.client, (s, now) => s.close(1000, "", now));
    pair.run(4999);
    expect(endsOf(pair.client)).toEqual([]);
    pair.run(1);
    expect(endsOf(pair.client)).toEqual([[1006, "ERR_CONNECTION_LOST"]]);
    expect(pair.client.of("dropped")).toEqual([{ type: "dropped", message: id, fate: "never-written" }]);
    expectBaseline(pair);
  });
});

describe("ClientSession: a page that sleeps and wakes", () => {
  it("RES-14: tells the server, which parks at once, and does not dial until it wakes", () => {
    const pair = connected();
    send(pair, pair.client, "before");
    pair.input(pair.client, (s, now) => s.suspend(now));
    expect(pair.client.framesSentOf("detach")).toHaveLength(1);
    // What is in flight leaves before DETACH.
    expect(pair.client.sent.slice(-2).map(({ frames }) => frames[0]?.type)).toEqual(["chunk", "detach"]);
    pair.run(20);
    expect([pair.server.messages, pair.server.at("detached"), pair.host.registry.parkedCount]).toEqual([
      ["before"],
      [120],
      1,
    ]);
    send(pair, pair.client, "asleep");
    pair.run(30_000);
    expect(epochs(pair)).toEqual([1]);
    pair.input(pair.client, (s, now) => s.wake(now));
    pair.run(200);
    expect([pair.server.messages, epochs(pair)]).toEqual([
      ["before", "asleep"],
      [1, 2],
    ]);
    expect([pair.client.of("dropped"), pair.client.of("delivered").length]).toEqual([[], 2]);
    expectBaseline(pair);
  });

  it("has slept for too long: the session is lost, when it wakes or by its own clock", () => {
    for (const isClockRunning of [true, false]) {
      const pair = connected({ serverLimits: { resumeWindowMs: 5000 } });
      pair.input(pair.client, (s, now) => s.suspend(now));
      if (isClockRunning) pair.run(200_000);
      else pair.run(6000).input(pair.client, (s, now) => s.wake(now));
      pair.run(1000);
      expect(endsOf(pair.client)).toEqual([[1006, "ERR_SESSION_LOST"]]);
    }
  });

  it.each([0, 10, 30, 50])("while it connects, %i ms behind the dial, and goes on where it was", (ms) => {
    const pair = new Pair();
    send(pair, pair.client, "early");
    pair.connect().run(ms);
    pair.input(pair.client, (s, now) => s.suspend(now));
    pair.run(2000);
    expect(pair.client.of("detached")).toMatchObject([{ line: 1 }]);
    pair.input(pair.client, (s, now) => s.wake(now));
    pair.run(500);
    expect([pair.server.messages, pair.host.registry.size, endsOf(pair.client)]).toEqual([["early"], 1, []]);
    expectBaseline(pair);
  });

  it("waking without having slept is nothing", () => {
    const pair = connected();
    pair.input(pair.client, (s, now) => s.wake(now));
    pair.run(100);
    expect([epochs(pair), pair.client.of("detached")]).toEqual([[1], []]);
  });

  it("says no DETACH to who has not welcomed it", () => {
    const pair = new Pair({ accepts: false }).connect().run(100);
    pair.input(pair.client, (s, now) => s.suspend(now));
    expect(pair.client.framesSentOf("detach")).toEqual([]);
  });
});

describe("ClientSession: hurry", () => {
  it("KAL-08: asks a line that may have died, and dials anew when it does not answer within three seconds", () => {
    const pair = connected();
    const id = send(pair, pair.client, "x");
    pair.lose();
    pair.input(pair.client, (s, now) => s.hurry("same", now));
    expect(pair.client.framesSentOf("ping")).toHaveLength(1);
    pair.run(2999);
    expect(pair.client.of("detached")).toEqual([]);
    pair.run(1);
    expect(pair.client.at("detached")).toEqual([3100]);
    pair.run(1000);
    expect(pair.client.of("delivered")).toEqual([{ type: "delivered", message: id }]);
    expectBaseline(pair);
  });

  it("KAL-08: leaves a line alone that answers", () => {
    const pair = connected();
    for (const network of ["same", "changed"] as const) {
      pair.input(pair.client, (s, now) => s.hurry(network, now));
      pair.run(5000);
    }
    expect([pair.client.framesSentOf("ping").length, pair.client.of("detached")]).toEqual([2, []]);
    expectBaseline(pair);
  });

  it("RES-12: cuts the wait short", () => {
    const pair = connected();
    pair.network = "down";
    pair.cut().run(20_000);
    pair.network = "up";
    const before = pair.client.of("dial").length;
    pair.input(pair.client, (s, now) => s.hurry("same", now));
    expect(pair.client.of("dial")).toHaveLength(before + 1);
    pair.run(100);
    expect(pair.client.of("resumed")).toHaveLength(1);
  });

  it("gives up an attempt on a network that is gone, unless it has only just begun", () => {
    const pair = away();
    pair.run(250);
    expect(epochs(pair)).toEqual([1, 2]);
    pair.run(1000).input(pair.client, (s, now) => s.hurry("changed", now));
    expect(epochs(pair)).toEqual([1, 2]);
    pair.run(1).input(pair.client, (s, now) => s.hurry("same", now));
    expect(epochs(pair)).toEqual([1, 2]);
    pair.network = "up";
    pair.input(pair.client, (s, now) => s.hurry("changed", now));
    expect(epochs(pair)).toEqual([1, 2, 3]);
    pair.run(100);
    expect(pair.client.of("resumed")).toEqual([{ type: "resumed", line: 3 }]);
  });

  it("waits as long as may be while the network is said to be away, and dials at once when it is back", () => {
    const pair = away();
    pair.network = "down";
    pair.input(pair.client, (s, now) => s.handleOffline(true, now));
    pair.run(60_000);
    expect(pair.client.of("dial").length).toBeLessThanOrEqual(6);
    pair.network = "up";
    pair.input(pair.client, (s, now) => s.handleOffline(false, now));
    pair.input(pair.client, (s, now) => s.hurry("same", now));
    pair.run(100);
    expect(pair.client.of("resumed")).toHaveLength(1);
  });
});

describe("ClientSession: a line that dies unnoticed", () => {
  it("KAL-07: its own data unacknowledged for eight round trips, five seconds at least, says so", () => {
    const pair = connected();
    send(pair, pair.client, "measures the path");
    pair.run(100).lose();
    send(pair, pair.client, "x");
    pair.run(4999);
    expect(pair.client.of("detached")).toEqual([]);
    pair.run(1);
    expect(pair.client.at("detached")).toEqual([5200]);
    pair.run(2000);
    expect(pair.server.messages).toEqual(["measures the path", "x"]);
    expectBaseline(pair);
  });

  it("KAL-07: not while acks come, however slowly", () => {
    const pair = connected({ rateBitsPerSecond: 100_000 });
    pair.input(pair.client, (s, now) => s.send(0, binary(300_000), now));
    pair.run(60_000);
    expect([pair.client.of("detached"), pair.server.messages.length]).toEqual([[], 1]);
  });

  it("KAL-07: the server has nobody to dial, and waits for half a minute", () => {
    const pair = connected();
    pair.lose();
    send(pair, pair.server, "x");
    pair.run(29_000);
    expect(pair.server.of("detached")).toEqual([]);
    pair.run(1000);
    expect(pair.server.of("detached")).toHaveLength(1);
  });

  it.each([
    ["the heartbeat", false],
    ["the ack", true],
  ])("KAL-08: who has slept through the time of %s asks first", (_, sends) => {
    const pair = connected();
    if (sends) send(pair, pair.client, "x");
    pair.lose();
    // The page is frozen for a minute, and is asked only then.
    pair.now += 60_000;
    pair.input(pair.client, (s, now) => s.handleDeadline(now));
    expect([pair.client.of("detached"), pair.client.framesSentOf("ping").length > 0]).toEqual([[], true]);
    pair.run(2999);
    expect(pair.client.of("detached")).toEqual([]);
    pair.run(1);
    expect(pair.client.of("detached")).toHaveLength(1);
    pair.run(2000);
    expect(pair.client.of("resumed")).toHaveLength(1);
  });

  it("KAL-08: who has slept on a line that lives goes on with it", () => {
    const pair = connected();
    send(pair, pair.client, "x");
    pair.now += 60_000;
    pair.input(pair.client, (s, now) => s.handleDeadline(now));
    pair.run(5000);
    expect([pair.client.of("detached"), pair.server.messages]).toEqual([[], ["x"]]);
  });
});

describe("RES-15: GOAWAY", () => {
  const recalled = (pair: Pair, delayMs: number) => {
    pair.input(pair.server, (s, now) => s.recall(delayMs, now));
    return pair;
  };

  it("makes the client come back on another transport, after its delay, with nothing in doubt", () => {
    const pair = recalled(connected(), 500).run(519);
    expect(epochs(pair)).toEqual([1]);
    pair.run(1);
    expect([epochs(pair), pair.client.framesSentOf("detach").length]).toEqual([[1, 2], 1]);
    pair.run(100);
    expect(pair.client.of("resumed")).toEqual([{ type: "resumed", line: 2 }]);
    expect(pair.lines[0]?.endedBy.size).toBe(2);
    expectBaseline(pair);
  });

  it("with an upload under way waits for the acks of what is on the line, begins nothing new, and goes on", () => {
    const pair = connected({ rateBitsPerSecond: 10e6 });
    pair.input(pair.client, (s, now) => s.send(0, binary(500_000), now));
    recalled(pair.run(50), 0).run(1000);
    const left = pair.client.sent.findIndex(({ frames }) => frames[0]?.type === "detach");
    expect(left).toBeGreaterThan(0);
    const numbers = pair.client.numberedSent.map(({ number }) => number);
    // Nothing was sent twice: all was acknowledged when it left.
    expect(new Set(numbers).size).toBe(numbers.length);
    pair.run(2000);
    expect(pair.server.messages).toHaveLength(1);
    expectBaseline(pair);
  });

  it("does not wait for longer than two seconds", () => {
    const pair = connected();
    recalled(pair, 1000).run(1010);
    send(pair, pair.client, "x");
    pair.lose().run(10);
    expect(pair.client.of("detached")).toEqual([]);
    pair.run(2000);
    expect(pair.client.of("detached")).toHaveLength(1);
    pair.run(500);
    expect([pair.server.messages, pair.client.of("delivered").length]).toEqual([["x"], 1]);
  });

  it("still acknowledges what the server sends meanwhile", () => {
    const pair = connected({ rateBitsPerSecond: 10e6 });
    pair.input(pair.server, (s, now) => s.send(0, binary(300_000), now));
    pair.input(pair.client, (s, now) => s.send(0, binary(300_000), now));
    recalled(pair, 0).run(5000);
    expect([pair.client.messages.length, pair.server.messages.length]).toEqual([1, 1]);
    expectBaseline(pair);
  });

  it("is nothing to a session that closes in its own time", () => {
    const pair = recalled(connected(), 5000).run(50);
    pair.input(pair.client, (s, now) => s.close(1000, "", now));
    pair.run(10_000);
    expect([pair.client.of("closed").length, epochs(pair)]).toEqual([1, [1]]);
  });
});

describe("CLS-11: ClientSession: a page that is left", () => {
  const leave = (pair: Pair) => {
    const left = new SluiceError("ERR_CONNECTION_LOST", "left");
    return pair
      .tick(pair.client, (s, now) => s.farewell(now))
      .tick(pair.client, (s, now) => s.abort(1001, "", left, now));
  };

  it("sends what it has, beyond the window, in one breath, and ABORT behind it", () => {
    const pair = connected({ rateBitsPerSecond: 10e6 });
    pair.input(pair.client, (s, now) => s.send(0, binary(60_000), now));
    const { windowBytes, inFlightBytes } = pair.client.session.stats;
    expect(inFlightBytes).toBeLessThanOrEqual(windowBytes);
    leave(pair);
    expect(pair.client.sent.at(-1)?.frames).toMatchObject([{ type: "abort", code: 1001 }]);
    pair.run(1000);
    expect(pair.server.messages.map(({ length }) => length)).toEqual([60_000]);
    expect(pair.server.of("closed")).toMatchObject([{ code: 1001, wasClean: true }]);
    expect(pair.host.registry.size).toBe(0);
    expectBaseline(pair);
  });

  it("sends 64 KiB beyond the window, and no more", () => {
    const pair = connected({ rateBitsPerSecond: 10e6 });
    pair.input(pair.client, (s, now) => s.send(0, binary(400_000), now));
    pair.input(pair.client, (s, now) => s.farewell(now));
    const { inFlightBytes, windowBytes } = pair.client.session.stats;
    expect(inFlightBytes).toBeGreaterThan(windowBytes + 48 * 1024);
    expect(inFlightBytes).toBeLessThanOrEqual(windowBytes + 64 * 1024);
  });
});

describe("ClientSession: timers that come late", () => {
  it("ACK-06: a hidden page acknowledges every batch at once", () => {
    const pair = connected();
    pair.input(pair.client, (s, now) => s.handleTimers(false, now));
    send(pair, pair.server, "x");
    pair.run(20);
    expect(pair.client.framesSentOf("ack").at(-1)).toMatchObject({ number: 1, delayTicks: 0 });
    pair.input(pair.client, (s, now) => s.handleTimers(true, now));
    send(pair, pair.server, "y");
    pair.run(39.9);
    expect(pair.client.framesSentOf("ack").at(-1)).toMatchObject({ number: 1 });
    pair.run(0.1);
    expect(pair.client.framesSentOf("ack").at(-1)).toMatchObject({ number: 2, delayTicks: 200 });
  });
});
