import { afterEach, describe, expect, it, vi } from "vitest";
import type { Channel } from "../../src/client/channel.js";
import { channelEvent, closeEvent, errorEvent, lossOf, sessionLostEvent } from "../../src/client/events.js";
import { SluiceError } from "../../src/core/error.js";
import { ReceiptControl } from "../../src/driver/receipt.js";

afterEach(() => vi.unstubAllGlobals());

const END = { code: 4001, reason: "bye", wasClean: true };

describe("closeEvent", () => {
  it("is an Event with the members of a CloseEvent where the platform has none", () => {
    vi.stubGlobal("CloseEvent", undefined);
    const event = closeEvent(END);
    expect(event).toBeInstanceOf(Event);
    expect(event).toMatchObject({ type: "close", ...END, cancelable: false, bubbles: false });
    expect(new EventTarget().dispatchEvent(event)).toBe(true);
  });

  it("has members that cannot be written", () => {
    vi.stubGlobal("CloseEvent", undefined);
    const event = closeEvent(END);
    expect(() => Object.assign(event, { code: 1 })).toThrow(TypeError);
    expect(event.code).toBe(4001);
  });

  it("is the platform's CloseEvent where there is one", () => {
    class CloseEvent extends Event {
      readonly init: unknown;

      constructor(type: string, init: object) {
        super(type);
        this.init = init;
      }
    }
    vi.stubGlobal("CloseEvent", CloseEvent);
    const event = closeEvent({ ...END, error: "not told" } as never);
    expect(event).toBeInstanceOf(CloseEvent);
    expect(event.type).toBe("close");
    expect(event).toMatchObject({ init: END });
    expect(Object.keys((event as unknown as CloseEvent).init as object)).toEqual(["code", "reason", "wasClean"]);
  });
});

describe("errorEvent", () => {
  it("carries the error and its message", () => {
    const error = new SluiceError("ERR_CONNECTION_LOST", "The connection was lost");
    const event = errorEvent(error);
    expect(event).toBeInstanceOf(Event);
    expect(event.type).toBe("error");
    expect(event.error).toBe(error);
    expect(event.message).toBe("The connection was lost");
  });
});

describe("channelEvent", () => {
  it("carries the channel", () => {
    const channel = {} as Channel;
    const event = channelEvent(channel);
    expect([event.type, event.channel]).toEqual(["channel", channel]);
  });
});

describe("sessionLostEvent", () => {
  it("carries what is known of the messages, as a CustomEvent does, and cannot be written", () => {
    const error = new SluiceError("ERR_DELIVERY_UNKNOWN", "lost");
    const detail = { neverWritten: [ReceiptControl.ended("never-written", error)], unknown: [] };
    const event = sessionLostEvent(detail);
    expect(event).toBeInstanceOf(Event);
    expect([event.type, event.cancelable, event.bubbles]).toEqual(["sessionlost", false, false]);
    expect(event.detail).toBe(detail);
    expect(() => Object.assign(event, { detail: null })).toThrow(TypeError);
  });
});

describe("lossOf", () => {
  it("is the receipts of what was never written, in order, and of what nobody knows", () => {
    const [a, b, c] = ["a", "b", "c"].map((word) => ({ receipt: word }));
    const losses = { neverWritten: [a, b].map((message) => ({ channel: 0, message })), unknown: [c] };
    expect(lossOf({ losses } as never)).toEqual({ neverWritten: ["a", "b"], unknown: [c] });
  });
});
