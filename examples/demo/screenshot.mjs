// @ts-check
/** `npm run build && node examples/demo/screenshot.mjs`: the picture in the README, anew. */
import { fileURLToPath } from "node:url";
import { chromium } from "@playwright/test";
import { findBrowser } from "../../tools/find-browser.mjs";
import { startDemo } from "./server.mjs";

const target = fileURLToPath(new URL("../../docs/images/demo.png", import.meta.url));

const demo = await startDemo({ port: 0 });
const browser = await chromium.launch({
  executablePath: findBrowser(),
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
});
try {
  const page = await browser.newPage({ viewport: { width: 1200, height: 1000 }, colorScheme: "light" });
  await page.goto(demo.url);
  const start = page.getByRole("button", { name: "Upload on both" });
  await start.click({ trial: true });
  await page.waitForTimeout(5000);
  await start.click();
  await page.waitForTimeout(3200);
  await page.getByLabel("Write a line").fill("Did you get my question?");
  await page.getByRole("button", { name: "Send" }).click();
  await page.mouse.move(0, 0);
  await page.waitForTimeout(2000);
  const bottom = await page.locator(".notes").evaluate((notes) => notes.getBoundingClientRect().top + scrollY);
  const clip = { x: 0, y: 0, width: 1200, height: Math.floor(bottom) - 8 };
  await page.screenshot({ path: target, fullPage: true, clip });
} finally {
  await browser.close();
  await demo.close();
}
process.stdout.write(`${target}\n`);
