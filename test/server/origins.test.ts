import type { IncomingMessage } from "node:http";
import { describe, expect, it } from "vitest";
import { isOriginAllowed, type Origins } from "../../src/server/origins.js";

const request = (origin: string | undefined, host: string | undefined = "example.com"): IncomingMessage =>
  ({ headers: { origin, host } }) as IncomingMessage;

describe("isOriginAllowed", () => {
  it.each<[string, string | undefined, string | undefined, boolean]>([
    ["the same host", "https://example.com", "example.com", true],
    ["the same host behind a proxy that ends TLS", "http://example.com", "example.com", true],
    ["the same host and port", "https://example.com:8443", "example.com:8443", true],
    ["the same host in other letters", "https://example.com", "EXAMPLE.com", true],
    ["an address", "http://[::1]:80", "[::1]", true],
    ["another port", "https://example.com:8443", "example.com", false],
    ["no port where there is one", "https://example.com", "example.com:8443", false],
    ["a subdomain", "https://evil.example.com", "example.com", false],
    ["a name that begins alike", "https://example.com.evil.test", "example.com", false],
    ["a name that ends alike", "https://notexample.com", "example.com", false],
    ["the host as a user name", "https://example.com@evil.test", "example.com", false],
    ["null, as of sandboxed frames and files", "null", "example.com", false],
    ["an empty one", "", "example.com", false],
    ["garbage", "example.com", "example.com", false],
    ["a request without a host", "https://example.com", undefined, false],
  ])("by default: %s", (_, origin, host, isAllowed) => {
    const made = request(origin);
    made.headers.host = host;
    expect(isOriginAllowed(undefined, made)).toBe(isAllowed);
  });

  const list: Origins = ["https://example.com", "https://other.example"];
  it.each<[string, Origins, string, boolean]>([
    ["one in the list", list, "https://other.example", true],
    ["one that is not", list, "https://third.example", false],
    ["one in other letters: browsers send small ones", list, "https://OTHER.example", false],
    ["one with another scheme", list, "http://other.example", false],
    ["one that is longer", list, "https://other.example.evil.test", false],
    ["null", list, "null", false],
    ["an empty list", [], "https://example.com", false],
    ["a part of a string that is no list", "https://example.community" as never, "https://example.com", false],
    ["everybody", "*", "https://anyone.example", true],
    ["everybody, null too", "*", "null", true],
  ])("by a list: %s", (_, origins, origin, isAllowed) => {
    expect(isOriginAllowed(origins, request(origin))).toBe(isAllowed);
  });

  it("takes `null` for nothing, where it was set later", () => {
    expect(isOriginAllowed(null, request("https://example.com"))).toBe(true);
    expect(isOriginAllowed(null, request("https://other.example"))).toBe(false);
  });

  it("knows none that is longer than a name can be: it would be kept", () => {
    const long = `https://${"a".repeat(600)}`;
    for (const origins of [undefined, "*", [long], () => true] as const) {
      expect(isOriginAllowed(origins, request(long, "a".repeat(600)))).toBe(false);
    }
  });

  it("asks a function, with the request", () => {
    const seen: unknown[] = [];
    const made = request("https://example.com");
    const ask = (answer: unknown) =>
      isOriginAllowed((...parts) => {
        seen.push(parts);
        return answer as boolean;
      }, made);
    expect(ask(true)).toBe(true);
    expect(seen).toEqual([["https://example.com", made]]);
    expect(ask(false)).toBe(false);
    expect(ask(undefined)).toBe(false);
  });

  it("takes a promise for a no: nobody waits for it", () => {
    expect(isOriginAllowed((async () => true) as never, request("https://example.com"))).toBe(false);
  });

  it.each<[string, Origins | undefined]>([
    ["the default", undefined],
    ["a list", list],
    ["a function", () => false],
  ])("lets through what sends no origin, as it is no browser: %s", (_, origins) => {
    expect(isOriginAllowed(origins, request(undefined))).toBe(true);
  });
});
