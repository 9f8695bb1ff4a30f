// @ts-check
/** The demo, as somebody sees it who starts it for the first time. */
import { expect, test } from "@playwright/test";
import { startDemo } from "../examples/demo/server.mjs";

/** @type {Awaited<ReturnType<typeof startDemo>> | undefined} */
let demo;
/** @type {string[]} */
let complaints = [];

test.beforeEach(async ({ page }) => {
  complaints = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  demo = await startDemo({ port: 0 });
});

test.afterEach(async () => {
  await demo?.close();
  demo = undefined;
});

test("a small file arrives on both sides, and so does what is written meanwhile", async ({ page }) => {
  await page.goto(/** @type {any} */ (demo).url);
  await page.getByRole("radio", { name: "5 Mbit/s" }).check({ force: true });
  await page.locator("#file").setInputFiles({
    name: "holiday.jpg",
    mimeType: "image/jpeg",
    buffer: Buffer.alloc(300_000, "x"),
  });
  await expect(page.locator("#file-name")).toHaveText("holiday.jpg, 293 KB");
  await page.getByRole("button", { name: "Upload on both" }).click();
  await page.getByLabel("Write a line").fill("Hello from the test");
  await page.getByRole("button", { name: "Send" }).click();
  for (const side of ["sluice", "native"]) {
    await expect(page.locator(`.pane[data-side=${side}]`)).toHaveAttribute("data-upload", "done");
    await expect(page.locator(`.pane[data-side=${side}] .upload-text`)).toHaveText(/^293 KB arrived in [\d.]+ s$/);
    await expect(page.locator(`.pane[data-side=${side}] .transport`)).toHaveText("websocket");
    const line = page.locator(`.side-log[data-side=${side}] li`, { hasText: "Hello from the test" });
    await expect(line).toHaveAttribute("data-state", "arrived");
    await expect(line.locator(".status")).toHaveText(/^[\d.]+ m?s$/);
  }
  await expect(page.locator("#verdict")).toHaveAttribute("data-kind", "result");
  await expect(page.locator("#chart canvas")).toBeVisible();
  expect(complaints).toEqual([]);
});

test("where no WebSocket gets through, Sluice goes on over HTTP, and back", async ({ page }) => {
  test.slow();
  await page.goto(/** @type {any} */ (demo).url);
  const transport = page.locator(".pane[data-side=sluice] .transport");
  await expect(transport).toHaveText("websocket");
  await page.getByText("Let no WebSocket through to Sluice").click();
  await expect(transport).toHaveText("sse", { timeout: 20_000 });
  await page.getByLabel("Write a line").fill("Over HTTP");
  await page.getByRole("button", { name: "Send" }).click();
  const line = page.locator(".side-log[data-side=sluice] li", { hasText: "Over HTTP" });
  await expect(line).toHaveAttribute("data-state", "arrived");
  await page.getByText("Let no WebSocket through to Sluice").click();
  await expect(transport).toHaveText("websocket", { timeout: 60_000 });
});

test("a file that is too large is refused in words", async ({ page }) => {
  await page.goto(/** @type {any} */ (demo).url);
  await expect(page.getByRole("button", { name: "Upload on both" })).toBeEnabled();
  // Made in the page: carrying 17 MB into it takes the automation seconds.
  await page.locator("#file").evaluate((/** @type {HTMLInputElement} */ input) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([new Uint8Array(17 * 1024 * 1024)], "film.mp4"));
    input.files = transfer.files;
    input.dispatchEvent(new Event("change"));
  });
  await expect(page.locator("#file-error")).toHaveText("“film.mp4” is 17.0 MB; this demo takes up to 16.0 MB.");
  await expect(page.locator("#file-name")).toHaveText("8 MB, generated");
});

test("cancelling costs the native side its connection and the other side nothing", async ({ page }) => {
  await page.goto(/** @type {any} */ (demo).url);
  await page.getByRole("button", { name: "Upload on both" }).click();
  await expect(page.locator(".pane[data-side=sluice] .upload-text")).toHaveText(/^[1-9]/);
  await page.getByRole("button", { name: "Cancel" }).click();
  for (const side of ["sluice", "native"]) {
    await expect(page.locator(`.pane[data-side=${side}]`)).toHaveAttribute("data-upload", "cancelled");
    await expect(page.locator(`.pane[data-side=${side}]`)).toHaveAttribute("data-state", "open");
  }
  await expect(page.locator(".side-log[data-side=native]")).toContainText("Connection lost (1006)");
  await expect(page.locator(".side-log[data-side=sluice]")).not.toContainText("Connection lost");
  await expect(page.getByRole("button", { name: "Upload on both" })).toBeEnabled();
});

test("a cut line costs the native side its upload, and the other side a moment", async ({ page }) => {
  await page.goto(/** @type {any} */ (demo).url);
  await page.locator("#file").setInputFiles({
    name: "holiday.jpg",
    mimeType: "image/jpeg",
    buffer: Buffer.alloc(2_000_000, "x"),
  });
  await page.getByRole("button", { name: "Upload on both" }).click();
  await expect(page.locator(".pane[data-side=sluice] .upload-text")).toHaveText(/^[1-9]/);
  await page.getByRole("button", { name: "Cut both lines" }).click();
  await expect(page.locator(".pane[data-side=native]")).toHaveAttribute("data-upload", "failed");
  await expect(page.locator(".pane[data-side=sluice]")).toHaveAttribute("data-upload", "done", { timeout: 15_000 });
  await expect(page.locator(".side-log[data-side=sluice]")).toContainText("The line was cut");
  await expect(page.locator(".side-log[data-side=sluice]")).toContainText("Back on a new line");
  await expect(page.locator(".side-log[data-side=sluice]")).not.toContainText("lost with");
  await expect(page.locator(".side-log[data-side=native]")).toContainText("Connection lost (1006)");
  await expect(page.locator(".pane[data-side=sluice] .transport")).toHaveText("websocket");
});

test("when the server goes, the page says so", async ({ page }) => {
  await page.goto(/** @type {any} */ (demo).url);
  await expect(page.getByRole("button", { name: "Upload on both" })).toBeEnabled();
  await expect(page.getByRole("alert")).toBeHidden();
  await demo?.close();
  demo = undefined;
  await expect(page.locator("#banner")).toContainText("The demo server is gone");
  await expect(page.getByRole("button", { name: "Upload on both" })).toBeDisabled();
});

test("it fits on a phone", async ({ page }) => {
  await page.setViewportSize({ width: 340, height: 700 });
  await page.goto(/** @type {any} */ (demo).url);
  await expect(page.getByRole("button", { name: "Upload on both" })).toBeEnabled();
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBe(0);
});
