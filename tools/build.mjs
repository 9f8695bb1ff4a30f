// `npm run build`: src/ -> build/ (tsc, one project per layer) -> dist/ (rollup).
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const root = fileURLToPath(new URL("..", import.meta.url));

// `tsc -b` leaves the outputs of deleted sources behind.
for (const folder of ["build", "dist"]) rmSync(`${root}/${folder}`, { recursive: true, force: true });

// By path: `@typescript/typescript6`, which bundles the types, takes the name `tsc` in node_modules/.bin.
run("node_modules/typescript/bin/tsc", "-b");
run("node_modules/rollup/dist/bin/rollup", "--config", "rollup.config.mjs", "--silent", "--failAfterWarnings");

for (const file of readdirSync(`${root}/dist`).sort()) {
  if (file.endsWith(".map")) continue;
  const bytes = readFileSync(`${root}/dist/${file}`);
  const kilobytes = (count) => `${(count / 1000).toFixed(1)} kB`.padStart(9);
  console.log(
    `dist/${file.padEnd(22)} ${kilobytes(bytes.length)} ${kilobytes(gzipSync(bytes, { level: 9 }).length)} gzip`,
  );
}

function run(script, ...args) {
  const { status } = spawnSync(process.execPath, [script, ...args], { cwd: root, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
