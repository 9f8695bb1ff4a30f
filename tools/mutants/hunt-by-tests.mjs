// @ts-check
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** As long as vitest may take, ms: a defect may make a test go round in circles. */
const TIMEOUT_MS = 60_000;

/**
 * Runs test files on a source with a defect in it.
 * @param {string} mutant its name; empty for none
 * @param {readonly string[]} tests
 * @returns {Promise<{ passed: number, failed: readonly string[], isStuck: boolean }>} the titles of the tests that have failed
 */
export async function runTests(mutant, tests) {
  const report = `${root}build/mutants/${process.pid}.json`;
  mkdirSync(`${root}build/mutants`, { recursive: true });
  rmSync(report, { force: true });
  const options = ["--config", "tools/mutants/vitest.config.mjs", "--reporter=json", `--outputFile=${report}`];
  const child = spawn(process.execPath, ["node_modules/vitest/vitest.mjs", "run", ...options, ...tests], {
    cwd: root,
    env: { ...process.env, SLUICE_MUTANT: mutant },
    stdio: "ignore",
    timeout: TIMEOUT_MS,
    killSignal: "SIGKILL",
  });
  const signal = await new Promise((resolve) => child.once("close", (_code, by) => resolve(by)));
  if (signal !== null) return { passed: 0, failed: [], isStuck: true };
  const { numPassedTests, testResults } = JSON.parse(readFileSync(report, "utf8"));
  rmSync(report);
  const all = testResults.flatMap((/** @type {any} */ file) => file.assertionResults);
  const failed = all.filter(({ status }) => status === "failed").map(({ fullName }) => fullName);
  return { passed: numPassedTests, failed, isStuck: false };
}
