import { describe, expect, it } from "vitest";
import { PlainClosing } from "../../src/driver/plain-closing.js";

const closing = (passedBytes = 0, now = 0) =>
  new PlainClosing({ code: 4000, reason: "done", timeoutMs: 5000 }, passedBytes, now);

describe("PlainClosing", () => {
  it("closes once everything has been handed over, and once only", () => {
    const end = closing();
    expect([end.code, end.reason]).toEqual([4000, "done"]);
    expect(end.handleTurn(0, false, 1)).toBe(false);
    expect(end.handleTurn(10, false, 2)).toBe(false);
    expect(end.handleTurn(10, true, 3)).toBe(true);
    expect(end.handleTurn(10, true, 4)).toBe(false);
    expect(end.handleTurn(20, true, 5)).toBe(false);
  });

  it("waits for as long as something moves, before the close and behind it", () => {
    const end = closing(100, 1000);
    expect(end.nextDeadline).toBe(6000);
    end.handleTurn(100, false, 2000);
    expect(end.nextDeadline).toBe(6000);
    end.handleTurn(101, false, 3000);
    expect(end.nextDeadline).toBe(8000);
    end.handleTurn(101, false, 4000);
    expect(end.nextDeadline).toBe(8000);
    end.handleTurn(101, true, 5000);
    expect(end.nextDeadline).toBe(10_000);
    end.handleTurn(101, true, 6000);
    expect(end.nextDeadline).toBe(10_000);
    end.handleTurn(150, true, 7000);
    expect(end.nextDeadline).toBe(12_000);
  });
});
