// @ts-check
// Makes the simulation one file that a thread can import: TypeScript and engine together, optionally with a defect in it.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "vite";

const root = fileURLToPath(new URL("..", import.meta.url));

/**
 * @typedef {object} Mutant a defect, made on purpose
 * @property {string} name what is wrong, in words
 * @property {string} file under src/core
 * @property {string} find what stands there; exactly once
 * @property {string} replace
 * @property {import("../test/simulation/plan.js").Profile} [profile] where to look for it; default: in all of them
 */

/** What the engine itself does not have: each transition is reported to whoever counts them. */
const COUNT_TRANSITIONS = {
  file: "machine.ts",
  find: "enter(input: Input, next: State): void {",
  replace: `enter(input: Input, next: State): void {
    globalThis.sluiceTransition?.(this.#table, this.#state.name, input, next.name);`,
};

/**
 * @param {string} name of the file, under build/simulation
 * @param {Mutant} [mutant]
 * @returns {Promise<string>} where it is
 */
export async function bundleSimulation(name, mutant) {
  const outDir = `${root}build/simulation`;
  const changes = mutant === undefined ? [COUNT_TRANSITIONS] : [COUNT_TRANSITIONS, mutant];
  await build({
    root,
    configFile: false,
    logLevel: "warn",
    plugins: [{ name: "sluice:changes", enforce: "pre", transform: (code, id) => changed(code, id, changes) }],
    build: {
      ssr: "test/simulation/run.ts",
      outDir,
      emptyOutDir: false,
      minify: false,
      target: "node20",
      reportCompressedSize: false,
      rollupOptions: { output: { entryFileNames: `${name}.mjs` } },
    },
  });
  return `${outDir}/${name}.mjs`;
}

/**
 * Whether a mutant still fits the source. A defect that is nowhere would be caught by nobody.
 * @param {Pick<Mutant, "file" | "find">} mutant
 * @returns {string | undefined} what is wrong with it
 */
export function misfit({ file, find }) {
  const count = readFileSync(`${root}src/core/${file}`, "utf8").split(find).length - 1;
  return count === 1 ? undefined : `src/core/${file} has ${count} times: ${find}`;
}

/**
 * @param {string} code
 * @param {string} id
 * @param {readonly Pick<Mutant, "file" | "find" | "replace">[]} changes
 */
function changed(code, id, changes) {
  let result = code;
  for (const { file, find, replace } of changes) {
    if (!id.endsWith(`/src/core/${file}`)) continue;
    if (result.split(find).length !== 2) throw new Error(`${file} has not exactly once: ${find}`);
    result = result.replace(find, () => replace);
  }
  return result === code ? null : { code: result, map: null };
}
