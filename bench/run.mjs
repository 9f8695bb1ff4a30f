// @ts-check
/**
 * `npm run bench -- [NAME] [OPTIONS]`: one benchmark per file of this folder, `hol` where none is named.
 * `npm run bench -- --help` shows the options.
 */
import { parseArgs } from "node:util";
import { HOL_OPTIONS, HOL_USAGE, runHol } from "./hol.mjs";

const BENCHMARKS = new Map([["hol", { run: runHol, options: HOL_OPTIONS, usage: HOL_USAGE }]]);

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
if (values.help) process.stdout.write(benchmark.usage);
else process.exitCode = await benchmark.run(/** @type {any} */ (values));
