// @ts-check
import { fileURLToPath } from "node:url";
import { build } from "vite";

/**
 * A page's part with its libraries, and the built client where it imports `sluice`, as one script without imports.
 * @param {string} entry from the root of the project
 * @returns {Promise<string>}
 */
export async function bundlePage(entry) {
  const root = fileURLToPath(new URL("..", import.meta.url));
  const result = await build({
    root,
    configFile: false,
    logLevel: "error",
    build: { write: false, lib: { entry, formats: ["iife"], name: "page" } },
    define: { "process.env.NODE_ENV": '"production"' },
    resolve: { alias: { sluice: `${root}dist/sluice.mjs` } },
  });
  const [{ output }] = /** @type {any} */ (Array.isArray(result) ? result : [result]);
  return output[0].code;
}
