import { describe, expect, it } from "vitest";
import { Pairing } from "../../../src/transport/http/pairing.js";

const MUCH = { bytes: 4096, askedAt: 1000 };
const LITTLE = { bytes: 4095, askedAt: 1000 };

/** Pairing where POSTs have taken so long. */
function pairing(tookMs: number | undefined, isMultiplexed = true): Pairing {
  const pairs = new Pairing({ isMultiplexed });
  if (tookMs !== undefined) pairs.handleAnswer(tookMs);
  return pairs;
}

describe("HTTP-03: another POST", () => {
  it("may leave beside one that carries 4 KiB behind half of the time that POSTs take", () => {
    const pairs = pairing(100);
    pairs.handleSent(MUCH);
    expect(pairs.besideAt(MUCH)).toBe(1050);
  });

  it("may not before it is known how long they take, nor where each takes a connection", () => {
    for (const pairs of [pairing(undefined), pairing(100, false)]) {
      pairs.handleSent(MUCH);
      expect(pairs.besideAt(MUCH)).toBeUndefined();
    }
  });

  it("may leave at once beside one that carries little, for three times as long after one that carried much", () => {
    const pairs = pairing(100);
    expect(pairs.besideAt(LITTLE)).toBeUndefined();
    pairs.handleSent(MUCH);
    expect(pairs.besideAt({ ...LITTLE, askedAt: 1299 })).toBe(1299);
    expect(pairs.besideAt({ ...LITTLE, askedAt: 1300 })).toBeUndefined();
  });

  it("may not any more when one of two has failed three times", () => {
    const pairs = pairing(100);
    for (let i = 0; i < 3; i++) {
      pairs.handleSent(MUCH);
      expect(pairs.besideAt(MUCH)).toBe(1050);
      pairs.handleFailure();
    }
    pairs.handleSent(MUCH);
    expect(pairs.besideAt(MUCH)).toBeUndefined();
  });

  it("asks what requests go over only for those that carry much", () => {
    let asked = 0;
    const pairs = new Pairing({
      get isMultiplexed() {
        asked += 1;
        return true;
      },
    });
    pairs.handleSent(LITTLE);
    expect(asked).toBe(0);
    pairs.handleSent(MUCH);
    expect(asked).toBe(1);
  });

  it("goes by the shortest time, and slowly by longer ones", () => {
    const pairs = pairing(100);
    pairs.handleSent(MUCH);
    pairs.handleAnswer(200);
    expect(pairs.besideAt(MUCH)).toBe(1000 + 125 / 2);
    pairs.handleAnswer(60);
    expect(pairs.besideAt(MUCH)).toBe(1030);
  });
});
