import { afterEach, describe, expect, it, vi } from "vitest";
import { httpPlatform } from "../../src/client/http-platform.js";
import { browserHost } from "../../src/client/platform.js";

afterEach(() => {
  vi.unstubAllGlobals();
});

describe("httpPlatform", () => {
  const fetch = () => Promise.reject(new Error("not called"));

  it("has what is injected, the host's clock and timers, and random bytes of the platform", () => {
    const host = browserHost();
    const platform = httpPlatform(fetch, host);
    expect(platform).toMatchObject({ fetch, now: host.now, random: host.random, setTimer: host.setTimer });
    expect(platform.randomBytes(16)).toHaveLength(16);
    expect(platform.randomBytes(16)).not.toEqual(platform.randomBytes(16));
  });

  it("asks the page what requests go over, each time", () => {
    const { isMultiplexed } = httpPlatform(fetch, browserHost());
    const url = "https://example.com/live";
    let nextHopProtocol = "h2";
    vi.stubGlobal("performance", {
      getEntriesByType: (type: string) => (type === "resource" ? [{ name: url, nextHopProtocol }] : []),
    });
    expect(isMultiplexed(url)).toBe(true);
    nextHopProtocol = "http/1.1";
    expect(isMultiplexed(url)).toBe(false);
  });
});
