// `npm run size`, after a build: the limits of .size-limit.json, and the sizes that the README quotes.
// A quote is "12.3 kB" with "gz" later on the same line; a line that gives somebody else's size says so with
// `<!-- not ours -->`.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

const rows = measure();
for (const { name, passed, size, sizeLimit } of rows) {
  console.log(`${passed ? "ok" : "TOO LARGE"}  ${name}: ${kilobytes(size)} gzip, limit ${kilobytes(sizeLimit)}`);
}

const quotes = readFileSync(`${root}/README.md`, "utf8")
  .split("\n")
  .filter((line) => !line.includes("<!-- not ours -->"))
  .flatMap((line) =>
    [...line.matchAll(/(\d+(?:\.\d+)?)\s*kB\b(?=.*\bgz)/gi)].map(([quote, number]) => ({ quote, number })),
  );
const wrong = quotes.filter(
  ({ number }) => !rows.some(({ size }) => (size / 1000).toFixed(decimals(number)) === number),
);
for (const { quote } of wrong) console.log(`WRONG  README.md quotes "${quote}", which is none of the sizes above`);
console.log(`${rows.length} sizes measured, ${quotes.length} quotes in README.md read`);

process.exitCode = rows.length === 0 || wrong.length > 0 || rows.some(({ passed }) => !passed) ? 1 : 0;

function measure() {
  try {
    const options = { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] };
    return JSON.parse(execFileSync(process.execPath, ["node_modules/size-limit/bin.js", "--json"], options));
  } catch (error) {
    // size-limit exits with 1 when a row is over its limit, and reports all the same.
    if (error.status === 1 && error.stdout.trim().startsWith("[")) return JSON.parse(error.stdout);
    throw error;
  }
}

function kilobytes(bytes) {
  return `${(bytes / 1000).toFixed(1)} kB`;
}

function decimals(number) {
  return number.split(".")[1]?.length ?? 0;
}
