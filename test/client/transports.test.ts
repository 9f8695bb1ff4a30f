import { afterEach, describe, expect, it } from "vitest";
import { provideHttp } from "../../src/client/http-kind.js";
import { isForeign, transportsOf } from "../../src/client/transports.js";

const usage = expect.objectContaining({ code: "ERR_USAGE_ARGUMENT" });
const makeHttp = () => {
  throw new Error("not called");
};
const both = { WebSocket: class {}, fetch: () => {} };

afterEach(() => provideHttp(undefined));

describe("transportsOf", () => {
  it.each([
    [undefined, ["websocket", "http"], "auto"],
    [["websocket", "sse", "long-poll"], ["websocket", "http"], "auto"],
    [["websocket"], ["websocket"], "auto"],
    [["sse", "websocket"], ["http", "websocket"], "sse"],
    [["websocket", "sse"], ["websocket", "http"], "sse"],
    [["sse"], ["http"], "sse"],
    [["long-poll"], ["http"], "long-poll"],
    [["websocket", "long-poll"], ["websocket", "http"], "long-poll"],
    [["websocket", "long-poll", "sse"], ["websocket", "http"], "long-poll"],
    [["sse", "long-poll"], ["http"], "auto"],
  ])("%j are %j, %s", (transports, kinds, downlink) => {
    provideHttp(makeHttp);
    expect(transportsOf(transports, both)).toEqual({ kinds, downlink });
  });

  it.each([null, [], "websocket", ["websockets"], ["websocket", 7], {}])("cannot be %j", (transports) => {
    expect(() => transportsOf(transports, both)).toThrow(usage);
  });

  it("leave out what the platform and the bundle do not have", () => {
    const kinds = (platform: object) => transportsOf(undefined, { ...both, ...platform }).kinds;
    expect(kinds({})).toEqual(["websocket"]);
    provideHttp(makeHttp);
    expect([kinds({ fetch: undefined }), kinds({ WebSocket: undefined })]).toEqual([["websocket"], ["http"]]);
    expect(() => transportsOf(["sse"], { ...both, fetch: undefined })).toThrow(usage);
    // Somebody has to say what is missing.
    expect(kinds({ fetch: undefined, WebSocket: undefined })).toEqual(["websocket"]);
  });
});

it("HTTP alone cannot be asked of the bundle that goes without", () => {
  expect(() => transportsOf(["sse", "long-poll"], both)).toThrow(usage);
  expect(transportsOf(["sse", "websocket"], both).kinds).toEqual(["websocket"]);
});

describe("isForeign", () => {
  it("is what answers as if there were no Sluice server, and no proxy that says that it cannot tell", () => {
    const foreign = [400, 404, 405, 410, 415, 501];
    const others = [undefined, 200, 301, 401, 403, 407, 408, 413, 429, 500, 502, 503, 504, 511];
    expect(foreign.map(isForeign)).toEqual(foreign.map(() => true));
    expect(others.map(isForeign)).toEqual(others.map(() => false));
  });
});
