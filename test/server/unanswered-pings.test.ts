import { describe, expect, it } from "vitest";
import { UnansweredPings } from "../../src/server/unanswered-pings.js";
import { FakeHost } from "../support/fake-host.js";

function pings(...payloads: string[]): UnansweredPings {
  const unanswered = new UnansweredPings(new FakeHost(), () => {});
  for (const payload of payloads) unanswered.add(Buffer.from(payload));
  return unanswered;
}

describe("UnansweredPings", () => {
  it("owe one answer, to the newest, once", () => {
    const unanswered = pings("a", "b");
    expect(String(unanswered.take())).toBe("b");
    expect(unanswered.take()).toBeUndefined();
  });

  it("are answered with those before them, and not by what answers none", () => {
    const unanswered = pings("a", "b", "c");
    unanswered.handlePong(Buffer.from("b"));
    unanswered.handlePong(Buffer.from("x"));
    expect(String(unanswered.take())).toBe("c");
    const alike = pings("", "");
    alike.handlePong(Buffer.from(""));
    expect(String(alike.take())).toBe("");
    const all = pings("a", "b");
    all.handlePong(Buffer.from("b"));
    expect(all.take()).toBeUndefined();
  });

  it("are the last sixteen", () => {
    const unanswered = pings("first", ...Array.from({ length: 16 }, (_, index) => `${index}`));
    unanswered.handlePong(Buffer.from("first"));
    unanswered.handlePong(Buffer.from("14"));
    expect(String(unanswered.take())).toBe("15");
  });

  it("are overdue 2 s after the oldest that has no answer, once for all", () => {
    const host = new FakeHost();
    const taken: string[] = [];
    const unanswered = new UnansweredPings(host, () => taken.push(String(unanswered.take())));
    unanswered.add(Buffer.from("a"));
    host.advance(1500);
    unanswered.add(Buffer.from("b"));
    host.advance(499);
    expect(taken).toEqual([]);
    host.advance(1);
    expect(taken).toEqual(["b"]);
    unanswered.add(Buffer.from("c"));
    host.advance(1999);
    unanswered.add(Buffer.from("d"));
    unanswered.handlePong(Buffer.from("c"));
    host.advance(1999);
    expect(taken).toEqual(["b"]);
    host.advance(1);
    expect(taken).toEqual(["b", "d"]);
  });

  it("set no timer that nobody waits for", () => {
    const host = new FakeHost();
    const unanswered = new UnansweredPings(host, () => expect.unreachable());
    unanswered.add(Buffer.from("a"));
    unanswered.handlePong(Buffer.from("a"));
    unanswered.add(Buffer.from("b"));
    unanswered.take();
    expect(host.timers).toEqual([]);
  });
});
