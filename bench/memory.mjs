// @ts-check
/**
 * A server sends hundreds of megabytes to a page that takes one message and then no more for a while: does the page's
 * browser fill up, or does the server wait? Then the page goes on, and everything has to arrive.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { BROWSER_NAMES, launchBrowserIfThere } from "./lib/browser.mjs";
import { chooseNamed, chooseNames, parseCount } from "./lib/choices.mjs";
import { describeMachine } from "./lib/machine.mjs";
import { memoryOf } from "./lib/process-memory.mjs";
import { number, table } from "./lib/table.mjs";
import { CONTENDERS } from "./memory/index.mjs";

const MEBIBYTE = 1024 * 1024;
const POLL_MS = 250;
/** Nothing accepted for so long: the server has been made to wait. */
const QUIET_MS = 5000;
const FLOOD_MS = 120_000;
/** What the browser of a page that stopped may grow by: what is on its way, and what a browser grows by anyhow. */
const GROWTH_MAX = 64 * MEBIBYTE;

export const MEMORY_OPTIONS = /** @type {const} */ ({
  megabytes: { type: "string", default: "300" },
  browsers: { type: "string", default: "chromium,firefox" },
  contenders: { type: "string", default: CONTENDERS.map((contender) => contender.name).join(",") },
});

export const MEMORY_USAGE = `npm run bench -- memory [options]: a server that sends to a page that has stopped taking (Linux)

  --megabytes N         that the server wants to send, in pieces of 1 MiB       (300)
  --browsers a,b        ${BROWSER_NAMES.join(", ")}                                     (both)
  --contenders a,b      ${CONTENDERS.map((contender) => contender.name).join(", ")}

The exit code is 1 when a browser grew by more than ${GROWTH_MAX / MEBIBYTE} MiB under Sluice, or a byte was lost.
`;

/**
 * @typedef {Record<"megabytes" | "browsers" | "contenders", string>} MemoryOptions
 * @typedef {{ title: string, isOurs: boolean, acceptedBytes: number, growthBytes: number, arrivedBytes: number }} MemoryResult
 */

/**
 * @param {MemoryOptions} options
 * @returns {Promise<number>} the exit code
 */
export async function runMemory(options) {
  if (process.platform !== "linux") throw new Error("the memory of all processes of a browser is only known on Linux");
  const contenders = chooseNamed(options.contenders, CONTENDERS);
  const pieces = parseCount(options.megabytes);
  const machine = describeMachine();
  let isGood = true;
  for (const name of chooseNames(options.browsers, BROWSER_NAMES)) {
    /** @type {MemoryResult[]} */
    const results = [];
    let version = "";
    for (const contender of contenders) {
      // A browser for each: what one has taken it does not give back to the system at once.
      const browser = await launchBrowserIfThere(name);
      if (browser === undefined) break;
      version = browser.version;
      try {
        const result = await measure(browser, contender, pieces);
        if (result === undefined)
          process.stderr.write(`!!! SKIPPED: ${contender.title}: this version cannot do that\n`);
        else results.push(result);
      } finally {
        await browser.close();
      }
    }
    if (results.length === 0) continue;
    print(version, results, pieces);
    isGood &&= results.every((result) => !result.isOurs || isKept(result, pieces));
  }
  process.stdout.write(
    `\nMachine: ${machine}. All on loopback; memory is the proportional set size of all processes.\n`,
  );
  return isGood ? 0 : 1;
}

/**
 * @param {MemoryResult} result
 * @param {number} pieces
 */
function isKept({ growthBytes, arrivedBytes }, pieces) {
  return growthBytes <= GROWTH_MAX && arrivedBytes === pieces * MEBIBYTE;
}

/**
 * @param {import("./lib/browser.mjs").BenchBrowser} browser
 * @param {import("./memory/index.mjs").MemoryContender} contender
 * @param {number} pieces
 * @returns {Promise<MemoryResult | undefined>} `undefined` where the contender cannot do it
 */
async function measure(browser, contender, pieces) {
  const server = fork(new URL("memory-server.mjs", import.meta.url), [contender.name]);
  const [port] = await once(server, "message");
  const accepted = async () => {
    server.send("accepted");
    const [bytes] = await once(server, "message");
    return /** @type {number} */ (bytes);
  };
  const page = await browser.newPage();
  const browserPid = /** @type {number} */ (browser.puppeteer.process()?.pid);
  const memory = async () => /** @type {number} */ (await memoryOf(browserPid));
  try {
    await page.goto(`http://127.0.0.1:${port}/`);
    for (const path of contender.scripts) await page.addScriptTag({ path });
    const source = `({ ${contender.connect.toString()} }).connect("127.0.0.1:${port}")`;
    const isAble = await page.evaluate(
      `${source}.then((half) => { globalThis.half = half; return half !== undefined; })`,
    );
    if (!isAble) return undefined;
    await new Promise((resolve) => setTimeout(resolve, 2000));
    const before = await memory();
    server.send({ pieces, pieceBytes: MEBIBYTE });
    let [peak, last, quietSince] = [before, 0, Date.now()];
    const startedAt = Date.now();
    while (Date.now() - quietSince < QUIET_MS && Date.now() - startedAt < FLOOD_MS) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      peak = Math.max(peak, await memory());
      const bytes = await accepted();
      if (bytes > last) quietSince = Date.now();
      last = bytes;
    }
    // Not what it returns: the page goes on for as long as it lives.
    await page.evaluate(() => void globalThis.half.goOn());
    const arrivedBytes = await arrival(page, pieces * MEBIBYTE);
    const isOurs = contender.name.startsWith("sluice");
    return { title: contender.title, isOurs, acceptedBytes: last, growthBytes: peak - before, arrivedBytes };
  } finally {
    await page.close();
    server.kill();
  }
}

/**
 * Until everything is there, or nothing more comes.
 * @param {import("puppeteer-core").Page} page
 * @param {number} bytes
 */
async function arrival(page, bytes) {
  let [last, quietSince] = [-1, Date.now()];
  while (last < bytes && Date.now() - quietSince < QUIET_MS) {
    const state = await page.evaluate(() => globalThis.half.state());
    if (state.bytes > last) quietSince = Date.now();
    last = state.bytes;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return last;
}

/**
 * @param {string} browser
 * @param {MemoryResult[]} results
 * @param {number} pieces
 */
function print(browser, results, pieces) {
  const inMebibytes = (/** @type {number} */ bytes) => number(bytes / MEBIBYTE, 1);
  process.stdout.write(
    `\n${browser}: a server that has ${pieces} MiB for a page that has taken one and then stopped\n\n`,
  );
  const rows = results.map(({ title, acceptedBytes, growthBytes, arrivedBytes }) => [
    title,
    inMebibytes(acceptedBytes),
    inMebibytes(growthBytes),
    inMebibytes(arrivedBytes),
  ]);
  process.stdout.write(table(["MiB", "got rid of", "browser grew by", "arrived in the end"], rows));
}
