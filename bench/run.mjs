// @ts-check
/**
 * `npm run bench -- [NAME] [OPTIONS]`: one benchmark per file of this folder, `hol` where none is named.
 * `npm run bench -- --help` shows the options.
 */
import { parseArgs } from "node:util";
import { CONNECT_OPTIONS, CONNECT_USAGE, runConnect } from "./connect.mjs";
import { COST_OPTIONS, COST_USAGE, runCost } from "./cost.mjs";
import { CUTS_OPTIONS, CUTS_USAGE, runCuts } from "./cuts.mjs";
import { HIDDEN_OPTIONS, HIDDEN_USAGE, runHidden } from "./hidden.mjs";
import { HOL_OPTIONS, HOL_USAGE, runHol } from "./hol.mjs";
import { INTEROP_OPTIONS, INTEROP_USAGE, runInterop } from "./interop.mjs";
import { MEMORY_OPTIONS, MEMORY_USAGE, runMemory } from "./memory.mjs";

/**
 * @typedef {object} Benchmark
 * @property {(options: any) => Promise<number>} run
 * @property {import("node:util").ParseArgsConfig["options"]} options
 * @property {string} usage
 */

/** @type {Map<string, Benchmark>} */
const BENCHMARKS = new Map([
  ["hol", { run: runHol, options: HOL_OPTIONS, usage: HOL_USAGE }],
  ["cost", { run: runCost, options: COST_OPTIONS, usage: COST_USAGE }],
  ["hidden", { run: runHidden, options: HIDDEN_OPTIONS, usage: HIDDEN_USAGE }],
  ["memory", { run: runMemory, options: MEMORY_OPTIONS, usage: MEMORY_USAGE }],
  ["interop", { run: runInterop, options: INTEROP_OPTIONS, usage: INTEROP_USAGE }],
  ["connect", { run: runConnect, options: CONNECT_OPTIONS, usage: CONNECT_USAGE }],
  ["cuts", { run: runCuts, options: CUTS_OPTIONS, usage: CUTS_USAGE }],
]);

const [first, ...rest] = process.argv.slice(2);
const isNamed = first !== undefined && !first.startsWith("-");
const name = isNamed ? first : "hol";
const benchmark = BENCHMARKS.get(name);
if (benchmark === undefined) {
  process.stderr.write(`no benchmark "${name}"; there are: ${[...BENCHMARKS.keys()].join(", ")}\n`);
  process.exit(2);
}
const { values } = parseArgs({
  args: isNamed ? rest : process.argv.slice(2),
  options: { ...benchmark.options, help: { type: "boolean", default: false } },
});
const explained = isNamed ? [benchmark] : [...BENCHMARKS.values()];
if (values.help) process.stdout.write(explained.map(({ usage }) => usage).join("\n"));
else process.exitCode = await benchmark.run(values);
