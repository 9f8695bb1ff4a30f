// `npm test`: every check of the project, in this order; `npm test -- unit e2e` runs a part.
// A failing step does not stop the others, except those that need what it makes. At the end all test cases that have failed
// are named, with the first lines of their errors. The last line of the output is "N passed, N failed, N skipped": test cases,
// and one for each step that has none of its own.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { failedInOurs, failedInPlaywright, failedInVitest, tellFailures } from "./failures.mjs";
import { ensureBrowser } from "./find-browser.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const tsc = "node_modules/typescript/bin/tsc";
const biome = "node_modules/@biomejs/biome/bin/biome";
const knip = "node_modules/knip/bin/knip.js";

const steps = [
  { name: "types", run: () => check(tsc, "-b", "tsconfig.json", "test/tsconfig.json") },
  { name: "lint", run: () => check(biome, "check", "--error-on-warnings") },
  { name: "build", run: () => check("tools/build.mjs") },
  // A pattern of knip.json that matches nothing is an error: a check that sees nothing must not pass.
  { name: "knip", run: () => check(knip, "--no-progress", "--treat-config-hints-as-errors") },
  { name: "unit", run: () => vitest("unit") },
  { name: "property", run: () => vitest("property") },
  { name: "simulation", run: simulation },
  { name: "mutants", run: mutants },
  { name: "layers", run: () => vitest("layers") },
  { name: "package", needs: "build", run: () => vitest("package") },
  { name: "size", needs: "build", run: () => check("tools/check-size.mjs") },
  { name: "interop", needs: "build", run: interop },
  { name: "e2e", needs: "build", run: () => playwright("e2e", "playwright.config.mjs") },
  { name: "matrix", needs: "build", run: () => playwright("matrix", "playwright.matrix.config.mjs") },
];

const chosen = process.argv.slice(2);
if (chosen.includes("--help")) {
  console.log(`npm test [-- step...], the steps being: ${steps.map((step) => step.name).join(", ")}`);
  process.exit();
}
const unknown = chosen.filter((name) => !steps.some((step) => step.name === name));
if (unknown.length > 0) {
  console.error(`no such step: ${unknown.join(", ")}; there are: ${steps.map((step) => step.name).join(", ")}`);
  process.exit(2);
}
const wanted = new Set(chosen.length > 0 ? chosen : steps.map((step) => step.name));
for (const { name, needs } of steps) if (wanted.has(name) && needs !== undefined) wanted.add(needs);

mkdirSync(`${root}/test-results`, { recursive: true });
const outcomes = new Map();
for (const step of steps) {
  if (!wanted.has(step.name)) continue;
  console.log(`\n=== ${step.name}`);
  const startedAt = performance.now();
  const broken = step.needs !== undefined && outcomes.get(step.needs).failed > 0;
  const outcome = broken ? skipped(`${step.needs} failed`) : step.run();
  outcomes.set(step.name, { ...outcome, seconds: (performance.now() - startedAt) / 1000 });
  if (outcome.skipReason !== undefined) console.log(`!!! SKIPPED: ${step.name}, because ${outcome.skipReason}`);
}

const failures = [...outcomes].flatMap(([step, outcome]) => failuresOf(step, outcome));
if (failures.length > 0) console.log(`\n=== failures\n${tellFailures(failures).join("\n")}`);

console.log("\n=== summary");
const total = { passed: 0, failed: 0, skipped: 0 };
for (const [name, { seconds, skipReason, failures: _, ...counts }] of outcomes) {
  for (const key of Object.keys(total)) total[key] += counts[key];
  const flaky = failures.filter(({ step, isFlaky }) => step === name && isFlaky).length;
  const failed = flaky > 0 ? `FAILED, ${flaky} of them flaky` : "FAILED";
  const state = counts.failed > 0 ? failed : skipReason === undefined ? "ok" : `SKIPPED: ${skipReason}`;
  console.log(`${name.padEnd(10)} ${`${seconds.toFixed(1)} s`.padStart(8)}  ${line(counts)}  ${state}`);
}
console.log(line(total));
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;

/** A step without test cases counts as one. */
function check(script, ...args) {
  return node(script, ...args) ? { passed: 1, failed: 0, skipped: 0 } : { passed: 0, failed: 1, skipped: 0 };
}

function skipped(skipReason) {
  return { passed: 0, failed: 0, skipped: 1, skipReason };
}

function vitest(project) {
  return suite(
    `test-results/${project}.json`,
    (report) => {
      const args = [
        "run",
        "--project",
        project,
        "--reporter=default",
        "--reporter=json",
        `--outputFile.json=${report}`,
      ];
      return node("node_modules/vitest/vitest.mjs", ...args);
    },
    (report) => ({
      passed: report.numPassedTests,
      failed: report.numFailedTests,
      skipped: report.numPendingTests + report.numTodoTests,
    }),
    failedInVitest,
  );
}

/** A case for each library, in each world, with and without cuts. */
function interop() {
  return suite("test-results/interop.json", () => node("e2e/interop/run.mjs"), countOurs, failedInOurs);
}

/** A case for each profile, and one for the transitions. */
function simulation() {
  const run = (report) => node("tools/simulate.mjs", "--seed", "1", "--runs", "50000", "--report", report);
  return suite("test-results/simulation.json", run, countOurs, failedInOurs);
}

/** A case for each mutant. */
function mutants() {
  return suite("test-results/mutants.json", () => node("tools/mutants.mjs"), countOurs, failedInOurs);
}

function countOurs({ passed, failed, skipped: left }) {
  return { passed, failed, skipped: left };
}

function playwright(name, config) {
  try {
    console.log(`browser: ${ensureBrowser()}`);
  } catch (error) {
    // On a developer's machine without a way to a browser the rest is still worth running; in CI it is a failure.
    return process.env.CI ? { passed: 0, failed: 1, skipped: 0 } : skipped(error.message);
  }
  return suite(
    `test-results/${name}.json`,
    () => node("node_modules/@playwright/test/cli.js", "test", "--config", config),
    ({ stats }) => ({
      passed: stats.expected,
      failed: stats.unexpected + stats.flaky,
      skipped: stats.skipped,
    }),
    failedInPlaywright,
  );
}

function suite(report, run, count, failed) {
  rmSync(`${root}/${report}`, { force: true });
  const ok = run(report);
  let outcome = { passed: 0, failed: 0, skipped: 0, failures: [] };
  try {
    const content = JSON.parse(readFileSync(`${root}/${report}`, "utf8"));
    outcome = { ...count(content), failures: failed(content, root) };
  } catch (error) {
    console.log(`no report: ${error.message}`);
  }
  // What fails outside of a test (a file that does not load, an unhandled rejection) and what ran nothing is a failure too.
  if (outcome.failed === 0 && (!ok || outcome.passed === 0)) return { ...outcome, failed: 1 };
  return outcome;
}

/** What fails without a case of its own is known by its step, and has said why. */
function failuresOf(step, { failed, failures: known = [] }) {
  const unnamed = { error: "no test case that has failed: see what the step itself has printed" };
  const all = failed > 0 && known.length === 0 ? [unnamed] : known;
  return all.map((failure) => ({ step, ...failure }));
}

function node(script, ...args) {
  const { status, signal } = spawnSync(process.execPath, [script, ...args], {
    cwd: root,
    stdio: "inherit",
    timeout: 20 * 60_000,
  });
  if (signal !== null) console.log(`${script} was ended by ${signal}`);
  return status === 0;
}

function line({ passed, failed, skipped: left }) {
  return `${passed} passed, ${failed} failed, ${left} skipped`;
}
