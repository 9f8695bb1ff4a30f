import { describe, expect, it } from "vitest";
import { isOverslept, Keepalive } from "../../../src/core/session/keepalive.js";

const server = () => new Keepalive({ sendsPings: true, intervalMs: 1000, graceMs: 400 }, 0);
const client = () => new Keepalive({ sendsPings: false, intervalMs: 1000, graceMs: 400 }, 0);

describe("Keepalive", () => {
  it("KAL-01: the server pings every interval, whatever comes in", () => {
    const keepalive = server();
    const pings: number[] = [];
    for (let now = 0; now <= 5000; now += 100) {
      keepalive.handleReceived(now);
      if (keepalive.poll(now) === "ping") pings.push(now);
    }
    expect(pings).toEqual([1000, 2000, 3000, 4000, 5000]);
  });

  it("KAL-01: a late timer makes one ping, not several", () => {
    const keepalive = server();
    keepalive.handleReceived(5000);
    expect([keepalive.poll(5000), keepalive.poll(5000)]).toEqual(["ping", undefined]);
    expect(keepalive.nextDeadline).toBe(6000);
  });

  it("KAL-01: the client never pings", () => {
    const keepalive = client();
    for (let now = 0; now <= 5000; now += 100) {
      keepalive.handleReceived(now);
      expect(keepalive.poll(now)).toBeUndefined();
    }
  });

  it.each([
    ["server", server],
    ["client", client],
  ] as const)("KAL-04: dead at the %s after interval and grace without a byte", (_, make) => {
    const keepalive = make();
    keepalive.handleReceived(100);
    keepalive.poll(1499);
    expect(keepalive.poll(1499)).toBeUndefined();
    expect(keepalive.poll(1500)).toBe("dead");
  });

  it("KAL-03: whatever comes is a sign of life", () => {
    const keepalive = client();
    for (let now = 0; now < 10_000; now += 1399) {
      expect(keepalive.poll(now)).toBeUndefined();
      keepalive.handleReceived(now);
    }
  });

  it("tells when it wants to be asked: at each ping, or when the line would be dead", () => {
    const [pinging, listening] = [server(), client()];
    expect([pinging.nextDeadline, listening.nextDeadline]).toEqual([1000, 1400]);
    pinging.poll(1000);
    expect(pinging.nextDeadline).toBe(1400);
    pinging.handleReceived(1300);
    expect(pinging.nextDeadline).toBe(2000);
  });

  it("KAL-05: goes by what the server announces", () => {
    const keepalive = client();
    keepalive.handleAnnounced(200, 50);
    expect(keepalive.nextDeadline).toBe(250);
    expect([keepalive.poll(249), keepalive.poll(250)]).toEqual([undefined, "dead"]);
  });
});

describe("Keepalive: a line that may have died unnoticed", () => {
  it.each([
    ["server", server],
    ["client", client],
  ] as const)("KAL-08: has three seconds to answer a probe of the %s", (_, make) => {
    const keepalive = make();
    keepalive.handleReceived(500);
    keepalive.probe(600);
    expect([keepalive.poll(601), keepalive.nextDeadline]).toEqual([undefined, make === server ? 1000 : 3600]);
    keepalive.poll(3000);
    expect([keepalive.poll(3599), keepalive.poll(3600)]).toEqual([undefined, "dead"]);
  });

  it("KAL-08: lives when anything comes, and has its usual time again", () => {
    const keepalive = client();
    keepalive.probe(500);
    keepalive.handleReceived(3000);
    expect([keepalive.poll(3500), keepalive.nextDeadline]).toEqual([undefined, 4400]);
  });

  it("KAL-08: has no more time because it is probed again", () => {
    const keepalive = client();
    keepalive.probe(100);
    keepalive.probe(2000);
    expect(keepalive.nextDeadline).toBe(3100);
  });

  it.each([
    ["server", server],
    ["client", client],
  ] as const)("KAL-08: is asked first by a %s that has slept through the deadline", (_, make) => {
    const keepalive = make();
    expect(keepalive.poll(3400)).toBe("ping");
    keepalive.poll(3401);
    expect(keepalive.poll(4000)).toBeUndefined();
    expect(keepalive.poll(6399)).not.toBe("dead");
    expect(keepalive.poll(6400)).toBe("dead");
  });

  it("KAL-04: is dead when the deadline was noticed in time, or not much later", () => {
    expect([client().poll(1400), client().poll(3399)]).toEqual(["dead", "dead"]);
    expect([isOverslept(1400, 3399), isOverslept(1400, 3400)]).toEqual([false, true]);
  });

  it("knows how long silence may be at the most", () => {
    const keepalive = client();
    expect(keepalive.patienceMs).toBe(1400);
    keepalive.handleAnnounced(200, 50);
    expect(keepalive.patienceMs).toBe(250);
  });
});
