// @ts-check
/**
 * What the machinery costs: small messages in a burst, and files, over loopback with no emulated line, so that the
 * processor is what limits. Rates of small messages, and the processor time of the page, the browser's network process
 * and the server.
 */
import { writeFile } from "node:fs/promises";
import { CONTENDERS } from "./contenders/index.mjs";
import { BROWSER_NAMES, launchBrowserIfThere } from "./lib/browser.mjs";
import { chooseNamed, chooseNames, parseCount } from "./lib/choices.mjs";
import { describeCost } from "./lib/cost-report.mjs";
import { CostTrial } from "./lib/cost-trial.mjs";
import { describeMachine } from "./lib/machine.mjs";
import { startServer } from "./lib/server.mjs";

/** Who has something to say about small messages. */
const USUAL = "native,socket-io,sockjs,sluice";
/** Several of them may be under way: less than what a Sluice server holds for one client by default. */
const FILE_BYTES = 4 * 1024 * 1024;

export const COST_OPTIONS = /** @type {const} */ ({
  directions: { type: "string", default: "up,down" },
  browsers: { type: "string", default: "chromium" },
  contenders: { type: "string", default: USUAL },
  messages: { type: "string", default: "20000" },
  bytes: { type: "string", default: "64" },
  turns: { type: "string", default: "3" },
  bursts: { type: "string", default: "3" },
  files: { type: "string", default: "3" },
  json: { type: "string" },
  watched: { type: "boolean", default: false },
});

export const COST_USAGE = `npm run bench -- cost [options]: small messages a second, and processor time

  --directions up,down    up is from the page to the server                    (up,down)
  --browsers a,b          ${BROWSER_NAMES.join(", ")}; processor time: Chromium only         (chromium)
  --contenders a,b        ${CONTENDERS.map((contender) => contender.name).join(", ")}
                          (${USUAL})
  --messages N            in a burst, sent without a pause                     (20000)
  --bytes N               of each message                                      (64)
  --turns N               of each contender, each in a page of its own         (3)
  --bursts N              of a turn, after some that warm up                   (3)
  --files N               of 4 MiB, of a turn, after some that warm up         (3)
  --watched               Chromium tells of each message, as it does to developer tools and test runners
  --json FILE             writes everything that was measured
`;

/**
 * @typedef {import("./lib/cost-report.mjs").CostOf} Costs
 * @typedef {Record<"directions" | "browsers" | "contenders" | "messages" | "bytes" | "turns" | "bursts" | "files", string> & { json?: string, watched: boolean }} CostOptions
 */

/**
 * @param {CostOptions} options
 * @returns {Promise<number>} the exit code
 */
export async function runCost(options) {
  const contenders = chooseNamed(options.contenders, CONTENDERS);
  const directions = chooseNames(options.directions, /** @type {const} */ (["up", "down"]));
  const plan = {
    count: parseCount(options.messages),
    bytes: parseCount(options.bytes),
    fileBytes: FILE_BYTES,
  };
  const [turns, bursts, files] = [options.turns, options.bursts, options.files].map(parseCount);
  const machine = describeMachine();
  const measured = [];
  for (const name of chooseNames(options.browsers, BROWSER_NAMES)) {
    const browser = await launchBrowserIfThere(name, { isWatched: options.watched });
    if (browser === undefined) continue;
    /** @type {Costs[]} */
    let costs;
    try {
      costs = await measure(browser, contenders, { directions, plan, turns, bursts, files });
    } finally {
      await browser.close();
    }
    process.stdout.write(describeCost(browser.version, costs, plan));
    measured.push({ browser: browser.version, contenders: costs });
  }
  process.stdout.write(`\nMachine: ${machine}. All on loopback, without TLS; browsers headless.\n`);
  process.stdout.write(
    "Rates are medians, from the first send to the last arrival. Processor time is user and system.\n",
  );
  if (options.json !== undefined) {
    const report = { benchmark: "cost", measuredAt: new Date().toISOString(), machine, plan, measured };
    await writeFile(options.json, `${JSON.stringify(report, undefined, 1)}\n`);
    process.stdout.write(`Everything is in ${options.json}\n`);
  }
  return measured.length > 0 ? 0 : 1;
}

/**
 * A server process for each contender, so that nobody pays for what another has left behind; and turns, so that a slow
 * minute of the machine hits all of them.
 * @param {import("./lib/browser.mjs").BenchBrowser} browser
 * @param {import("./contenders/index.mjs").Contender[]} contenders
 * @param {{
 *   directions: import("./lib/hol-plan.mjs").Direction[],
 *   plan: import("./lib/cost-trial.mjs").Plan,
 *   turns: number,
 *   bursts: number,
 *   files: number,
 * }} setting
 * @returns {Promise<Costs[]>}
 */
async function measure(browser, contenders, { directions, plan, turns, bursts, files }) {
  const servers = await Promise.all(contenders.map(({ name }) => startServer([name])));
  /** @type {Costs[]} */
  const costs = contenders.map(({ name, title }) => ({ name, title, results: [] }));
  try {
    for (const direction of directions) {
      const trials = contenders.map((contender, index) => {
        const server = /** @type {Awaited<ReturnType<typeof startServer>>} */ (servers[index]);
        return new CostTrial(browser, { contender, server, direction, plan });
      });
      for (let turn = 0; turn < turns; turn += 1) for (const trial of trials) await trial.measure({ bursts, files });
      for (const [index, trial] of trials.entries()) costs[index]?.results.push(trial.result);
      process.stderr.write(`  ${browser.name}, ${direction}: measured\n`);
    }
  } finally {
    for (const server of servers) server.stop();
  }
  return costs;
}
