import { beforeEach, describe, expect, it } from "vitest";
import { Alarm } from "../../src/driver/alarm.js";
import { FakeHost } from "../support/fake-host.js";

let host: FakeHost;
let rings: number[];
let alarm: Alarm;

beforeEach(() => {
  host = new FakeHost();
  rings = [];
  alarm = new Alarm(host, () => rings.push(host.now()));
});

describe("Alarm", () => {
  it("goes off once, when its time has come", () => {
    const at = host.now() + 50;
    alarm.set(at);
    host.advance(49);
    expect(rings).toEqual([]);
    host.advance(100);
    expect([rings, host.timers]).toEqual([[at], []]);
  });

  it("goes off at once for a time that is over", () => {
    alarm.set(host.now() - 5);
    host.advance(0);
    expect(rings).toEqual([host.now()]);
  });

  it("is set anew for an earlier time, and left alone for a later one", () => {
    const start = host.now();
    alarm.set(start + 50);
    alarm.set(start + 20);
    expect(host.timers).toEqual([start + 20]);
    alarm.set(start + 80);
    expect([host.timers, host.timersSet]).toEqual([[start + 20], 2]);
  });

  it("may be set for a time that no timer reaches", () => {
    const at = host.now() + 3 * 2 ** 31;
    const far = new Alarm(host, () => {
      rings.push(host.now());
      if (host.now() < at) far.set(at);
    });
    far.set(at);
    host.advance(1000);
    expect(rings).toEqual([]);
    host.advance(3 * 2 ** 31);
    expect([rings.length, rings.at(-1), host.timers]).toEqual([4, at, []]);
  });

  it("can be switched off, and on again", () => {
    alarm.set(host.now() + 50);
    alarm.set(undefined);
    expect(host.timers).toEqual([]);
    alarm.set(host.now() + 70);
    host.advance(70);
    expect(rings).toHaveLength(1);
  });

  it("can be set by what it calls", () => {
    const again = new Alarm(host, () => {
      rings.push(host.now());
      if (rings.length < 3) again.set(host.now() + 10);
    });
    again.set(host.now() + 10);
    host.advance(100);
    expect([rings.length, host.timers]).toEqual([3, []]);
  });
});
