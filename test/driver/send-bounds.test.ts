import { describe, expect, it } from "vitest";
import { cancelled, PendingMessage } from "../../src/driver/pending-message.js";
import { SendBudget, sendBoundsOf } from "../../src/driver/send-bounds.js";
import { reactions } from "../support/event-loop.js";
import { FakeSource } from "../support/fake-source.js";
import { file, say } from "../support/talk.js";

const message = (size: number) => new PendingMessage(file(size), {}, 0);
const full = (retryable: boolean) => expect.objectContaining({ code: "ERR_BUFFER_FULL", retryable });

describe("sendBoundsOf", () => {
  it("takes what is given, and the rest by default", () => {
    expect(sendBoundsOf({}, 1000)).toEqual({ highWaterMark: 256 * 1024, maxBufferedAmount: 1000 });
    expect(sendBoundsOf({ highWaterMark: 1, maxBufferedAmount: 2 }, 1000)).toEqual({
      highWaterMark: 1,
      maxBufferedAmount: 2,
    });
  });

  it.each([[0], [-1], [1.5], [Number.NaN], [Number.POSITIVE_INFINITY], ["1000"], [null]])("refuses %s", (value) => {
    for (const name of ["highWaterMark", "maxBufferedAmount"]) {
      expect(() => sendBoundsOf({ [name]: value }, 1000)).toThrow(
        expect.objectContaining({ code: "ERR_USAGE_ARGUMENT", message: expect.stringContaining(name) }),
      );
    }
  });
});

describe("SendBudget", () => {
  it("has room up to its bound, and again when messages have ended, in whatever way", () => {
    const budget = new SendBudget(1000);
    const held = [message(400), message(600)];
    for (const each of held) {
      budget.require(each, undefined);
      budget.hold(each);
    }
    expect([budget.heldBytes, budget.size]).toEqual([1000, 2]);
    expect(() => budget.require(message(1), undefined)).toThrow(full(true));
    budget.require(message(0), undefined);
    held[0]?.fail("cancelled", cancelled());
    budget.require(message(400), undefined);
    held[1]?.handleDelivered();
    expect([budget.heldBytes, budget.size]).toEqual([0, 0]);
  });

  it("never has room for a message above its bound", () => {
    const budget = new SendBudget(1000);
    budget.require(message(1000), undefined);
    expect(() => budget.require(message(1001), undefined)).toThrow(full(false));
  });

  it("tells who waits that a message has ended, once", async () => {
    const budget = new SendBudget(1000);
    const held = [message(400), message(600)];
    for (const each of held) budget.hold(each);
    let releases = 0;
    const count = () => {
      releases += 1;
    };
    for (let i = 0; i < 2; i++) void budget.whenReleased().then(count);
    await reactions();
    expect(releases).toBe(0);
    for (const each of held) each.handleDelivered();
    await reactions();
    expect(releases).toBe(2);
  });

  it("gives a message the room of the one that it replaces", () => {
    const budget = new SendBudget(1000);
    const old = message(900);
    budget.hold(old);
    budget.require(message(1000), old);
    expect(() => budget.require(message(101), undefined)).toThrow(full(true));
  });

  it("does not count what is not in memory", () => {
    const budget = new SendBudget(1);
    const blob = new PendingMessage({ type: "source", source: new FakeSource(1 << 20) }, {}, 0);
    budget.require(blob, undefined);
    budget.hold(blob);
    expect([budget.heldBytes, budget.size]).toEqual([0, 1]);
  });

  it.each([
    [1, 1024],
    [64 * 2000, 2000],
  ])("with %d bytes has room for no more than %d messages, be they empty", (bytesMax, messagesMax) => {
    const budget = new SendBudget(bytesMax);
    const empty = () => new PendingMessage(say(""), {}, 0);
    const first = empty();
    budget.hold(first);
    for (let i = 1; i < messagesMax; i++) {
      budget.require(empty(), undefined);
      budget.hold(empty());
    }
    expect(() => budget.require(empty(), undefined)).toThrow(full(true));
    budget.require(empty(), first);
    first.handleDelivered();
    budget.require(empty(), undefined);
  });
});
