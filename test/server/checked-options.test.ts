import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import { checkedOptions } from "../../src/server/checked-options.js";
import { SluiceServer, type SluiceServerOptions } from "../../src/server/index.js";

const usage = (message: RegExp) =>
  expect.objectContaining({ code: "ERR_USAGE_ARGUMENT", message: expect.stringMatching(message) });

describe("checkedOptions", () => {
  const run = () => {};
  const good: SluiceServerOptions = {
    server: createServer(),
    port: 0,
    host: "127.0.0.1",
    backlog: 5,
    noServer: false,
    path: "/live",
    origins: ["https://example.com", "http://localhost:8080", "http://[::1]:8080", "app://here", "null"],
    authenticate: run,
    plainClients: true,
    handleProtocols: () => false,
    verifyClient: () => true,
    clientTracking: false,
    perMessageDeflate: false,
    trace: run,
    maxPayload: 1,
    identify: () => undefined,
    clientAddress: () => undefined,
    maxBufferedAmount: 1,
    highWaterMark: 1,
    limits: { resumeWindowMs: 0 },
  };

  it("is a copy of every option", () => {
    const checked = checkedOptions(good);
    expect(checked).toEqual(good);
    expect(checked).not.toBe(good);
  });

  it("takes options of `ws` that change nothing", () => {
    const foreign = { noServer: true, skipUTF8Validation: true, maxFragments: 5, perMessageDeflate: { threshold: 9 } };
    expect(() => checkedOptions(foreign as never)).not.toThrow();
  });

  it("leaves out what is not given", () => {
    const nothing = Object.fromEntries(Object.keys(good).map((name, index) => [name, index % 2 ? null : undefined]));
    expect(Object.keys(nothing).length).toBe(20);
    expect(checkedOptions(nothing)).toEqual({});
  });

  it.each<[string, unknown, RegExp]>([
    ["server", {}, /server must be an HTTP server, not \{\}/],
    ["noServer", "yes", /noServer must be true or false, not 'yes'/],
    ["path", "live", /path must be a path that begins with "\/".*not 'live'/],
    ["path", "/live?room=1", /path/],
    ["path", ["/live"], /path/],
    ["origins", "https://example.com", /origins must be a list/],
    ["origins", {}, /origins must be a list/],
    ["origins", ["*"], /'\*', which no page has/],
    ["origins", ["example.com"], /'example.com', which no page has/],
    ["origins", ["https://example.com/"], /no page/],
    ["origins", ["https://example.com:443"], /no page/],
    ["origins", ["https://Example.com"], /no page/],
    ["origins", ["https://*.example.com"], /no page/],
    ["origins", ["app://here/page"], /no page/],
    ["origins", [/example/], /no page/],
    ["authenticate", true, /authenticate must be a function, not true/],
    ["plainClients", "yes", /plainClients/],
    ["handleProtocols", "chat", /handleProtocols/],
    ["verifyClient", {}, /verifyClient/],
    ["clientTracking", 1, /clientTracking/],
    ["trace", "console", /trace/],
    ["maxPayload", "1000", /maxPayload must be a positive integer, not '1000'/],
    ["maxPayload", 0, /maxPayload/],
    ["identify", "id", /identify/],
    ["clientAddress", "10.0.0.1", /clientAddress/],
    ["maxBufferedAmount", Number.NaN, /maxBufferedAmount/],
    ["highWaterMark", -1, /highWaterMark/],
    ["limits", 5, /limits must be an object/],
    ["auth", () => true, /no option 'auth', only .*authenticate/],
    ["origin", ["https://example.com"], /no option 'origin'/],
    ["WebSocket", class {}, /no option 'WebSocket'/],
    ["toString", () => "", /no option 'toString'/],
  ])("throws for %s: %j", (name, value, message) => {
    expect(() => checkedOptions({ noServer: true, [name]: value } as never)).toThrow(usage(message));
  });

  it.each([undefined, null, 8080])("throws for %s in place of the options", (options) => {
    expect(() => checkedOptions(options as never)).toThrow(usage(/must be an object/));
  });
});

describe("SluiceServer", () => {
  it("listens at a port that is a string, as those of the environment are", async () => {
    const server = new SluiceServer({ port: "0" as never, host: "127.0.0.1" });
    await once(server, "listening");
    expect((server.address() as AddressInfo).port).toBeGreaterThan(0);
    const closed = once(server, "close");
    server.close();
    await closed;
  });

  it("checks its options at once, and the names of limits", () => {
    expect(() => new SluiceServer({ noServer: true, auth: () => true } as never)).toThrow(usage(/auth/));
    expect(() => new SluiceServer({ noServer: true, limits: { resumeWindow: 5 } as never })).toThrow(
      usage(/no limit "resumeWindow"/),
    );
    expect(() => new SluiceServer({ noServer: true, limits: { windowBytes: undefined } as never })).not.toThrow();
  });
});
