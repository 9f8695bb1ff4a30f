// @ts-check
// `npm run mutants [-- PART-OF-A-NAME]`: puts one defect at a time into the engine, and lets the simulation find it. What is
// not found within 1,000 schedules, on seeds that the sound engine passes, shows a hole in the simulation. Defects of the HTTP
// transports are for the tests that each of them names.
import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { MUTANTS } from "./mutants/catalogue.mjs";
import { HTTP_MUTANTS } from "./mutants/http.mjs";
import { runTests } from "./mutants/hunt-by-tests.mjs";
import { misfit } from "./mutants/plant.mjs";
import { bundleSimulation } from "./simulation-bundle.mjs";
import { runPool, workersDefault } from "./simulation-pool.mjs";

const SCHEDULES = 1000;

const REPORT = fileURLToPath(new URL("../test-results/mutants.json", import.meta.url));

const wanted = process.argv[2] ?? "";
const chosen = MUTANTS.filter(({ name }) => name.includes(wanted));
const chosenOfHttp = HTTP_MUTANTS.filter(({ name }) => name.includes(wanted));
if (chosen.length + chosenOfHttp.length === 0) {
  console.error(`no mutant is called ${wanted}`);
  process.exit(2);
}

const profiles = new Set(chosen.map((mutant) => mutant.profile));
const soundBundle = profiles.size === 0 ? "" : await bundleSimulation("sound");
for (const profile of profiles) {
  const sound = await runPool(soundBundle, { ...range(workersDefault, profile), failuresMax: 1 });
  if (sound.failures.length > 0) {
    const [{ seed, message }] = /** @type {[import("../test/simulation/run.js").Failure]} */ (sound.failures);
    console.error(`the engine without a defect fails on seed ${seed}: ${message}`);
    process.exit(1);
  }
  console.log(`no defect, ${sound.schedules} schedules (${profile ?? "all profiles"}): nothing found, as it should be`);
}

const tests = [...new Set(chosenOfHttp.map(({ test }) => test))];
if (tests.length > 0) {
  const sound = await runTests("", tests);
  if (sound.failed.length > 0 || sound.passed === 0) {
    console.error(`the tests fail without a defect: ${sound.failed.join("; ")}`);
    process.exit(1);
  }
  console.log(`no defect, ${sound.passed} tests in ${tests.length} files: they pass, as they should`);
}

/** @type {{ name: string, file: string, seed?: number, check?: string, message?: string, problem?: string }[]} */
const results = [];
const queue = [...chosen.entries()];
await Promise.all(Array.from({ length: workersDefault }, work));
for (const mutant of chosenOfHttp) tell(mutant.name, await huntByTests(mutant));
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
    tell(mutant.name, result, `seed ${String(result.seed).padStart(4)}  ${result.check}`);
  }
}

/**
 * @param {string} name
 * @param {(typeof results)[number]} result
 */
function tell(name, result, caught = result.message) {
  results.push(result);
  console.log(`${name.padEnd(66)} ${result.problem === undefined ? caught : `NOT CAUGHT: ${result.problem}`}`);
}

/** @param {import("./mutants/http.mjs").HttpMutant} mutant */
async function huntByTests(mutant) {
  const { name, file, test } = mutant;
  const wrong = misfit("src", mutant);
  if (wrong !== undefined) return { name, file, problem: wrong };
  const { failed, isStuck } = await runTests(name, [test]);
  if (isStuck) return { name, file, message: `${test} comes to no end` };
  return failed[0] === undefined ? { name, file, problem: `${test} passes` } : { name, file, message: failed[0] };
}

/**
 * @param {number} index
 * @param {import("./simulation-bundle.mjs").Mutant} mutant
 */
async function hunt(index, mutant) {
  const { name, file, profile } = mutant;
  const wrong = misfit("src/core", mutant);
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
