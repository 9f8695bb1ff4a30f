import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Runs a TypeScript file of the tests as a process of its own; resolves with what it prints once it has ended by itself. */
export async function runChild(file: string, { nodeOptions = [] as string[] } = {}): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "sluice-child-"));
  try {
    await build({
      root,
      configFile: false,
      logLevel: "silent",
      build: {
        ssr: file,
        outDir: folder,
        rollupOptions: { external: ["ws"], output: { entryFileNames: "child.mjs" } },
      },
    });
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"), "junction");
    return await outputOf(process.execPath, [...nodeOptions, join(folder, "child.mjs")]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function outputOf(command: string, parameters: string[]): Promise<string> {
  const child = spawn(command, parameters, { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  let errors = "";
  child.stdout.on("data", (data) => {
    output += data;
  });
  child.stderr.on("data", (data) => {
    errors += data;
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status, signal) => {
      if (status === 0) resolve(output);
      else reject(new Error(`the child has ended with ${status ?? signal}:\n${output}${errors}`));
    });
  });
}
