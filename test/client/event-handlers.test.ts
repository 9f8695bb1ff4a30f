import { beforeEach, describe, expect, it } from "vitest";
import { defineHandlers, EventHandlers, initHandlers } from "../../src/client/event-handlers.js";

let target: EventTarget;
let handlers: EventHandlers;
let seen: string[];

beforeEach(() => {
  target = new EventTarget();
  handlers = new EventHandlers(target);
  seen = [];
});

const note = (word: string) => () => void seen.push(word);
const fire = (type = "message") => target.dispatchEvent(new Event(type));

describe("EventHandlers", () => {
  it("has no handler at first, and gives back the one that was set", () => {
    expect(handlers.get("message")).toBeNull();
    const handler = note("a");
    handlers.set("message", handler);
    expect(handlers.get("message")).toBe(handler);
    expect(handlers.get("close")).toBeNull();
  });

  it("calls with the event, and the target as `this`", () => {
    let call: unknown[] = [];
    handlers.set("message", function (this: unknown, ...parts: unknown[]) {
      call = [this, ...parts];
    });
    const event = new Event("message");
    target.dispatchEvent(event);
    expect(call).toEqual([target, event]);
    expect(call[0]).toBe(target);
  });

  it("calls in line with other listeners, from when it was first set", () => {
    target.addEventListener("message", note("first"));
    handlers.set("message", note("handler"));
    target.addEventListener("message", note("last"));
    fire();
    expect(seen).toEqual(["first", "handler", "last"]);
  });

  it("keeps its place when it is replaced, and is called once", () => {
    handlers.set("message", note("old"));
    target.addEventListener("message", note("last"));
    handlers.set("message", note("new"));
    fire();
    expect(seen).toEqual(["new", "last"]);
  });

  it("loses its place when it is taken away", () => {
    handlers.set("message", note("handler"));
    target.addEventListener("message", note("last"));
    handlers.set("message", null);
    fire();
    handlers.set("message", note("again"));
    fire();
    expect(seen).toEqual(["last", "last", "again"]);
  });

  it("sees a replacement that comes while the event is on its way", () => {
    target.addEventListener("message", () => handlers.set("message", note("new")));
    handlers.set("message", note("old"));
    fire();
    expect(seen).toEqual(["new"]);
  });

  it.each([null, undefined, 1, "a string", true])("takes %o for none", (value) => {
    handlers.set("message", note("a"));
    handlers.set("message", value);
    expect(handlers.get("message")).toBeNull();
    fire();
    expect(seen).toEqual([]);
  });

  it.each([[{}], [{ handleEvent: () => seen.push("object") }], [[]]])("keeps %o, and does not call it", (value) => {
    handlers.set("message", note("a"));
    handlers.set("message", value);
    expect(handlers.get("message")).toBe(value);
    fire();
    expect(seen).toEqual([]);
    handlers.set("message", null);
    expect(handlers.get("message")).toBeNull();
  });

  it("lets a handler take itself away", () => {
    handlers.set("message", () => {
      seen.push("once");
      handlers.set("message", null);
    });
    fire();
    fire();
    expect(seen).toEqual(["once"]);
  });

  it("keeps the types apart, also those of odd names", () => {
    handlers.set("message", note("message"));
    handlers.set("__proto__", note("proto"));
    fire("__proto__");
    fire("close");
    expect(seen).toEqual(["proto"]);
  });
});

describe("defineHandlers", () => {
  class Some extends EventTarget {
    declare onopen: unknown;
    constructor() {
      super();
      initHandlers(this);
    }
  }
  defineHandlers(Some.prototype, ["open", "close"]);

  it("defines accessors of the prototype, and nothing on the instance", () => {
    for (const name of ["onopen", "onclose"]) {
      const { get, set, ...flags } = Object.getOwnPropertyDescriptor(Some.prototype, name) ?? {};
      expect([get?.name, set?.name, flags]).toEqual([
        `get ${name}`,
        `set ${name}`,
        { enumerable: true, configurable: true },
      ]);
    }
    expect(Object.getOwnPropertyNames(new Some())).toEqual([]);
  });

  it("keeps the handlers of each target apart", () => {
    const [one, other] = [new Some(), new Some()];
    const handler = note("one");
    one.onopen = handler;
    expect([one.onopen, other.onopen]).toEqual([handler, null]);
    other.dispatchEvent(new Event("open"));
    one.dispatchEvent(new Event("open"));
    expect(seen).toEqual(["one"]);
  });

  it("throws where there is nothing to keep them, as with a native prototype", () => {
    expect(() => Some.prototype.onopen).toThrow(TypeError);
    expect(() => Reflect.set(Some.prototype, "onopen", null)).toThrow(TypeError);
  });
});
