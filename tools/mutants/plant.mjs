// @ts-check
// Puts defects into the source while it is read.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

/**
 * @typedef {object} Change
 * @property {string} file under the folder
 * @property {string} find what stands there; exactly once
 * @property {string} replace
 */

/**
 * @param {string} folder under the root, like `src/core`
 * @param {readonly Change[]} changes
 * @returns {import("vite").Plugin}
 */
export function planting(folder, changes) {
  return { name: "sluice:changes", enforce: "pre", transform: (code, id) => changed(code, id, folder, changes) };
}

/**
 * Whether a mutant still fits the source. A defect that is nowhere would be caught by nobody.
 * @param {string} folder
 * @param {Pick<Change, "file" | "find">} mutant
 * @returns {string | undefined} what is wrong with it
 */
export function misfit(folder, { file, find }) {
  const count = readFileSync(`${root}${folder}/${file}`, "utf8").split(find).length - 1;
  return count === 1 ? undefined : `${folder}/${file} has ${count} times: ${find}`;
}

/**
 * @param {string} code
 * @param {string} id
 * @param {string} folder
 * @param {readonly Change[]} changes
 */
function changed(code, id, folder, changes) {
  let result = code;
  for (const { file, find, replace } of changes) {
    if (!id.endsWith(`/${folder}/${file}`)) continue;
    if (result.split(find).length !== 2) throw new Error(`${file} has not exactly once: ${find}`);
    result = result.replace(find, () => replace);
  }
  return result === code ? null : { code: result, map: null };
}
