import { beforeEach, describe, expect, it } from "vitest";
import { type Gate, Gates } from "../../src/driver/gate.js";

let gates: Gates;
let buffered: number;
let onItsWay: number;
let drains: number;
let gate: Gate;

beforeEach(() => {
  gates = new Gates({ highWaterMark: 100, maxBufferedAmount: 1000 });
  buffered = 0;
  onItsWay = 0;
  drains = 0;
  gate = gates.add({
    bufferedBytes: () => buffered,
    queuedBytes: () => buffered - onItsWay,
    onDrain: () => {
      drains += 1;
    },
  });
});

/** So much is buffered after a `send`, or after an ack. */
function sent(bytes: number): void {
  buffered = bytes;
  gate.handleSent();
}

function acked(bytes: number): void {
  buffered = bytes;
  gates.handleTurn();
}

/** Whether a promise is resolved by now. */
async function isResolved(promise: Promise<void>): Promise<boolean> {
  const pending = Symbol("pending");
  return (await Promise.race([promise, pending])) !== pending;
}

describe("Gate", () => {
  it("is open below the mark, and shut from it on", async () => {
    expect(await isResolved(gate.ready)).toBe(true);
    sent(99);
    expect([await isResolved(gate.ready), gate.desiredSize]).toEqual([true, 1]);
    sent(100);
    expect([await isResolved(gate.ready), gate.desiredSize]).toEqual([false, 0]);
    sent(250);
    expect([await isResolved(gate.ready), gate.desiredSize]).toEqual([false, -150]);
  });

  it("gives one promise to everybody who waits, and another one the next time", async () => {
    sent(100);
    const { ready } = gate;
    expect(gate.ready).toBe(ready);
    acked(100);
    expect([await isResolved(ready), drains]).toEqual([false, 0]);
    acked(99);
    expect([await isResolved(ready), drains]).toEqual([true, 1]);
    sent(100);
    expect(gate.ready).not.toBe(ready);
    expect(await isResolved(gate.ready)).toBe(false);
  });

  it("tells once each time that it opens, and not while it was open", () => {
    for (const bytes of [50, 0]) acked(bytes);
    sent(99);
    acked(0);
    expect(drains).toBe(0);
    sent(300);
    for (const bytes of [200, 99, 50, 0]) acked(bytes);
    expect(drains).toBe(1);
    sent(100);
    acked(0);
    expect(drains).toBe(2);
  });

  it("goes by what has not left: what is on its way may be more than the mark", () => {
    onItsWay = 500;
    sent(599);
    expect([gates.shutCount, gate.desiredSize]).toEqual([0, 1]);
    sent(600);
    expect([gates.shutCount, gate.desiredSize]).toEqual([1, 0]);
    onItsWay = 600;
    gates.handleTurn();
    expect([gates.shutCount, drains, gate.desiredSize]).toEqual([0, 1, 100]);
  });

  it("leaves room below `maxBufferedAmount`, whatever has left", () => {
    onItsWay = 700;
    sent(740);
    expect([gates.shutCount, gate.desiredSize]).toEqual([0, 10]);
    sent(750);
    expect([gates.shutCount, gate.desiredSize]).toEqual([1, 0]);
    acked(749);
    expect([gates.shutCount, drains]).toEqual([0, 1]);
  });

  it("opens before it tells: who sends again from there shuts it again", async () => {
    let again: Promise<void> | undefined;
    const other = gates.add({
      bufferedBytes: () => buffered,
      queuedBytes: () => buffered,
      onDrain: () => {
        sent(100);
        other.handleSent();
        again = other.ready;
      },
    });
    sent(100);
    other.handleSent();
    acked(0);
    expect(await isResolved(again as Promise<void>)).toBe(false);
    expect(gates.shutCount).toBe(2);
  });

  it("is looked at only while it is shut", () => {
    let looks = 0;
    const watched = gates.add({
      bufferedBytes: () => buffered,
      queuedBytes: () => {
        looks += 1;
        return buffered;
      },
      onDrain: () => {},
    });
    acked(0);
    expect([looks, gates.shutCount]).toEqual([0, 0]);
    buffered = 100;
    watched.handleSent();
    expect(gates.shutCount).toBe(1);
    acked(0);
    acked(0);
    expect([looks, gates.shutCount]).toEqual([2, 0]);
  });

  it("keeps nobody waiting once the channel has ended, and tells nothing more", async () => {
    sent(100);
    const { ready } = gate;
    gate.end();
    expect([await isResolved(ready), await isResolved(gate.ready), gate.desiredSize]).toEqual([true, true, 0]);
    acked(0);
    sent(500);
    acked(0);
    expect([drains, gates.shutCount, await isResolved(gate.ready), gate.desiredSize]).toEqual([0, 0, true, 0]);
  });
});
