import { describe, expect, it } from "vitest";
import { expectBaseline } from "../../support/baseline.js";
import { binary, Pair, text } from "../../support/pair.js";

describe("statsOf", () => {
  it("know the round trip without the receiver's delay, and the bandwidth of a busy line", () => {
    const pair = new Pair({ rateBitsPerSecond: 10e6, delayMs: 15 }).connect().run(200);
    expect(pair.client.session.stats).toMatchObject({ roundTripTimeMs: undefined, bandwidthBitsPerSecond: undefined });
    pair.input(pair.client, (s, now) => s.send(0, text("x"), now));
    pair.run(100);
    expect(pair.client.session.stats.roundTripTimeMs).toBeCloseTo(30, 0);
    pair.input(pair.client, (s, now) => s.send(0, binary(2_000_000), now));
    pair.run(1000);
    const { bandwidthBitsPerSecond } = pair.client.session.stats;
    expect(bandwidthBitsPerSecond).toBeGreaterThan(8e6);
    expect(bandwidthBitsPerSecond).toBeLessThan(10.1e6);
  });

  it("count the bytes of numbered batches, the same at both ends", () => {
    const pair = new Pair().connect().run(200);
    pair.input(pair.client, (s, now) => s.send(0, binary(100_000), now));
    pair.input(pair.server, (s, now) => s.send(0, text("x"), now));
    pair.run(500);
    for (const end of [pair.client, pair.server]) {
      const sent = end.sent.filter(({ number }) => number > 0).reduce((sum, { bytes }) => sum + bytes, 0);
      expect(end.session.stats.bytesSent).toBe(sent);
      expect(pair.other(end).session.stats.bytesReceived).toBe(sent);
    }
  });

  it("show what is queued, in flight and in reassembly on the way", () => {
    const pair = new Pair({ rateBitsPerSecond: 10e6 }).connect().run(200);
    pair.input(pair.client, (s, now) => s.send(0, binary(500_000), now));
    pair.run(250);
    const { queuedBytes, inFlightBytes, windowBytes } = pair.client.session.stats;
    expect(queuedBytes).toBeGreaterThan(100_000);
    expect(inFlightBytes).toBeGreaterThan(windowBytes - 16_384);
    expect(pair.server.session.stats.reassemblyBytes).toBeGreaterThan(100_000);
    expect(pair.client.session.bufferedBytes()).toBeGreaterThan(queuedBytes);
    pair.run(1000);
    expectBaseline(pair);
  });
});
