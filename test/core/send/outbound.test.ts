import { describe, expect, it } from "vitest";
import { BatchMemory } from "../../../src/core/send/batch-memory.js";
import { type BatchSpace, Outbound, wholeBytesOf } from "../../../src/core/send/outbound.js";
import type { SendEvent } from "../../../src/core/send/outgoing-messages.js";
import { Sender } from "../../../src/core/send/sender.js";
import type { AckFrame } from "../../../src/core/wire/frame.js";
import { naiveDecode } from "../../support/naive-decoder.js";
import { binary, text } from "../../support/pair.js";

const KIB = 1024;
/** What the window starts with. */
const WINDOW = 6 * KIB;
const BATCH = 1536;
const ANY = {
  batchBytesMax: BATCH,
  wholeBytesMax: BATCH,
  allowanceBytes: Number.POSITIVE_INFINITY,
  budgetBytes: 1,
  overdraftBytes: 0,
};
const ACK: AckFrame = { type: "ack", number: 7, bytes: 700, receivedTicks: 5000, delayTicks: 20 };

class Bench {
  readonly outbound: Outbound;
  readonly events: SendEvent[] = [];
  readonly sender = new Sender({ chunkBytes: 16 * KIB }, (event) => this.events.push(event));

  constructor(replayBytesMax = 1 << 20, memory?: BatchMemory) {
    this.sender.handleCredit(0, Number.MAX_SAFE_INTEGER);
    const limits = { chunkBytes: 64 * KIB, windowBytes: 1 << 20, replayBytesMax };
    this.outbound = new Outbound(this.sender, limits, { memory });
  }

  pollAll(now = 0, overdraftBytes = 0): Uint8Array[] {
    const batches: Uint8Array[] = [];
    const space = { ...ANY, overdraftBytes };
    for (let sent = this.outbound.pollBatch(space, undefined, now); sent !== undefined; ) {
      batches.push(sent.batch);
      sent = this.outbound.pollBatch(space, undefined, now);
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

const sizeOf = (batches: readonly Uint8Array[]) => batches.reduce((sum, { length }) => sum + length, 0);

describe("Outbound", () => {
  it("has no batch for nothing, not even for an ack alone", () => {
    expect(new Bench().outbound.pollBatch(ANY, ACK, 0)).toBeUndefined();
  });

  it("BAT-05: numbers batches from 1 as they leave", () => {
    const bench = new Bench();
    bench.sender.send(0, binary(3750));
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
      bench.sender.send(0, binary(300_000));
      let count = 0;
      for (;;) {
        const sent = bench.outbound.pollBatch(
          { ...ANY, batchBytesMax, wholeBytesMax: batchBytesMax, overdraftBytes: 1 << 20 },
          ACK,
          0,
        );
        if (sent === undefined) break;
        expect(sent.batch.length).toBeLessThanOrEqual(batchBytesMax);
        count += 1;
      }
      expect(count).toBeLessThanOrEqual(Math.ceil(300_000 / (batchBytesMax - 50)) + 1);
    },
  );

  it("does not leave crumbs: a message that is a little more than a batch leaves as one", () => {
    const sizes = (messageBytes: number, space: Partial<BatchSpace> = {}) => {
      const bench = new Bench();
      bench.sender.send(0, binary(messageBytes));
      const own = { ...ANY, batchBytesMax: 4 * KIB, wholeBytesMax: wholeBytesOf(4 * KIB), ...space };
      const batches: number[] = [];
      for (let sent = bench.outbound.pollBatch(own, undefined, 0); sent !== undefined; ) {
        batches.push(sent.batch.length);
        sent = bench.outbound.pollBatch(own, undefined, 0);
      }
      return batches;
    };
    expect(wholeBytesOf(64 * KIB)).toBe(65 * KIB);
    expect(sizes(4 * KIB)).toEqual([4 * KIB + 5]);
    expect(sizes(4 * KIB + 59)).toEqual([4 * KIB + 64]);
    expect(sizes(4 * KIB + 60)).toEqual([4 * KIB, 72]);
    expect(sizes(4 * KIB, { allowanceBytes: 4 * KIB + 4 })).toEqual([4 * KIB, 11]);
    expect(sizes(4 * KIB, { wholeBytesMax: 4 * KIB })).toEqual([4 * KIB, 11]);
  });

  it("keeps the window: full batches, headers included, and not a byte more", () => {
    const bench = new Bench();
    bench.sender.send(0, binary(1_000_000));
    const sum = bench.pollAll().reduce((bytes, batch) => bytes + batch.length, 0);
    expect(sum).toBeLessThanOrEqual(WINDOW);
    expect(sum).toBeGreaterThan(WINDOW - BATCH / 2);
    expect([bench.outbound.inFlightBytes, bench.outbound.sentBytes, bench.outbound.windowBytes]).toEqual([
      sum,
      sum,
      WINDOW,
    ]);
    expect(bench.outbound.handleAck(ackOf(1, BATCH), 10).type).toBe("news");
    // The window has held it back, so it grows by what was acknowledged.
    expect(bench.outbound.windowBytes).toBe(WINDOW + BATCH);
    bench.pollAll();
    expect(bench.outbound.inFlightBytes).toBeLessThanOrEqual(WINDOW + BATCH);
    expect(bench.outbound.inFlightBytes).toBeGreaterThan(WINDOW + BATCH / 2);
  });

  it("does not take a full transport, or full room for a replay, for the window", () => {
    const byBudget = new Bench();
    byBudget.sender.send(0, binary(1_000_000));
    const { batch } = byBudget.outbound.pollBatch(ANY, undefined, 0) as { batch: Uint8Array };
    expect(byBudget.outbound.pollBatch({ ...ANY, budgetBytes: 0 }, undefined, 0)).toBeUndefined();
    const byReplay = new Bench(batch.length);
    byReplay.sender.send(0, binary(1_000_000));
    expect(byReplay.pollAll()).toHaveLength(1);
    const byApplication = new Bench();
    byApplication.sender.send(0, binary(1400));
    expect(byApplication.pollAll()).toHaveLength(1);
    for (const { outbound } of [byBudget, byReplay, byApplication]) {
      outbound.handleAck(ackOf(1, outbound.inFlightBytes), 10);
      expect(outbound.windowBytes).toBe(WINDOW);
    }
  });

  it("HSK-07: keeps to the allowance, whatever the window says", () => {
    const bench = new Bench();
    bench.sender.send(0, binary(100_000));
    let sent = 0;
    for (;;) {
      const draft = bench.outbound.pollBatch({ ...ANY, allowanceBytes: 4 * KIB - sent }, undefined, 0);
      if (draft === undefined) break;
      sent += draft.batch.length;
    }
    expect(sent).toBeLessThanOrEqual(4 * KIB);
    expect(sent).toBeGreaterThanOrEqual(2 * BATCH);
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
    const frame = { type: "close", code: 1000, reason: new Uint8Array(0) } as const;
    bench.sender.send(0, binary(1_000_000));
    const before = bench.pollAll();
    const sentBytes = sizeOf(before);
    const number = before.length + 1;
    const batch = bench.outbound.closeBatch(frame, ANY, ACK, 5);
    expect(naiveDecode(batch as Uint8Array)).toEqual({ number, frames: [ACK, frame], isValid: true });
    expect(bench.outbound.inFlightBytes).toBe(sentBytes + (batch?.length as number));
    expect(bench.outbound.handleAck(ackOf(number, sentBytes + (batch?.length as number)), 10).type).toBe("news");
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
    bench.sender.send(0, binary(2800));
    const [a, b] = bench.pollAll(100) as [Uint8Array, Uint8Array];
    bench.outbound.handleAck(ackOf(2, a.length + b.length, 12_345, 150), 165);
    expect(bench.outbound.path.smoothedRoundTripMs).toBe(50);
    // 300 ms later on the receiver's clock, 330 ms on ours.
    bench.sender.send(0, binary(2800));
    const [c, d] = bench.pollAll(400) as [Uint8Array, Uint8Array];
    bench.outbound.handleAck(ackOf(4, sizeOf([a, b, c, d]), 15_345, 450), 495);
    expect(bench.outbound.path.bytesPerMs).toBeCloseTo((c.length + d.length) / 300, 3);
  });

  it("ACK-03: makes no round trip negative, whatever delay a peer claims", () => {
    const bench = new Bench();
    bench.sender.send(0, text("x"));
    const [batch] = bench.pollAll(100) as [Uint8Array];
    bench.outbound.handleAck(ackOf(1, batch.length, 0, 2 ** 50), 120);
    expect(bench.outbound.path.smoothedRoundTripMs).toBe(0);
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
    expect(bench.outbound.path.smoothedRoundTripMs).toBe(10);
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

describe("Outbound: what it keeps", () => {
  it("RES-06: lets nothing leave that it could not keep, and goes on when acks make room", () => {
    const bench = new Bench(4 * KIB);
    bench.sender.send(0, binary(200_000));
    const batches = bench.pollAll();
    expect(sizeOf(batches)).toBeLessThanOrEqual(4 * KIB);
    expect(sizeOf(batches)).toBeGreaterThanOrEqual(2 * BATCH);
    const first = (batches[0] as Uint8Array).length;
    bench.outbound.handleAck(ackOf(1, first), 10);
    const more = bench.pollAll();
    expect(more.length).toBeGreaterThan(0);
    expect(bench.outbound.inFlightBytes).toBeLessThanOrEqual(4 * KIB);
  });

  it("RES-06: holds control frames to it, too: they need to be sent again like the rest", () => {
    const bench = new Bench(1000);
    for (let key = 1; key <= 200; key++) {
      bench.sender.addChannel(key, "normal");
      bench.sender.announce(key, new Uint8Array(20).fill(97));
    }
    bench.pollAll();
    expect(bench.outbound.inFlightBytes).toBeLessThanOrEqual(1000);
    expect(bench.outbound.inFlightBytes).toBeGreaterThan(900);
  });

  it("lets a page that is left send beyond the window", () => {
    const bench = new Bench();
    bench.sender.send(0, binary(300_000));
    bench.pollAll();
    const before = bench.outbound.inFlightBytes;
    bench.pollAll(0, 64 * KIB);
    expect(bench.outbound.inFlightBytes - before).toBeGreaterThan(60 * KIB);
    expect(bench.outbound.inFlightBytes).toBeLessThanOrEqual(WINDOW + 64 * KIB);
  });
});

describe("Outbound: another transport", () => {
  /** Three batches in flight, the first of them acknowledged. */
  function cut() {
    const bench = new Bench();
    bench.sender.send(0, binary(3750));
    const batches = bench.pollAll() as [Uint8Array, Uint8Array, Uint8Array];
    bench.outbound.handleAck(ackOf(1, batches[0].length), 10);
    return { bench, batches };
  }

  it("RES-06: sends again what is not acknowledged, oldest first, to the byte, before anything new", () => {
    const { bench, batches } = cut();
    const id = bench.sender.send(0, text("new"));
    bench.outbound.handleAttached(100);
    expect([bench.outbound.isReplaying, bench.outbound.isQuiet]).toEqual([true, true]);
    const again = bench.outbound.pollBatch(ANY, ACK, 100);
    // No ack rides along: the batch is what it was.
    expect(again).toEqual({ batch: batches[1], isNew: false, ended: [] });
    expect(bench.outbound.pollBatch(ANY, ACK, 100)?.batch).toEqual(batches[2]);
    expect([bench.outbound.isReplaying, bench.outbound.isQuiet]).toEqual([false, false]);
    const fresh = bench.outbound.pollBatch(ANY, ACK, 100);
    expect(fresh?.isNew).toBe(true);
    expect(naiveDecode(fresh?.batch as Uint8Array)).toMatchObject({ number: 4, frames: [ACK, { type: "chunk" }] });
    expect(bench.events.filter(({ type }) => type === "written").map(({ message }) => message)).toEqual([1, id]);
  });

  it("RES-06: does not hold the replay to the window, as it has been in it, but to allowance and budget", () => {
    const { bench, batches } = cut();
    bench.sender.send(0, binary(1_000_000));
    const more = bench.pollAll(20, 64 * KIB);
    bench.outbound.handleAttached(100);
    expect(bench.outbound.inFlightBytes).toBeGreaterThan(bench.outbound.windowBytes);
    expect(bench.outbound.pollBatch({ ...ANY, budgetBytes: 0 }, undefined, 100)).toBeUndefined();
    const allowanceBytes = batches[1].length;
    expect(bench.outbound.pollBatch({ ...ANY, allowanceBytes: allowanceBytes - 1 }, undefined, 100)).toBeUndefined();
    expect(bench.outbound.pollBatch({ ...ANY, allowanceBytes }, undefined, 100)?.batch).toEqual(batches[1]);
    expect(bench.outbound.pollBatch(ANY, undefined, 100)?.batch).toEqual(batches[2]);
    for (const batch of more) expect(bench.outbound.pollBatch(ANY, undefined, 100)?.batch).toBe(batch);
  });

  it("RES-06: CLOSE waits behind what has to be sent again", () => {
    const { bench } = cut();
    const frame = { type: "close", code: 1000, reason: new Uint8Array(0) } as const;
    bench.outbound.handleAttached(100);
    expect(bench.outbound.closeBatch(frame, ANY, undefined, 100)).toBeUndefined();
    bench.pollAll(100);
    expect(bench.outbound.closeBatch(frame, ANY, undefined, 100)).toBeDefined();
  });

  it("RES-06: CLOSE is sent again itself", () => {
    const bench = new Bench();
    const frame = { type: "close", code: 1000, reason: new Uint8Array(0) } as const;
    const batch = bench.outbound.closeBatch(frame, ANY, undefined, 0);
    bench.outbound.handleAttached(100);
    expect(bench.outbound.pollBatch(ANY, undefined, 100)).toEqual({ batch, isNew: false, ended: [] });
  });

  it("RES-05: RECEIVED is as good as an ack, except that it tells nothing of the path", () => {
    const { bench, batches } = cut();
    bench.outbound.handleAttached(100);
    expect([0, 1, 3, 4].map((number) => bench.outbound.canSettle(number))).toEqual([false, true, true, false]);
    expect(bench.outbound.handleReceived(1)).toEqual({ type: "old" });
    expect(bench.outbound.handleReceived(3)).toEqual({ type: "news", ended: [] });
    expect(bench.events.at(-1)).toEqual({ type: "delivered", message: 1 });
    expect(bench.outbound.path.smoothedRoundTripMs).toBe(10);
    expect([bench.outbound.isReplaying, bench.outbound.inFlightBytes]).toEqual([false, 0]);
    expect(bench.outbound.handleAck(ackOf(3, sizeOf(batches)), 200)).toEqual({ type: "old" });
  });

  it("RES-05: tells which ends of channels RECEIVED covers", () => {
    const bench = new Bench();
    bench.sender.addChannel(1, "normal");
    bench.sender.announce(1, Uint8Array.of(97));
    bench.sender.endChannel(1);
    bench.pollAll();
    bench.outbound.handleAttached(100);
    expect(bench.outbound.handleReceived(1)).toEqual({ type: "news", ended: [1] });
  });

  it("ACK-05: refuses an ack of what only the transport before has had", () => {
    const { bench, batches } = cut();
    bench.outbound.handleAttached(100);
    bench.outbound.pollBatch(ANY, undefined, 100);
    expect(bench.outbound.handleAck(ackOf(3, sizeOf(batches)), 120).type).toBe("violation");
  });

  it("starts the window anew: what was learnt of the line before says nothing of this one", () => {
    const bench = new Bench();
    bench.sender.send(0, binary(1_000_000));
    const first = bench.pollAll()[0] as Uint8Array;
    bench.outbound.handleAck(ackOf(1, first.length), 10);
    expect(bench.outbound.windowBytes).toBe(WINDOW + first.length);
    bench.outbound.handleAttached(100);
    expect(bench.outbound.windowBytes).toBe(WINDOW);
  });

  it("measures the new path, and guesses it to be like the old one until then", () => {
    const { bench, batches } = cut();
    expect(bench.outbound.path.smoothedRoundTripMs).toBe(10);
    bench.outbound.handleAttached(1000);
    expect(bench.outbound.path.smoothedRoundTripMs).toBe(10);
    bench.pollAll(1000);
    bench.outbound.handleAck(ackOf(2, batches[0].length + batches[1].length), 1300);
    expect(bench.outbound.path.smoothedRoundTripMs).toBe(300);
  });
});

describe("KAL-07: Outbound: a line that carries nothing", () => {
  it("has no deadline while nothing is on it", () => {
    const bench = new Bench();
    expect(bench.outbound.stallDeadline).toBeUndefined();
    bench.sender.send(0, text("x"));
    const [batch] = bench.pollAll(100) as [Uint8Array];
    expect(bench.outbound.stallDeadline).toBe(15_100);
    bench.outbound.handleAck(ackOf(1, batch.length), 110);
    expect(bench.outbound.stallDeadline).toBeUndefined();
  });

  it.each([
    [10, 5000],
    [625, 5000],
    [1000, 8000],
    [5000, 15_000],
  ])("with a round trip of %i ms it counts as dead after %i ms", (roundTripTimeMs, patienceMs) => {
    const bench = new Bench();
    bench.sender.send(0, text("x"));
    const [batch] = bench.pollAll(0) as [Uint8Array];
    bench.outbound.handleAck(ackOf(1, batch.length), roundTripTimeMs);
    bench.sender.send(0, text("y"));
    bench.pollAll(20_000);
    expect(bench.outbound.stallDeadline).toBe(20_000 + patienceMs);
  });

  it("counts anew from every ack that says something new, and from nothing else", () => {
    const bench = new Bench();
    bench.sender.send(0, binary(3750));
    const [first] = bench.pollAll(0) as [Uint8Array];
    bench.outbound.handleAck(ackOf(1, first.length), 1000);
    expect(bench.outbound.stallDeadline).toBe(1000 + 8000);
    bench.outbound.handleAck(ackOf(1, first.length), 2000);
    bench.sender.send(0, text("more"));
    bench.pollAll(3000);
    expect(bench.outbound.stallDeadline).toBe(1000 + 8000);
  });

  it("counts anew on another transport, from what is sent on it, and when this end has slept", () => {
    const bench = new Bench();
    bench.sender.send(0, text("x"));
    bench.pollAll(0);
    bench.outbound.handleAttached(60_000);
    expect(bench.outbound.stallDeadline).toBeUndefined();
    bench.pollAll(61_000);
    expect(bench.outbound.stallDeadline).toBe(61_000 + 15_000);
    bench.outbound.handleWoken(70_000);
    expect(bench.outbound.stallDeadline).toBe(70_000 + 15_000);
  });
});

describe("Outbound: the memory of large batches", () => {
  const large = { ...ANY, batchBytesMax: 64 * KIB, wholeBytesMax: 64 * KIB, overdraftBytes: 1 << 20 };
  const made = () => {
    const bench = new Bench(1 << 20, new BatchMemory());
    bench.sender.send(0, binary(1_000_000));
    const poll = () => (bench.outbound.pollBatch(large, undefined, 0) as { batch: Uint8Array }).batch;
    return { bench, poll, outbound: bench.outbound };
  };

  it("uses it again for what leaves behind the ack, and what is not acknowledged keeps its bytes", () => {
    const { outbound, poll } = made();
    const [first, second] = [poll(), poll()];
    const kept = second.slice();
    outbound.handleAck(ackOf(1, first.length), 1);
    const third = poll();
    expect(third.buffer).toBe(first.buffer);
    expect(second).toEqual(kept);
    expect(naiveDecode(third).number).toBe(3);
    outbound.handleAttached(2);
    expect(outbound.pollBatch(large, undefined, 2)?.batch).toEqual(kept);
  });

  it("leaves alone what more than one transport has had", () => {
    const { outbound, poll } = made();
    const [first, second] = [poll(), poll()];
    outbound.handleAttached(1);
    expect([poll(), poll()]).toEqual([first, second]);
    const third = poll();
    outbound.handleAck(ackOf(2, first.length + second.length), 2);
    expect([first.buffer, second.buffer]).not.toContain(poll().buffer);
    outbound.handleAck(ackOf(3, first.length + second.length + third.length), 3);
    expect(poll().buffer).toBe(third.buffer);
  });

  it("leaves alone what RECEIVED covers: the transport before may still have it", () => {
    const { outbound, poll } = made();
    const [first] = [poll(), poll()];
    outbound.handleAttached(1);
    outbound.handleReceived(1);
    poll();
    expect(poll().buffer).not.toBe(first.buffer);
  });

  it("leaves alone what was asked for to be sent on another transport as well", () => {
    const { outbound, poll } = made();
    const [first] = [poll(), poll()];
    expect(outbound.sentAfter(0)?.batch).toBe(first);
    outbound.handleAck(ackOf(1, first.length), 1);
    expect(poll().buffer).not.toBe(first.buffer);
  });

  it("leaves alone what has left in a request, which may be repeated", () => {
    const { outbound, poll } = made();
    outbound.handleRequests("batches");
    const [first] = [poll(), poll()];
    expect(first.buffer.byteLength).toBe(first.length);
    outbound.handleAck(ackOf(1, first.length), 1);
    expect(poll().buffer).not.toBe(first.buffer);
  });

  it("counts what it keeps, and what is on its way", () => {
    const { outbound, poll } = made();
    const [first, second] = [poll(), poll()];
    expect(outbound.heldBytes).toBe(first.length + second.length);
    outbound.handleAck(ackOf(1, first.length), 1);
    expect(outbound.heldBytes).toBe(second.length + first.buffer.byteLength);
    outbound.handleAck(ackOf(2, first.length + second.length), 2);
    expect(outbound.heldBytes).toBe(0);
  });

  it("keeps none once nothing is on the line", () => {
    const { outbound, poll } = made();
    const first = poll();
    outbound.handleAck(ackOf(1, first.length), 1);
    expect(poll().buffer).not.toBe(first.buffer);
  });
});

describe("Outbound: a large window", () => {
  it("is counted in whole batches", () => {
    const sizes = (windowBytes: number) => {
      const sender = new Sender({ chunkBytes: 16 * KIB }, () => {});
      sender.handleCredit(0, Number.MAX_SAFE_INTEGER);
      const outbound = new Outbound(sender, { chunkBytes: 4 * KIB, windowBytes, replayBytesMax: 1 << 20 });
      sender.send(0, binary(200_000));
      const space = { ...ANY, batchBytesMax: 4 * KIB, wholeBytesMax: 4 * KIB, overdraftBytes: windowBytes - WINDOW };
      const batches: number[] = [];
      for (let sent = outbound.pollBatch(space, undefined, 0); sent !== undefined; ) {
        batches.push(sent.batch.length);
        sent = outbound.pollBatch(space, undefined, 0);
      }
      return batches.map((bytes) => bytes / KIB);
    };
    expect(sizes(15.75 * 4 * KIB)).toEqual([...Array(15).fill(4), 3]);
    expect(sizes(16.75 * 4 * KIB)).toEqual(Array(16).fill(4));
  });
});
