import { describe, expect, it } from "vitest";
import { CLOSING_TRANSITIONS, Closing, type ClosingInput } from "../../../src/core/session/closing.js";
import { describeLegality } from "../../support/legality.js";

const MINE = { code: 4001, reason: "mine" };
const YOURS = { code: 4002, reason: "yours" };

describe("CLS: the table of the end", () => {
  const inputs: readonly ClosingInput[] = ["local-close", "close-sent", "peer-close", "end"];
  describeLegality(CLOSING_TRANSITIONS, inputs, 12);
});

describe("Closing", () => {
  it("is open at first, with nothing due", () => {
    const closing = new Closing(5000);
    expect([closing.state.name, closing.due, closing.nextDeadline, closing.isSent, closing.isReceived]).toEqual([
      "open",
      undefined,
      undefined,
      false,
      false,
    ]);
  });

  it("CLS-01: this end first: flushes, says CLOSE, waits for the peer's", () => {
    const closing = new Closing(5000);
    expect(closing.close(MINE, 100)).toBe(true);
    expect([closing.state.name, closing.due, closing.isSent]).toEqual(["flushing", MINE, false]);
    closing.handleSent();
    expect([closing.state.name, closing.due, closing.isSent]).toEqual(["awaiting-peer", undefined, true]);
    expect([closing.isExchanged, closing.agreed]).toEqual([false, undefined]);
    expect(closing.handlePeerClose(YOURS, 200)).toBe("settle");
    expect([closing.state, closing.isExchanged]).toEqual([{ name: "settling", info: YOURS }, true]);
    expect(closing.agreed).toBe(YOURS);
    expect([closing.isSent, closing.isReceived, closing.nextDeadline]).toEqual([true, true, 5200]);
    closing.end();
    expect([closing.state.name, closing.nextDeadline]).toEqual(["closed", undefined]);
  });

  it("CLS-02: the peer first: flushes, answers with what it has got, waits for the transport to end", () => {
    const closing = new Closing(5000);
    expect(closing.handlePeerClose(YOURS, 100)).toBe("reply");
    expect([closing.state.name, closing.due, closing.isReceived]).toEqual(["replying", YOURS, true]);
    closing.handleSent();
    expect([closing.state, closing.due, closing.agreed]).toEqual([
      { name: "lingering", info: YOURS },
      undefined,
      YOURS,
    ]);
    expect([closing.isSent, closing.isReceived]).toEqual([true, true]);
    closing.end();
    expect(closing.state.name).toBe("closed");
  });

  it("CLS-03: both at once, before either CLOSE has left: the peer's counts", () => {
    const closing = new Closing(5000);
    closing.close(MINE, 0);
    expect(closing.handlePeerClose(YOURS, 10)).toBe("reply");
    expect(closing.due).toEqual(YOURS);
  });

  it.each(["flushing", "awaiting-peer", "replying", "lingering", "closed"])("does not begin again while %s", (name) => {
    const closing = new Closing(5000);
    if (name === "replying" || name === "lingering") closing.handlePeerClose(YOURS, 0);
    else closing.close(MINE, 0);
    if (name === "awaiting-peer" || name === "lingering") closing.handleSent();
    if (name === "closed") closing.end();
    expect(closing.state.name).toBe(name);
    const before = [closing.state, closing.nextDeadline];
    expect(closing.close({ code: 1000, reason: "" }, 1000)).toBe(false);
    expect([closing.state, closing.nextDeadline]).toEqual(before);
  });

  it("CLS-04: does not take a second CLOSE", () => {
    const closing = new Closing(5000);
    closing.handlePeerClose(YOURS, 0);
    expect(closing.handlePeerClose(YOURS, 0)).toBeUndefined();
    closing.handleSent();
    expect(closing.handlePeerClose(YOURS, 0)).toBeUndefined();
    closing.end();
    expect(closing.handlePeerClose(YOURS, 0)).toBeUndefined();
  });

  it("CLS-06: gives up after its timeout, counted anew from every progress", () => {
    const closing = new Closing(5000);
    closing.handleProgress(50);
    expect(closing.nextDeadline).toBeUndefined();
    closing.close(MINE, 100);
    expect(closing.nextDeadline).toBe(5100);
    closing.handleProgress(3000);
    expect(closing.nextDeadline).toBe(8000);
    closing.handleSent();
    expect(closing.nextDeadline).toBe(8000);
    closing.end();
    expect(closing.nextDeadline).toBeUndefined();
    closing.handleProgress(9000);
    expect(closing.nextDeadline).toBeUndefined();
  });

  it("CLS-06: the peer's CLOSE starts the clock, and is progress", () => {
    const first = new Closing(5000);
    first.handlePeerClose(YOURS, 100);
    expect(first.nextDeadline).toBe(5100);
    const second = new Closing(5000);
    second.close(MINE, 0);
    second.handlePeerClose(YOURS, 4000);
    expect(second.nextDeadline).toBe(9000);
  });

  it("ends once", () => {
    const closing = new Closing(5000);
    closing.end();
    expect(() => closing.end()).toThrow(expect.objectContaining({ code: "ERR_INTERNAL" }));
  });
});
