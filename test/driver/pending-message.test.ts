import { describe, expect, it } from "vitest";
import {
  cancelled,
  checkSendOptions,
  expired,
  PendingMessage,
  refused,
  superseded,
} from "../../src/driver/pending-message.js";
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
    const message = new PendingMessage(payload, {}, 0);
    expect(message.totalBytes).toBe(size);
    expect(message.text).toBe(payload.type === "text");
    expect(message.bytes ?? message.source).toBe(payload.type === "source" ? payload.source : payload.bytes);
    expect(message.state).toBe("queued");
  });

  it("keeps who wants to know of its progress", () => {
    const onprogress = () => {};
    expect(new PendingMessage(say("a"), { onprogress }, 0).onprogress).toBe(onprogress);
    expect(new PendingMessage(say("a"), {}, 0).onprogress).toBeUndefined();
  });

  it("cannot be taken back before anybody has it", () => {
    const { receipt } = new PendingMessage(say("a"), {}, 0);
    expect([receipt.cancel(), receipt.state]).toEqual([false, "queued"]);
  });

  it("is taken back from where it is at the time", () => {
    const message = new PendingMessage(say("a"), {}, 0);
    const seen: string[] = [];
    message.handleAccepted({ takeBack: () => seen.push("first") > 0 });
    expect(message.receipt.cancel()).toBe(true);
    message.handleAccepted({ takeBack: () => seen.push("second") < 0 });
    expect(message.receipt.cancel()).toBe(false);
    expect(seen).toEqual(["first", "second"]);
  });

  it("listens to its signal once, from the time when somebody has it to the end", () => {
    const signal = countingSignal();
    const message = new PendingMessage(say("a"), { signal }, 0);
    expect(signal.listeners()).toBe(0);
    message.handleAccepted({ takeBack: () => false });
    message.handleAccepted({ takeBack: () => false });
    expect(signal.listeners()).toBe(1);
    message.handleDelivered();
    expect(signal.listeners()).toBe(0);
  });

  it("is taken back from where it is when the signal is aborted", () => {
    const signal = countingSignal();
    const message = new PendingMessage(say("a"), { signal }, 0);
    message.handleAccepted({ takeBack: () => false });
    const takeBack = () => {
      message.fail("cancelled", cancelled());
      return true;
    };
    message.handleAccepted({ takeBack });
    signal.abort();
    expect(message.state).toBe("cancelled");
    expect(signal.listeners()).toBe(0);
  });

  it("holds nothing of what was sent once it has ended: receipts are kept by applications", () => {
    const message = new PendingMessage(say("a long text"), { onprogress: () => {} }, 0);
    expect([message.heldBytes, message.onprogress]).toEqual([11, expect.any(Function)]);
    message.handleDelivered();
    expect([message.heldBytes, message.bytes, message.onprogress]).toEqual([0, undefined, undefined]);
  });

  it("names the reason as others do", () => {
    expect(cancelled()).toMatchObject({ code: "ERR_CANCELLED", retryable: false });
  });
});

const misuse = expect.objectContaining({ code: "ERR_USAGE_ARGUMENT" });

describe("options of send", () => {
  it.each([[0], [-1], [Number.NaN], [Number.POSITIVE_INFINITY], ["100"], [null]])("refuse a time of %s", (ttl) => {
    expect(() => new PendingMessage(say("a"), { ttl: ttl as number }, 0)).toThrow(misuse);
  });

  it.each([[""], [7], [null], [{}]])("refuse the key %j", (key) => {
    expect(() => new PendingMessage(say("a"), { key: key as string }, 0)).toThrow(misuse);
  });

  it.each([[5], ["yes"], [{}]])("refuse %j for a listener, and for a signal", (value) => {
    expect(() => new PendingMessage(say("a"), { onprogress: value as never }, 0)).toThrow(misuse);
    expect(() => new PendingMessage(say("a"), { signal: value as never }, 0)).toThrow(misuse);
  });

  it.each([[null], [7], ["high"]])("are an object, and not %j", (value) => {
    expect(() => new PendingMessage(say("a"), value as never, 0)).toThrow(misuse);
  });

  it("may be null where there is none", () => {
    const message = new PendingMessage(say("a"), { onprogress: null, signal: null } as never, 0);
    message.handleAccepted({ takeBack: () => false });
    expect([message.wantsProgress, message.state]).toEqual([false, "queued"]);
  });

  it("make the time that a message has one of the clock, and none of nothing", () => {
    const message = new PendingMessage(say("a"), { ttl: 0.5, key: " " }, 100);
    expect([message.expiresAt, message.key]).toEqual([100.5, " "]);
    const plain = new PendingMessage(say("a"), { ttl: undefined, key: undefined }, 100);
    expect([plain.expiresAt, plain.key]).toEqual([undefined, undefined]);
    expect(() => checkSendOptions({})).not.toThrow();
  });

  it("are looked at where nothing is sent any more, too", async () => {
    expect(() => refused({ ttl: -1 }, "socket")).toThrow(misuse);
    const receipt = refused({ ttl: 1 }, "socket");
    expect(receipt.state).toBe("never-written");
    await expect(receipt.written).rejects.toMatchObject({
      code: "ERR_NEVER_WRITTEN",
      message: "The socket is closing or closed",
    });
  });
});

describe("what a message holds in memory", () => {
  it("are its bytes, and nothing of a Blob or File", () => {
    expect(new PendingMessage(file(1000), {}, 0).heldBytes).toBe(1000);
    expect(new PendingMessage({ type: "source", source: new FakeSource(70_000) }, {}, 0).heldBytes).toBe(0);
  });
});

describe("the ends of messages that have not begun to leave", () => {
  it.each([
    [cancelled(), "ERR_CANCELLED"],
    [superseded(), "ERR_SUPERSEDED"],
    [expired(), "ERR_EXPIRED"],
  ])("%s", (error, code) => {
    expect(error).toMatchObject({ code, retryable: false });
  });
});
