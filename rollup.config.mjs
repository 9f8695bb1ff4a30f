import { existsSync, readFileSync } from "node:fs";
import { dts } from "rollup-plugin-dts";
import { minify } from "terser";

const { name, version, license } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8"));
const banner = `/*! ${name} ${version} | ${license} license */`;

/** Rollup does not read the maps that tsc wrote beside its JavaScript; with them the published maps lead back to `src`. */
const chainMaps = {
  name: "chain-maps",
  load(id) {
    if (!existsSync(`${id}.map`)) return null;
    const code = readFileSync(id, "utf8").replace(/\/\/# sourceMappingURL=\S+\s*$/, "");
    return { code, map: JSON.parse(readFileSync(`${id}.map`, "utf8")) };
  },
};

const minified = {
  name: "minified",
  async renderChunk(code, _chunk, { format }) {
    const { code: small, map } = await minify(code, {
      ecma: 2020,
      // Not for the IIFE, whose one top-level name is the global and has to stay.
      module: format === "es",
      compress: { passes: 3 },
      // The names of the public classes show in consoles and stack traces.
      keep_classnames: /^Sluice/,
      format: { comments: /^!/ },
      sourceMap: true,
    });
    return { code: small, map: JSON.parse(map) };
  },
};

/** What is not in the bundles: Node's modules and the optional peer dependency of the server. */
const external = [/^node:/, "ws"];

const shared = { banner, sourcemap: true, exports: "named", generatedCode: { preset: "es2015", symbols: false } };

export default [
  {
    input: "build/client/index.js",
    plugins: [chainMaps],
    output: [
      { ...shared, file: "dist/sluice.mjs", format: "es" },
      { ...shared, file: "dist/sluice.cjs", format: "cjs" },
      { ...shared, file: "dist/sluice.min.mjs", format: "es", plugins: [minified] },
      { ...shared, file: "dist/sluice.global.min.js", format: "iife", name: "Sluice", plugins: [minified] },
    ],
  },
  {
    input: "build/server/index.js",
    external,
    plugins: [chainMaps],
    output: [
      { ...shared, file: "dist/server.mjs", format: "es" },
      // `require("ws")` is the class that `import ws from "ws"` gives.
      { ...shared, file: "dist/server.cjs", format: "cjs", interop: "default" },
    ],
  },
  ...["client", "server"].map((side) => ({
    input: `build/${side}/index.d.ts`,
    external,
    plugins: [dts()],
    output: ["ts", "cts"].map((kind) => ({
      file: `dist/${side === "client" ? "sluice" : "server"}.d.${kind}`,
      format: "es",
    })),
  })),
];
