/** Ordinary WebSocket servers of other origins, in a real browser: which get plain mode, and that not a byte of ours reaches them. */
import { chromium, expect, test } from "@playwright/test";
import { SluiceServer } from "sluice/server";
import { findBrowser } from "../tools/find-browser.mjs";
import { createLink } from "../tools/link-emulator.mjs";
import { startFaultySite } from "./support/faulty-site.mjs";
import { echo, startOrdinaryServer } from "./support/ordinary-server.mjs";
import { startSite } from "./support/site.mjs";

/** @type {(() => Promise<unknown>)[]} */
const cleanups = [];
test.afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** @param {Parameters<typeof startOrdinaryServer>[0]} [setting] */
async function startServer(setting) {
  const server = await startOrdinaryServer(setting);
  cleanups.push(server.close);
  return server;
}

/** @param {import("@playwright/test").Page} page */
async function goToSite(page) {
  const site = await startSite();
  cleanups.push(site.close);
  await page.goto(site.pageUrl);
}

/**
 * Sends at once, waits until `count` messages have come, and tells what it has seen.
 * @param {import("@playwright/test").Page} page
 * @param {{ url: string, protocols?: string[], options?: object, count: number }} what
 */
function talk(page, { url, protocols = [], options = {}, count }) {
  return page.evaluate(
    async ({ url, protocols, options, count }) => {
      const socket = new globalThis.Sluice.SluiceSocket(url, protocols, options);
      /** @type {(string | Promise<string>)[]} */
      const story = [];
      for (const type of ["open", "error", "close", "sessionlost"])
        socket.addEventListener(type, () => story.push(type));
      socket.send("early");
      await new Promise((resolve) => {
        let left = count;
        socket.onmessage = ({ data }) => {
          story.push(typeof data === "string" ? data : data.text().then((text) => `${data.constructor.name} ${text}`));
          left -= 1;
          if (left === 0) resolve(undefined);
        };
        socket.onopen = () => {
          socket.send(new Blob(["blob"]));
          socket.send(new TextEncoder().encode("bytes"));
          socket.send("late");
        };
        socket.onerror = ({ error }) => {
          story.push(error.code);
          resolve(undefined);
        };
      });
      const { mode, protocol, transport, readyState } = socket;
      if (readyState < 2) socket.close(4000, "done");
      if (readyState < 3) await new Promise((resolve) => socket.addEventListener("close", resolve));
      return { story: await Promise.all(story), mode, protocol, transport };
    },
    { url, protocols, options, count },
  );
}

const bytes = (/** @type {string} */ text) => [...Buffer.from(text)];
const SENT = ["early", bytes("blob"), bytes("bytes"), "late"];
const STORY = ["open", "early", "Blob blob", "Blob bytes", "late", "close"];

test("a server with default settings repeats our protocol: it is asked over HTTP, and gets plain mode", async ({
  page,
}) => {
  const server = await startServer({ onConnection: echo });
  await goToSite(page);
  const told = await talk(page, { url: server.url, count: 4 });
  expect(told).toEqual({ story: STORY, mode: "plain", protocol: "", transport: "websocket" });
  expect(server.seen.offers).toEqual(["sluice.v1"]);
  expect(server.seen.messages).toEqual(SENT);
  await expect.poll(() => server.seen.closes).toEqual([{ code: 4000, reason: "done" }]);
});

test("a server that chooses a protocol of the application gets plain mode", async ({ page }) => {
  const options = { handleProtocols: (/** @type {Set<string>} */ offered) => [...offered][1] ?? false };
  const server = await startServer({ options, onConnection: echo });
  await goToSite(page);
  const told = await talk(page, { url: server.url, protocols: ["chat.v2", "chat.v1"], count: 4 });
  expect(told).toEqual({ story: STORY, mode: "plain", protocol: "chat.v1", transport: "websocket" });
  expect(server.seen).toMatchObject({
    offers: ["chat.v2, chat.v1, sluice.v1"],
    messages: SENT,
  });
});

test("a server that chooses nothing, which the browser does not accept, is dialled again without our offer", async ({
  page,
}) => {
  const server = await startServer({ options: { handleProtocols: () => false }, onConnection: echo });
  await goToSite(page);
  const told = await talk(page, { url: server.url, count: 4 });
  expect(told).toEqual({ story: STORY, mode: "plain", protocol: "", transport: "websocket" });
  expect(server.seen.offers).toEqual(["sluice.v1", undefined]);
  expect(server.seen.messages).toEqual(SENT);
});

test("a server that accepts and is silent gets what the application sends, and nothing else", async ({ page }) => {
  const server = await startServer();
  await goToSite(page);
  await page.evaluate(async (url) => {
    const socket = new globalThis.Sluice.SluiceSocket(url);
    await new Promise((resolve) => socket.addEventListener("open", resolve));
    await socket.send("hello").written;
  }, server.url);
  await expect.poll(() => server.seen.messages).toEqual(["hello"]);
});

test("a Sluice server whose frames do not get through is none that is ordinary", async ({ page }) => {
  await goToSite(page);
  const origins = [new URL(page.url()).origin];
  const sluice = new SluiceServer({ noServer: true, origins });
  const takeRequest = (/** @type {any} */ request, /** @type {any} */ response) =>
    sluice.handleRequest(request, response);
  const server = await startServer({ takeRequest });
  // The HTTP transports are another story: this is about what the WebSocket is taken for.
  const options = { connectTimeoutMs: 2000, transports: ["websocket"] };
  const told = await talk(page, { url: server.url, options, count: 1 });
  expect(told).toMatchObject({ mode: null, story: ["error", "ERR_CONNECT_FAILED", "close"] });
  expect(server.seen.messages).toEqual([]);
});

test("what waits behind a slow line can still be replaced, and there is backpressure", async ({ page }) => {
  const server = await startServer();
  const link = await createLink({ target: { port: server.port }, rateBitsPerSecond: 20e6, roundTripTimeMs: 40 });
  cleanups.push(() => link.close());
  await goToSite(page);
  const told = await page.evaluate(async (url) => {
    const socket = new globalThis.Sluice.SluiceSocket(url, [], { mode: "plain" });
    await new Promise((resolve) => socket.addEventListener("open", resolve));
    const drained = new Promise((resolve) => socket.addEventListener("drain", resolve));
    // More than the line, the kernel and the browser hide.
    for (let i = 0; i < 160; i++) socket.send(new Uint8Array(64 * 1024));
    const receipts = Array.from({ length: 50 }, (_, i) => socket.send(`position ${i}`, { key: "position" }));
    const before = socket.bufferedAmount;
    await Promise.all([socket.ready, drained]);
    const after = socket.bufferedAmount;
    await receipts[49].written;
    const states = receipts.map(({ state }) => state);
    return { before, after, states: [...new Set(states.slice(0, 49)), states[49]] };
  }, `ws://127.0.0.1:${link.port}/`);
  expect(told.before).toBeGreaterThan(8 * 1024 * 1024);
  expect(told.after).toBeLessThan(256 * 1024);
  expect(told.states).toEqual(["cancelled", "unknown"]);
  await expect.poll(() => server.seen.messages.length, { timeout: 20_000 }).toBe(161);
  expect(server.seen.messages.at(-1)).toBe("position 49");
});

test("a page comes back from the back/forward cache: its session is lost, and it goes on", async () => {
  const server = await startServer();
  const site = await startFaultySite({ onConnection: () => {} });
  cleanups.push(site.close);
  const browser = await chromium.launch({
    executablePath: findBrowser(),
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
    ignoreDefaultArgs: ["--disable-back-forward-cache"],
  });
  cleanups.push(() => browser.close());
  const page = await browser.newPage();
  await page.goto(site.pageUrl);
  await page.evaluate(async (url) => {
    const socket = new globalThis.Sluice.SluiceSocket(url, [], { mode: "plain" });
    /** @type {string[]} */
    const story = [];
    globalThis.state = { story };
    for (const type of ["open", "error", "close", "sessionlost"]) socket.addEventListener(type, () => story.push(type));
    globalThis.addEventListener("pageshow", ({ persisted }) => story.push(`persisted ${persisted}`));
    socket.addEventListener("open", () => socket.send(`open ${story.length}`));
    await new Promise((resolve) => socket.addEventListener("open", resolve));
  }, server.url);
  await page.goto(site.otherPageUrl, { waitUntil: "commit" });
  await page.evaluate(() => setTimeout(() => history.back()));
  await expect
    .poll(() => page.evaluate(() => globalThis.state?.story).catch(() => "on its way"))
    .toEqual(["open", "persisted true", "sessionlost", "open"]);
  await expect.poll(() => server.seen.messages).toEqual(["open 1", "open 4"]);
});
