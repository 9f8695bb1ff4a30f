import { describe, expect, it } from "vitest";
import { UnansweredPings } from "../../src/server/unanswered-pings.js";

function pings(...payloads: string[]): UnansweredPings {
  const unanswered = new UnansweredPings();
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
});
