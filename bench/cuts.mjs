// @ts-check
/**
 * A line that breaks again and again: numbered messages go both ways through a proxy that cuts the connection in the
 * middle of transfers, and what arrives at the far ends is counted. Nothing here is about speed. The contenders run at
 * the same time, each with a page, a server process and a line of its own, and meet the same faults.
 */
import { writeFile } from "node:fs/promises";
import { CONTENDERS } from "./cuts/index.mjs";
import { launchBrowser } from "./lib/browser.mjs";
import { chooseNamed, chooseNames, parseCount } from "./lib/choices.mjs";
import { runTrial } from "./lib/cuts-trial.mjs";
import { KIND_NAMES, planFaults } from "./lib/faults.mjs";
import { number, table } from "./lib/table.mjs";

/** Mostly plain cuts; of the dead lines few, as Socket.IO needs a minute for each. */
const DEFAULT_KINDS = "cut:14,reset:2,handshake:2,refuse,freeze";

export const CUTS_OPTIONS = /** @type {const} */ ({
  messages: { type: "string", default: "2000" },
  cuts: { type: "string", default: "50" },
  kinds: { type: "string", default: DEFAULT_KINDS },
  contenders: { type: "string", default: CONTENDERS.map((contender) => contender.name).join(",") },
  link: { type: "string", default: "20/20" },
  seed: { type: "string", default: "1" },
  minutes: { type: "string", default: "15" },
  json: { type: "string" },
});

export const CUTS_USAGE = `npm run bench -- cuts [options]: what arrives over a line that breaks, in Chromium

  --messages N          each way                                               (2000)
  --cuts N              how often the line breaks                              (50)
  --kinds a:3,b         how, and in which shares                               (${DEFAULT_KINDS})
                        ${KIND_NAMES.join(", ")}
  --contenders a,b      ${CONTENDERS.map((contender) => contender.name).join(", ")}
  --link 20/20          the line to emulate, as Mbit/s and round trip in ms    (20/20)
  --seed N              decides where and when the line breaks                 (1)
  --minutes N           no more cuts after this                                (15)
  --json FILE           writes everything that was counted

The exit code is 1 when Sluice lost, doubled or reordered a message, or missed some of the cuts.
`;

/**
 * @typedef {Record<"messages" | "cuts" | "kinds" | "contenders" | "link" | "seed" | "minutes", string> & { json?: string }} CutsOptions
 * @typedef {import("./lib/cuts-trial.mjs").CutsResult} CutsResult
 */

/**
 * @param {CutsOptions} options
 * @returns {Promise<number>} the exit code
 */
export async function runCuts(options) {
  const contenders = chooseNamed(options.contenders, CONTENDERS);
  const [cuts, messages] = [parseCount(options.cuts), parseCount(options.messages)];
  const [megabit, roundTripTimeMs] = options.link.split("/").map(Number);
  if (!(Number(megabit) > 0) || !(Number(roundTripTimeMs) >= 0)) throw new Error("--link is Mbit/s and ms, like 20/20");
  const plan = {
    messages,
    faults: planFaults({ count: cuts, kinds: parseKinds(options.kinds), seed: Number(options.seed) }),
    line: { megabit: Number(megabit), roundTripTimeMs: Number(roundTripTimeMs) },
    limitMs: Number(options.minutes) * 60_000,
    progress: (/** @type {string} */ text) => void process.stderr.write(`  ${text}\n`),
  };
  const browser = await launchBrowser();
  /** @type {CutsResult[]} */
  let results;
  try {
    results = await Promise.all(contenders.map((contender) => runTrial(browser, contender, plan)));
  } finally {
    await browser.close();
  }
  print(results, options);
  const software = `${browser.version}, headless; Node ${process.version}`;
  process.stdout.write(`\n${software}. All on loopback, in one machine.\n`);
  if (options.json !== undefined) {
    const report = { benchmark: "cuts", measuredAt: new Date().toISOString(), software, options, plan, results };
    await writeFile(options.json, `${JSON.stringify(report, undefined, 1)}\n`);
    process.stdout.write(`Everything is in ${options.json}\n`);
  }
  return results.every((result) => result.name !== "sluice" || isPerfect(result, cuts)) ? 0 : 1;
}

/**
 * @param {CutsResult} result
 * @param {number} cuts
 */
function isPerfect(result, cuts) {
  const damages = [result.up, result.down];
  return (
    result.cuts >= cuts &&
    damages.every((damage) => damage !== undefined && Object.values(damage).every((value) => value === 0))
  );
}

/**
 * @param {CutsResult[]} results
 * @param {CutsOptions} options
 */
function print(results, { messages, cuts, link }) {
  const cells = (/** @type {CutsResult["up"]} */ damage) =>
    damage === undefined
      ? ["?", "?", "?"]
      : [damage.lost, damage.doubled, damage.reordered].map((value) => number(value));
  const rows = results.map((result) => [
    result.title,
    number(result.cuts),
    ...cells(result.up),
    ...cells(result.down),
    number(result.seconds),
  ]);
  const [megabit, roundTripTimeMs] = link.split("/");
  process.stdout.write(
    `\n${messages} messages of 20 bytes to 200 KiB each way, the line broken ${cuts} times; ` +
      `${megabit} Mbit/s, ${roundTripTimeMs} ms round trip, emulated\n\n`,
  );
  const head = ["", "cuts", "up: lost", "doubled", "reordered", "down: lost", "doubled", "reordered", "seconds"];
  process.stdout.write(table(head, rows));
  for (const { title, notes } of results) for (const note of notes) process.stdout.write(`\n${title}: ${note}\n`);
}

/** @param {string} text */
function parseKinds(text) {
  const shares = text.split(",").map((part) => part.split(":"));
  const names = chooseNames(shares.map(([name]) => name).join(), KIND_NAMES);
  return names.map((name, index) => ({ name, weight: parseCount(shares[index]?.[1] ?? "1") }));
}
