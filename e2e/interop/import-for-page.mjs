import { fileURLToPath } from "node:url";
import { build } from "vite";

let copies = 0;

/**
 * Imports a package as the bundler of a page does, which takes other files of its dependencies than Node: those that look
 * for the global WebSocket, where Node has `ws`. Every call gives another copy, which looks again.
 * @param {string} name
 * @param {{ except: RegExp }} options `except`: what to leave to Node
 * @returns {Promise<any>} its exports
 */
export async function importForPage(name, { except }) {
  const result = await build({
    configFile: false,
    logLevel: "error",
    build: {
      write: false,
      minify: false,
      lib: { entry: fileURLToPath(import.meta.resolve(name)), formats: ["es"], fileName: "package" },
      rollupOptions: { external: except, output: { paths: (specifier) => import.meta.resolve(specifier) } },
    },
  });
  const [{ output }] = /** @type {any} */ (Array.isArray(result) ? result : [result]);
  copies += 1;
  return await import(`data:text/javascript,${encodeURIComponent(`${output[0].code}\n// copy ${copies}`)}`);
}
