import { describe, expect, it } from "vitest";
import { expectBaseline } from "../../support/baseline.js";
import { binary, Pair, text } from "../../support/pair.js";

const LIMITS = { serverLimits: { heartbeatMs: 1000, heartbeatGraceMs: 400 } };
const connected = () => new Pair(LIMITS).connect().run(100);

describe("keepalive", () => {
  it("KAL-01, KAL-02: the server pings every interval, the client answers, and nothing else is said", () => {
    const pair = connected().run(9960);
    expect(pair.server.framesSentOf("ping")).toHaveLength(10);
    expect(pair.client.framesSentOf("pong")).toHaveLength(10);
    expect(pair.client.framesSentOf("ping")).toHaveLength(0);
    const times = pair.server.sent.filter(({ frames }) => frames[0]?.type === "ping").map(({ at }) => at);
    // From the HELLO on, which came at 40 ms.
    expect(times).toEqual(Array.from({ length: 10 }, (_, i) => (i + 1) * 1000 + 40));
    expect(pair.client.batchesSent).toHaveLength(12);
    expectBaseline(pair);
  });

  it("KAL-01: pings although there is other traffic", () => {
    const pair = connected();
    for (let i = 0; i < 50; i++) {
      pair.input(pair.client, (s, now) => s.send(0, text("x"), now));
      pair.run(100);
    }
    expect(pair.server.framesSentOf("ping")).toHaveLength(5);
  });

  it("KAL-04: a line that has gone dead is given up by both ends after interval and grace, and the session is not", () => {
    const pair = connected().run(2000);
    const id = pair.input(pair.client, (s, now) => s.send(0, text("x"), now));
    pair.lose();
    pair.network = "hung";
    pair.run(5000);
    // The last that came to the client was the ping of 2,040 ms, and to the server its answer.
    expect([pair.client.at("detached"), pair.server.at("detached")]).toEqual([[3460], [3480]]);
    for (const end of [pair.client, pair.server]) {
      expect([end.of("closed"), end.framesSentOf("abort")]).toEqual([[], []]);
    }
    pair.network = "up";
    pair.run(20_000);
    expect([pair.server.messages, pair.client.of("delivered")]).toEqual([["x"], [{ type: "delivered", message: id }]]);
    expectBaseline(pair);
  });

  it("KAL-03: a line that carries anything is alive: an upload, without a single answer to a ping", () => {
    const pair = new Pair({ ...LIMITS, rateBitsPerSecond: 1e6 }).connect().run(100);
    pair.input(pair.server, (s, now) => s.send(0, binary(500_000), now));
    pair.run(4500);
    expect([pair.client.of("detached"), pair.server.of("detached")]).toEqual([[], []]);
    expect(pair.client.messages).toHaveLength(1);
  });

  it("KAL-05: the client goes by what the server announces, not by its own", () => {
    const pair = new Pair({ ...LIMITS, clientLimits: { heartbeatMs: 10, heartbeatGraceMs: 10 }, delayMs: 2 })
      .connect()
      .run(10_000);
    expect([pair.client.of("detached"), pair.server.of("detached")]).toEqual([[], []]);
  });

  it("KAL-04: a client that is never answered after the handshake gives up, too", () => {
    const pair = connected();
    pair.lose().run(1500);
    expect(pair.client.at("detached")).toEqual([1460]);
  });

  it("KAL-06: both applications may ping; the answer carries what was asked", () => {
    const pair = connected();
    for (const end of [pair.client, pair.server]) pair.input(end, (s, now) => s.ping(Uint8Array.of(1, 2, 3), now));
    pair.run(100);
    for (const end of [pair.client, pair.server]) {
      expect(end.of("ping")).toEqual([{ type: "ping", payload: Uint8Array.of(1, 2, 3) }]);
      expect(end.of("pong")).toEqual([{ type: "pong", payload: Uint8Array.of(1, 2, 3) }]);
    }
  });

  it("KAL-02: an answer that nobody asked for is no harm", () => {
    const pair = connected();
    pair.inject(pair.server, Uint8Array.of(0, 8, 1, 9));
    expect([pair.server.of("pong").length, pair.server.of("closed"), pair.server.of("detached")]).toEqual([1, [], []]);
  });

  it("KAL-06: six hundred pings of one tick are answered, in batches that the other end takes", () => {
    const pair = connected();
    pair.tick(
      pair.client,
      ...Array.from(
        { length: 600 },
        () => (s: typeof pair.client.session, now: number) => s.ping(new Uint8Array(125), now),
      ),
    );
    pair.run(100);
    expect(pair.server.of("ping")).toHaveLength(600);
    expect([pair.client.of("closed"), pair.server.of("closed")]).toEqual([[], []]);
    // KAL-02: of many in one batch at least the last 16 are answered.
    expect(pair.client.of("pong").length).toBeGreaterThanOrEqual(16);
  });

  it("stops when the session ends", () => {
    const pair = connected();
    pair.input(pair.client, (s, now) => s.close(1000, "", now));
    pair.run(200);
    expect([pair.client.session.nextDeadline(), pair.server.session.nextDeadline()]).toEqual([undefined, undefined]);
    const sent = pair.server.batchesSent.length;
    pair.run(10_000);
    expect(pair.server.batchesSent).toHaveLength(sent);
  });
});
