import { afterEach, describe, expect, it } from "vitest";
import { type HttpOptions, httpTransport } from "../../src/transport/browser/http.js";
import type { HttpLinesLimits } from "../../src/transport/node/http-lines.js";
import { reactions } from "../support/event-loop.js";
import { type Fate, HttpProxy, type ProxiedRequest } from "../support/http-proxy.js";
import { HttpRig, TestPlatform } from "../support/http-rig.js";
import { TransportStory } from "../support/transport-story.js";
import type { End } from "./rigs.js";

const HELD_BACK_MS = 2500;
const PATIENCE_MS = 10_000;
const POST_TIMEOUT_MS = 15_000;

let rig: HttpRig;
let proxy: HttpProxy;
let platform: TestPlatform;
let client: End;

async function start(options: HttpOptions = {}, limits: Partial<HttpLinesLimits> = {}): Promise<void> {
  rig = await HttpRig.start(limits);
  proxy = await HttpProxy.start(rig.url);
  platform = new TestPlatform();
  const transport = httpTransport(platform, proxy.url, options);
  client = { transport, story: new TransportStory(transport) };
  transport.start(client.story);
  await client.story.until(() => client.story.told.length === 1);
}

/** A line that has carried [1] up and [2] down, on the way that its options say. */
async function open(options: HttpOptions = {}, limits: Partial<HttpLinesLimits> = {}): Promise<End> {
  await start(options, limits);
  client.transport.send(Uint8Array.of(1));
  const server = await rig.ends.next();
  await server.story.batchesWhen(1);
  server.transport.send(Uint8Array.of(2));
  await client.story.batchesWhen(1);
  while (!proxy.requests.some(({ method }) => method === "GET")) await reactions();
  return server;
}

afterEach(async () => {
  expect(client.story.breaches).toEqual([]);
  client.transport.terminate();
  await proxy.stop();
  await rig.stop();
  // No deadline of the client is left: nothing waits, and nothing is under way.
  expect(platform.deadlines).toEqual([]);
});

/** Whether no POST is under way. */
const isQuiet = () => !platform.deadlines.includes(POST_TIMEOUT_MS);
const firsts = ({ story }: End) => story.batches.map(([first]) => first);
const range = (from: number, count: number) => Array.from({ length: count }, (_, i) => (from + i) % 256);

/** Sends batches that begin with the numbers from `from` on, some of them in one go. */
async function sendMany({ transport }: End, from: number, count: number, size = 500): Promise<void> {
  for (const number of range(from, count)) {
    transport.send(new Uint8Array(size).fill(number));
    if (number % 3 === 0) await reactions();
  }
}

/** Lets a fate befall the first so many requests that are meant. */
function strike(fate: Fate, times: number, isMeant: (request: ProxiedRequest) => boolean): () => number {
  let left = times;
  proxy.fate = (request) => {
    if (left === 0 || !isMeant(request)) return "pass";
    left -= 1;
    return fate;
  };
  return () => times - left;
}

describe.each(["auto", "long-poll"] as const)("HTTP-09, HTTP-22: faults on the way of an HTTP line, %s", (downlink) => {
  it.each<[string, Fate]>([
    ["get lost", "lose-request"],
    ["get lost with their answers", "lose-answer"],
    ["come twice", "repeat"],
    ["are answered by something on the way: 502", { status: 502 }],
    ["are answered by something on the way: 429", { status: 429 }],
    ["end up in a portal", { status: 200, body: "<html>Please log in</html>" }],
  ])("POSTs %s: everything arrives, once and in order", async (_, fate) => {
    const server = await open({ downlink });
    const struck = strike(fate, 3, ({ method }) => method === "POST");
    await sendMany(client, 10, 60);
    await server.story.batchesWhen(61);
    await client.story.until(isQuiet);
    expect(firsts(server)).toEqual([1, ...range(10, 60)]);
    expect([struck(), client.story.deaths]).toEqual([3, []]);
  });

  it.each<[string, Fate]>([
    ["get lost", "lose-request"],
    ["are answered by something on the way: 504", { status: 504 }],
    ["end up in a portal", { status: 200, body: "<html>Please log in</html>" }],
    ["are cut in the middle", { cutBehind: 3000 }],
    ["are cut before they have brought anything", { cutBehind: 1 }],
  ])("GETs %s: everything arrives, once and in order", async (_, fate) => {
    await start({ downlink });
    const struck = strike(fate, 2, ({ method }) => method === "GET");
    client.transport.send(Uint8Array.of(1));
    const server = await rig.ends.next();
    server.transport.send(Uint8Array.of(2));
    await client.story.batchesWhen(1);
    for (let i = 0; i < 60; i += 20) {
      await sendMany(server, 10 + i, 20);
      await client.story.batchesWhen(21 + i);
    }
    // Polls may have brought it all in one.
    while (struck() < 2) {
      server.transport.send(Uint8Array.of(3));
      await reactions();
    }
    await client.story.until(() => server.transport.bufferedBytes === 0);
    expect(firsts(client).slice(0, 61)).toEqual([2, ...range(10, 60)]);
    expect(client.story.deaths).toEqual([]);
  });

  it("answers of polls and first POSTs that get lost are asked for again", async () => {
    await start({ downlink });
    const struck = strike("lose-answer", 2, ({ method, isStream }) => method === "POST" || !isStream);
    client.transport.send(Uint8Array.of(1));
    const server = await rig.ends.next();
    await server.story.batchesWhen(1);
    for (const value of [2, 3, 4, 5]) {
      server.transport.send(Uint8Array.of(value));
      await client.story.batchesWhen(value - 1);
    }
    client.transport.send(Uint8Array.of(9));
    await server.story.batchesWhen(2);
    await client.story.until(isQuiet);
    expect([struck(), firsts(client), firsts(server)]).toEqual([2, [2, 3, 4, 5], [1, 9]]);
    expect(rig.ends.items).toHaveLength(1);
  });

  it("HTTP-12: a limit on bodies is found out, batch by batch, and nothing is lost", async () => {
    const server = await open({ downlink });
    proxy.fate = ({ method, bodyBytes }) => (method === "POST" && bodyBytes > 20_000 ? { status: 413 } : "pass");
    const large = range(10, 20);
    for (const number of large) client.transport.send(new Uint8Array(16_000).fill(number));
    await server.story.batchesWhen(21);
    expect(firsts(server)).toEqual([1, ...large]);
    const refused = proxy.requests.filter(({ bodyBytes }) => bodyBytes > 20_000);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.length).toBeLessThan(5);
  });

  it.each<[string, Fate]>([
    ["502", { status: 502 }],
    ["nothing", "lose-request"],
  ])("HTTP-12: bodies that are too large for something that says %s are halved, and grow again", async (_, fate) => {
    const server = await open({ downlink });
    const isLarge = ({ method, bodyBytes }: ProxiedRequest) => method === "POST" && bodyBytes > 20_000;
    proxy.fate = (request) => (isLarge(request) ? fate : "pass");
    const large = range(10, 6);
    for (const number of large) client.transport.send(new Uint8Array(16_000).fill(number));
    await server.story.batchesWhen(7);
    proxy.fate = () => "pass";
    for (const number of range(20, 20)) client.transport.send(new Uint8Array(16_000).fill(number));
    await server.story.batchesWhen(27);
    expect(firsts(server)).toEqual([1, ...large, ...range(20, 20)]);
    expect(Math.max(...proxy.requests.slice(-4).map(({ bodyBytes }) => bodyBytes))).toBeGreaterThan(40_000);
    expect([rig.ends.items.length, client.story.deaths]).toEqual([1, []]);
  });

  it("a limit below one batch ends the line, and it says why", async () => {
    await open({ downlink });
    proxy.fate = ({ method, bodyBytes }) => (method === "POST" && bodyBytes > 8000 ? { status: 413 } : "pass");
    client.transport.send(new Uint8Array(16_000));
    expect(await client.story.death()).toEqual({ wasClean: false, code: 1006, reason: "", httpStatus: 413 });
  });

  it.each([404, 410, 401, 403, 400, 426])("%d ends the line, and it says why", async (status) => {
    await open({ downlink });
    proxy.fate = () => ({ status });
    client.transport.send(Uint8Array.of(3));
    expect(await client.story.death()).toEqual({ wasClean: false, code: 1006, reason: "", httpStatus: status });
  });

  it.each([404, 401, 403, 503])("%d for the first request ends the line at once", async (status) => {
    await start({ downlink });
    proxy.fate = () => ({ status });
    client.transport.send(Uint8Array.of(3));
    expect(await client.story.death()).toEqual({ wasClean: false, code: 1006, reason: "", httpStatus: status });
    expect(proxy.requests).toHaveLength(1);
  });

  it.each<[string, Fate]>([
    ["nothing gets through", "lose-request"],
    ["something on the way answers", { status: 502 }],
    ["all is a portal", { status: 200, body: "<html>" }],
  ])("gives the line up when %s for 10 s", async (_, fate) => {
    await open({ downlink });
    proxy.fate = () => fate;
    client.transport.send(Uint8Array.of(3));
    while (!platform.deadlines.includes(PATIENCE_MS)) await reactions();
    platform.expire(PATIENCE_MS);
    expect(await client.story.death()).toMatchObject({ wasClean: false, code: 1006 });
    await reactions();
    expect(client.story.deaths).toHaveLength(1);
  });

  it("a POST that hangs is sent again, smaller, when its time is over", async () => {
    const server = await open({ downlink });
    const struck = strike("hang", 1, ({ method }) => method === "POST");
    const large = range(10, 4);
    for (const number of large) client.transport.send(new Uint8Array(16_000).fill(number));
    // The server has it; the client does not know.
    await server.story.batchesWhen(5);
    platform.expire(POST_TIMEOUT_MS);
    client.transport.send(Uint8Array.of(99));
    await server.story.batchesWhen(6);
    expect([struck(), firsts(server)]).toEqual([1, [1, ...large, 99]]);
    const [first, ...others] = proxy.requests
      .flatMap(({ method, bodyBytes }) => (method === "POST" ? [bodyBytes] : []))
      .slice(1);
    expect(Math.max(...others)).toBeLessThanOrEqual((first ?? 0) / 2);
  });

  it("close gets through although its request gets lost", async () => {
    const server = await open({ downlink });
    const struck = strike("lose-request", 2, ({ method }) => method === "POST");
    await sendMany(client, 10, 5);
    client.transport.close(4001, "");
    expect(await server.story.death()).toEqual({ wasClean: true, code: 4001, reason: "" });
    expect([struck(), firsts(server)]).toEqual([2, [1, ...range(10, 5)]]);
    await reactions();
  });

  it("close brings more than a page that goes may send, in several requests", async () => {
    const server = await open({ downlink });
    for (const number of range(10, 20)) client.transport.send(new Uint8Array(16_000).fill(number));
    client.transport.close(4001, "");
    expect(await server.story.death()).toMatchObject({ code: 4001 });
    expect(firsts(server)).toEqual([1, ...range(10, 20)]);
  });

  it("the server's close gets through although its answer gets lost", async () => {
    const server = await open({ downlink });
    server.transport.send(Uint8Array.of(3));
    server.transport.close(4002, "");
    proxy.cut();
    expect(await client.story.death()).toEqual({ wasClean: true, code: 4002, reason: "" });
    expect(firsts(client)).toEqual([2, 3]);
  });
});

describe("HTTP-19: an event stream that does not get through", () => {
  it("is held back from its head on: long polls take over, on the same line", async () => {
    await start();
    proxy.fate = ({ isStream }) => (isStream ? "hold-back" : "pass");
    client.transport.send(Uint8Array.of(1));
    const server = await rig.ends.next();
    server.transport.send(Uint8Array.of(2));
    await client.story.batchesWhen(1);
    while (!proxy.requests.some(({ isStream }) => isStream)) await reactions();
    expect(client.transport.name).toBe("sse");
    platform.expire(HELD_BACK_MS);
    await sendMany(server, 10, 20);
    await client.story.batchesWhen(21);
    expect(firsts(client)).toEqual([2, ...range(10, 20)]);
    expect([client.transport.name, server.transport.name]).toEqual(["long-poll", "long-poll"]);
    expect(client.story.of("renamed")).toEqual([{ type: "renamed", name: "long-poll" }]);
    expect(rig.ends.items).toHaveLength(1);
  });

  it("is held back, and POSTs bring along meanwhile what comes down", async () => {
    await start();
    proxy.fate = ({ isStream }) => (isStream ? "hold-back" : "pass");
    client.transport.send(Uint8Array.of(1));
    const server = await rig.ends.next();
    server.transport.send(Uint8Array.of(2));
    await client.story.batchesWhen(1);
    server.story.onBatch = ([value = 0]) => server.transport.send(Uint8Array.of(value + 1));
    for (const value of [10, 20, 30]) {
      client.transport.send(Uint8Array.of(value));
      while (firsts(client).at(-1) !== value + 1) {
        await reactions();
        if (client.transport.bufferedBytes === 0 && firsts(client).at(-1) !== value + 1)
          client.transport.send(Uint8Array.of(value));
      }
    }
    expect([client.transport.name, client.story.deaths]).toEqual(["sse", []]);
  });

  it("is held back behind its beginning: found out by what POSTs say", async () => {
    await start();
    proxy.fate = ({ isStream }) => (isStream ? { holdBehind: 2049 } : "pass");
    client.transport.send(Uint8Array.of(1));
    const server = await rig.ends.next();
    server.transport.send(Uint8Array.of(2));
    await client.story.batchesWhen(1);
    while (platform.deadlines.includes(HELD_BACK_MS) || !proxy.requests.some(({ isStream }) => isStream))
      await reactions();
    server.transport.send(Uint8Array.of(3));
    await reactions();
    while (!platform.deadlines.includes(HELD_BACK_MS)) {
      client.transport.send(Uint8Array.of(4));
      await reactions();
    }
    platform.expire(HELD_BACK_MS);
    await client.story.batchesWhen(2);
    expect([firsts(client), client.transport.name]).toEqual([[2, 3], "long-poll"]);
  });

  it.each<[string, Fate]>([
    ["ends at once", { cutBehind: 2049 }],
    ["is something else", { status: 200, body: "data: nothing of ours\n\n" }],
    ["is not taken", { status: 502 }],
  ])("%s, twice: long polls take over", async (_, fate) => {
    await start();
    proxy.fate = ({ isStream }) => (isStream ? fate : "pass");
    client.transport.send(Uint8Array.of(1));
    const server = await rig.ends.next();
    server.transport.send(Uint8Array.of(2));
    await client.story.until(() => client.transport.name === "long-poll");
    const streams = () => proxy.requests.filter(({ isStream }) => isStream).length;
    expect(streams()).toBe(2);
    // A poll gets through: it was not for an outage. One more stream shows that, and it is the last.
    for (const value of [3, 4, 5]) {
      server.transport.send(Uint8Array.of(value));
      await client.story.batchesWhen(value - 1);
    }
    expect([streams(), client.transport.name]).toEqual([3, "long-poll"]);
    expect(client.story.deaths).toEqual([]);
  });

  it("fails as everything does, for a while: afterwards it carries again", async () => {
    const server = await open();
    for (const value of [10, 20]) {
      proxy.fate = () => ({ status: 502 });
      proxy.cut();
      await client.story.until(() => client.transport.name === "long-poll");
      proxy.fate = () => "pass";
      server.transport.send(Uint8Array.of(value));
      await client.story.until(() => client.transport.name === "sse");
      server.transport.send(Uint8Array.of(value + 1));
      await client.story.batchesWhen(value / 5 + 1);
    }
    expect(firsts(client)).toEqual([2, 10, 11, 20, 21]);
    expect([rig.ends.items.length, client.story.deaths]).toEqual([1, []]);
  });

  it("carries what a stream has to: it is not given up for one cut", async () => {
    const server = await open();
    for (const value of [10, 11, 12, 13]) {
      server.transport.send(Uint8Array.of(value));
      await client.story.batchesWhen(value - 8);
      proxy.cut();
    }
    server.transport.send(Uint8Array.of(14));
    await client.story.batchesWhen(6);
    expect([client.transport.name, firsts(client)]).toEqual(["sse", [2, 10, 11, 12, 13, 14]]);
  });
});

it.each([
  ["two connections at a time", 100, false, 2],
  ["two, while much goes up over HTTP/1.1", 500, false, 2],
  ["one, by three requests at most, while much goes up over HTTP/2", 500, true, 3],
])("HTTP-03: is never asked for over more than %s", async (_, size, isMultiplexed, count) => {
  await start();
  platform.isMultiplexed = () => isMultiplexed;
  let open = 0;
  let most = 0;
  const { fetch } = platform;
  platform.fetch = async (url, init) => {
    open += 1;
    most = Math.max(most, open);
    try {
      const response = await fetch(url, init);
      const body = await response.arrayBuffer();
      return new Response(body, response);
    } finally {
      open -= 1;
    }
  };
  client.transport.send(Uint8Array.of(1));
  const server = await rig.ends.next();
  await sendMany(server, 10, 30);
  while (!platform.deadlines.includes(HELD_BACK_MS)) await reactions();
  platform.expire(HELD_BACK_MS);
  await Promise.all([sendMany(client, 10, 30, size), client.story.batchesWhen(30), server.story.batchesWhen(31)]);
  expect(most).toBeLessThanOrEqual(count);
  // Whether two POSTs and the poll meet is a matter of the machine's pace.
  expect(most).toBeGreaterThanOrEqual(2);
});
