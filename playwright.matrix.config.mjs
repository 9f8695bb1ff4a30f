import { defineConfig } from "@playwright/test";
import { CHROMIUM } from "./playwright.config.mjs";

/** The matrix of transports: what its cells show is no matter of time, so they may run beside each other. */
export default defineConfig({
  testDir: "e2e/matrix",
  testMatch: "**/*.spec.mjs",
  outputDir: "test-results/matrix",
  fullyParallel: true,
  workers: 2,
  timeout: 180_000,
  globalTimeout: 18 * 60_000,
  forbidOnly: true,
  retries: 0,
  reporter: [["list"], ["json", { outputFile: "test-results/matrix.json" }], ["./e2e/matrix/table-reporter.mjs"]],
  projects: [CHROMIUM],
});
