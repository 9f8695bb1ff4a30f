import { describe, expect, it } from "vitest";
import { expectBaseline } from "../../support/baseline.js";
import { binary, Pair, text } from "../../support/pair.js";

describe("Session: what it asks of its host", () => {
  it("a deadline may come too early and too late", () => {
    const pair = new Pair().connect().run(100);
    for (let i = 0; i < 50; i++) pair.input(pair.client, (s, now) => s.handleDeadline(now));
    pair.input(pair.client, (s, now) => s.send(0, text("x"), now));
    pair.run(200);
    expectBaseline(pair);
  });

  it("has no deadline before it begins to connect, and from then on that of the connection", () => {
    const pair = new Pair({ dial: { connectTimeoutMs: 7000 } });
    expect(pair.client.session.nextDeadline()).toBeUndefined();
    pair.network = "hung";
    pair.run(100).connect();
    expect(pair.client.session.nextDeadline()).toBe(7100);
  });

  it("has no deadline of its own while it is parked: the registry knows when it expires", () => {
    const pair = new Pair().connect().run(100);
    pair.network = "hung";
    pair.cut();
    expect(pair.server.session.nextDeadline()).toBeUndefined();
    expect(pair.host.registry.nextDeadline()).toBe(100 + 120_000);
  });

  it("asks for one batch at a time, and has none when there is nothing to say", () => {
    const pair = new Pair().connect().run(200);
    for (const end of [pair.client, pair.server]) expect(end.session.pollTransmit(1 << 20, pair.now)).toBeUndefined();
  });
});

describe("Session: a transport that is full", () => {
  it("gets no messages, and all the rest", () => {
    const pair = new Pair().connect().run(200);
    pair.client.budgetBytes = 0;
    const before = pair.client.sent.length;
    pair.input(pair.client, (s, now) => s.send(0, text("waits"), now));
    pair.input(pair.client, (s, now) => s.ping(Uint8Array.of(1), now));
    pair.input(pair.server, (s, now) => s.send(0, binary(50_000), now));
    pair.run(200);
    expect(new Set(pair.client.sent.slice(before).flatMap(({ frames }) => frames.map(({ type }) => type)))).toEqual(
      new Set(["ping", "ack", "channel-credit"]),
    );
    expect(pair.server.of("delivered")).toHaveLength(1);
    pair.client.budgetBytes = 1;
    pair.drain(pair.client);
    pair.run(200);
    expect(pair.server.messages).toEqual(["waits"]);
    expectBaseline(pair);
  });

  it("SEC-06: gets no answers to a peer that does not read, when it holds far too much, and they follow when it does not", () => {
    const pair = new Pair().connect().run(200);
    pair.client.budgetBytes = -128 * 1024;
    const before = pair.client.sent.length;
    pair.input(pair.server, (s, now) => s.ping(Uint8Array.of(1), now));
    pair.input(pair.server, (s, now) => s.send(0, binary(50_000), now));
    pair.run(200);
    expect(pair.client.sent.slice(before)).toEqual([]);
    // It asks for no timer meanwhile: the transport tells when it has room.
    expect(pair.client.session.nextDeadline()).toBeGreaterThan(pair.now);
    pair.client.budgetBytes = 1 - 128 * 1024;
    pair.drain(pair.client);
    const frames = pair.client.sent.slice(before).flatMap((batch) => batch.frames.map(({ type }) => type));
    expect(frames).toEqual(["pong", "ack"]);
    pair.client.budgetBytes = 1 << 20;
    pair.run(200);
    expectBaseline(pair);
  });

  it("CHN-08: gets the opening of a channel, so that no ack overtakes it", () => {
    const pair = new Pair().connect().run(200);
    pair.client.budgetBytes = 0;
    const channel = pair.input(pair.client, (s, now) => s.openChannel("x", "normal", now));
    pair.input(pair.client, (s, now) => s.send(channel, text("waits"), now));
    pair.run(100);
    expect(pair.server.of("channel")).toHaveLength(1);
    expect(pair.server.messages).toEqual([]);
  });

  it("decides what leaves when there is room, not earlier", () => {
    const pair = new Pair().connect().run(200);
    pair.client.budgetBytes = 0;
    const low = pair.input(pair.client, (s, now) => s.openChannel("low", "low", now));
    const high = pair.input(pair.client, (s, now) => s.openChannel("high", "high", now));
    for (const [channel, value] of [
      [low, "c"],
      [0, "b"],
      [high, "a"],
    ] as const) {
      pair.input(pair.client, (s, now) => s.send(channel, text(value), now));
    }
    pair.client.budgetBytes = 1;
    pair.drain(pair.client);
    pair.run(100);
    expect(pair.server.messages[0]).toBe("a");
    expect([...pair.server.messages].sort()).toEqual(["a", "b", "c"]);
  });
});
