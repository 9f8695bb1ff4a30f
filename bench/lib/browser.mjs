// @ts-check
import { chromium } from "@playwright/test";
import { findBrowser } from "../../tools/find-browser.mjs";

/** Headless, and without the traffic that a browser makes on its own. */
export async function launchBrowser() {
  const executablePath = findBrowser();
  if (executablePath === undefined) {
    throw new Error("no Chromium found: node tools/find-browser.mjs --install, or set CHROME_PATH");
  }
  return await chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
  });
}
