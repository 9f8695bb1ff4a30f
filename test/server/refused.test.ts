// Whom the server does not let in, and what it tells the application of it.
import { once } from "node:events";
import { inspect } from "node:util";
import { afterEach, describe, expect, it } from "vitest";
import { Parameter } from "../../src/core/wire/frame.js";
import type { SluiceError, SluiceServerOptions } from "../../src/server/index.js";
import { captureUncaught } from "../support/event-loop.js";
import { Inbox } from "../support/inbox.js";
import { Loopback } from "../support/loopback.js";
import { RawClient } from "../support/raw-client.js";

const FIRST = {
  "sluice-line": "0123456789abcdef0123456789abcdef",
  "sluice-received": "0",
  "sluice-position": "1",
  "content-type": "application/octet-stream",
};

let loopback: Loopback;
let refused: { readonly error: SluiceError; readonly path: string | undefined }[];

async function serve(options: Partial<SluiceServerOptions>): Promise<void> {
  loopback = await Loopback.start(options);
  refused = [];
  loopback.server.on("refused", (error, request) => refused.push({ error, path: request.url }));
}

afterEach(() => loopback.stop());

/** The status of a handshake; 101 for one that went through. */
async function statusOf(protocols: string[], headers: Record<string, string> = {}): Promise<number> {
  const webSocket = loopback.webSocket(protocols, { headers }, "room?x=1");
  return await new Promise((resolve) => {
    webSocket.on("open", () => resolve(101));
    webSocket.on("unexpected-response", (_request, response) => {
      resolve(response.statusCode ?? 0);
      response.destroy();
    });
  });
}

async function httpStatusOf(headers: Record<string, string> = {}): Promise<number> {
  const url = `${loopback.url.replace(/^ws/, "http")}room?x=1`;
  const response = await fetch(url, { method: "POST", headers: { ...FIRST, ...headers } });
  await response.arrayBuffer();
  return response.status;
}

const broken = (): never => {
  throw new TypeError("broken");
};
const cause = expect.objectContaining({ message: "broken" });

describe("a client that is refused before its handshake", () => {
  it.each<[string, Partial<SluiceServerOptions>, number, string, unknown]>([
    [
      "by its origin",
      {},
      403,
      "Pages of http://evil.example may not connect; the request is for the host 127",
      undefined,
    ],
    ["by `origins` that fails", { origins: broken }, 500, "`origins` has failed", cause],
    ["by `verifyClient`", { origins: "*", verifyClient: () => false }, 401, "`verifyClient` has refused", undefined],
    ["by a promise of it", { origins: "*", verifyClient: async () => false }, 401, "`verifyClient` has ref", undefined],
    ["by `verifyClient` that fails", { origins: "*", verifyClient: broken }, 500, "`verifyClient` has failed", cause],
    [
      "by a promise of it that fails",
      { origins: "*", verifyClient: async () => broken() },
      500,
      "`verifyClient` has failed",
      cause,
    ],
    ["by `clientAddress` that fails", { origins: "*", clientAddress: broken }, 500, "`clientAddress` has fa", cause],
  ])("%s: the application is told once, of each kind of client", async (_, options, status, message, expected) => {
    await serve(options);
    const headers = { origin: "http://evil.example" };
    expect(await statusOf(["sluice.v1"], headers)).toBe(status);
    expect(await statusOf(["chat"], headers)).toBe(status);
    expect(await httpStatusOf(headers)).toBe(status);
    expect(refused.map(({ path }) => path)).toEqual(["/room?x=1", "/room?x=1", "/room?x=1"]);
    for (const { error } of refused) {
      expect(error).toMatchObject({ code: "ERR_REFUSED", message: expect.stringContaining(message) });
      expect(error.cause).toEqual(expected);
    }
  });

  it.each<[string, SluiceServerOptions["handleProtocols"]]>([
    ["fails", broken],
    ["gives no string", () => 5 as never],
    ["gives what is no name", () => "a\r\nb"],
  ])("by `handleProtocols` that %s", async (_, handleProtocols) => {
    await serve({ ...(handleProtocols && { handleProtocols }) });
    expect(await statusOf(["sluice.v1", "chat"])).toBe(500);
    expect(await statusOf(["chat"])).toBe(500);
    const failed = { code: "ERR_REFUSED", message: "`handleProtocols` has failed", cause: expect.any(Error) };
    expect(refused.map(({ error }) => error)).toMatchObject([failed, failed]);
  });

  it("for want of room", async () => {
    await serve({ limits: { addressHandshakesMax: 1 } });
    await new RawClient(loopback).greeted();
    expect(await statusOf(["sluice.v1"])).toBe(503);
    expect(await httpStatusOf()).toBe(503);
    expect(refused.map(({ error }) => error.message)).toEqual(Array(2).fill(expect.stringContaining("Too many")));
  });
});

describe("a client that `authenticate` does not let in", () => {
  it.each<[string, () => unknown, string, unknown]>([
    ["says no", () => false, "`authenticate` has refused the client", undefined],
    ["fails", broken, "`authenticate` or `identify` has failed", cause],
    ["fails later", async () => broken(), "`authenticate` or `identify` has failed", cause],
  ])("where it %s", async (_, authenticate, message, expected) => {
    await serve({ authenticate, plainClients: true });
    const client = loopback.client();
    client.onerror = () => {};
    const [close] = await once(client, "close");
    expect(close.code).toBe(1008);
    expect(await statusOf([])).toBe(401);
    expect(refused.map(({ error }) => [error.code, error.message, error.cause])).toEqual(
      Array(2).fill(["ERR_REFUSED", message, expected]),
    );
  });

  it("SEC-03: learns of credentials that are no JSON, and not what is in them", async () => {
    await serve({ authenticate: () => true });
    const peer = await new RawClient(loopback).greeted();
    peer.hello([
      [Parameter.ATTEMPT, peer.session.attempt],
      [Parameter.AUTH, Buffer.from("s3cret")],
    ]);
    expect((await peer.closed)[0]).toBe(1008);
    expect(refused).toHaveLength(1);
    expect(refused[0]?.error).toMatchObject({ code: "ERR_REFUSED", message: expect.stringContaining("no JSON") });
    expect(inspect(refused[0]?.error)).not.toContain("s3c");
  });

  it("where it takes too long, of whatever kind the client is", async () => {
    await serve({ authenticate: () => new Promise(() => {}), plainClients: true, limits: { handshakeTimeoutMs: 30 } });
    const peer = await new RawClient(loopback).greeted();
    peer.hello();
    await peer.closed;
    expect(await statusOf([])).toBe(503);
    expect(refused.map(({ error }) => [error.code, error.retryable])).toEqual(
      Array(2).fill(["ERR_CONNECT_FAILED", true]),
    );
  });

  it("where it is not asked for ordinary clients", async () => {
    await serve({ authenticate: () => true });
    expect(await statusOf([])).toBe(401);
    expect(refused.map(({ error }) => error.message)).toEqual([expect.stringContaining("`plainClients`")]);
  });

  it("SEC-05: counts as under way, also without a session", async () => {
    const asked = new Inbox<(principal: unknown) => void>();
    const authenticate = () => new Promise((decide) => asked.push(decide));
    await serve({ authenticate, plainClients: true, limits: { addressHandshakesMax: 1 } });
    const first = statusOf([]);
    const decide = await asked.next();
    expect(await statusOf([])).toBe(503);
    decide("ann");
    expect(await first).toBe(101);
    expect((await loopback.connections.next()).principal).toBe("ann");
    const second = statusOf([]);
    (await asked.next())("bob");
    expect(await second).toBe(101);
  });
});

it("a listener that throws holds up no answer, and nobody counts any more", async () => {
  await serve({ origins: "*", limits: { addressHandshakesMax: 1 }, authenticate: () => false, plainClients: true });
  loopback.server.on("refused", broken);
  const caught = await captureUncaught(async () => {
    for (let i = 0; i < 2; i++) {
      expect(await statusOf(["chat"])).toBe(401);
      const peer = await new RawClient(loopback).greeted();
      peer.hello();
      expect((await peer.closed)[0]).toBe(1008);
    }
    loopback.server.options.verifyClient = () => false;
    expect(await statusOf(["sluice.v1"])).toBe(401);
    expect(await httpStatusOf()).toBe(401);
    loopback.server.options.origins = [];
    expect(await httpStatusOf({ origin: "http://a.example" })).toBe(403);
    expect(await statusOf(["sluice.v1"], { origin: "http://a.example" })).toBe(403);
  });
  expect(caught).toHaveLength(8);
});

it("nobody is refused who is let in, or leaves by itself", async () => {
  await serve({ authenticate: () => true });
  await loopback.connect();
  const peer = await new RawClient(loopback).greeted();
  await peer.cut();
  expect(refused).toEqual([]);
});
