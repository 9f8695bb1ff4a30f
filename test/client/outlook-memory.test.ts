import { afterEach, describe, expect, it, vi } from "vitest";
import { outlookMemory, pageStorage } from "../../src/client/outlook-memory.js";

const URL_ = "wss://example.com:8443/live?x=1";
const KEY = "sluice:example.com:8443";
const MINUTE = 60_000;

class Notes {
  readonly items = new Map<string, string>();
  getItem(key: string): string | null {
    return this.items.get(key) ?? null;
  }
  setItem(key: string, value: string): void {
    this.items.set(key, value);
  }
}

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("outlookMemory", () => {
  it("gives back what was saved, under the origin, and what is left of times that run", () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const storage = new Notes();
    const saved = { blockedForMs: 20 * MINUTE, keepaliveMs: 2400, lifetimeMs: 30_000, roundTripTimeMs: 44 };
    outlookMemory(storage, URL_).save(saved);
    expect([...storage.items.keys()]).toEqual([KEY]);
    vi.setSystemTime(Date.now() + 5 * MINUTE);
    const memory = outlookMemory(storage, "wss://example.com:8443/elsewhere");
    expect(memory.load()).toEqual({ ...saved, blockedForMs: 15 * MINUTE });
    expect(outlookMemory(storage, "wss://example.com/live").load()).toEqual({});
  });

  it("forgets after half an hour, and whenever the clock was set back", () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const memory = outlookMemory(new Notes(), URL_);
    memory.save({ keepaliveMs: 3000 });
    const savedAt = Date.now();
    vi.setSystemTime(savedAt + 30 * MINUTE - 1);
    expect(memory.load()).toEqual({ keepaliveMs: 3000 });
    for (const time of [savedAt + 30 * MINUTE, savedAt - 1]) {
      vi.setSystemTime(time);
      expect(memory.load()).toEqual({});
    }
  });

  it.each([
    "",
    "{",
    "null",
    "[]",
    "7",
    '"x"',
    "{}",
    '{"keepaliveMs":3000}',
    '{"keepaliveMs":3000,"at":"yesterday"}',
    '{"keepaliveMs":3000,"at":1e300}',
    '{"__proto__":{"keepaliveMs":3000}}',
  ])("takes %s for nothing", (text) => {
    const storage = new Notes();
    storage.setItem(KEY, text);
    expect(outlookMemory(storage, URL_).load()).toEqual({});
  });

  it.each([
    [{ blockedForMs: "1" }],
    [{ blockedForMs: -1 }],
    [{ blockedForMs: 31 * MINUTE }],
    [{ keepaliveMs: 0 }],
    [{ keepaliveMs: 1e9 }],
    [{ lifetimeMs: null }],
    [{ roundTripTimeMs: 1e6 }],
    [{ other: 5 }],
  ])("leaves out what makes no sense: %j", (odd) => {
    const storage = new Notes();
    storage.setItem(KEY, JSON.stringify({ ...odd, at: Date.now() }));
    expect(outlookMemory(storage, URL_).load()).toEqual({});
  });

  it("goes without a storage, and without one that works", () => {
    const broken = {
      getItem: () => {
        throw new Error("SecurityError");
      },
      setItem: () => {
        throw new Error("QuotaExceededError");
      },
    };
    for (const storage of [undefined, broken]) {
      const memory = outlookMemory(storage, URL_);
      expect(() => memory.save({ keepaliveMs: 3000 })).not.toThrow();
      expect(memory.load()).toEqual({});
    }
  });
});

describe("pageStorage", () => {
  it("is the page's own, and none where there is no page or it may not be used", () => {
    const storage = new Notes();
    vi.stubGlobal("localStorage", storage);
    expect(pageStorage()).toBeUndefined();
    vi.stubGlobal("document", {});
    expect(pageStorage()).toBe(storage);
    Object.defineProperty(globalThis, "localStorage", {
      configurable: true,
      get: () => {
        throw new Error("SecurityError");
      },
    });
    expect(pageStorage()).toBeUndefined();
  });
});
