import { existsSync, readFileSync } from "node:fs";
import MagicString from "magic-string";
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

/** A constant of the top level that is a number, or a product of some, and what is said of it. */
const NUMBER = /(?:^\/\*\*(?:(?!\*\/)[\s\S])*\*\/\n)?^const [\w$]+ = [-+*/()\d._e ]+;\n/gm;

/**
 * esbuild, and with it Vite, puts in numbers for their names only where nothing stands before these but others of the kind:
 * 800 bytes of an application, with gzip.
 */
const numbersFirst = {
  name: "numbers-first",
  renderChunk(code) {
    const top = code.startsWith(banner) ? banner.length + 1 : 0;
    const moved = new MagicString(code);
    for (const { 0: text, index } of code.matchAll(NUMBER)) moved.move(index, index + text.length, top);
    return { code: moved.toString(), map: moved.generateMap({ hires: "boundary" }) };
  },
};

const minified = {
  name: "minified",
  async renderChunk(code, _chunk, { format }) {
    const { code: small, map } = await minify(code, {
      ecma: 2020,
      // Not for the IIFE, whose one top-level name is the global and has to stay.
      module: format === "es",
      // Shorter without gzip, longer with it: constants to the left of comparisons, commas for statements.
      compress: { passes: 3, lhs_constants: false, sequences: false },
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

const MAIN = "build/client/index";

const modules = (name) => [
  { ...shared, file: `dist/${name}.mjs`, format: "es" },
  { ...shared, file: `dist/${name}.cjs`, format: "cjs" },
];

/** `install` changes the class that the application imports: one copy of it. */
const isSluice = (id) => /\bclient\/index\.(js|d\.ts)$/.test(id);
const sluiceAs = (extension) => (id) => (isSluice(id) ? `./sluice.${extension}` : id);

const types = (input, name, options = {}) => ({
  input: `${input}.d.ts`,
  external,
  plugins: [dts()],
  output: ["ts", "cts"].map((kind) => ({ file: `dist/${name}.d.${kind}`, format: "es" })),
  ...options,
});

export default [
  ...["sluice", "websocket"].map((name) => ({
    input: name === "sluice" ? `${MAIN}.js` : "build/client/websocket.js",
    plugins: [chainMaps],
    output: [
      ...modules(name).map((output) => (output.format === "es" ? { ...output, plugins: [numbersFirst] } : output)),
      { ...shared, file: `dist/${name}.min.mjs`, format: "es", plugins: [minified] },
    ],
  })),
  {
    input: "build/client/global.js",
    plugins: [chainMaps],
    output: { ...shared, file: "dist/sluice.global.min.js", format: "iife", name: "Sluice", plugins: [minified] },
  },
  {
    input: "build/client/install.js",
    external: isSluice,
    plugins: [chainMaps],
    output: modules("install").map((output) => ({
      ...output,
      paths: sluiceAs(output.format === "es" ? "mjs" : "cjs"),
    })),
  },
  {
    input: "build/server/index.js",
    external,
    plugins: [chainMaps],
    // `require("ws")` is the class that `import ws from "ws"` gives.
    output: modules("server").map((output) => (output.format === "cjs" ? { ...output, interop: "default" } : output)),
  },
  types(MAIN, "sluice"),
  types("build/client/websocket", "websocket"),
  types("build/server/index", "server"),
  types("build/client/install", "install", {
    external: isSluice,
    output: ["ts", "cts"].map((kind) => ({
      file: `dist/install.d.${kind}`,
      format: "es",
      paths: sluiceAs(kind === "ts" ? "js" : "cjs"),
    })),
  }),
];
