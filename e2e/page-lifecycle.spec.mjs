/**
 * What pages go through: the back/forward cache, and minutes in the background. Playwright's own browser has no such cache
 * and cannot hide a page, so these tests start theirs.
 */
import { chromium, expect, test } from "@playwright/test";
import { findBrowser } from "../tools/find-browser.mjs";
import { startFaultySite } from "./support/faulty-site.mjs";
import { countingServer, expectComplete, openSocket, resumes } from "./support/socket-page.mjs";
import { startTabs } from "./support/tabs.mjs";

const ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"];

/** How long a page stays in the background: `HIDDEN_SECONDS=360` goes beyond Chromium's five minutes of mild throttling. */
const HIDDEN_MS = Number(process.env["HIDDEN_SECONDS"] ?? 70) * 1000;

/** @type {(() => Promise<unknown>)[]} */
const cleanups = [];
test.afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

test("RES: a page goes into the back/forward cache and comes back with its session", async () => {
  const { state, onConnection, send } = countingServer();
  const site = await startFaultySite({ onConnection });
  cleanups.push(site.close);
  const browser = await chromium.launch({
    executablePath: findBrowser(),
    args: ARGUMENTS,
    ignoreDefaultArgs: ["--disable-back-forward-cache"],
  });
  cleanups.push(() => browser.close());
  const page = await browser.newPage();
  await page.goto(site.pageUrl);
  await openSocket(page, site.socketUrl);
  await page.evaluate(() => {
    globalThis.addEventListener("pageshow", (event) => {
      globalThis.state.persisted = event.persisted;
    });
    globalThis.sendMore(20);
  });
  send(20);
  await expectComplete(page, state);

  for (let round = 1; round <= 3; round++) {
    // What is sent at the last moment, and what comes while the page sleeps.
    await page.evaluate(() =>
      globalThis.addEventListener("pagehide", () => globalThis.sendMore(5), { once: true, capture: true }),
    );
    await page.goto(site.otherPageUrl, { waitUntil: "commit" });
    await expect.poll(() => state.events.length).toBe(2 * round - 1);
    send(20);
    // Not `goBack`, which asks a page that may just be changing places.
    await page.evaluate(() => setTimeout(() => history.back()));
    await expect.poll(() => page.evaluate(() => globalThis.state?.persisted).catch(() => "on its way")).toBe(true);
    await expect.poll(() => resumes(page)).toBe(round);
    await page.evaluate(() => globalThis.sendMore(20));
    await expectComplete(page, state);
  }

  expect(state.sockets).toHaveLength(1);
  expect(state.events).toEqual(["park", "resume", "park", "resume", "park", "resume"]);
  const { events } = await page.evaluate(() => globalThis.state);
  // The old socket's late `close` is nobody's.
  expect(events.filter((event) => !["connected", "reconnecting"].includes(event))).toEqual(["open"]);
});

test("RES: a page in the background, really hidden, keeps up, and comes back when its line is cut", async () => {
  test.setTimeout(HIDDEN_MS + 60_000);
  const { state, onConnection, send } = countingServer();
  const site = await startFaultySite({ onConnection });
  cleanups.push(site.close);
  const browser = await startTabs();
  cleanups.push(browser.close);
  const page = await browser.openHidden(site.pageUrl);
  await openSocket(page, site.socketUrl);
  expect(await page.evaluate(() => document.visibilityState)).toBe("hidden");
  // The page answers what comes without a timer of its own, as an application would.
  await page.evaluate(() => {
    globalThis.state.ticks = 0;
    setInterval(() => (globalThis.state.ticks += 1), 100);
    globalThis.socket.addEventListener("message", () => globalThis.sendMore(1));
  });

  const startedAt = performance.now();
  let rounds = 0;
  let cuts = 0;
  while (performance.now() - startedAt < HIDDEN_MS) {
    send(20);
    rounds += 1;
    if (rounds % 20 === 0) {
      cuts += 1;
      site.proxy.cut();
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  await expect.poll(() => page.evaluate(() => globalThis.state.sent), { timeout: 70_000 }).toBe(state.sent);
  await expectComplete(page, state);

  expect(cuts).toBeGreaterThanOrEqual(3);
  expect(await resumes(page)).toBe(cuts);
  expect(state.sockets).toHaveLength(1);
  const { visibility, ticks } = await page.evaluate(() => ({
    visibility: document.visibilityState,
    ticks: globalThis.state.ticks,
  }));
  // Ten a second were asked for: the timers of this page really were throttled.
  expect(visibility).toBe("hidden");
  expect(ticks).toBeLessThan(HIDDEN_MS / 500);
});
