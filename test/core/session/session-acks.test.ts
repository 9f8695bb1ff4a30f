import { describe, expect, it } from "vitest";
import { encodeBatch } from "../../../src/core/wire/encode.js";
import type { AckFrame } from "../../../src/core/wire/frame.js";
import { expectBaseline } from "../../support/baseline.js";
import { chunk } from "../../support/frame-table.js";
import { binary, type End, Pair, text } from "../../support/pair.js";

const connected = (options = {}) => new Pair(options).connect().run(100);
/** A server whose client is this test: what it says goes nowhere. */
const injected = () => connected().lose();
const send = (pair: Pair, end: End, size: number) => pair.input(end, (s, now) => s.send(0, binary(size), now));
const batch = (number: number, size = 1) => encodeBatch(number, [chunk({ payload: new Uint8Array(size) })]);

/** Times and numbers of the acks that `end` has sent. */
const acksOf = (end: End) =>
  end.sent.flatMap(({ at, number, frames }) =>
    frames
      .filter((frame): frame is AckFrame => frame.type === "ack")
      .map((ack) => ({ at, ack, isAlone: number === 0 })),
  );

describe("acks", () => {
  it("ACK-06: a small message alone is acknowledged after 20 ms, once", () => {
    const pair = injected();
    pair.inject(pair.server, batch(1));
    pair.run(19.9);
    expect(acksOf(pair.server)).toEqual([]);
    pair.run(0.1);
    expect(acksOf(pair.server)).toMatchObject([{ at: 120, isAlone: true, ack: { number: 1, delayTicks: 200 } }]);
    pair.run(500);
    expect(acksOf(pair.server)).toHaveLength(1);
  });

  it("ACK-06: two chunks worth the name are acknowledged at once", () => {
    const pair = injected();
    pair.inject(pair.server, batch(1, 1024));
    expect(acksOf(pair.server)).toEqual([]);
    pair.inject(pair.server, batch(2, 1024));
    expect(acksOf(pair.server)).toMatchObject([{ at: 100, ack: { number: 2, delayTicks: 0 } }]);
  });

  it("ACK-06: many small ones wait together", () => {
    const pair = injected();
    for (let number = 1; number <= 10; number++) {
      pair.inject(pair.server, batch(number));
      pair.run(1.5);
    }
    expect(acksOf(pair.server)).toEqual([]);
    pair.run(10);
    expect(acksOf(pair.server)).toMatchObject([{ at: 120, ack: { number: 10 } }]);
  });

  it("ACK-06, ACK-08: rides along with what leaves anyway, in front", () => {
    const pair = injected();
    pair.inject(pair.server, batch(1));
    pair.input(pair.server, (s, now) => s.send(0, text("x"), now));
    expect(pair.server.sent.at(-1)?.frames.map(({ type }) => type)).toEqual(["ack", "chunk"]);
    pair.run(100);
    expect(acksOf(pair.server)).toHaveLength(1);
  });

  it("ACK-06: an upload costs one small ack for two chunks, and a few more while it is slow", () => {
    const pair = connected({ rateBitsPerSecond: 10e6 });
    send(pair, pair.client, 1_000_000);
    pair.run(2000);
    const chunks = pair.client.sent.filter(({ number }) => number > 0).length;
    expect(acksOf(pair.server).length).toBeGreaterThanOrEqual(Math.floor(chunks / 2));
    expect(acksOf(pair.server).length).toBeLessThanOrEqual(Math.ceil(chunks / 2) + 10);
    expectBaseline(pair);
  });

  it("ACK-07: needs no answer: two ends that are quiet stay quiet", () => {
    const pair = connected();
    for (const end of [pair.client, pair.server]) send(pair, end, 10);
    pair.run(100);
    const sent = [pair.client, pair.server].map((end) => end.batchesSent.length);
    pair.run(10_000);
    expect([pair.client, pair.server].map((end) => end.batchesSent.length)).toEqual(sent);
  });

  it("ACK-01: tells all that has come, in absolute numbers", () => {
    const pair = injected();
    const sizes = [batch(1), batch(2, 300), batch(3, 20)];
    for (const bytes of sizes) {
      pair.inject(pair.server, bytes);
      pair.run(50);
    }
    const sums = sizes.map((_, i) => sizes.slice(0, i + 1).reduce((sum, { length }) => sum + length, 0));
    expect(acksOf(pair.server).map(({ ack }) => [ack.number, ack.bytes])).toEqual(sums.map((sum, i) => [i + 1, sum]));
  });

  it("BAT-04: a duplicate is dropped unread and acknowledged again at once", () => {
    const pair = injected();
    pair.inject(pair.server, batch(1));
    pair.run(100);
    for (let i = 0; i < 3; i++) {
      pair.inject(pair.server, batch(1));
      expect(acksOf(pair.server)).toHaveLength(2 + i);
    }
    // Not even garbage behind the number is looked at.
    pair.inject(pair.server, Uint8Array.of(1, 0xff, 0xff));
    expect([pair.server.messages.length, pair.server.of("closed")]).toEqual([1, []]);
    expect(new Set(acksOf(pair.server).map(({ ack }) => ack.number))).toEqual(new Set([1]));
  });

  it("ACK-04: an ack that comes late, and one that comes twice, change nothing", () => {
    const pair = connected();
    send(pair, pair.client, 10);
    pair.run(200);
    send(pair, pair.client, 10);
    pair.run(200);
    const [first, second] = acksOf(pair.server).map(({ ack }) => encodeBatch(0, [ack])) as [Uint8Array, Uint8Array];
    for (const again of [first, second, first]) pair.inject(pair.client, again);
    expect([pair.client.of("delivered").length, pair.client.of("closed")]).toEqual([2, []]);
    expectBaseline(pair);
  });

  it("HSK-07: early data is acknowledged when it is read, with the time at which it came", () => {
    const pair = new Pair({ accepts: false });
    send(pair, pair.client, 10);
    pair.connect().run(1000);
    expect(acksOf(pair.server)).toEqual([]);
    pair.accept().run(100);
    expect(acksOf(pair.server)[0]?.ack).toMatchObject({ number: 1, receivedTicks: 400 });
    expect(pair.client.session.stats.roundTripTimeMs).toBeLessThan(60);
  });

  it("ACK-02: the window opens as acks come: a line of any length is kept busy", () => {
    for (const delayMs of [1, 20, 200]) {
      const pair = new Pair({ delayMs, rateBitsPerSecond: 10e6 }).connect().run(1000);
      send(pair, pair.client, 10_000_000);
      pair.run(4000);
      const before = pair.server.session.stats.bytesReceived;
      pair.run(1000);
      expect(pair.server.session.stats.bytesReceived - before).toBeGreaterThan(0.9 * 1_250_000);
    }
  });

  it.each([20, 200])("ACK-02: a window that may not grow bounds what a line with %i ms each way carries", (delayMs) => {
    const windowBytes = 40_000;
    const clientLimits = { chunkBytes: 8192, windowBytes };
    const pair = new Pair({ delayMs, rateBitsPerSecond: 100e6, clientLimits }).connect().run(1000);
    send(pair, pair.client, 10_000_000);
    pair.run(3000);
    const before = pair.server.session.stats.bytesReceived;
    pair.run(2000);
    const boundByWindow = (windowBytes / (2 * delayMs)) * 2000;
    expect(pair.server.session.stats.bytesReceived - before).toBeLessThan(1.05 * boundByWindow);
    expect(pair.server.session.stats.bytesReceived - before).toBeGreaterThan(0.6 * boundByWindow);
    expect(pair.client.session.stats.windowBytes).toBeLessThanOrEqual(windowBytes);
  });
});
