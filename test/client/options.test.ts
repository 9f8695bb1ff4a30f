import { afterEach, describe, expect, it, vi } from "vitest";
import {
  boundsOf,
  dialOf,
  limitsOf,
  onSessionLostOf,
  type SluiceSocketOptions,
  storageOf,
  traceOf,
  webSocketOf,
} from "../../src/client/options.js";
import { DEFAULT_LIMITS } from "../../src/core/limits.js";

const MIB = 1024 * 1024;

afterEach(() => vi.unstubAllGlobals());

describe("storageOf", () => {
  it("is what is given, nothing for null, and the page's own otherwise", () => {
    const storage = { getItem: () => null, setItem: () => {} };
    expect([storageOf({ storage }), storageOf({ storage: null }), storageOf({})]).toEqual([
      storage,
      undefined,
      undefined,
    ]);
    vi.stubGlobal("document", {});
    vi.stubGlobal("localStorage", storage);
    expect([storageOf({}), storageOf({ storage: null })]).toEqual([storage, undefined]);
  });

  it.each([{}, { getItem: () => null }, "here", 7])("cannot be %j", (storage) => {
    const usage = expect.objectContaining({ code: "ERR_USAGE_ARGUMENT" });
    expect(() => storageOf({ storage: storage as never })).toThrow(usage);
  });
});

describe("limitsOf", () => {
  it("are the defaults without options", () => {
    expect(limitsOf({})).toEqual(DEFAULT_LIMITS);
  });

  it("follow the options, each for itself", () => {
    const limits = limitsOf({
      connectTimeoutMs: 1234,
      closeTimeoutMs: 567,
      limits: { messageBytesMax: 1000, channelsMax: 8, chunkBytes: 8192, windowBytes: 16_384 },
    });
    expect(limits).toEqual({
      ...DEFAULT_LIMITS,
      handshakeTimeoutMs: 1234,
      closeTimeoutMs: 567,
      messageBytesMax: 1000,
      channelsMax: 8,
      chunkBytes: 8192,
      windowBytes: 16_384,
      replayBytesMax: 16_384 + MIB,
    });
  });

  it("let reassembly grow with the largest message, unless it is given", () => {
    expect(limitsOf({ limits: { messageBytesMax: 100 * MIB } }).reassemblyBytesMax).toBe(200 * MIB);
    expect(() => limitsOf({ limits: { messageBytesMax: 100 * MIB, reassemblyBytesMax: 50 * MIB } })).toThrow(
      expect.objectContaining({ code: "ERR_USAGE_ARGUMENT" }),
    );
  });

  it.each<[string, Parameters<typeof limitsOf>[0]]>([
    ["a timeout of nothing", { connectTimeoutMs: 0 }],
    ["a negative timeout", { closeTimeoutMs: -1 }],
    ["an endless timeout", { connectTimeoutMs: Number.POSITIVE_INFINITY }],
    ["a fraction", { limits: { messageBytesMax: 1.5 } }],
    ["what is no number", { limits: { messageBytesMax: "1000" as never } }],
    ["too many channels", { limits: { channelsMax: 257 } }],
    ["chunks that are too small", { limits: { chunkBytes: 1024 } }],
    ["a window of less than two chunks", { limits: { windowBytes: 16_384, chunkBytes: 16_384 } }],
    ["less room for reassembly than for a message", { limits: { reassemblyBytesMax: 1000 } }],
  ])("refuse %s", (_, options) => {
    expect(() => limitsOf(options)).toThrow(expect.objectContaining({ code: "ERR_USAGE_ARGUMENT" }));
  });

  it("call the option by its name when it is wrong", () => {
    expect(() => limitsOf({ connectTimeoutMs: "10" as never })).toThrow(/^connectTimeoutMs /);
    expect(() => limitsOf({ closeTimeoutMs: -1 })).toThrow(/^closeTimeoutMs /);
    expect(() => limitsOf({ limits: { messageBytes: 5 } as never })).toThrow('no limit "messageBytes"');
    expect(() => dialOf({ backoff: { base: 5 } as never })).toThrow('no "base" in backoff');
  });

  it("take a timeout of `undefined` for not given", () => {
    expect(limitsOf({ connectTimeoutMs: undefined, closeTimeoutMs: undefined } as never)).toEqual(DEFAULT_LIMITS);
  });
});

describe("onSessionLostOf", () => {
  it("is to reopen, unless told otherwise", () => {
    expect(
      [{}, { onSessionLost: undefined }, { onSessionLost: "reopen" }].map((o) => onSessionLostOf(o as never)),
    ).toEqual(["reopen", "reopen", "reopen"]);
    expect(onSessionLostOf({ onSessionLost: "close" })).toBe("close");
  });

  it.each(["retry", "", null, true, 1])("refuses %j", (onSessionLost) => {
    const options = { onSessionLost } as never;
    expect(() => onSessionLostOf(options)).toThrow(expect.objectContaining({ code: "ERR_USAGE_ARGUMENT" }));
    expect(() => dialOf(options)).toThrow(expect.objectContaining({ code: "ERR_USAGE_ARGUMENT" }));
  });
});

describe("dialOf", () => {
  it("waits longer and longer between attempts, and comes again before there is a session", () => {
    expect(dialOf({})).toEqual({
      backoff: { baseMs: 500, maxMs: 15_000 },
      connectTimeoutMs: 10_000,
      retriesFirst: true,
    });
  });

  it("follows the options, each for itself", () => {
    expect(dialOf({ backoff: { baseMs: 50 }, connectTimeoutMs: 1234, onSessionLost: "close" })).toEqual({
      backoff: { baseMs: 50, maxMs: 15_000 },
      connectTimeoutMs: 1234,
      retriesFirst: false,
    });
    expect(dialOf({ backoff: { maxMs: 1000 } }).backoff).toEqual({ baseMs: 500, maxMs: 1000 });
  });

  it.each([
    { baseMs: 0 },
    { baseMs: -1 },
    { maxMs: Number.NaN },
    { maxMs: Number.POSITIVE_INFINITY },
    { baseMs: "500" },
    { baseMs: undefined },
  ])("refuses a backoff of %j", (backoff) => {
    expect(() => dialOf({ backoff: backoff as never })).toThrow(
      expect.objectContaining({ code: "ERR_USAGE_ARGUMENT" }),
    );
  });
});

describe("webSocketOf", () => {
  class Fake {}

  it("is what is given", () => {
    vi.stubGlobal("WebSocket", class Global {});
    expect(webSocketOf({ WebSocket: Fake })).toBe(Fake);
  });

  it("is the platform's when none is given, `undefined` where it has none", () => {
    vi.stubGlobal("WebSocket", Fake);
    expect(webSocketOf({})).toBe(Fake);
    vi.stubGlobal("WebSocket", undefined);
    expect(webSocketOf({})).toBeUndefined();
  });

  it.each([
    ["an object", {}],
    ["a string", "ws"],
    ["a number", 1],
  ])("refuses %s", (_, given) => {
    expect(() => webSocketOf({ WebSocket: given })).toThrow(expect.objectContaining({ code: "ERR_USAGE_ARGUMENT" }));
  });
});

describe("traceOf", () => {
  it("is a function, or nothing", () => {
    const trace = () => {};
    expect([traceOf({ trace }), traceOf({})]).toEqual([trace, undefined]);
    for (const given of [null, true, {}, "console"]) {
      const options = { trace: given } as unknown as SluiceSocketOptions;
      expect(() => traceOf(options)).toThrow(expect.objectContaining({ code: "ERR_USAGE_ARGUMENT" }));
    }
  });
});

describe("boundsOf", () => {
  it("are those of a page by default", () => {
    expect(boundsOf({})).toEqual({ highWaterMark: 256 * 1024, maxBufferedAmount: 64 * MIB });
    expect(boundsOf({ highWaterMark: 1, maxBufferedAmount: 2 })).toEqual({ highWaterMark: 1, maxBufferedAmount: 2 });
  });

  it("refuse what is no bound", () => {
    for (const options of [{ highWaterMark: 0 }, { maxBufferedAmount: -1 }]) {
      expect(() => boundsOf(options)).toThrow(expect.objectContaining({ code: "ERR_USAGE_ARGUMENT" }));
    }
  });
});
