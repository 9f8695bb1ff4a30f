import { afterEach, describe, expect, it, vi } from "vitest";
import { browserHost, randomId, writableOf } from "../../src/client/platform.js";
import { encoded, isUnencoded, type UnencodedText } from "../../src/core/content.js";
import { captureUncaught } from "../support/event-loop.js";

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

describe("browserHost", () => {
  it("reads and writes UTF-8: strict one way, repaired the other, a byte order mark is text", () => {
    const host = browserHost();
    expect([...host.encodeUtf8("ä\ud800")]).toEqual([0xc3, 0xa4, 0xef, 0xbf, 0xbd]);
    expect(host.decodeUtf8(Uint8Array.of(0xc3, 0xa4))).toBe("ä");
    expect(host.readText(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61))).toBe("\ufeffa");
    for (const bytes of [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0x80]]) {
      expect(host.decodeUtf8(Uint8Array.from(bytes))).toBeUndefined();
      expect(host.readText(Uint8Array.from(bytes))).toBeUndefined();
    }
    expect(host.decodeUtf8(Uint8Array.of(0x61))).toBe("a");
  });

  it("keeps small texts of ASCII as they are until they leave, and encodes others", () => {
    const { contentOf } = browserHost();
    const small = ["", "a", "\u0000\u007f", "x".repeat(256)];
    for (const text of small) {
      const content = contentOf(text) as UnencodedText;
      expect([isUnencoded(content), content.text, content.length]).toEqual([true, text, text.length]);
      const target = Buffer.alloc(text.length + 2, "-");
      content.writeTo(target, 1);
      expect(target.toString()).toBe(`-${text}-`);
      expect(Buffer.from(content.encode()).toString()).toBe(text);
    }
    for (const text of [
      "ä",
      `${"a".repeat(200)}€`,
      "\u007f\u0080",
      "\ud83d\ude00",
      "x".repeat(257),
      "x".repeat(20_000),
    ]) {
      const content = contentOf(text);
      expect([isUnencoded(content), Buffer.from(encoded(content)).toString()]).toEqual([false, text]);
    }
  });

  it("has a clock that does not go back", () => {
    const host = browserHost();
    const readings = Array.from({ length: 1000 }, () => host.now());
    expect(readings).toEqual([...readings].sort((a, b) => a - b));
  });

  it("sets timers that can be taken back", () => {
    vi.useFakeTimers();
    const host = browserHost();
    const seen: string[] = [];
    host.setTimer(() => seen.push("kept"), 100);
    host.setTimer(() => seen.push("cancelled"), 100)();
    vi.advanceTimersByTime(99);
    expect(seen).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(seen).toEqual(["kept"]);
  });

  it("defers to the end of the running script", async () => {
    const host = browserHost();
    const seen: string[] = [];
    host.defer(() => seen.push("deferred"));
    seen.push("script");
    await Promise.resolve();
    expect(seen).toEqual(["script", "deferred"]);
  });

  it("reports to `reportError` where there is one", () => {
    const reports: unknown[] = [];
    vi.stubGlobal("reportError", (error: unknown) => reports.push(error));
    const error = new Error("thrown by the application");
    browserHost().report(error);
    expect(reports).toEqual([error]);
  });

  it("lets an error be uncaught where there is no `reportError`", async () => {
    vi.stubGlobal("reportError", undefined);
    const error = new Error("thrown by the application");
    const uncaught = await captureUncaught(() => browserHost().report(error));
    expect(uncaught).toEqual([error]);
  });
});

describe("writableOf", () => {
  it("is a stream of the platform over a sink", async () => {
    const seen: string[] = [];
    const stream = writableOf<string>({
      start: () => seen.push("start"),
      write: async (data) => void seen.push(data),
      close: async () => void seen.push("close"),
      abort: () => seen.push("abort"),
    });
    expect(stream).toBeInstanceOf(WritableStream);
    const writer = stream.getWriter();
    await writer.write("a");
    await writer.close();
    expect(seen).toEqual(["start", "a", "close"]);
  });
});

describe("randomId", () => {
  it("HSK-04: is 128 bits, of which no two are the same", () => {
    const ids = Array.from({ length: 100 }, () => Buffer.from(randomId()).toString("hex"));
    expect(new Set(ids).size).toBe(100);
    expect(ids[0]).toHaveLength(32);
  });
});
