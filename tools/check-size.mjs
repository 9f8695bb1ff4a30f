// `npm run size`, after a build: the limits of .size-limit.json, and the sizes that the README quotes. A quote is
// `<!-- size:global -->12.3 kB<!-- /size -->`, with the first word of a row's name, to as many places as it likes.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

const rows = measure();
for (const { name, passed, size, sizeLimit } of rows) {
  console.log(`${passed ? "ok" : "TOO LARGE"}  ${name}: ${kilobytes(size, 1)} gzip, limit ${kilobytes(sizeLimit, 1)}`);
}

const quotes = [...readFileSync(`${root}/README.md`, "utf8").matchAll(/<!-- size:(.*?) -->(.*?)<!-- \/size -->/gs)];
const wrong = quotes.filter(([, key, quote]) => {
  const places = /^\d+(?:\.(\d+))? kB$/.exec(quote)?.[1]?.length ?? 0;
  const row = rows.find(({ name }) => name.split(" ")[0] === key);
  return row === undefined || quote !== kilobytes(row.size, places);
});
for (const [text] of wrong) console.log(`WRONG  README.md says ${text}`);
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

function kilobytes(bytes, places) {
  return `${(bytes / 1000).toFixed(places)} kB`;
}
