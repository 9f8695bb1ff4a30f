/**
 * Over HTTP/1.1 a browser makes six connections to a server, for all of its tabs. Eight tabs over HTTP have to get along with
 * that, and leave something to the application.
 */
import { chromium, expect, test } from "@playwright/test";
import { findBrowser } from "../tools/find-browser.mjs";
import { startSite } from "./support/site.mjs";

const TABS = 8;
const PLACES = 3;
const MESSAGES = 20;

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
