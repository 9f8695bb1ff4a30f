/**
 * Over HTTP/1.1 a browser makes six connections to a server, for all of its tabs. Eight tabs over HTTP have to get along with
 * that, and leave something to the application.
 */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { chromium, expect, test } from "@playwright/test";
import { findBrowser } from "../tools/find-browser.mjs";
import { startSite } from "./support/site.mjs";

const TABS = 8;
const PLACES = 3;
const MESSAGES = 20;
const UPLOAD_BYTES = 1_500_000;

/** So little waits in the line that requests share it, and the one that has left last does not come last, bytes. */
const QUEUE_BYTES = 8 * 1024;

/** @type {Awaited<ReturnType<typeof startSite>> | undefined} */
let site;
test.afterEach(async () => {
  await site?.close();
  site = undefined;
});

/** @param {import("@playwright/test").Page} page @param {string} url */
async function openTab(page, url) {
  await page.evaluate((url) => {
    const socket = new globalThis.Sluice.SluiceSocket(url, [], { transports: ["sse", "long-poll"] });
    globalThis.socket = socket;
    globalThis.got = [];
    globalThis.events = [];
    socket.onmessage = ({ data }) => globalThis.got.push(data);
    for (const type of ["open", "error", "close"]) socket.addEventListener(type, () => globalThis.events.push(type));
  }, url);
}

/** @param {readonly import("@playwright/test").Page[]} pages */
async function expectPlaces(pages) {
  const transports = () => Promise.all(pages.map((page) => page.evaluate(() => globalThis.socket.transport)));
  const expected = pages.map((_, index) => (index < PLACES ? "sse" : "long-poll")).sort();
  await expect.poll(async () => (await transports()).sort(), { timeout: 20_000 }).toEqual(expected);
  const names = await transports();
  return { holders: pages.filter((_, i) => names[i] === "sse"), others: pages.filter((_, i) => names[i] !== "sse") };
}

test("HTTP-27: eight tabs over HTTP share six connections, and leave some to the page", async ({ context }) => {
  /** @type {any[]} */
  const sockets = [];
  site = await startSite({
    onConnection: (socket) => {
      sockets.push(socket);
      socket.on("message", (/** @type {Buffer} */ data) => socket.send(`echo ${data}`));
    },
  });
  /** @type {import("@playwright/test").Page[]} */
  const pages = [];
  for (let i = 0; i < TABS; i++) {
    const page = await context.newPage();
    await page.goto(site.pageUrl);
    await openTab(page, site.socketUrl);
    pages.push(page);
  }
  for (const page of pages) await expect.poll(() => page.evaluate(() => globalThis.events)).toEqual(["open"]);
  const { holders, others } = await expectPlaces(pages);

  const ask = (/** @type {string} */ round) =>
    Promise.all(
      pages.map((page) =>
        page.evaluate(
          ({ round, count }) => {
            globalThis.got.length = 0;
            for (let i = 0; i < count; i++) globalThis.socket.send(`${round} ${i}`);
          },
          { round, count: MESSAGES },
        ),
      ),
    );
  const expectAnswers = async (/** @type {string} */ round) => {
    const answers = Array.from({ length: MESSAGES }, (_, i) => `echo ${round} ${i}`);
    for (const page of pages) await expect.poll(() => page.evaluate(() => globalThis.got)).toEqual(answers);
  };
  await ask("first");
  await expectAnswers("first");

  // What nobody has asked for, and requests of the page's own beside that.
  for (const page of pages) await page.evaluate(() => (globalThis.got.length = 0));
  for (const socket of sockets) for (let i = 0; i < MESSAGES; i++) socket.send(`news ${i}`);
  const own = [holders[0], others[0], others.at(-1)].map((page) =>
    page?.evaluate(async () => (await fetch("/", { cache: "no-store" })).status),
  );
  expect(await Promise.all(own)).toEqual([200, 200, 200]);
  const news = Array.from({ length: MESSAGES }, (_, i) => `news ${i}`);
  for (const page of pages) await expect.poll(() => page.evaluate(() => globalThis.got)).toEqual(news);

  // A holder goes: by closing its tab, its socket, or by going to another page.
  const leave = [
    (/** @type {import("@playwright/test").Page} */ page) => page.close(),
    (/** @type {import("@playwright/test").Page} */ page) => page.evaluate(() => globalThis.socket.close()),
    (/** @type {import("@playwright/test").Page} */ page) => page.goto("about:blank"),
  ];
  for (const [index, go] of leave.entries()) {
    const holder = /** @type {import("@playwright/test").Page} */ (holders[index]);
    await go(holder);
    pages.splice(pages.indexOf(holder), 1);
    await expectPlaces(pages);
  }
  await ask("last");
  await expectAnswers("last");
  for (const page of pages) expect(await page.evaluate(() => globalThis.events)).toEqual(["open"]);
  expect(sockets).toHaveLength(TABS);
});

/**
 * How many requests of the line were under way at a time at most, at the server, during an upload.
 * @param {import("@playwright/test").Page} page
 */
async function mostUnderWay(page) {
  let taken = 0;
  let underWay = 0;
  let most = 0;
  let received = 0;
  site = await startSite({
    megabit: 10,
    roundTripTimeMs: 40,
    onConnection: (socket) =>
      socket.on("message", (/** @type {Buffer} */ data) => {
        received += data.length;
      }),
  });
  site.link.set({ queueBytes: QUEUE_BYTES });
  const { server } = site;
  // Listeners do not see the requests that Sluice has taken.
  const count = (/** @type {any} */ { request, response, server: asked }) => {
    if (asked !== server || request.headers["sluice-line"] === undefined) return;
    taken += 1;
    underWay += 1;
    most = Math.max(most, underWay);
    response.once("close", () => {
      underWay -= 1;
    });
  };
  subscribe("http.server.request.start", count);
  await page.goto(site.pageUrl);
  await page.evaluate((url) => {
    globalThis.socket = new globalThis.Sluice.SluiceSocket(url, [], { transports: ["sse"] });
  }, site.socketUrl);
  await expect.poll(() => page.evaluate(() => globalThis.socket.connectionState)).toBe("connected");
  await page.evaluate((bytes) => globalThis.socket.send(new Uint8Array(bytes)), UPLOAD_BYTES);
  await expect.poll(() => received, { timeout: 30_000 }).toBe(UPLOAD_BYTES);
  unsubscribe("http.server.request.start", count);
  await page.evaluate(() => globalThis.socket.close());
  expect(taken).toBeGreaterThan(UPLOAD_BYTES / (256 * 1024));
  return most;
}

test("HTTP-03: a session that uploads over HTTP/1.1 has no more than two requests under way", async ({ page }) => {
  expect(await mostUnderWay(page)).toBe(2);
});

test("HTTP-03: a session whose browser says that requests share a connection has a third one", async ({ page }) => {
  await page.addInitScript(() =>
    Object.defineProperty(PerformanceResourceTiming.prototype, "nextHopProtocol", { get: () => "h2" }),
  );
  expect(await mostUnderWay(page)).toBe(3);
});

test("HTTP-27: a page in the back/forward cache has given its place back, and comes back to one", async () => {
  site = await startSite({
    onConnection: (socket) => socket.on("message", (/** @type {Buffer} */ data) => socket.send(`echo ${data}`)),
  });
  // Playwright's own browser has no such cache.
  const browser = await chromium.launch({
    executablePath: findBrowser(),
    args: ["--no-sandbox", "--disable-gpu"],
    ignoreDefaultArgs: ["--disable-back-forward-cache"],
  });
  try {
    const page = await browser.newPage();
    await page.goto(site.pageUrl);
    await openTab(page, site.socketUrl);
    await expectPlaces([page]);
    await page.evaluate(() =>
      globalThis.addEventListener("pageshow", ({ persisted }) => {
        globalThis.persisted = persisted;
      }),
    );
    const held = () => page.evaluate(async () => (await navigator.locks.query()).held?.length);
    expect(await held()).toBe(1);
    await page.goto(`${site.pageUrl}sluice.js`, { waitUntil: "commit" });
    await expect.poll(held).toBe(0);
    await page.evaluate(() => setTimeout(() => history.back()));
    await expect.poll(() => page.evaluate(() => globalThis.persisted).catch(() => "on its way")).toBe(true);
    await page.evaluate(() => globalThis.socket.send("here"));
    await expect.poll(() => page.evaluate(() => globalThis.got)).toEqual(["echo here"]);
    await expectPlaces([page]);
    expect([await held(), await page.evaluate(() => globalThis.events)]).toEqual([1, ["open"]]);
  } finally {
    await browser.close();
  }
});
