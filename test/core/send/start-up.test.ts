import { describe, expect, it } from "vitest";
import { PathModel } from "../../../src/core/send/path-model.js";
import { RequestWait } from "../../../src/core/send/request-wait.js";
import { Round } from "../../../src/core/send/round.js";
import { StartUp } from "../../../src/core/send/start-up.js";

const START = 6 * 1024;
const CHUNK = 2000;

/** As far as it goes once 6000 bytes have come in 60 ms. */
const FULL = 2 * 100 * (40 + 15);

/** Start-up on a line whose round trip is 40 ms, and whose acks are what the test says. */
class Bench {
  readonly path = new PathModel();
  readonly startUp = new StartUp(this.path, new RequestWait(this.path));
  #now = 1000;
  #totalBytes = 0;

  /** @param roundTripMs of this ack */
  ack(newBytes: number, roundTripMs = 40, afterMs = 60): this {
    this.#now += afterMs;
    this.#totalBytes += newBytes;
    const at = { sentAt: this.#now - roundTripMs, ackedAt: this.#now, receivedAt: this.#now - 20 };
    const sample = { ...at, roundTripTimeMs: roundTripMs, bytes: CHUNK, newBytes, totalBytes: this.#totalBytes };
    this.path.handleSample(sample, true);
    this.startUp.handleAck(sample, CHUNK);
    return this;
  }

  /** @param queueMs how much later than an empty line the quickest of `acks` was; returns whether start-up is over */
  round(queueMs = 0, { wasLimited = true, acks = 3, roundTripMs = 40 } = {}): boolean {
    const round = new Round(1, 0, 0);
    const sample = { sentAt: 0, ackedAt: 0, receivedAt: 0, roundTripTimeMs: 0, bytes: 0, totalBytes: 0 };
    for (let i = 0; i < acks; i++) round.handleSample(sample, roundTripMs + queueMs);
    return this.startUp.handleRound(round, roundTripMs, wasLimited);
  }
}

describe("StartUp", () => {
  it("begins with 6 KiB, and grows by what is acknowledged, up to 256 KiB while no rate is known", () => {
    const { startUp } = new Bench();
    expect(startUp.windowBytes).toBe(START);
    expect(new Bench().ack(3000).startUp.windowBytes).toBe(START + 3000);
    expect(new Bench().ack(1e6).startUp.windowBytes).toBe(256 * 1024);
  });

  it("goes no further than twice of what has come through, and the queue that is meant to be", () => {
    const { startUp } = new Bench().ack(1).ack(12_000);
    expect(startUp.windowBytes).toBe(START + 1 + 12_000);
    const { startUp: full } = new Bench().ack(1).ack(12_000).ack(12_000);
    expect(full.windowBytes).toBe(2 * 200 * (40 + 15));
  });

  it("does not grow by what has waited in a queue, nor in the round after one in which a queue has shown", () => {
    expect(new Bench().ack(1).ack(3000, 52).startUp.windowBytes).toBe(START + 1);
    const bench = new Bench().ack(1).ack(6000);
    expect(bench.round(12)).toBe(false);
    expect(bench.ack(60_000).startUp.windowBytes).toBe(FULL);
  });

  it("takes off what is too much of a queue", () => {
    const bench = new Bench().ack(1).ack(6000);
    expect(bench.startUp.windowBytes).toBe(FULL);
    bench.round(70);
    expect(bench.startUp.windowBytes).toBe(FULL * ((40 + 15) / (40 + 70)));
  });

  it("takes for a queue, on a long line, what is an eighth of the round trip", () => {
    const long = () => new Bench().ack(1, 400, 410).ack(6000, 400, 410);
    const [short, late] = [long(), long()];
    const roundTripMs = 400;
    expect([short.round(49, { roundTripMs }), short.round(49, { roundTripMs })]).toEqual([false, false]);
    expect([late.round(51, { roundTripMs }), late.round(51, { roundTripMs })]).toEqual([false, true]);
  });

  it("is over when a queue has shown in two rounds that have said enough, one behind the other", () => {
    const bench = new Bench().ack(1).ack(6000);
    expect([bench.round(12), bench.round(12)]).toEqual([false, true]);
    const held = new Bench().ack(1).ack(6000);
    expect([held.round(12), held.round(0)]).toEqual([false, false]);
    const silent = new Bench().ack(1).ack(6000);
    expect([silent.round(12, { acks: 2 }), silent.round(12, { acks: 2 })]).toEqual([false, false]);
  });

  it("is over when three full rounds have not brought a quarter more", () => {
    const rounds = (bench: Bench, wasLimited: boolean) => [1, 2, 3, 4].map(() => bench.round(0, { wasLimited }));
    expect(rounds(new Bench().ack(1).ack(6000), true)).toEqual([false, false, false, true]);
    expect(rounds(new Bench().ack(1).ack(6000), false)).toEqual([false, false, false, false]);
    expect(rounds(new Bench(), true)).toEqual([false, false, false, false]);
  });
});
