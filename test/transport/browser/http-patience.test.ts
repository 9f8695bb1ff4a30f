import { describe, expect, it } from "vitest";
import { Patience } from "../../../src/transport/browser/http-patience.js";
import { reactions } from "../../support/event-loop.js";
import { FakePlatform } from "../../support/fake-fetch.js";

/** What `promise` has come to by now; `pending` if nothing. */
async function stateOf(promise: Promise<unknown>): Promise<unknown> {
  const pending = reactions().then(() => "pending");
  return Promise.race([promise, pending]);
}

describe("Patience", () => {
  it("waits longer with every failure, up to 2 s, half of it by chance", async () => {
    for (const [chance, share] of [
      [0, 0.5],
      [0.5, 0.75],
    ] as const) {
      const platform = new FakePlatform();
      platform.host.chance = chance;
      const patience = new Patience(platform);
      for (const most of [100, 200, 400, 800, 1600, 2000]) {
        const next = patience.handleFailure();
        platform.host.advance(most * share - 1);
        expect(await stateOf(next)).toBe("pending");
        platform.host.advance(1);
        expect(await stateOf(next)).toBe(true);
      }
    }
  });

  it("begins anew with every success", async () => {
    const platform = new FakePlatform();
    const patience = new Patience(platform);
    for (let i = 0; i < 50; i++) {
      const next = patience.handleFailure();
      platform.host.advance(100);
      expect(await stateOf(next)).toBe(true);
      platform.host.advance(5000);
      patience.handleSuccess();
      expect(platform.host.timers).toEqual([]);
    }
  });

  it("is at its end with the first failure 10 s behind the first", async () => {
    const platform = new FakePlatform();
    const patience = new Patience(platform);
    void patience.handleFailure();
    platform.host.advance(9999);
    const last = patience.handleFailure();
    platform.host.advance(200);
    expect(await stateOf(last)).toBe(true);
    expect(await stateOf(patience.handleFailure())).toBe(false);
  });

  it("does not hold its end against a request that gets through", async () => {
    const platform = new FakePlatform();
    const patience = new Patience(platform);
    void patience.handleFailure();
    platform.host.advance(60_000);
    patience.handleSuccess();
    const next = patience.handleFailure();
    platform.host.advance(100);
    expect(await stateOf(next)).toBe(true);
  });

  it("ends every wait when it is stopped, and begins none", async () => {
    const platform = new FakePlatform();
    const patience = new Patience(platform);
    const waits = [patience.handleFailure()];
    patience.stop();
    waits.push(
      patience.handleFailure(),
      patience.pause(1000).then(() => false),
    );
    patience.handleSuccess();
    expect(await Promise.all(waits.slice(1))).toEqual([false, false]);
    await waits[0];
    expect(platform.host.timers).toEqual([]);
  });
});
