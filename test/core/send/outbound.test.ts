import { describe, expect, it } from "vitest";
import { Outbound } from "../../../src/core/send/outbound.js";
import { type SendEvent, Sender } from "../../../src/core/send/sender.js";
import type { AckSample, WindowController } from "../../../src/core/send/window.js";
import type { AckFrame } from "../../../src/core/wire/frame.js";
import { naiveDecode } from "../../support/naive-decoder.js";
import { binary, text } from "../../support/pair.js";

const KIB = 1024;
const ANY = { batchBytesMax: 16 * KIB, allowanceBytes: Number.POSITIVE_INFINITY, budgetBytes: 1 };
const ACK: AckFrame = { type: "ack", number: 7, bytes: 700, receivedTicks: 5000, delayTicks: 20 };

class Bench implements WindowController {
  windowBytes = 64 * KIB;
  readonly samples: AckSample[] = [];
  readonly events: SendEvent[] = [];
  readonly sender = new Sender({ chunkBytes: 16 * KIB }, (event) => this.events.push(event));
  readonly outbound = new Outbound(this.sender, this);

  handleAck(sample: AckSample): void {
    this.samples.push(sample);
  }

  pollAll(now = 0): Uint8Array[] {
    const batches: Uint8Array[] = [];
    for (let sent = this.outbound.pollBatch(ANY, undefined, now); sent !== undefined; ) {
      batches.push(sent.batch);
      sent = this.outbound.pollBatch(ANY, undefined, now);
    }
    return batches;
  }
}

const ackOf = (number: number, bytes: number, receivedTicks = 0, delayTicks = 0): AckFrame => ({
  type: "ack",
  number,
  bytes,
  receivedTicks,
  delayTicks,
});

describe("Outbound", () => {
  it("has no batch for nothing, not even for an ack alone", () => {
    expect(new Bench().outbound.pollBatch(ANY, ACK, 0)).toBeUndefined();
  });

  it("BAT-05: numbers batches from 1 as they leave", () => {
    const bench = new Bench();
    bench.sender.send(0, binary(40_000));
    expect(bench.pollAll().map((batch) => naiveDecode(batch).number)).toEqual([1, 2, 3]);
  });

  it("ACK-08: puts the ack that rides along before everything else", () => {
    const bench = new Bench();
    bench.sender.send(0, text("hi"));
    const sent = bench.outbound.pollBatch(ANY, ACK, 0);
    expect(naiveDecode(sent?.batch as Uint8Array).frames).toMatchObject([ACK, { type: "chunk" }]);
  });

  it.each([4 * KIB, 16 * KIB, 64 * KIB])(
    "BAT-08: makes no batch of more than %i bytes, the ack included",
    (batchBytesMax) => {
      const bench = new Bench();
      bench.windowBytes = Number.MAX_SAFE_INTEGER;
      bench.sender.send(0, binary(300_000));
      let count = 0;
      for (;;) {
        const sent = bench.outbound.pollBatch({ ...ANY, batchBytesMax }, ACK, 0);
        if (sent === undefined) break;
        expect(sent.batch.length).toBeLessThanOrEqual(batchBytesMax);
        count += 1;
      }
      expect(count).toBeLessThanOrEqual(Math.ceil(300_000 / (batchBytesMax - 50)) + 1);
    },
  );

  it("keeps the window: full batches, headers included, and not a byte more", () => {
    const bench = new Bench();
    bench.sender.send(0, binary(1_000_000));
    const sum = bench.pollAll().reduce((bytes, batch) => bytes + batch.length, 0);
    expect(sum).toBeLessThanOrEqual(64 * KIB);
    expect(sum).toBeGreaterThan(64 * KIB - 8 * KIB);
    expect([bench.outbound.inFlightBytes, bench.outbound.sentBytes, bench.outbound.windowBytes]).toEqual([
      sum,
      sum,
      64 * KIB,
    ]);
    const [first] = [16 * KIB];
    expect(bench.outbound.handleAck(ackOf(1, first as number), 10).type).toBe("news");
    expect(bench.pollAll().reduce((bytes, batch) => bytes + batch.length, 0)).toBeLessThanOrEqual(16 * KIB);
  });

  it("HSK-07: keeps to the allowance, whatever the window says", () => {
    const bench = new Bench();
    bench.sender.send(0, binary(100_000));
    let sent = 0;
    for (;;) {
      const draft = bench.outbound.pollBatch({ ...ANY, allowanceBytes: 32 * KIB - sent }, undefined, 0);
      if (draft === undefined) break;
      sent += draft.batch.length;
    }
    expect(sent).toBeLessThanOrEqual(32 * KIB);
    expect(sent).toBeGreaterThan(24 * KIB);
  });

  it("says which channels end with a batch, and which ends an ack covers", () => {
    const bench = new Bench();
    for (const key of [1, 2]) {
      bench.sender.addChannel(key, "normal");
      bench.sender.announce(key, Uint8Array.of(key));
      bench.sender.endChannel(key);
    }
    const sent = bench.outbound.pollBatch(ANY, undefined, 0);
    expect(sent?.ended).toEqual([1, 2]);
    expect(bench.outbound.handleAck(ackOf(1, sent?.batch.length as number), 10)).toEqual({
      type: "news",
      ended: [1, 2],
    });
  });

  it("CLS-01: CLOSE goes in a numbered batch of its own, ack in front, whatever the window says", () => {
    const bench = new Bench();
    bench.windowBytes = 0;
    const frame = { type: "close", code: 1000, reason: new Uint8Array(0) } as const;
    const batch = bench.outbound.closeBatch(frame, ANY, ACK, 5);
    expect(naiveDecode(batch as Uint8Array)).toEqual({ number: 1, frames: [ACK, frame], isValid: true });
    expect(bench.outbound.inFlightBytes).toBe(batch?.length);
    expect(bench.outbound.handleAck(ackOf(1, batch?.length as number), 10).type).toBe("news");
    expect(bench.outbound.inFlightBytes).toBe(0);
  });

  it("HSK-07: CLOSE waits where early data has left no room for it", () => {
    const bench = new Bench();
    const frame = { type: "close", code: 1000, reason: new Uint8Array(10) } as const;
    expect(bench.outbound.closeBatch(frame, { ...ANY, allowanceBytes: 14 }, undefined, 0)).toBeUndefined();
    expect(bench.outbound.inFlightBytes).toBe(0);
    expect(bench.outbound.closeBatch(frame, { ...ANY, allowanceBytes: 15 }, undefined, 0)).toHaveLength(15);
  });

  it("ACK-03: takes the receiver's delay out of the round trip, and its clock for the arrival", () => {
    const bench = new Bench();
    bench.sender.send(0, binary(40_000));
    const [a, b] = bench.pollAll(100) as [Uint8Array, Uint8Array];
    bench.outbound.handleAck(ackOf(2, a.length + b.length, 12_345, 150), 165);
    expect(bench.samples).toEqual([{ receivedAt: 1234.5, roundTripTimeMs: 50, ackedBytes: a.length + b.length }]);
    expect(bench.outbound.path.roundTripTimeMs).toBe(50);
  });

  it("ACK-03: makes no round trip negative, whatever delay a peer claims", () => {
    const bench = new Bench();
    bench.sender.send(0, text("x"));
    const [batch] = bench.pollAll(100) as [Uint8Array];
    bench.outbound.handleAck(ackOf(1, batch.length, 0, 2 ** 50), 120);
    expect(bench.samples[0]?.roundTripTimeMs).toBe(0);
  });

  it("passes on what is delivered, and learns nothing from an ack that says nothing new", () => {
    const bench = new Bench();
    bench.sender.send(0, text("x"));
    const [batch] = bench.pollAll() as [Uint8Array];
    expect(bench.outbound.handleAck(ackOf(0, 0), 5)).toEqual({ type: "old" });
    expect(bench.outbound.handleAck(ackOf(1, batch.length), 10).type).toBe("news");
    expect(bench.outbound.handleAck(ackOf(1, batch.length), 11)).toEqual({ type: "old" });
    expect(bench.outbound.handleAck(ackOf(0, 0), 12)).toEqual({ type: "old" });
    expect(bench.events.map(({ type }) => type)).toEqual(["written", "delivered"]);
    expect(bench.samples).toHaveLength(1);
  });

  it("ACK-05: refuses an ack of what was not sent", () => {
    const bench = new Bench();
    bench.sender.send(0, text("x"));
    const [batch] = bench.pollAll() as [Uint8Array];
    for (const [number, bytes] of [
      [2, batch.length],
      [1, batch.length + 1],
    ] as const) {
      expect(bench.outbound.handleAck(ackOf(number, bytes), 5)).toMatchObject({
        type: "violation",
        violation: { code: 1002 },
      });
    }
  });
});
