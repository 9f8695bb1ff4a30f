// @ts-check
/**
 * How soon the first message is back, where WebSockets get through and where something on the way blocks them, and what a
 * message of 16 bytes takes on the line. The page, its scripts and its connections are there already.
 */
import { writeFile } from "node:fs/promises";
import { CARRIERS, CONTENDERS, MOVERS } from "./connect/contenders.mjs";
import { launchBrowser } from "./lib/browser.mjs";
import { chooseNamed, chooseNames, parseCount } from "./lib/choices.mjs";
import { FAULT_NAMES } from "./lib/connect-faults.mjs";
import {
  LIMIT_MS,
  startConnectServer,
  TALK_MS,
  timeFirstEcho,
  watchKilled,
  watchMove,
  weighMessages,
} from "./lib/connect-trial.mjs";
import { number, table } from "./lib/table.mjs";

const PARTS = /** @type {const} */ (["echoes", "moves", "weights"]);

export const CONNECT_OPTIONS = /** @type {const} */ ({
  contenders: { type: "string", default: CONTENDERS.map((contender) => contender.name).join(",") },
  faults: { type: "string", default: FAULT_NAMES.join(",") },
  "round-trips": { type: "string", default: "0,100" },
  repeats: { type: "string", default: "5" },
  parts: { type: "string", default: PARTS.join(",") },
  json: { type: "string" },
});

export const CONNECT_USAGE = `npm run bench -- connect [options]: how soon the first message is back, in Chromium

  --contenders a,b      ${CONTENDERS.map((contender) => contender.name).join(", ")}
  --faults a,b          what happens to WebSockets: ${FAULT_NAMES.join(", ")}
  --round-trips 0,100   of the lines to emulate, ms                            (0,100)
  --repeats N           the median is shown                                    (5)
  --parts a,b           ${PARTS.join(", ")}: the first echo, sessions that move from HTTP to a WebSocket, bytes of a message
  --json FILE           writes everything that was measured
`;

/** For the first visitor of a server, whom nobody measures. */
const WARM_UP_MS = 4000;

/**
 * @typedef {{ contenders: string, faults: string, "round-trips": string, repeats: string, parts: string,
 *   json?: string }} ConnectOptions
 * @typedef {import("./connect/contenders.mjs").ConnectContender} ConnectContender
 * @typedef {import("./lib/browser.mjs").BenchBrowser} BenchBrowser
 * @typedef {{ fault: string, roundTripTimeMs: number, visit: "first" | "return", title: string, ms: (number | undefined)[] }} Timing
 */

/**
 * @param {ConnectOptions} options
 * @returns {Promise<number>} the exit code
 */
export async function runConnect(options) {
  const contenders = chooseNamed(options.contenders, CONTENDERS);
  const faults = chooseNames(options.faults, FAULT_NAMES);
  const roundTrips = options["round-trips"].split(",").map(Number);
  const repeats = parseCount(options.repeats);
  const parts = chooseNames(options.parts, PARTS);
  const browser = await launchBrowser();
  /** @type {Timing[]} */
  const timings = [];
  const killed = [];
  const moves = [];
  const weights = [];
  try {
    for (const roundTripTimeMs of parts.includes("echoes") ? roundTrips : []) {
      for (const fault of faults.filter((name) => name !== "killed")) {
        for (const contender of contenders) {
          timings.push(...(await timeVisits(browser, contender, { fault, roundTripTimeMs, repeats })));
        }
      }
    }
    if (parts.includes("echoes") && faults.includes("killed")) {
      for (const contender of contenders) killed.push(await watch(browser, contender));
    }
    for (const mover of parts.includes("moves") ? MOVERS : [])
      moves.push(await move(browser, mover, roundTrips.at(-1) ?? 0, repeats));
    for (const carrier of parts.includes("weights") ? CARRIERS : []) weights.push(await weigh(browser, carrier));
  } finally {
    await browser.close();
  }
  if (timings.length > 0) printTimings(timings, roundTrips);
  if (killed.length > 0) printKilled(killed);
  if (moves.length > 0) printMoves(moves);
  if (weights.length > 0) printWeights(weights);
  const software = `${browser.version}, headless; Node ${process.version}`;
  process.stdout.write(`\n${software}. All on loopback, in one machine.\n`);
  if (options.json !== undefined) {
    const report = {
      benchmark: "connect",
      measuredAt: new Date().toISOString(),
      software,
      timings,
      killed,
      moves,
      weights,
    };
    await writeFile(options.json, `${JSON.stringify(report, undefined, 1)}\n`);
    process.stdout.write(`Everything is in ${options.json}\n`);
  }
  return 0;
}

/**
 * Each first visit in a profile that knows nothing, and a second one in the same.
 * @param {BenchBrowser} browser
 * @param {ConnectContender} contender
 * @param {{ fault: string, roundTripTimeMs: number, repeats: number }} setting
 * @returns {Promise<Timing[]>}
 */
async function timeVisits(browser, contender, { fault, roundTripTimeMs, repeats }) {
  const { title } = contender;
  /** @type {Timing[]} */
  const visits = /** @type {const} */ (["first", "return"]).map((visit) => ({
    fault,
    roundTripTimeMs,
    visit,
    title,
    ms: [],
  }));
  for (let repeat = 0; repeat < repeats; repeat++) {
    const server = await startConnectServer(contender, roundTripTimeMs, fault);
    await welcomeSomebody(browser, contender, server);
    const context = await browser.puppeteer.createBrowserContext();
    for (const visit of visits) {
      const stays = contender.remembers === true && fault !== "nothing" && visit.visit === "first";
      const ms = await timeFirstEcho(context, contender, server, { stays });
      visit.ms.push(ms);
      // It would be the same again, and takes its time.
      if (ms === undefined) repeat = repeats;
    }
    await context.close();
    server.stop();
  }
  const shown = visits.map(({ ms }) => `${shownMs(median(ms))} ms`);
  process.stderr.write(`  ${fault}, ${roundTripTimeMs} ms, ${title}: ${shown.join(", then ")}\n`);
  return visits;
}

/**
 * A server that has just been started is slow to answer, and none of the pages that people visit is.
 * @param {BenchBrowser} browser
 * @param {ConnectContender} contender
 * @param {import("./lib/connect-trial.mjs").ConnectServer} server
 */
async function welcomeSomebody(browser, contender, server) {
  const context = await browser.puppeteer.createBrowserContext();
  await timeFirstEcho(context, contender, server, { limitMs: WARM_UP_MS });
  await context.close();
}

/**
 * @param {BenchBrowser} browser
 * @param {ConnectContender} contender
 */
async function watch(browser, contender) {
  const server = await startConnectServer(contender, 0, "killed");
  const context = await browser.puppeteer.createBrowserContext();
  const outcome = await watchKilled(context, contender, server);
  await context.close();
  server.stop();
  return { title: contender.title, ...outcome };
}

/**
 * @param {BenchBrowser} browser
 * @param {ConnectContender} mover
 * @param {number} roundTripTimeMs
 * @param {number} repeats
 */
async function move(browser, mover, roundTripTimeMs, repeats) {
  /** @type {Awaited<ReturnType<typeof watchMove>>[]} */
  const moves = [];
  for (let repeat = 0; repeat < repeats; repeat++) {
    const fault = mover.movesByItself === true ? "nothing" : "refused";
    const server = await startConnectServer(mover, roundTripTimeMs, fault, TALK_MS);
    const context = await browser.puppeteer.createBrowserContext();
    moves.push(await watchMove(context, mover, server));
    await context.close();
    server.stop();
  }
  process.stderr.write(`  moving, ${mover.title}: ${JSON.stringify(moves)}\n`);
  return { title: mover.title, roundTripTimeMs, moves };
}

/**
 * @param {BenchBrowser} browser
 * @param {ConnectContender} carrier
 */
async function weigh(browser, carrier) {
  const server = await startConnectServer(carrier, 0, "nothing");
  const context = await browser.puppeteer.createBrowserContext();
  const weight = await weighMessages(context, carrier, server);
  await context.close();
  server.stop();
  return { title: carrier.title, ...weight };
}

/**
 * @param {Timing[]} timings
 * @param {number[]} roundTrips
 */
function printTimings(timings, roundTrips) {
  for (const roundTripTimeMs of roundTrips) {
    const here = timings.filter((timing) => timing.roundTripTimeMs === roundTripTimeMs);
    const titles = [...new Set(here.map(({ title }) => title))];
    const cases = [...new Set(here.map(({ fault, visit }) => `${fault}, ${visit} visit`))];
    const rows = cases.map((name) => [
      name,
      ...titles.map((title) => {
        const timing = here.find((each) => each.title === title && `${each.fault}, ${each.visit} visit` === name);
        return shownMs(median(timing?.ms ?? []));
      }),
    ]);
    const line = roundTripTimeMs === 0 ? "loopback" : `${roundTripTimeMs} ms round trip, emulated`;
    process.stdout.write(`\nTo the first echo, ms (median; - for none in ${LIMIT_MS / 1000} s); ${line}\n\n`);
    process.stdout.write(table(["WebSockets", ...titles], rows));
  }
}

/** @param {Awaited<ReturnType<typeof watch>>[]} killed */
function printKilled(killed) {
  process.stdout.write("\nWebSockets killed 200 ms after opening, for 10 s, with a message every 200 ms; loopback\n\n");
  const rows = killed.map(({ title, upgrades, longestSilenceMs, isThere }) => [
    title,
    number(upgrades),
    number(longestSilenceMs),
    isThere ? "yes" : "no",
  ]);
  process.stdout.write(table(["", "WebSockets dialled", "longest silence, ms", "works in the end"], rows));
}

/** @param {Awaited<ReturnType<typeof move>>[]} moves */
function printMoves(moves) {
  const roundTripTimeMs = moves[0]?.roundTripTimeMs ?? 0;
  process.stdout.write(
    `\nFrom HTTP to a WebSocket, both ends sending every ${TALK_MS} ms: the longest pause, ms (median); ${roundTripTimeMs} ms round trip\n\n`,
  );
  const rows = moves.map(({ title, moves }) => [
    title,
    .../** @type {const} */ (["up", "down"]).flatMap((way) =>
      [0, 1].map((part) => shownMs(median(moves.map((each) => each[way][part])))),
    ),
  ]);
  process.stdout.write(table(["", "up, before", "up, moving", "down, before", "down, moving"], rows));
}

/** @param {Awaited<ReturnType<typeof weigh>>[]} weights */
function printWeights(weights) {
  process.stdout.write("\nBytes of TCP payload for a message of 16 bytes and its echo\n\n");
  const rows = weights.map(({ title, up, down }) => [title, number(up), number(down)]);
  process.stdout.write(table(["", "up", "down"], rows));
}

/** @param {(number | undefined)[]} values one that never came is slower than any other */
function median(values) {
  const sorted = values.map((value) => value ?? Number.POSITIVE_INFINITY).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.POSITIVE_INFINITY;
}

/** @param {number} ms */
function shownMs(ms) {
  return Number.isFinite(ms) ? number(ms) : "-";
}
