// @ts-check
// Makes the simulation one file that a thread can import: TypeScript and engine together, optionally with a defect in it.
import { fileURLToPath } from "node:url";
import { build } from "vite";
import { planting } from "./mutants/plant.mjs";

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
    plugins: [planting("src/core", changes)],
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
