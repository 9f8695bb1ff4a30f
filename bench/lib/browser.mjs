// @ts-check
import puppeteer from "puppeteer-core";
import { findBrowser, findFirefox } from "../../tools/find-browser.mjs";

/**
 * @typedef {object} BenchBrowser
 * @property {BrowserName} name
 * @property {string} version as a person would say it: "Chromium 140.0.1"
 * @property {() => Promise<import("puppeteer-core").Page>} newPage
 * @property {import("puppeteer-core").Browser} puppeteer
 * @property {() => Promise<void>} close
 *
 * @typedef {"chromium" | "firefox"} BrowserName
 */

/** @type {Record<BrowserName, { title: string, find: () => string | undefined, advice: string }>} */
const KINDS = {
  chromium: {
    title: "Chromium",
    find: findBrowser,
    advice: "node tools/find-browser.mjs --install, or set CHROME_PATH",
  },
  firefox: { title: "Firefox", find: findFirefox, advice: "install it, or set FIREFOX_PATH" },
};

export const BROWSER_NAMES = /** @type {BrowserName[]} */ (Object.keys(KINDS));

/** A whole upload runs inside one call of the protocol; who calls has a shorter patience. */
const CALL_TIMEOUT_MS = 15 * 60_000;

/** Without the traffic that a browser makes on its own. */
const CHROMIUM_ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-background-networking",
  "--disable-component-update",
];

/** Puppeteer keeps the timers of hidden tabs quick; people's browsers do not. */
const CHROMIUM_ARGUMENTS_LEFT_OUT = [
  "--disable-background-timer-throttling",
  "--disable-backgrounding-occluded-windows",
  "--disable-renderer-backgrounding",
];

/** `performance.now()` in whole milliseconds is too coarse to compare clocks by. */
const FIREFOX_PREFERENCES = { "privacy.reduceTimerPrecision": false };

/**
 * Headless. `undefined`, and a loud word, when this machine has no such browser, so that the others are still measured.
 * @param {BrowserName} name
 * @param {{ isWatched?: boolean }} [options] whether Chromium tells of each WebSocket message, as to its developer tools
 * @returns {Promise<BenchBrowser | undefined>}
 */
export async function launchBrowserIfThere(name, { isWatched = false } = {}) {
  const { title, find, advice } = KINDS[name];
  const executablePath = find();
  if (executablePath === undefined) {
    process.stderr.write(`!!! SKIPPED: ${title}, because none was found: ${advice}\n`);
    return undefined;
  }
  const browser = await puppeteer.launch({
    browser: name === "firefox" ? "firefox" : "chrome",
    executablePath,
    headless: true,
    // Puppeteer, like others, asks to be told of each WebSocket message, binary ones in base64: half of all the work.
    networkEnabled: isWatched,
    protocolTimeout: CALL_TIMEOUT_MS,
    args: name === "chromium" ? CHROMIUM_ARGUMENTS : [],
    ignoreDefaultArgs: name === "chromium" ? CHROMIUM_ARGUMENTS_LEFT_OUT : [],
    extraPrefsFirefox: FIREFOX_PREFERENCES,
  });
  const [, number] = (await browser.version()).split("/");
  return {
    name,
    version: `${title} ${number}`,
    newPage: () => browser.newPage(),
    puppeteer: browser,
    close: () => browser.close(),
  };
}

/** Chromium, for what needs no other. */
export async function launchBrowser() {
  const browser = await launchBrowserIfThere("chromium");
  if (browser === undefined) throw new Error("no Chromium");
  return browser;
}
