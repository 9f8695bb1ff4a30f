// @vitest-environment jsdom
// @vitest-environment-options { "url": "https://example.com/app/page.html" }
import { afterEach, describe, expect, it, vi } from "vitest";
import { parseProtocols, parseUrl, withSession } from "../../src/client/url.js";

const syntaxError = expect.objectContaining({ name: "SyntaxError" });

afterEach(() => vi.unstubAllGlobals());

describe("parseUrl", () => {
  it.each([
    ["ws://example.com", "ws://example.com/"],
    ["wss://example.com/live?a=b", "wss://example.com/live?a=b"],
    ["WSS://EXAMPLE.com:443/x", "wss://example.com/x"],
    ["ws://example.com:80", "ws://example.com/"],
    ["http://example.com/live", "ws://example.com/live"],
    ["https://example.com:8443/live", "wss://example.com:8443/live"],
    ["https://user:pass@example.com/", "wss://user:pass@example.com/"],
    ["/live", "wss://example.com/live"],
    ["live", "wss://example.com/app/live"],
    ["?room=1", "wss://example.com/app/page.html?room=1"],
    ["", "wss://example.com/app/page.html"],
    ["//other.example/live", "wss://other.example/live"],
    ["ws://[::1]:8080/", "ws://[::1]:8080/"],
    ["ws://example.com/a b", "ws://example.com/a%20b"],
  ])("takes %j as %s", (url, href) => {
    expect(parseUrl(url)).toBe(href);
  });

  it("takes a URL object, and is not confused when it changes later", () => {
    const url = new URL("https://example.com/live");
    const parsed = parseUrl(url);
    url.pathname = "/other";
    expect(parsed).toBe("wss://example.com/live");
  });

  it.each([
    "ftp://example.com/",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "data:text/plain,hi",
    "blob:https://example.com/1",
    "ws://",
    "ws://exa mple.com",
    "ws://example.com:99999",
    "ws://example.com/#there",
    "ws://example.com/#",
    "#there",
    "http://[::1",
  ])("refuses %j as a page's WebSocket does", (url) => {
    expect(() => parseUrl(url)).toThrow(DOMException);
    expect(() => parseUrl(url)).toThrow(syntaxError);
  });

  it("has no page to resolve against where there is none", () => {
    vi.stubGlobal("document", undefined);
    vi.stubGlobal("location", undefined);
    expect(parseUrl("ws://example.com/live")).toBe("ws://example.com/live");
    expect(() => parseUrl("/live")).toThrow(syntaxError);
  });
});

describe("parseUrl in a worker", () => {
  it("resolves against the script, as there is no document", () => {
    vi.stubGlobal("document", undefined);
    vi.stubGlobal("location", { href: "https://example.com/js/worker.js" });
    expect(parseUrl("live")).toBe("wss://example.com/js/live");
  });
});

describe("withSession", () => {
  const id = Uint8Array.from({ length: 16 }, (_, i) => (i * 17) % 256);
  const hex = "00112233445566778899aabbccddeeff";

  it.each([
    ["wss://example.com/", `wss://example.com/?sluice-session=${hex}`],
    ["wss://example.com/live", `wss://example.com/live?sluice-session=${hex}`],
    ["wss://example.com/?room=1", `wss://example.com/?room=1&sluice-session=${hex}`],
    ["wss://example.com/?a=%20b+c&a", `wss://example.com/?a=%20b+c&a&sluice-session=${hex}`],
    ["wss://example.com/?", `wss://example.com/?&sluice-session=${hex}`],
  ])("RES-08: adds the session to %s, and leaves the rest as it is", (url, href) => {
    expect(withSession(url, id)).toBe(href);
    expect(new URL(withSession(url, id)).searchParams.get("sluice-session")).toBe(hex);
  });

  it("adds nothing where there is no session yet", () => {
    expect(withSession("wss://example.com/?room=1", undefined)).toBe("wss://example.com/?room=1");
  });
});

describe("parseProtocols", () => {
  it("says where options belong that stand in the place of protocols", () => {
    expect(() => parseProtocols({ auth: "ann" })).toThrow(syntaxError);
    expect(() => parseProtocols({ auth: "ann" })).toThrow(/Options are the third argument/);
    expect(() => parseProtocols(["a b"])).toThrow(/^The subprotocol "a b" is invalid\.$/);
  });

  it.each<[string | string[], string[]]>([
    [[], []],
    ["chat", ["chat"]],
    [
      ["chat.v2", "chat.v1"],
      ["chat.v2", "chat.v1"],
    ],
    [
      ["A", "a"],
      ["A", "a"],
    ],
    ["!#$%&'*+-.^_`|~09azAZ", ["!#$%&'*+-.^_`|~09azAZ"]],
    [["sluice.v2"], ["sluice.v2"]],
    [["SLUICE.V1"], ["SLUICE.V1"]],
  ])("takes %j", (protocols, list) => {
    expect(parseProtocols(protocols)).toEqual(list);
  });

  it.each<[unknown, string[]]>([
    [
      [1, { toString: () => "two" }],
      ["1", "two"],
    ],
    [new Set(["a", "b"]), ["a", "b"]],
    [null, ["null"]],
    [12, ["12"]],
    [{ toString: () => "three" }, ["three"]],
  ])("converts %o, as WebIDL does", (given, list) => {
    expect(parseProtocols(given)).toEqual(list);
  });

  it("copies the list", () => {
    const list = ["chat"];
    const parsed = parseProtocols(list);
    list.push("more");
    expect(parsed).toEqual(["chat"]);
  });

  it.each<[string, string | string[]]>([
    ["an empty one", ""],
    ["an empty one in a list", ["chat", ""]],
    ["a blank", "a b"],
    ["a comma", "a,b"],
    ["a slash", "a/b"],
    ["a line break", "a\nb"],
    ["a line break at the end", "a\n"],
    ["what is not ASCII", "chät"],
    ["one twice", ["chat", "chat"]],
    ["our own", "sluice.v1"],
    ["our own in a list", ["chat", "sluice.v1"]],
  ])("refuses %s", (_, protocols) => {
    expect(() => parseProtocols(protocols)).toThrow(DOMException);
    expect(() => parseProtocols(protocols)).toThrow(syntaxError);
  });

  it("takes linear time for a long one", () => {
    expect(() => parseProtocols(`${"a".repeat(1_000_000)} `)).toThrow(syntaxError);
  });
});
