import { describe, expect, it } from "vitest";
import { SluiceError } from "../../src/core/error.js";
import { Receipt, ReceiptControl } from "../../src/driver/receipt.js";
import { reactions } from "../support/event-loop.js";

const lost = new SluiceError("ERR_DELIVERY_UNKNOWN", "lost");
const fresh = () => new ReceiptControl();

/** How a promise stands, without waiting for it. */
async function standing(promise: Promise<void>): Promise<"pending" | "resolved" | "rejected"> {
  const pending = Symbol("pending");
  try {
    return (await Promise.race([promise, pending])) === pending ? "pending" : "resolved";
  } catch {
    return "rejected";
  }
}

describe("Receipt", () => {
  it("goes from queued over writing to delivered", async () => {
    const control = fresh();
    const { receipt } = control;
    expect(receipt).toBeInstanceOf(Receipt);
    expect(receipt.state).toBe("queued");
    control.writing();
    expect(receipt.state).toBe("writing");
    expect(await standing(receipt.written)).toBe("pending");
    control.handleWritten();
    expect(receipt.state).toBe("writing");
    expect(await standing(receipt.written)).toBe("resolved");
    expect(await standing(receipt.delivered)).toBe("pending");
    control.handleDelivered();
    expect(receipt.state).toBe("delivered");
    expect(await standing(receipt.delivered)).toBe("resolved");
  });

  it("is writing once all of it has left, also when that was in one piece", () => {
    const control = fresh();
    control.handleWritten();
    expect(control.receipt.state).toBe("writing");
  });

  it("does not go back to writing", () => {
    const control = fresh();
    control.handleDelivered();
    control.writing();
    expect(control.receipt.state).toBe("delivered");
  });

  it.each(["cancelled", "never-written", "unknown"] as const)(
    "ends as %s, and both promises reject with the reason",
    async (state) => {
      const control = fresh();
      control.fail(state, lost);
      expect(control.receipt.state).toBe(state);
      await expect(control.receipt.written).rejects.toBe(lost);
      await expect(control.receipt.delivered).rejects.toBe(lost);
    },
  );

  it("keeps `written` when only the delivery fails", async () => {
    const control = fresh();
    control.handleWritten();
    control.fail("unknown", lost);
    await expect(control.receipt.written).resolves.toBeUndefined();
    await expect(control.receipt.delivered).rejects.toBe(lost);
  });

  it("settles promises that were asked for before, and gives the same one each time", async () => {
    const control = fresh();
    const { written, delivered } = control.receipt;
    expect(control.receipt.written).toBe(written);
    expect(control.receipt.delivered).toBe(delivered);
    control.handleDelivered();
    await expect(Promise.all([written, delivered])).resolves.toEqual([undefined, undefined]);
    expect(control.receipt.delivered).toBe(delivered);
  });

  it("is queued again when it goes to another session, and keeps what was said of it", async () => {
    const control = fresh();
    let settled = 0;
    control.onSettled(() => {
      settled += 1;
    });
    const { delivered } = control.receipt;
    control.handleWritten();
    control.requeue();
    expect([control.receipt.state, settled]).toEqual(["queued", 0]);
    expect(await standing(control.receipt.written)).toBe("resolved");
    expect(await standing(delivered)).toBe("pending");
    control.writing();
    expect(control.receipt.state).toBe("writing");
    control.handleDelivered();
    await expect(delivered).resolves.toBeUndefined();
    expect(settled).toBe(1);
  });

  it("makes no promise that nobody asks for: no rejection is left unhandled", async () => {
    const unhandled: unknown[] = [];
    const onUnhandled = (reason: unknown) => unhandled.push(reason);
    process.on("unhandledRejection", onUnhandled);
    const control = fresh();
    control.fail("unknown", lost);
    await control.receipt.written.catch(() => {});
    await reactions();
    process.off("unhandledRejection", onUnhandled);
    expect(unhandled).toEqual([]);
  });

  it("hands `cancel` on, and says what came of it", () => {
    for (const outcome of [true, false]) {
      let calls = 0;
      const control = new ReceiptControl();
      control.handleMoved({
        takeBack(message) {
          expect(message).toBe(control);
          calls += 1;
          return outcome;
        },
      });
      expect(control.receipt.cancel()).toBe(outcome);
      expect(calls).toBe(1);
    }
  });

  it("cancels where the message is now, and nowhere before it is anywhere", () => {
    const control = new ReceiptControl();
    expect(control.receipt.cancel()).toBe(false);
    const seen: string[] = [];
    for (const place of ["backlog", "session"]) control.handleMoved({ takeBack: () => seen.push(place) > 0 });
    expect(control.receipt.cancel()).toBe(true);
    expect(seen).toEqual(["session"]);
  });

  it("calls what waits for its end, once, whatever the end", () => {
    for (const end of ["handleDelivered", "fail"] as const) {
      const control = fresh();
      const seen: string[] = [];
      control.onSettled(() => seen.push(control.state));
      control.handleWritten();
      expect(seen).toEqual([]);
      if (end === "fail") control.fail("cancelled", lost);
      else control.handleDelivered();
      expect(seen).toEqual([end === "fail" ? "cancelled" : "delivered"]);
    }
  });

  it.each(["never-written", "cancelled"] as const)("can have ended as %s from the start", async (state) => {
    const receipt = ReceiptControl.ended(state, lost);
    expect(receipt.state).toBe(state);
    expect(receipt.cancel()).toBe(false);
    await expect(receipt.delivered).rejects.toBe(lost);
    await expect(receipt.written).rejects.toBe(lost);
  });
});
