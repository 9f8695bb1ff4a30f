// @ts-check
// `npm run simulate -- [--seed N] [--runs N] [--profile NAME] [--workers N] [--report FILE] [--trace]`
// Plays schedules of the deterministic simulation (test/simulation). A seed decides everything: what fails, fails again.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { bundleSimulation } from "./simulation-bundle.mjs";
import { runPool, workersDefault } from "./simulation-pool.mjs";

/** From so many schedules on, every transition of the state tables has to have been taken. */
const FULL_RUNS = 50_000;

/** What is said about more failures than this helps nobody. */
const FAILURES_MAX = 10;

/** Between two lines that tell how far it is. */
const PROGRESS_MS = 15_000;

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    runs: { type: "string", default: "1000" },
    profile: { type: "string" },
    workers: { type: "string", default: String(workersDefault) },
    report: { type: "string" },
    trace: { type: "boolean", default: false },
  },
});
const seed = Number(values.seed);
const runs = Number(values.runs);
const workers = Number(values.workers);

const bundle = await bundleSimulation("run");
const simulation = await import(bundle);
if (values.profile !== undefined && !simulation.isProfile(values.profile)) {
  console.error(`no such profile: ${values.profile}`);
  process.exit(2);
}
if (values.trace) {
  const failure = simulation.tellStory(seed, values.profile, console.log);
  console.log(failure === undefined ? "ends well" : `${failure.profile}: ${failure.message}`);
  process.exit(failure === undefined ? 0 : 1);
}

const startedAt = performance.now();
let toldAt = startedAt;
const report = await runPool(bundle, {
  from: seed,
  count: runs,
  profile: /** @type {import("../test/simulation/plan.js").Profile | undefined} */ (values.profile),
  workers,
  failuresMax: FAILURES_MAX,
  onProgress: ({ schedules }) => {
    if (performance.now() - toldAt < PROGRESS_MS) return;
    toldAt = performance.now();
    console.log(`${schedules} of ${runs}`);
  },
});
const seconds = (performance.now() - startedAt) / 1000;
const missing = Object.keys(report.transitions).filter((key) => report.transitions[key] === 0);
const isFull = runs >= FULL_RUNS && values.profile === undefined;

const perSecond = Math.round(report.schedules / seconds);
console.log(`${report.schedules} schedules in ${seconds.toFixed(1)} s: ${perSecond} a second on ${workers} threads`);
console.log(`  profiles  ${list(report.byProfile)}`);
console.log(`  totals    ${list(report.counts)}, ${report.steps} steps`);
console.log(`  faults    ${list(report.faults)}`);
console.log(`  at least ${report.messagesMin} messages and ${report.faultsMin} faults in each`);
console.log(`  calm again within ${(report.calmMsMax / 1000).toFixed(1)} s of virtual time at the most`);
const known = Object.keys(report.transitions).length;
console.log(
  `  ${known - missing.length} of ${known} transitions${isFull && missing.length > 0 ? `; never: ${missing.join("; ")}` : ""}`,
);
for (const { seed: failed, profile, message } of report.failures) {
  console.log(`\nFAILED seed ${failed} (${profile}): ${message}`);
  const which = values.profile === undefined ? "" : ` --profile ${profile}`;
  console.log(`  npm run simulate -- --seed ${failed}${which} --trace`);
}

const broken = new Set(report.failures.map(({ profile }) => profile));
if (isFull && missing.length > 0) broken.add(/** @type {never} */ ("transitions"));
if (values.report !== undefined) {
  mkdirSync(dirname(values.report), { recursive: true });
  // A case for each profile, and one for the transitions.
  const cases = Object.keys(report.byProfile).length + (isFull ? 1 : 0);
  const counts = { passed: cases - broken.size, failed: broken.size, skipped: 0 };
  const missingTransitions = isFull ? missing : [];
  writeFileSync(values.report, JSON.stringify({ ...counts, ...report, missingTransitions, seconds }, undefined, 2));
}
process.exitCode = broken.size > 0 || report.schedules === 0 ? 1 : 0;

/** @param {Record<string, number>} sums */
function list(sums) {
  return Object.entries(sums)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, count]) => `${count} ${name}`)
    .join(", ");
}
