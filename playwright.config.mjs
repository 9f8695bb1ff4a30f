import { defineConfig } from "@playwright/test";
import { findBrowser } from "./tools/find-browser.mjs";

export const CHROMIUM = {
  name: "chromium",
  use: {
    browserName: "chromium",
    launchOptions: {
      executablePath: findBrowser(),
      args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
    },
  },
};

/** One worker: the tests measure, and share the machine with nothing. */
export default defineConfig({
  testDir: "e2e",
  testMatch: "**/*.spec.{ts,mjs}",
  testIgnore: "matrix/**",
  outputDir: "test-results/e2e",
  workers: 1,
  timeout: 90_000,
  globalTimeout: 15 * 60_000,
  forbidOnly: true,
  retries: 0,
  reporter: [["list"], ["json", { outputFile: "test-results/e2e.json" }]],
  projects: [CHROMIUM],
});
