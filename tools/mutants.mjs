// @ts-check
// `npm run mutants [-- PART-OF-A-NAME]`: puts one defect at a time into the engine, and lets the simulation find it. What is
// not found within 1,000 schedules, on seeds that the sound engine passes, shows a hole in the simulation.
import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { MUTANTS } from "./mutants/catalogue.mjs";
import { bundleSimulation, misfit } from "./simulation-bundle.mjs";
import { runPool, workersDefault } from "./simulation-pool.mjs";

const SCHEDULES = 1000;

const REPORT = fileURLToPath(new URL("../test-results/mutants.json", import.meta.url));

const wanted = process.argv[2] ?? "";
const chosen = MUTANTS.filter(({ name }) => name.includes(wanted));
if (chosen.length === 0) {
  console.error(`no mutant is called ${wanted}`);
  process.exit(2);
}

const soundBundle = await bundleSimulation("sound");
for (const profile of new Set(chosen.map((mutant) => mutant.profile))) {
  const sound = await runPool(soundBundle, { ...range(workersDefault, profile), failuresMax: 1 });
  if (sound.failures.length > 0) {
    const [{ seed, message }] = /** @type {[import("../test/simulation/run.js").Failure]} */ (sound.failures);
    console.error(`the engine without a defect fails on seed ${seed}: ${message}`);
    process.exit(1);
  }
  console.log(`no defect, ${sound.schedules} schedules (${profile ?? "all profiles"}): nothing found, as it should be`);
}

/** @type {{ name: string, file: string, seed?: number, check?: string, message?: string, problem?: string }[]} */
const results = [];
const queue = [...chosen.entries()];
await Promise.all(Array.from({ length: workersDefault }, work));
results.sort((a, b) => a.name.localeCompare(b.name));
const failed = results.filter(({ problem }) => problem !== undefined);
console.log(`${results.length - failed.length} of ${results.length} mutants caught`);

mkdirSync(new URL("../test-results", import.meta.url), { recursive: true });
const counts = { passed: results.length - failed.length, failed: failed.length, skipped: 0 };
writeFileSync(REPORT, JSON.stringify({ ...counts, mutants: results }, undefined, 2));
process.exitCode = failed.length > 0 ? 1 : 0;

async function work() {
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const [index, mutant] = next;
    const result = await hunt(index, mutant);
    results.push(result);
    const { seed, check, problem } = result;
    const outcome = problem === undefined ? `seed ${String(seed).padStart(4)}  ${check}` : `NOT CAUGHT: ${problem}`;
    console.log(`${mutant.name.padEnd(66)} ${outcome}`);
  }
}

/**
 * @param {number} index
 * @param {import("./simulation-bundle.mjs").Mutant} mutant
 */
async function hunt(index, mutant) {
  const { name, file, profile } = mutant;
  const wrong = misfit(mutant);
  if (wrong !== undefined) return { name, file, problem: wrong };
  const bundle = await bundleSimulation(`mutant-${index}`, mutant);
  try {
    const { failures } = await runPool(bundle, { ...range(1, profile), failuresMax: 1 });
    const first = failures[0];
    if (first === undefined) return { name, file, problem: `survives ${SCHEDULES} schedules` };
    return { name, file, seed: first.seed, check: first.check, message: first.message.split("\n")[0] };
  } catch (error) {
    // Goes round in circles inside of one input, where no checker can look.
    return { name, file, seed: 0, check: "hangs", message: String(error) };
  }
}

/**
 * @param {number} workers
 * @param {import("../test/simulation/plan.js").Profile} [profile]
 */
function range(workers, profile) {
  return { from: 1, count: SCHEDULES, workers, profile };
}
