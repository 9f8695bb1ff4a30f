// The package as its users get it: packed, installed into an empty folder, and used from there.
// Wants a fresh `npm run build`; `npm test` makes one.
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire, SourceMap, type SourceMapPayload } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { publint } from "publint";
import { build } from "vite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const nodeModules = join(root, "node_modules");
const require = createRequire(import.meta.url);
const attw = join(dirname(require.resolve("@arethetypeswrong/cli/package.json")), "dist/index.js");
const tsc = join(dirname(require.resolve("typescript/package.json")), "bin/tsc");

let folder: string;
let tarball: string;
/** A project with nothing but the packed package and `ws` in it. */
let consumer: string;
/** The package inside it. */
let installed: string;

beforeAll(() => {
  if (!existsSync(join(root, "dist/sluice.mjs"))) throw new Error("nothing to pack: run `npm run build` first");
  folder = mkdtempSync(join(tmpdir(), "sluice-package-"));
  // Without scripts: `prepack` would rebuild what other tests are reading.
  const packed = run(root, "npm", "pack", "--json", "--ignore-scripts", "--pack-destination", folder);
  tarball = join(folder, JSON.parse(packed.stdout)[0].filename);

  consumer = join(folder, "consumer");
  mkdirSync(consumer);
  write("package.json", JSON.stringify({ name: "consumer", private: true }));
  // Offline: that nothing else is needed is part of what is tested.
  run(consumer, "npm", "install", "--offline", "--no-audit", "--no-fund", tarball);
  installed = join(consumer, "node_modules/sluice");
  for (const name of ["ws", "@types/node", "undici-types"]) {
    cpSync(join(nodeModules, name), join(consumer, "node_modules", name), { recursive: true });
  }
});

afterAll(() => {
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

function write(file: string, text: string): string {
  const path = join(consumer, file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}

interface Outcome {
  readonly stdout: string;
  /** Both streams, for messages. */
  readonly output: string;
  readonly status: number | null;
}

function attempt(cwd: string, command: string, ...args: string[]): Outcome {
  const env = { ...process.env, NO_COLOR: "1", FORCE_COLOR: "0", npm_config_update_notifier: "false" };
  const shell = process.platform === "win32" && command === "npm";
  const { stdout, stderr, status, error } = spawnSync(command, args, { cwd, env, encoding: "utf8", shell });
  if (error !== undefined) throw error;
  return { stdout, output: stdout + stderr, status };
}

function run(cwd: string, command: string, ...args: string[]): Outcome {
  const outcome = attempt(cwd, command, ...args);
  if (outcome.status !== 0) throw new Error(`${command} ${args.join(" ")} failed:\n${outcome.output}`);
  return outcome;
}

const entries = ["sluice", "websocket", "install", "server"];
/** Every file that can be run. */
const bundles = [
  ...entries.flatMap((name) => [`${name}.mjs`, `${name}.cjs`]),
  ...["sluice.min.mjs", "websocket.min.mjs", "sluice.global.min.js"],
];

describe("the packed files", () => {
  test("are those that belong there, and no more", () => {
    const files = readdirSync(installed, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) =>
        join(entry.parentPath, entry.name)
          .slice(installed.length + 1)
          .replaceAll("\\", "/"),
      );
    const types = entries.flatMap((name) => [`${name}.d.ts`, `${name}.d.cts`]);
    const expected = [
      ...["CHANGELOG.md", "LICENSE", "PROTOCOL.md", "README.md", "package.json"],
      ...bundles.flatMap((name) => [`dist/${name}`, `dist/${name}.map`]),
      ...types.map((name) => `dist/${name}`),
    ];
    expect(files.sort()).toEqual(expected.sort());
  });

  test("satisfy publint", async () => {
    const bytes = readFileSync(tarball);
    const result = await publint({ pack: { tarball: new Uint8Array(bytes).buffer }, strict: true });
    expect(result.messages).toEqual([]);
    expect(result.pkg?.["name"]).toBe("sluice");
  });

  test("satisfy attw, which sees types for every entry", () => {
    const { status, stdout, output } = attempt(
      folder,
      process.execPath,
      attw,
      tarball,
      "--profile",
      "node16",
      "--format",
      "json",
    );
    // attw exits with 0 for a package without types.
    expect(output).not.toMatch(/does not contain types/i);
    expect(status).toBe(0);
    const { analysis, problems } = JSON.parse(stdout);
    // "node10" knows no `exports`, and with them no `./server`; the command's own verdict leaves it out too.
    const found: { resolutionKind?: string }[] = Object.values(problems).flat() as object[];
    expect(found.filter(({ resolutionKind }) => resolutionKind !== "node10")).toEqual([]);
    expect(analysis.types).toEqual({ kind: "included" });
    const paths = [".", "./server", "./websocket", "./install"];
    expect(Object.keys(analysis.entrypoints)).toEqual([...paths, "./package.json"]);
    for (const entry of paths) {
      for (const kind of ["node16-cjs", "node16-esm", "bundler"]) {
        expect(analysis.entrypoints[entry].resolutions[kind].resolution.isTypeScript).toBe(true);
      }
    }
  });

  test("have types that need nothing but Node's", () => {
    const imports = (file: string): string[] =>
      [...readFileSync(join(installed, "dist", file), "utf8").matchAll(/(?:from|import\()\s*["']([^"']+)["']/g)].map(
        ([, specifier]) => String(specifier),
      );
    expect([imports("sluice.d.ts"), imports("websocket.d.ts")]).toEqual([[], []]);
    expect([imports("install.d.ts"), imports("install.d.cts")]).toEqual([["./sluice.js"], ["./sluice.cjs"]]);
    for (const specifier of imports("server.d.ts")) expect(specifier).toMatch(/^node:/);
  });

  test("keep the documentation of what is public in the types", () => {
    const text = readFileSync(join(installed, "dist/sluice.d.ts"), "utf8");
    expect(text).toMatch(/\*\/\s*(export )?declare class SluiceSocket\b/);
  });
});

describe("the source maps", () => {
  test.each(bundles)("of %s carry the sources and lead back to them", (bundle) => {
    const code = readFileSync(join(installed, "dist", bundle), "utf8");
    expect(code).toContain(`//# sourceMappingURL=${bundle}.map`);
    const map: SourceMapPayload = JSON.parse(readFileSync(join(installed, "dist", `${bundle}.map`), "utf8"));
    // What `install` needs beside the class itself, which it imports.
    const isInstall = bundle.startsWith("install.");
    expect(map.sources.length).toBeGreaterThanOrEqual(isInstall ? 2 : 30);
    for (const source of map.sources) expect(source).toMatch(/^\.\.\/src\/.*\.ts$/);
    expect(map.sourcesContent).toHaveLength(map.sources.length);
    for (const content of map.sourcesContent) expect(content).toEqual(expect.any(String));

    // A string that the bundle keeps: its place tells whether the mappings are right.
    const [brand, file] = isInstall
      ? ['"sluice.native"', "client/native-web-socket.ts"]
      : ['"sluice.SluiceError"', "core/error.ts"];
    const lines = code.split("\n");
    const line = lines.findIndex((text) => text.includes(brand));
    const entry = new SourceMap(map).findEntry(line, String(lines[line]).indexOf(brand));
    if (!("originalSource" in entry)) throw new Error(`no mapping for ${brand}`);
    expect(entry.originalSource).toBe(`../src/${file}`);
    const original = map.sourcesContent[map.sources.indexOf(entry.originalSource)]?.split("\n")[entry.originalLine];
    expect(original?.slice(entry.originalColumn)).toContain(brand);
  });
});

describe("under Node", () => {
  /** Every global that only browsers have throws when it is touched, so that `typeof window` is found out too. */
  const trap = `
    const names = ["window", "self", "document", "navigator", "location", "history", "screen", "localStorage",
      "sessionStorage", "indexedDB", "WebSocket", "EventSource", "XMLHttpRequest", "CloseEvent", "ProgressEvent",
      "FileReader", "Worker", "requestAnimationFrame", "addEventListener", "removeEventListener", "matchMedia"];
    for (const name of names) {
      const get = () => { throw new Error("touched " + name); };
      Object.defineProperty(globalThis, name, { get, configurable: true });
    }
  `;

  test.each([
    ["import", "probe.mjs", 'import { SluiceSocket, SluiceError } from "sluice";'],
    ["require", "probe.cjs", 'const { SluiceSocket, SluiceError } = require("sluice");'],
    ["import of sluice/websocket", "small.mjs", 'import { SluiceSocket, SluiceError } from "sluice/websocket";'],
    ["require of sluice/websocket", "small.cjs", 'const { SluiceSocket, SluiceError } = require("sluice/websocket");'],
    [
      "import of sluice/install",
      "install.mjs",
      'import "sluice/install"; import { SluiceSocket, SluiceError } from "sluice";',
    ],
    [
      "the module for CDNs",
      "cdn.mjs",
      'import { SluiceSocket, SluiceError } from "./node_modules/sluice/dist/sluice.min.mjs";',
    ],
    [
      "the script",
      "script.cjs",
      `const file = require("node:fs").readFileSync("node_modules/sluice/dist/sluice.global.min.js", "utf8");
       require("node:vm").runInThisContext(file);
       const { SluiceSocket, SluiceError } = globalThis.Sluice;`,
    ],
  ])("%s touches no global of browsers", (_what, file, load) => {
    const trapFile = write("trap.cjs", trap);
    write(file, `${load}\nconsole.log(SluiceSocket.name, new SluiceError("ERR_INTERNAL", "x") instanceof Error);\n`);
    expect(run(consumer, process.execPath, "--require", trapFile, file).stdout).toBe("SluiceSocket true\n");
  });

  test("the trap does catch what touches one", () => {
    const trapFile = write("trap.cjs", trap);
    write("guilty.mjs", "export const isBrowser = typeof window;\n");
    expect(attempt(consumer, process.execPath, "--require", trapFile, "guilty.mjs").output).toContain("touched window");
  });

  test.each([
    ["import", "installs.mjs", 'import { SluiceSocket } from "sluice"; import { install } from "sluice/install";'],
    [
      "require",
      "installs.cjs",
      'const { SluiceSocket } = require("sluice"); const { install } = require("sluice/install");',
    ],
    [
      "the script",
      "installs-script.cjs",
      `const file = require("node:fs").readFileSync("node_modules/sluice/dist/sluice.global.min.js", "utf8");
       require("node:vm").runInThisContext(file);
       const { SluiceSocket, install } = globalThis.Sluice;`,
    ],
  ])("%s gives install, which changes the class that the package gives, and takes it back", (_what, file, load) => {
    write(
      file,
      `${load}
       const before = globalThis.WebSocket;
       const uninstall = install({});
       console.log(WebSocket.name, WebSocket.prototype instanceof SluiceSocket);
       uninstall();
       console.log(globalThis.WebSocket === before);`,
    );
    expect(run(consumer, process.execPath, file).stdout).toBe("WebSocket true\ntrue\n");
  });

  test.each([
    ["import", "server.mjs", 'import { SluiceServer } from "sluice/server";'],
    ["require", "server.cjs", 'const { SluiceServer } = require("sluice/server");'],
  ])("%s gives the server, which listens and closes", (_what, file, load) => {
    write(
      file,
      `${load}
       const server = new SluiceServer({ port: 0 });
       server.on("listening", () => {
         console.log(typeof server.address().port);
         server.close();
       });`,
    );
    expect(run(consumer, process.execPath, file).stdout).toBe("number\n");
  });

  test.each([
    ["import", "probe.mjs", 'import "sluice/server";'],
    ["require", "probe.cjs", 'require("sluice/server");'],
  ])("%s of the server without ws says what is missing", (_what, file, load) => {
    const bare = join(folder, "bare");
    cpSync(installed, join(bare, "node_modules/sluice"), { recursive: true });
    writeFileSync(join(bare, file), load);
    const { output, status } = attempt(bare, process.execPath, file);
    expect(output).toMatch(/Cannot find (package|module) 'ws'/);
    expect(status).toBe(1);
  });

  test("package.json can be read through the package", () => {
    write("version.cjs", 'console.log(require("sluice/package.json").name);');
    expect(run(consumer, process.execPath, "version.cjs").stdout).toBe("sluice\n");
  });
});

describe("a Vite production build", () => {
  test("takes the client in", async () => {
    write("vite/index.html", '<!doctype html><script type="module" src="./main.js"></script>');
    write("vite/main.js", 'import { SluiceSocket } from "sluice";\nglobalThis.probe = SluiceSocket;\n');
    const warnings: string[] = [];
    await build({
      root: join(consumer, "vite"),
      configFile: false,
      logLevel: "warn",
      customLogger: {
        hasWarned: false,
        info: () => undefined,
        warn: (message) => void warnings.push(message),
        warnOnce: (message) => void warnings.push(message),
        error: (message) => void warnings.push(message),
        clearScreen: () => undefined,
        hasErrorLogged: () => false,
      },
    });
    expect(warnings).toEqual([]);
    const assets = join(consumer, "vite/dist/assets");
    const bundles = readdirSync(assets).filter((name) => name.endsWith(".js"));
    expect(bundles).toHaveLength(1);
    const bundle = join(assets, String(bundles[0]));
    // Bundled, not left as an import; the preload helper of Vite wants a document.
    expect(readFileSync(bundle, "utf8")).not.toMatch(/\bfrom\s*["']sluice/);
    write(
      "vite/run.mjs",
      `globalThis.document = { createElement: () => ({ relList: { supports: () => true } }) };
      await import(${JSON.stringify(bundle)});
      console.log(typeof globalThis.probe, "send" in globalThis.probe.prototype);`,
    );
    expect(run(consumer, process.execPath, "vite/run.mjs").stdout).toBe("function true\n");
  });
});

describe("TypeScript", () => {
  const use = `
    const socket = new SluiceSocket("wss://example.com/live", ["chat.v2"]);
    socket.send("hello");
    // @ts-expect-error -- were the types \`any\`, this would be no error.
    socket.send(Symbol("no message"));
    // @ts-expect-error -- likewise.
    new SluiceServer({ port: "eighty" });
    export const server: SluiceServer = new SluiceServer({ port: 0 });
    export const code: SluiceErrorCode = new SluiceError("ERR_INTERNAL", "x").code;
    export const uninstall: () => void = install({ auth: () => "token" });
    // Libraries type what they take so.
    export const Class: typeof WebSocket = SluiceSocket.with({ onSessionLost: "close" });
    export const Small: typeof WebSocket = SmallSocket;
    // @ts-expect-error -- likewise.
    install({ onSessionLost: "never" });
    // What declarations have to name is exported.
    const options: SluiceSocketOptions = {};
    export const { limits } = options;
    export const { incoming, readyState, onclose } = socket;
  `;
  const imports = `
    import { SluiceError, type SluiceErrorCode, SluiceSocket, type SluiceSocketOptions } from "sluice";
    import { install } from "sluice/install";
    import { SluiceServer } from "sluice/server";
    import { SluiceSocket as SmallSocket } from "sluice/websocket";
  `;

  test.each([
    ["an ES module", "esm.mts", { module: "NodeNext" }],
    ["a CommonJS module", "cjs.cts", { module: "NodeNext" }],
    ["a bundler's module", "bundled.ts", { module: "ESNext", moduleResolution: "Bundler" }],
  ])("compiles %s against the types", (_what, file, options) => {
    write(`types/${file}`, imports + use);
    const compilerOptions = {
      ...{ target: "ES2022", strict: true, exactOptionalPropertyTypes: true, skipLibCheck: false },
      ...{ lib: ["ES2022", "DOM", "DOM.Iterable"], types: ["node"] },
      ...{ declaration: true, rootDir: ".", outDir: "out" },
      ...options,
    };
    const project = write(`types/tsconfig.${file}.json`, JSON.stringify({ compilerOptions, files: [file] }));
    const { output, status } = attempt(consumer, process.execPath, tsc, "-p", project, "--pretty", "false");
    expect(output).toBe("");
    expect(status).toBe(0);
  });

  test("needs no types of browsers under Node", () => {
    write(
      "types/node.mts",
      `import { SluiceSocket } from "sluice";
       import { SluiceServer } from "sluice/server";
       const socket = new SluiceSocket("ws://localhost/live", [], { onSessionLost: "close" });
       socket.addEventListener("close", ({ code }) => console.log(code), { once: true });
       socket.onmessage = ({ data }) => console.log(data);
       for await (const message of socket) console.log(message);
       new SluiceServer({ noServer: true, verifyClient: async () => true }).on("refused", ({ code }) => console.log(code));
      `,
    );
    const compilerOptions = {
      ...{ target: "ES2022", module: "NodeNext", strict: true, skipLibCheck: false, noEmit: true },
      ...{ lib: ["ES2023"], types: ["node"] },
    };
    const project = write("types/tsconfig.node.json", JSON.stringify({ compilerOptions, files: ["node.mts"] }));
    const { output } = attempt(consumer, process.execPath, tsc, "-p", project, "--pretty", "false");
    expect(output).toBe("");
  });

  test("needs no types of Node for the client alone", () => {
    write(
      "types/client.mts",
      'import { SluiceSocket } from "sluice";\nexport const socket = new SluiceSocket("/live");\n',
    );
    const compilerOptions = {
      ...{ target: "ES2022", module: "NodeNext", strict: true, skipLibCheck: false, noEmit: true },
      ...{ lib: ["ES2022", "DOM"], types: [] },
    };
    const project = write("types/tsconfig.client.json", JSON.stringify({ compilerOptions, files: ["client.mts"] }));
    const { output } = attempt(consumer, process.execPath, tsc, "-p", project, "--pretty", "false");
    expect(output).toBe("");
  });
});
