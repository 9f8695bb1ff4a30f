import { describe, expect, it } from "vitest";
import { BatchStreamReader } from "../../../src/transport/http/batch-stream.js";
import { Outgoing } from "../../../src/transport/node/http-outgoing.js";

const KIB = 1024;

function withBatches(count: number, size = 1): Outgoing {
  const outgoing = new Outgoing();
  for (let i = 1; i <= count; i++) outgoing.push(new Uint8Array(size).fill(i));
  return outgoing;
}

const firstsIn = (body: Uint8Array) => new BatchStreamReader(100 * KIB).push(body).map(([first]) => first);

describe("HTTP-09: what goes down a line", () => {
  it("is kept until it is acknowledged, and given as often as it is asked for", () => {
    const outgoing = withBatches(3);
    for (let i = 0; i < 2; i++) {
      const { body, first, last } = outgoing.take(0, 1000);
      expect([firstsIn(body), first, last]).toEqual([[1, 2, 3], 1, 3]);
    }
    expect(outgoing.acknowledge(2)).toBe(true);
    expect(outgoing.acknowledge(2)).toBe(false);
    expect(outgoing.acknowledge(1)).toBe(false);
    const { body, first, last } = outgoing.take(2, 1000);
    expect([firstsIn(body), first, last]).toEqual([[3], 3, 3]);
    // Asked for by a request that is older than the acknowledgement.
    expect(outgoing.take(0, 1000)).toMatchObject({ first: 3, last: 3 });
    expect([outgoing.acknowledged, outgoing.sent, outgoing.hasAfter(2), outgoing.hasAfter(3)]).toEqual([
      2,
      3,
      true,
      false,
    ]);
  });

  it("goes on behind what the client has, whoever asks for more", () => {
    const outgoing = withBatches(3);
    outgoing.take(0, 1000);
    expect([outgoing.nextAfter(0), outgoing.nextAfter(2)]).toEqual([1, 3]);
    outgoing.acknowledge(2);
    expect([outgoing.nextAfter(0), outgoing.nextAfter(1), outgoing.hasAfter(0)]).toEqual([3, 3, true]);
    outgoing.acknowledge(3);
    expect([outgoing.nextAfter(0), outgoing.hasAfter(0)]).toEqual([4, false]);
  });

  it("fits into the bound of an answer, but for one batch, which always goes", () => {
    const outgoing = withBatches(5, 100);
    expect(outgoing.take(0, 250)).toMatchObject({ first: 1, last: 2 });
    expect(outgoing.take(0, 10)).toMatchObject({ first: 1, last: 1 });
    expect(outgoing.take(0, 0)).toMatchObject({ first: 1, last: 0 });
    expect(outgoing.sent).toBe(2);
  });

  it("counts as buffered until an answer takes it, and beyond 1 MiB until it is acknowledged", () => {
    const outgoing = withBatches(100, 16 * KIB);
    expect(outgoing.bufferedBytes).toBe(1600 * KIB);
    outgoing.handleSent(50);
    expect(outgoing.bufferedBytes).toBe(800 * KIB);
    outgoing.handleSent(100);
    expect(outgoing.bufferedBytes).toBe(576 * KIB);
    outgoing.acknowledge(36);
    expect(outgoing.bufferedBytes).toBe(0);
  });

  it("is gone when it is cleared", () => {
    const outgoing = withBatches(3);
    outgoing.clear();
    expect([outgoing.bufferedBytes, outgoing.hasAfter(outgoing.sent), outgoing.take(3, 1000).body.length]).toEqual([
      0,
      false,
      0,
    ]);
  });
});
