import type { IncomingMessage } from "node:http";
import { describe, expect, it } from "vitest";
import { withSession } from "../../src/client/url.js";
import { takeSessionQuery } from "../../src/server/session-query.js";

const id = "00112233445566778899aabbccddeeff";

function take(url: string | undefined): [string | undefined, string | undefined] {
  const request = { url } as IncomingMessage;
  return [takeSessionQuery(request), request.url];
}

describe("takeSessionQuery", () => {
  it.each([
    [`/?sluice-session=${id}`, "/"],
    [`/live?sluice-session=${id}`, "/live"],
    [`/live?a=b&sluice-session=${id}`, "/live?a=b"],
    [`/live?sluice-session=${id}&a=b`, "/live?a=b"],
    [`/live?a=b&sluice-session=${id}&c=%20d`, "/live?a=b&c=%20d"],
    [`/live?not-sluice-session=1&sluice-session=${id}`, "/live?not-sluice-session=1"],
  ])("takes it out of %s", (url, clean) => {
    expect(take(url)).toEqual([id, clean]);
  });

  it.each([
    "/",
    "/live?a=b",
    `/live/sluice-session=${id}`,
    `/live?my-sluice-session=${id}`,
    `/live?a=sluice-session=${id}`,
    "/live?sluice-session=",
    `/live?sluice-session=${id}00`,
    `/live?sluice-session=${id.slice(1)}`,
    `/live?sluice-session=${id.toUpperCase()}`,
    `/live?sluice-session=${id.replace("0", "g")}`,
    "/live?",
    "/live?a&",
  ])("leaves %s alone", (url) => {
    expect(take(url)).toEqual([undefined, url]);
  });

  it("copes with a request without a URL", () => {
    expect(take(undefined)).toEqual([undefined, undefined]);
  });

  it.each(["/", "/live", "/live?a=b", "/live?a=%20b&c"])(
    "gives the application what the client was told: %s",
    (path) => {
      const url = withSession(`ws://example.com${path}`, Uint8Array.from(Buffer.from(id, "hex")));
      expect(take(url.slice("ws://example.com".length))).toEqual([id, path]);
    },
  );

  it("takes a time that is linear in the length of the URL", () => {
    const url = `/?${"sluice-session=0".repeat(100_000)}`;
    const started = performance.now();
    take(url);
    expect(performance.now() - started).toBeLessThan(1000);
  });
});
