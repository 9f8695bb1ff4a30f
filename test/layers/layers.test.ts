// The walls between the layers stand: each thing that must not be possible is tried once, on a copy of the tree.
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
let copy: string;

beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), "sluice-layers-"));
  const parts = [
    "src",
    "test/layers",
    "tools/lint",
    "biome.json",
    "tsconfig.json",
    "tsconfig.base.json",
    "package.json",
  ];
  for (const part of parts) cpSync(join(root, part), join(copy, part), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"), "junction");
});

afterAll(() => rmSync(copy, { recursive: true, force: true }));

interface Outcome {
  readonly status: number | null;
  readonly output: string;
}

function run(script: string, ...args: string[]): Outcome {
  const env = { ...process.env, NO_COLOR: "1", FORCE_COLOR: "0" };
  const options = { cwd: copy, encoding: "utf8", env } as const;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(root, "node_modules", script), ...args],
    options,
  );
  return { status, output: stdout + stderr };
}

/** Runs `tool` with one more file in the tree. */
function withFile(file: string, source: string, tool: () => Outcome): Outcome {
  writeFileSync(join(copy, file), source, { flag: "wx" });
  try {
    return tool();
  } finally {
    rmSync(join(copy, file));
  }
}

describe("the type checker", () => {
  const tsc = (): Outcome => run("typescript/bin/tsc", "-b", "--pretty", "false");

  test("accepts the tree as it is, and sees all of it", () => {
    const { status, output } = run("typescript/bin/tsc", "-b", "--verbose", "--pretty", "false");
    expect(output).not.toContain("error TS");
    for (const layer of ["core", "transport", "transport/browser", "transport/node", "driver", "client", "server"]) {
      expect(output).toContain(`Building project 'src/${layer}/tsconfig.json'`);
    }
    expect(status).toBe(0);
  });

  test.each([
    [
      "a DOM global in the engine",
      "src/core/layer-breach.ts",
      "export const probe: string = document.title;\n",
      "src/core/layer-breach.ts(1,30): error TS2584: Cannot find name 'document'",
    ],
    [
      "a DOM type in the engine",
      "src/core/layer-breach.ts",
      "export type Probe = WebSocket;\n",
      "src/core/layer-breach.ts(1,21): error TS2304: Cannot find name 'WebSocket'",
    ],
    [
      "a Node global in the engine",
      "src/core/layer-breach.ts",
      "export const probe: number = process.pid;\n",
      "src/core/layer-breach.ts(1,30): error TS2591: Cannot find name 'process'",
    ],
    [
      "a Node module in the engine",
      "src/core/layer-breach.ts",
      'export { readFileSync } from "node:fs";\n',
      "src/core/layer-breach.ts(1,30): error TS2591: Cannot find name 'node:fs'",
    ],
    [
      "the engine importing the driver",
      "src/core/layer-breach.ts",
      'export * from "../driver/session-driver.js";\n',
      "src/core/layer-breach.ts(1,15): error TS6307",
    ],
    [
      "the engine importing a type of the driver",
      "src/core/layer-breach.ts",
      'export type * from "../driver/session-driver.js";\n',
      "src/core/layer-breach.ts(1,20): error TS6307",
    ],
    [
      "the client importing the server",
      "src/client/layer-breach.ts",
      'export * from "../server/index.js";\n',
      "src/client/layer-breach.ts(1,15): error TS6307",
    ],
    [
      "the server importing the client",
      "src/server/layer-breach.ts",
      'export * from "../client/index.js";\n',
      "src/server/layer-breach.ts(1,15): error TS6307",
    ],
  ])("refuses %s", (_what, file, source, error) => {
    const { status, output } = withFile(file, source, tsc);
    expect(output).toContain(error);
    expect(status).not.toBe(0);
  });
});

describe("the linter", () => {
  const lint = (path: string) => (): Outcome => run("@biomejs/biome/bin/biome", "lint", "--error-on-warnings", path);

  test("accepts the engine as it is, and sees all of it", () => {
    const { status, output } = lint("src/core")();
    const checked = Number(/Checked (\d+) files/.exec(output)?.[1]);
    expect(checked).toBeGreaterThan(5);
    expect(status).toBe(0);
  });

  test.each([
    ["Date", "export const probe: number = Date.now();\n", "style/noRestrictedGlobals"],
    ["Promise", "export type Probe = Promise<void>;\n", "style/noRestrictedGlobals"],
    ["globalThis", "export const probe: unknown = globalThis;\n", "style/noRestrictedGlobals"],
    ["Math.random", "export const probe: number = Math.random();\n", "randomness comes through"],
    ["Math.random behind another name", "export const { random }: Math = Math;\n", "take members of Math one by one"],
    ["async functions", "export const probe: unknown = async () => 1;\n", "no async functions"],
    ["a package", 'export { WebSocket } from "ws";\n', "style/noRestrictedImports"],
    ["a Node module", 'export { hrtime } from "node:process";\n', "style/noRestrictedImports"],
  ])("refuses %s in the engine", (_what, source, rule) => {
    const { status, output } = withFile("src/core/layer-breach.ts", source, lint("src/core"));
    expect(output).toContain(rule);
    expect(output).toContain("src/core/layer-breach.ts:1:");
    expect(status).not.toBe(0);
  });

  test("refuses a real timer in a test", () => {
    const source = "setTimeout(() => undefined, 1);\n";
    const { status, output } = withFile("test/layers/layer-breach.test.ts", source, lint("test"));
    expect(output).toContain("test/layers/layer-breach.test.ts:1:1 lint/style/noRestrictedGlobals");
    expect(status).not.toBe(0);
  });
});
