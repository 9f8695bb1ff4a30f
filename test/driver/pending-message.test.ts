import { describe, expect, it } from "vitest";
import { cancelled, PendingMessage } from "../../src/driver/pending-message.js";
import { FakeSource } from "../support/fake-source.js";
import { file, say } from "../support/talk.js";

/** A signal that tells how many listen to it. */
function countingSignal() {
  const controller = new AbortController();
  let listeners = 0;
  return {
    aborted: false,
    addEventListener(type: "abort", listener: () => void): void {
      listeners += 1;
      controller.signal.addEventListener(type, listener);
    },
    removeEventListener(type: "abort", listener: () => void): void {
      listeners -= 1;
      controller.signal.removeEventListener(type, listener);
    },
    abort: () => controller.abort(),
    listeners: () => listeners,
  };
}

describe("PendingMessage", () => {
  it.each([
    ["text, in UTF-8", say("ä"), 2],
    ["bytes", file(1000), 1000],
    ["a source", { type: "source" as const, source: new FakeSource(70_000) }, 70_000],
  ])("knows the size of %s", (_, payload, size) => {
    const message = new PendingMessage(payload, {});
    expect(message.totalBytes).toBe(size);
    expect(message.payload).toBe(payload);
    expect(message.control.state).toBe("queued");
  });

  it("keeps who wants to know of its progress", () => {
    const onprogress = () => {};
    expect(new PendingMessage(say("a"), { onprogress }).onprogress).toBe(onprogress);
    expect(new PendingMessage(say("a"), {}).onprogress).toBeUndefined();
  });

  it("cannot be taken back before anybody has it", () => {
    const { receipt } = new PendingMessage(say("a"), {}).control;
    expect([receipt.cancel(), receipt.state]).toEqual([false, "queued"]);
  });

  it("is taken back from where it is at the time", () => {
    const message = new PendingMessage(say("a"), {});
    const seen: string[] = [];
    message.handleAccepted(() => seen.push("first") > 0);
    expect(message.control.receipt.cancel()).toBe(true);
    message.handleAccepted(() => seen.push("second") < 0);
    expect(message.control.receipt.cancel()).toBe(false);
    expect(seen).toEqual(["first", "second"]);
  });

  it("listens to its signal once, from the time when somebody has it to the end", () => {
    const signal = countingSignal();
    const message = new PendingMessage(say("a"), { signal });
    expect(signal.listeners()).toBe(0);
    message.handleAccepted(() => false);
    message.handleAccepted(() => false);
    expect(signal.listeners()).toBe(1);
    message.control.handleDelivered();
    expect(signal.listeners()).toBe(0);
  });

  it("is taken back from where it is when the signal is aborted", () => {
    const signal = countingSignal();
    const message = new PendingMessage(say("a"), { signal });
    message.handleAccepted(() => false);
    message.handleAccepted(() => {
      message.control.fail("cancelled", cancelled());
      return true;
    });
    signal.abort();
    expect(message.control.state).toBe("cancelled");
    expect(signal.listeners()).toBe(0);
  });

  it("names the reason as others do", () => {
    expect(cancelled()).toMatchObject({ code: "ERR_CANCELLED", retryable: false });
  });
});
