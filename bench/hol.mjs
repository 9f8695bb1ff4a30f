// @ts-check
/**
 * Head-of-line blocking: how long chat lines take while a file goes the same way over the same connection.
 *
 * Three processes: this one holds the emulated lines and drives the browsers, `server-process.mjs` serves, a browser is
 * the other end. Every transfer has a page and a connection of its own, so that each contender's start-up is part of
 * what is measured; contenders take turns, so that a slow minute of the machine hits all of them.
 */
import { readFile, writeFile } from "node:fs/promises";
import { UNCONTROLLED } from "../tools/link-emulator.mjs";
import { CONTENDERS, USUAL_CONTENDERS } from "./contenders/index.mjs";
import { BROWSER_NAMES, launchBrowserIfThere } from "./lib/browser.mjs";
import { renderChart } from "./lib/chart.mjs";
import { ALL_LINKS, chooseNamed, chooseNames, parseCount, parseLinks } from "./lib/choices.mjs";
import { measureLink } from "./lib/hol-link.mjs";
import { FILE_BYTES_MAX, LINES_MIN, TRANSFERS_MIN } from "./lib/hol-plan.mjs";
import { describeLink, notesOf } from "./lib/hol-report.mjs";
import { describeMachine } from "./lib/machine.mjs";
import { startServer } from "./lib/server.mjs";

const MEBIBYTE = 1024 * 1024;

export const HOL_OPTIONS = /** @type {const} */ ({
  links: { type: "string", default: "10/40" },
  directions: { type: "string", default: "up,down" },
  browsers: { type: "string", default: "chromium" },
  contenders: { type: "string", default: USUAL_CONTENDERS.map((contender) => contender.name).join(",") },
  transfers: { type: "string" },
  seconds: { type: "string", default: "7" },
  interval: { type: "string", default: "50" },
  json: { type: "string" },
  chart: { type: "string" },
  from: { type: "string" },
});

export const HOL_USAGE = `npm run bench -- hol [options]: chat lines beside a file that goes the same way

  --links 10/40,1/100     lines to emulate, as Mbit/s and round trip in ms; "all" is
                          ${ALL_LINKS}                 (10/40)
  --directions up,down    of the file and the lines; up is to the server       (up,down)
  --browsers a,b          ${BROWSER_NAMES.join(", ")}; one that is not there is skipped  (chromium)
  --contenders a,b        ${CONTENDERS.map((contender) => contender.name).join(", ")}
                          (the first five)
  --transfers N           per contender; default: until ${LINES_MIN} lines and at least ${TRANSFERS_MIN} transfers
  --seconds N             that a file takes at the line's rate; at most ${FILE_BYTES_MAX / MEBIBYTE} MiB are sent  (7)
  --interval MS           between chat lines                                   (50)
  --json FILE             writes everything that was measured
  --chart FILE            writes an SVG chart
  --from FILE,FILE        measures nothing: tables and chart of what --json has written

The default takes about seven minutes; two browsers and all lines take two hours.
`;

/**
 * @typedef {object} HolOptions
 * @property {string} links
 * @property {string} directions
 * @property {string} browsers
 * @property {string} contenders
 * @property {string} [transfers]
 * @property {string} seconds
 * @property {string} interval
 * @property {string} [json]
 * @property {string} [chart]
 * @property {string} [from]
 *
 * @typedef {import("./lib/hol-plan.mjs").LinkResult} LinkResult
 * @typedef {{ machine: string, measuredAt: string, results: LinkResult[] }} HolReport
 */

/**
 * @param {HolOptions} options
 * @returns {Promise<number>} the exit code
 */
export async function runHol(options) {
  const reports = options.from === undefined ? [await measure(options)] : await readReports(options.from);
  const results = reports.flatMap((report) => report.results);
  if (results.length === 0) throw new Error("nothing was measured");
  for (const result of results) process.stdout.write(describeLink(result));
  process.stdout.write("\n");
  for (const note of notesOf(results)) process.stdout.write(`${note}\n`);
  for (const { machine, measuredAt } of reports) {
    process.stdout.write(`Machine, on ${measuredAt.slice(0, 10)}: ${machine}. All on loopback; browsers headless.\n`);
  }
  for (const line of UNCONTROLLED) process.stdout.write(`Not in these numbers: ${line}\n`);
  process.stdout.write("Not in these numbers: TLS, other browsers, a line with other traffic.\n");
  if (options.json !== undefined && options.from === undefined) {
    await writeFile(options.json, `${JSON.stringify(reports[0], undefined, 1)}\n`);
    process.stdout.write(`Everything is in ${options.json}\n`);
  }
  if (options.chart !== undefined) {
    await writeFile(options.chart, renderChart(results));
    process.stdout.write(`The chart is in ${options.chart}\n`);
  }
  return 0;
}

/**
 * @param {HolOptions} options
 * @returns {Promise<HolReport>}
 */
async function measure(options) {
  const setting = parse(options);
  const machine = describeMachine();
  const server = await startServer(setting.contenders.map((contender) => contender.name));
  /** @type {LinkResult[]} */
  const results = [];
  try {
    for (const name of setting.browsers) {
      const browser = await launchBrowserIfThere(name);
      if (browser === undefined) continue;
      try {
        for (const link of setting.links) {
          for (const direction of setting.directions) {
            results.push(await measureLink({ ...setting, browser, server, link, direction }));
          }
        }
      } finally {
        await browser.close();
      }
    }
  } finally {
    server.stop();
  }
  return { machine, measuredAt: new Date().toISOString(), results };
}

/** @param {HolOptions} options */
function parse(options) {
  return {
    links: parseLinks(options.links),
    directions: chooseNames(options.directions, /** @type {const} */ (["up", "down"])),
    browsers: chooseNames(options.browsers, BROWSER_NAMES),
    contenders: chooseNamed(options.contenders, CONTENDERS),
    transfersWanted: options.transfers === undefined ? undefined : parseCount(options.transfers),
    seconds: parseCount(options.seconds),
    intervalMs: parseCount(options.interval),
  };
}

/**
 * @param {string} files
 * @returns {Promise<HolReport[]>}
 */
async function readReports(files) {
  return await Promise.all(files.split(",").map(async (file) => JSON.parse(await readFile(file, "utf8"))));
}
