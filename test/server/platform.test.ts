import { afterEach, describe, expect, it, vi } from "vitest";
import type { UnencodedText } from "../../src/core/content.js";
import { bufferOf, callSafely, nodeHost, writableOf } from "../../src/server/platform.js";
import { captureUncaught } from "../support/event-loop.js";

afterEach(() => {
  vi.useRealTimers();
});

describe("nodeHost", () => {
  it("keeps text as bytes, once it is known to be UTF-8", () => {
    const bytes = Uint8Array.of(0xc3, 0xa4);
    expect(nodeHost.readText(bytes)).toBe(bytes);
    expect(nodeHost.readText(Uint8Array.of(0xff))).toBeUndefined();
    expect(nodeHost.readText(new Uint8Array(0))).toHaveLength(0);
  });

  it("reads and writes UTF-8: strict one way, repaired the other, a byte order mark is text", () => {
    expect([...nodeHost.encodeUtf8("ä\ud800")]).toEqual([0xc3, 0xa4, 0xef, 0xbf, 0xbd]);
    expect(nodeHost.decodeUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61))).toBe("\ufeffa");
    expect(nodeHost.decodeUtf8(Uint8Array.of(0xed, 0xa0, 0x80))).toBeUndefined();
    expect(nodeHost.decodeUtf8(Uint8Array.of(0x61))).toBe("a");
  });

  it.each([
    "",
    "ascii",
    "x".repeat(70_000),
    "ä",
    "Latin-1: \u00ff",
    "€",
    "\ud83d\ude00",
    "lone \ud800",
    "\udc00\ud800",
  ])("keeps a text as it is until it leaves: %j", (text) => {
    const content = nodeHost.contentOf(text) as UnencodedText;
    const expected = Buffer.from(text);
    expect([content.text, content.length]).toEqual([text, expected.length]);
    expect(content.encode()).toEqual(expected);
    for (const target of [new Uint8Array(expected.length + 2), Buffer.alloc(expected.length + 2)]) {
      target.fill(45);
      content.writeTo(target, 1);
      expect(Buffer.from(target).toString()).toBe(`-${expected}-`);
    }
  });

  it("has a clock that does not go back", () => {
    const readings = Array.from({ length: 1000 }, () => nodeHost.now());
    expect(readings).toEqual([...readings].sort((a, b) => a - b));
  });

  it("sets timers that can be taken back", () => {
    vi.useFakeTimers();
    const seen: string[] = [];
    nodeHost.setTimer(() => seen.push("kept"), 100);
    nodeHost.setTimer(() => seen.push("cancelled"), 100)();
    vi.advanceTimersByTime(100);
    expect(seen).toEqual(["kept"]);
  });

  it("defers to the end of the running script", async () => {
    const seen: string[] = [];
    nodeHost.defer(() => seen.push("deferred"));
    seen.push("script");
    await Promise.resolve();
    expect(seen).toEqual(["script", "deferred"]);
  });

  it.each(["a task", "a microtask"])("defers to behind all that %s has set off by promises", async (where) => {
    const seen: string[] = [];
    const script = () => {
      nodeHost.deferLast(() => seen.push("last"));
      const chain = async () => {
        for (let step = 0; step < 10; step++) await undefined;
        seen.push("chain");
      };
      void chain();
      setImmediate(() => seen.push("next task"));
    };
    await new Promise((resolve) => setImmediate(resolve));
    if (where === "a task") await new Promise<void>((resolve) => setImmediate(() => resolve(script())));
    else script();
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(seen).toEqual(["chain", "last", "next task"]);
  });

  it("lets what it is told be uncaught, out of line", async () => {
    const error = new Error("thrown by the application");
    expect(await captureUncaught(() => nodeHost.report(error))).toEqual([error]);
  });
});

describe("callSafely", () => {
  it("goes on when the call throws, which is uncaught", async () => {
    const error = new Error("thrown by the application");
    const seen: string[] = [];
    const uncaught = await captureUncaught(() => {
      callSafely(() => {
        throw error;
      });
      callSafely(() => seen.push("next"));
    });
    expect(seen).toEqual(["next"]);
    expect(uncaught).toEqual([error]);
  });
});

describe("writableOf", () => {
  it("is a stream of Node over a sink", async () => {
    const seen: string[] = [];
    const stream = writableOf<string>({
      start: () => seen.push("start"),
      write: async (data) => void seen.push(data),
      close: async () => void seen.push("close"),
      abort: () => seen.push("abort"),
    });
    const writer = stream.getWriter();
    await writer.write("a");
    await writer.close();
    expect(seen).toEqual(["start", "a", "close"]);
  });
});

describe("bufferOf", () => {
  it("is a Buffer over the same memory", () => {
    const bytes = Uint8Array.of(1, 2, 3, 4).subarray(1, 3);
    const buffer = bufferOf(bytes);
    expect(Buffer.isBuffer(buffer)).toBe(true);
    expect([...buffer]).toEqual([2, 3]);
    bytes[0] = 9;
    expect(buffer[0]).toBe(9);
  });
});
