import { afterEach, describe, expect, it, vi } from "vitest";
import { outlookMemory } from "../../src/client/outlook-memory.js";
import { isMultiplexed, measuredRoundTripMs } from "../../src/client/page-timing.js";

type Entry = Partial<Record<keyof PerformanceResourceTiming, unknown>>;

/** A page that has loaded these, itself first. */
function page(...[navigation, ...resources]: Entry[]): void {
  const entries = new Map([
    ["navigation", navigation === undefined ? [] : [navigation]],
    ["resource", resources],
  ]);
  vi.stubGlobal("performance", { getEntriesByType: (type: string) => entries.get(type) ?? [] });
}

/** On a connection of its own: 40 ms for TCP, 50 for TLS, 300 for the answer. */
const FRESH: Entry = {
  name: "https://example.com/",
  connectStart: 10,
  secureConnectionStart: 50,
  connectEnd: 100,
  requestStart: 101,
  responseStart: 401,
  transferSize: 2000,
};
/** On one that was open: 45 ms to the first byte. */
const REUSED: Entry = {
  name: "https://example.com/app.js",
  connectStart: 500,
  secureConnectionStart: 0,
  connectEnd: 500,
  requestStart: 502,
  responseStart: 547,
  transferSize: 800,
};
const CACHED: Entry = { ...REUSED, responseStart: 503, transferSize: 0 };
/** Of another origin that does not let the page know. */
const HIDDEN: Entry = {
  name: "https://example.com/x",
  connectStart: 0,
  connectEnd: 0,
  requestStart: 0,
  transferSize: 0,
};

afterEach(() => {
  vi.unstubAllGlobals();
});

describe("measuredRoundTripMs", () => {
  it.each<[string, number | undefined, Entry[]]>([
    ["the opening of a TCP connection, without TLS", 40, [FRESH]],
    ["all of it where there is no TLS", 90, [{ ...FRESH, name: "http://example.com/", secureConnectionStart: 0 }]],
    ["the shortest of several", 30, [FRESH, { ...FRESH, connectStart: 20 }, { ...FRESH, connectStart: 0 }]],
    ["a connection, though an answer took longer", 40, [REUSED, FRESH]],
    ["an answer, where a proxy near by has opened the connection", 45, [{ ...FRESH, connectStart: 41 }, REUSED]],
    ["no more of an answer than one may believe", 150, [{ ...FRESH, connectStart: 41 }]],
    ["all of a connection, however long it took", 250, [{ ...FRESH, connectStart: 10, secureConnectionStart: 260 }]],
    ["the time to the first byte where each connection was open", 45, [REUSED, { ...REUSED, responseStart: 600 }]],
    ["nothing out of the cache", undefined, [CACHED]],
    ["nothing that is hidden", undefined, [HIDDEN]],
    ["nothing of other origins", undefined, [{ ...FRESH, name: "https://example.com.evil.net/" }]],
    ["nothing of other ports", undefined, [{ ...FRESH, name: "https://example.com:8443/" }]],
    ["nothing that makes no sense", undefined, [{ ...FRESH, connectStart: 90, responseStart: 1e9 }]],
    ["nothing where there is nothing", undefined, []],
    ["nothing of what has no name and no times", undefined, [{}, { name: "https://example.com/" }]],
  ])("is %s", (_, expected, entries) => {
    page(...entries);
    expect(measuredRoundTripMs("wss://example.com/live?x")).toBe(expected);
  });

  it("is unknown on a platform that measures nothing, or does not tell", () => {
    for (const performance of [undefined, {}, { getEntriesByType: () => undefined }]) {
      vi.stubGlobal("performance", performance);
      expect(measuredRoundTripMs("wss://example.com/")).toBeUndefined();
    }
    const forbidden = {
      getEntriesByType: () => {
        throw new Error("forbidden");
      },
    };
    vi.stubGlobal("performance", forbidden);
    expect(measuredRoundTripMs("wss://example.com/")).toBeUndefined();
  });

  it("stands in for the round trip of a session that nobody remembers", () => {
    page(FRESH);
    const memory = outlookMemory(undefined, "wss://example.com/live");
    expect(memory.load()).toEqual({ roundTripTimeMs: 40 });
    const storage = new Map<string, string>();
    const notes = {
      getItem: (key: string) => storage.get(key) ?? null,
      setItem: (key: string, value: string) => void storage.set(key, value),
    };
    const remembering = outlookMemory(notes, "wss://example.com/live");
    remembering.save({ keepaliveMs: 3000 });
    expect(remembering.load()).toEqual({ keepaliveMs: 3000, roundTripTimeMs: 40 });
    remembering.save({ roundTripTimeMs: 7 });
    expect(remembering.load()).toEqual({ roundTripTimeMs: 7 });
  });
});

describe("isMultiplexed", () => {
  const URL = "https://example.com/live?sluice-session=7";
  const over = (nextHopProtocol: string | undefined, name = URL): Entry => ({ name, nextHopProtocol });

  it.each<[boolean, string, Entry[]]>([
    [true, "HTTP/2", [over("h2")]],
    [true, "HTTP/3", [over("h3")]],
    [true, "a draft of HTTP/3", [over("h3-29")]],
    [false, "HTTP/1.1", [over("http/1.1")]],
    [false, "HTTP/1.0", [over("http/1.0")]],
    [false, "what is hidden from other origins, or has failed", [over("")]],
    [false, "what the browser does not know of", [over(undefined)]],
    [true, "HTTP/2 now", [over("http/1.1"), over("h2")]],
    [false, "HTTP/2 before", [over("h2"), over("http/1.1")]],
    [false, "HTTP/2 elsewhere", [over("h2", "https://example.com/"), over("h2", "https://example.com/live")]],
    [false, "nothing: no entry, as where there is no room for more", []],
  ])("is %s for %s", (expected, _, entries) => {
    page({ name: "https://example.com/", nextHopProtocol: "h2" }, ...entries);
    expect(isMultiplexed(URL)).toBe(expected);
  });

  it("is false on a platform that measures nothing, or does not tell", () => {
    const forbidden = () => {
      throw new Error("forbidden");
    };
    for (const performance of [undefined, {}, { getEntriesByType: forbidden }]) {
      vi.stubGlobal("performance", performance);
      expect(isMultiplexed(URL)).toBe(false);
    }
  });
});
