import { EventEmitter } from "node:events";
import { describe, expect, it } from "vitest";
import { addDomListener, domAttribute, removeDomListener, setDomAttribute } from "../../src/server/dom-listeners.js";

describe("addDomListener", () => {
  it.each<[string, unknown[], object]>([
    ["message", [Buffer.from("a"), false], { data: "a" }],
    ["message", [Buffer.from("a"), true], { data: Buffer.from("a") }],
    ["close", [1000, Buffer.from("bye")], { code: 1000, reason: "bye", wasClean: true }],
    ["close", [1006, Buffer.from("")], { code: 1006, reason: "", wasClean: false }],
    ["error", [new Error("broken")], { error: new Error("broken"), message: "broken" }],
    ["open", [], {}],
  ])("makes an event of what the emitter says: %s %o", (type, parts, members) => {
    const emitter = new EventEmitter();
    const events: unknown[] = [];
    addDomListener(emitter, type, (event) => events.push(event));
    emitter.emit(type, ...parts);
    expect(events).toEqual([{ type, target: emitter, ...members }]);
  });

  it("ignores types that have no event", () => {
    const emitter = new EventEmitter();
    addDomListener(emitter, "ping", () => {});
    expect(emitter.eventNames()).toEqual([]);
  });

  it("takes a function as listener and as attribute, each of them once", () => {
    const emitter = new EventEmitter();
    let calls = 0;
    const listener = () => {
      calls += 1;
    };
    addDomListener(emitter, "open", listener);
    addDomListener(emitter, "open", listener);
    setDomAttribute(emitter, "open", listener);
    emitter.emit("open");
    expect(calls).toBe(2);
    removeDomListener(emitter, "open", listener);
    expect(domAttribute(emitter, "open")).toBe(listener);
    emitter.emit("open");
    expect(calls).toBe(3);
  });

  it("leaves listeners of the emitter itself alone", () => {
    const emitter = new EventEmitter();
    const own = () => {};
    emitter.on("open", own);
    removeDomListener(emitter, "open", own);
    setDomAttribute(emitter, "open", null);
    expect([emitter.listenerCount("open"), domAttribute(emitter, "open")]).toEqual([1, null]);
  });
});
