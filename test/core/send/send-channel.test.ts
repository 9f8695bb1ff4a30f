import { describe, expect, it } from "vitest";
import { SendChannel } from "../../../src/core/send/send-channel.js";
import { wholeMessage } from "../../support/outgoing.js";

describe("SendChannel", () => {
  it("has something to send while a message waits, and for its end", () => {
    const channel = new SendChannel(1, "normal");
    expect(channel.isBacklogged).toBe(false);
    channel.messages.push(wholeMessage(1));
    expect(channel.isBacklogged).toBe(true);
    channel.messages.shift();
    expect(channel.isBacklogged).toBe(false);
    channel.end = "due";
    expect(channel.isBacklogged).toBe(true);
    for (const end of ["sent", "seen"] as const) {
      channel.end = end;
      expect(channel.isBacklogged).toBe(false);
    }
  });
  it("awaits a verdict while messages over the limit are without one", () => {
    const channel = new SendChannel(1, "normal");
    expect(channel.awaitsVerdict).toBe(false);
    channel.overLimit = new Map([[1, { message: wholeMessage(1), isAdmitted: false, isAcked: false }]]);
    expect(channel.awaitsVerdict).toBe(true);
    channel.overLimit.clear();
    expect(channel.awaitsVerdict).toBe(false);
  });
});
