// @ts-check
/**
 * A tab in the background: browsers let its timers run once a second, and less. Whoever waits for them to send the next
 * piece slows down with them. The same file, from a visible and from a really hidden page, over an emulated line.
 */
import { createLink } from "../tools/link-emulator.mjs";
import { CONTENDERS } from "./contenders/index.mjs";
import { BROWSER_NAMES, launchBrowserIfThere } from "./lib/browser.mjs";
import { chooseNamed, chooseNames, parseCount, parseLinks } from "./lib/choices.mjs";
import { fileBytesFor } from "./lib/hol-plan.mjs";
import { describeMachine } from "./lib/machine.mjs";
import { startServer } from "./lib/server.mjs";
import { median } from "./lib/statistics.mjs";
import { number, table } from "./lib/table.mjs";
import { openPage } from "./lib/transfer.mjs";

/** What a hidden page must keep of the rate of a visible one. */
const SHARE_MIN = 0.9;
const FILE_SECONDS = 7;
/** Five timers of 10 ms, one after the other, take 50 ms in a visible page, and seconds in a hidden one. */
const THROTTLED_MS = 2000;

export const HIDDEN_OPTIONS = /** @type {const} */ ({
  link: { type: "string", default: "20/30" },
  directions: { type: "string", default: "up,down" },
  browsers: { type: "string", default: "chromium" },
  contenders: { type: "string", default: "native,sluice" },
  transfers: { type: "string", default: "3" },
});

export const HIDDEN_USAGE = `npm run bench -- hidden [options]: the goodput of a file in a hidden tab

  --link 20/30            the line to emulate, as Mbit/s and round trip in ms  (20/30)
  --directions up,down    up is from the page to the server                    (up,down)
  --browsers a,b          ${BROWSER_NAMES.join(", ")}                                    (chromium)
  --contenders a,b        ${CONTENDERS.map((contender) => contender.name).join(", ")}
                          (native,sluice)
  --transfers N           visible and hidden, of each contender                (3)

The exit code is 1 when Sluice keeps less than ${SHARE_MIN * 100} % of its rate.
`;

/**
 * @typedef {Record<"link" | "directions" | "browsers" | "contenders" | "transfers", string>} HiddenOptions
 * @typedef {{ name: string, title: string, direction: string, visible: number, hidden: number, timersMs: number }} HiddenResult
 */

/**
 * @param {HiddenOptions} options
 * @returns {Promise<number>} the exit code
 */
export async function runHidden(options) {
  const contenders = chooseNamed(options.contenders, CONTENDERS);
  const directions = chooseNames(options.directions, /** @type {const} */ (["up", "down"]));
  const link = /** @type {import("./lib/choices.mjs").LinkChoice} */ (parseLinks(options.link)[0]);
  const transfers = parseCount(options.transfers);
  const machine = describeMachine();
  const server = await startServer(contenders.map(({ name }) => name));
  /** @type {HiddenResult[]} */
  const results = [];
  try {
    for (const name of chooseNames(options.browsers, BROWSER_NAMES)) {
      const browser = await launchBrowserIfThere(name);
      if (browser === undefined) continue;
      const measured = [];
      try {
        for (const contender of contenders) {
          for (const direction of directions) {
            measured.push(await measure({ browser, server, contender, direction, transfers, link }));
          }
        }
      } finally {
        await browser.close();
      }
      print(browser.version, measured);
      results.push(...measured);
    }
  } finally {
    server.stop();
  }
  process.stdout.write(
    `\n${link.megabit} Mbit/s, ${link.roundTripTimeMs} ms round trip, emulated. Machine: ${machine}.\n`,
  );
  const isKept = results.every(({ name, visible, hidden }) => name !== "sluice" || hidden >= visible * SHARE_MIN);
  return isKept && results.length > 0 ? 0 : 1;
}

/**
 * @param {{
 *   browser: import("./lib/browser.mjs").BenchBrowser,
 *   server: { ports: Record<string, number>, clockPort: number },
 *   contender: import("./contenders/index.mjs").Contender,
 *   direction: import("./lib/hol-plan.mjs").Direction,
 *   transfers: number,
 *   link: import("./lib/choices.mjs").LinkChoice,
 * }} setting
 * @returns {Promise<HiddenResult>}
 */
async function measure({ browser, server, contender, direction, transfers, link }) {
  const { name, title } = contender;
  const target = { port: /** @type {number} */ (server.ports[name]) };
  const line = { rateBitsPerSecond: link.megabit * 1e6, roundTripTimeMs: link.roundTripTimeMs };
  const emulated = await createLink({ target, ...line });
  /** @type {{ visible: number[], hidden: number[] }} */
  const goodputs = { visible: [], hidden: [] };
  let timersMs = Number.POSITIVE_INFINITY;
  try {
    for (let count = 0; count < transfers; count += 1) {
      for (const state of /** @type {const} */ (["visible", "hidden"])) {
        const page = await openPage(browser, {
          host: `127.0.0.1:${emulated.port}`,
          clockPort: server.clockPort,
          contender,
        });
        const front = state === "hidden" ? await browser.newPage() : undefined;
        try {
          await front?.bringToFront();
          const seen = await page.page.evaluate(lookAtTimers);
          if (seen.state !== state) throw new Error(`the page is ${seen.state}, and was to be ${state}`);
          if (state === "hidden") timersMs = Math.min(timersMs, seen.timersMs);
          const plan = { direction, fileBytes: fileBytesFor(link.megabit, FILE_SECONDS), intervalMs: 0 };
          goodputs[state].push((await page.transfer(plan)).goodputMegabit);
        } finally {
          await page.close();
          await front?.close();
        }
      }
    }
  } finally {
    await emulated.close();
  }
  if (timersMs < THROTTLED_MS)
    throw new Error("the timers of the hidden page were not throttled, so this says nothing");
  return { name, title, direction, visible: median(goodputs.visible), hidden: median(goodputs.hidden), timersMs };
}

/** Runs in the page. */
async function lookAtTimers() {
  const startedAt = performance.now();
  for (let count = 0; count < 5; count += 1) await new Promise((resolve) => setTimeout(resolve, 10));
  return { state: document.visibilityState, timersMs: performance.now() - startedAt };
}

/**
 * @param {string} browser
 * @param {HiddenResult[]} results
 */
function print(browser, results) {
  process.stdout.write(`\n${browser}: goodput of a file in Mbit/s\n\n`);
  const rows = results.map(({ title, direction, visible, hidden, timersMs }) => [
    `${title}, ${direction}`,
    number(visible, 2),
    number(hidden, 2),
    `${number((hidden / visible) * 100)} %`,
    number(timersMs),
  ]);
  process.stdout.write(table(["", "visible", "hidden", "kept", "five timers of 10 ms, hidden, ms"], rows));
}
