import { afterEach, describe, expect, it, vi } from "vitest";
import { messageEvent } from "../../src/client/message-event.js";

afterEach(() => vi.unstubAllGlobals());

/** Everything that a handler can read of an event. */
function members(event: Event): Record<string, unknown> {
  const seen: Record<string, unknown> = {};
  for (const name in event) seen[name] = (event as unknown as Record<string, unknown>)[name];
  return seen;
}

describe("messageEvent", () => {
  it("is to its handlers what a native one is", () => {
    const data = new ArrayBuffer(2);
    const event = messageEvent(data, "wss://example.com");
    const native = new MessageEvent("message", { data, origin: "wss://example.com" });
    expect({ ...members(event), timeStamp: 0 }).toEqual({ ...members(native), timeStamp: 0 });
    expect(Object.keys(members(event)).sort()).toEqual(Object.keys(members(native)).sort());
    expect(Object.keys(event)).toEqual(Object.keys(native));
    expect(event).toBeInstanceOf(MessageEvent);
    expect([event.constructor, String(event), Object.prototype.toString.call(event)]).toEqual([
      MessageEvent,
      String(native),
      Object.prototype.toString.call(native),
    ]);
  });

  it("keeps its data, and can be dispatched again as another event", () => {
    const event = messageEvent("text", "ws://a") as MessageEvent;
    expect(() => Object.assign(event, { data: "other" })).toThrow(TypeError);
    const again = new MessageEvent(event.type, event as unknown as MessageEventInit);
    expect([again.type, again.data, again.origin]).toEqual(["message", "text", "ws://a"]);
    const seen: unknown[] = [];
    const target = new EventTarget();
    target.addEventListener("message", (given) => seen.push((given as MessageEvent).data, given.target === target));
    target.dispatchEvent(event);
    expect(seen).toEqual(["text", true]);
  });

  it("is of the page that there is", () => {
    messageEvent("", "");
    class OfAnotherPage extends (MessageEvent as unknown as typeof Event) {}
    vi.stubGlobal("MessageEvent", OfAnotherPage);
    expect(messageEvent("a", "b")).toBeInstanceOf(OfAnotherPage);
    vi.unstubAllGlobals();
    expect(messageEvent("a", "b")).not.toBeInstanceOf(OfAnotherPage);
  });
});
