// @ts-check
/**
 * Head-of-line blocking: how long chat lines take while a file goes up over the same connection.
 *
 * Three processes: this one holds the emulated line and drives the browser, `server-process.mjs` serves, Chromium
 * sends. Every transfer has a page and a connection of its own, so that each contender's start-up is part of what is
 * measured; contenders take turns, so that a slow minute of the machine hits all of them.
 */
import { fork } from "node:child_process";
import { writeFile } from "node:fs/promises";
import os from "node:os";
import { createLink, UNCONTROLLED } from "../tools/link-emulator.mjs";
import { CONTENDERS } from "./contenders/index.mjs";
import { launchBrowser } from "./lib/browser.mjs";
import { median, summarise } from "./lib/statistics.mjs";
import { number, table } from "./lib/table.mjs";
import { openPage } from "./lib/transfer.mjs";

/** A percentile wants this many lines from this many transfers, or says that it had fewer. */
const LINES_MIN = 500;
const TRANSFERS_MIN = 5;
/** A contender so slow that it is done with a transfer before many lines are sent would run for ever. */
const ROUNDS_MAX = 40;
/** The message limit of a Sluice server with default options, and default options are what is measured. */
const MEGABYTES_MAX = 16;

export const HOL_OPTIONS = /** @type {const} */ ({
  links: { type: "string", default: "10/40" },
  contenders: { type: "string", default: CONTENDERS.map((contender) => contender.name).join(",") },
  transfers: { type: "string" },
  megabytes: { type: "string", default: "8" },
  interval: { type: "string", default: "100" },
  json: { type: "string" },
});

export const HOL_USAGE = `npm run bench -- hol [options]: chat lines beside a running upload, in Chromium

  --links 10/40,1/100   lines to emulate, as Mbit/s and round trip in ms       (10/40)
  --contenders a,b      ${CONTENDERS.map((contender) => contender.name).join(", ")}
  --transfers N         per contender; default: until ${LINES_MIN} lines and at least ${TRANSFERS_MIN} transfers
  --megabytes N         size of the file, at most ${MEGABYTES_MAX}                           (8)
  --interval MS         between chat lines                                     (100)
  --json FILE           writes everything that was measured
`;

/**
 * @typedef {object} HolOptions
 * @property {string} links
 * @property {string} contenders
 * @property {string} [transfers]
 * @property {string} megabytes
 * @property {string} interval
 * @property {string} [json]
 *
 * @typedef {import("./lib/transfer.mjs").Transfer} Transfer
 */

/**
 * @param {HolOptions} options
 * @returns {Promise<number>} the exit code
 */
export async function runHol(options) {
  if (!(Number(options.megabytes) <= MEGABYTES_MAX)) throw new Error(`--megabytes is at most ${MEGABYTES_MAX}`);
  const contenders = chooseContenders(options.contenders);
  const links = options.links.split(",").map(parseLink);
  const browser = await launchBrowser();
  const machine = describeMachine(browser.version());
  const server = await startServer(contenders.map((contender) => contender.name));
  const results = [];
  try {
    for (const link of links) results.push(await measureLink({ browser, server, contenders, link, options }));
  } finally {
    await browser.close();
    server.stop();
  }
  for (const result of results) print(result, options);
  process.stdout.write(`\n${machine.text}\n`);
  for (const line of UNCONTROLLED) process.stdout.write(`Not in these numbers: ${line}\n`);
  process.stdout.write("Not in these numbers: TLS, other browsers, a line with other traffic.\n");
  if (options.json !== undefined) {
    const report = {
      benchmark: "hol",
      measuredAt: new Date().toISOString(),
      machine,
      options,
      uncontrolled: UNCONTROLLED,
      results,
    };
    await writeFile(options.json, `${JSON.stringify(report, undefined, 1)}\n`);
    process.stdout.write(`Everything is in ${options.json}\n`);
  }
  return 0;
}

/**
 * @param {{
 *   browser: import("@playwright/test").Browser,
 *   server: { ports: Record<string, number>, clockPort: number },
 *   contenders: typeof CONTENDERS,
 *   link: { name: string, megabit: number, roundTripTimeMs: number },
 *   options: HolOptions,
 * }} setting
 */
async function measureLink({ browser, server, contenders, link, options }) {
  const transfersWanted = options.transfers === undefined ? undefined : Number(options.transfers);
  const fileBytes = Math.round(Number(options.megabytes) * 1024 * 1024);
  /** @type {Map<string, Transfer[]>} */
  const transfers = new Map(contenders.map(({ name }) => [name, []]));
  const emulated = new Map();
  for (const { name } of contenders) {
    emulated.set(
      name,
      await createLink({
        target: { port: /** @type {number} */ (server.ports[name]) },
        rateBitsPerSecond: link.megabit * 1e6,
        roundTripTimeMs: link.roundTripTimeMs,
      }),
    );
  }
  const openFor = (/** @type {typeof contenders[number]} */ contender) =>
    openPage(browser, {
      url: `127.0.0.1:${emulated.get(contender.name).port}`,
      clockPort: server.clockPort,
      contender,
    });
  const idle = await openFor(contenders[0]);
  const floor = await idle.measureFloor();
  await idle.close();
  for (let round = 0; round < (transfersWanted ?? ROUNDS_MAX); round += 1) {
    const wanting = contenders.filter(({ name }) => {
      const done = /** @type {Transfer[]} */ (transfers.get(name));
      if (transfersWanted !== undefined) return true;
      return done.length < TRANSFERS_MIN || done.flatMap((transfer) => transfer.latenciesMs).length < LINES_MIN;
    });
    if (wanting.length === 0) break;
    for (const contender of wanting) {
      const page = await openFor(contender);
      try {
        const transfer = await page.transfer({ fileBytes, intervalMs: Number(options.interval) });
        transfers.get(contender.name)?.push(transfer);
        const { p50, max } = summarise(transfer.latenciesMs);
        process.stderr.write(
          `  ${link.name}, round ${round + 1}: ${contender.title}, ${number(transfer.goodputMegabit, 2)} Mbit/s, ` +
            `${transfer.latenciesMs.length} lines, p50 ${number(p50)} ms, max ${number(max)} ms\n`,
        );
      } finally {
        await page.close();
      }
    }
  }
  const lateness = Math.max(...[...emulated.values()].map((one) => one.stats().up.latenessMs.mean));
  await Promise.all([...emulated.values()].map((one) => one.close()));
  return {
    link,
    fileBytes,
    floor,
    emulatorLatenessMeanMs: lateness,
    contenders: contenders.map(({ name, title }) => {
      const done = /** @type {Transfer[]} */ (transfers.get(name));
      return {
        name,
        title,
        latencyMs: summarise(done.flatMap((transfer) => transfer.latenciesMs)),
        goodputMegabit: median(done.map((transfer) => transfer.goodputMegabit)),
        transfers: done,
      };
    }),
  };
}

/**
 * @param {Awaited<ReturnType<typeof measureLink>>} result
 * @param {HolOptions} options
 */
function print(result, options) {
  const { link, floor } = result;
  const baseline = result.contenders.find((contender) => contender.name === "native");
  const rows = result.contenders.map(({ title, latencyMs, goodputMegabit, transfers }) => [
    title,
    number(latencyMs.p50),
    number(latencyMs.p95),
    number(latencyMs.p99),
    number(latencyMs.max),
    number(goodputMegabit, 2),
    baseline === undefined ? "" : `1 : ${number(baseline.latencyMs.p99 / latencyMs.p99, 1)}`,
    baseline === undefined ? "" : `${number((goodputMegabit / baseline.goodputMegabit) * 100)} %`,
    `${latencyMs.count} / ${transfers.length}`,
  ]);
  const idle = summarise(floor.latenciesMs);
  const idleNumbers = [idle.p50, idle.p95, idle.p99, idle.max].map((value) => number(value));
  rows.push(["nothing but chat on the line", ...idleNumbers, "", "", "", `${idle.count} / 0`]);
  process.stdout.write(
    `\nOne-way latency of chat lines, one every ${options.interval} ms, while ${options.megabytes} MB go up; ` +
      `${link.megabit} Mbit/s, ${link.roundTripTimeMs} ms round trip, emulated\n\n`,
  );
  const head = ["", "p50 ms", "p95 ms", "p99 ms", "max ms", "Mbit/s", "p99, native", "goodput", "lines / uploads"];
  process.stdout.write(table(head, rows));
  const clocks = result.contenders.flatMap(({ transfers }) => transfers.map((transfer) => transfer.clockErrorMs));
  process.stdout.write(
    `\nClocks compared over an unshaped connection, good to ${number(Math.max(...clocks), 2)} ms. ` +
      `The emulator's timer was ${number(result.emulatorLatenessMeanMs, 2)} ms late on average. ` +
      "Goodput is the median of the uploads.\n",
  );
  const isSmall = result.contenders.some(
    ({ latencyMs, transfers }) => latencyMs.count < LINES_MIN || transfers.length < TRANSFERS_MIN,
  );
  if (isSmall) process.stdout.write(`Fewer than ${LINES_MIN} lines or ${TRANSFERS_MIN} uploads: not for quoting.\n`);
}

/** @param {string} names */
function chooseContenders(names) {
  return names.split(",").map((name) => {
    const contender = CONTENDERS.find((candidate) => candidate.name === name);
    if (contender === undefined) throw new Error(`no contender "${name}"; see --help`);
    return contender;
  });
}

/** @param {string} text */
function parseLink(text) {
  const match = /^(\d+(?:\.\d+)?)\/(\d+(?:\.\d+)?)$/.exec(text);
  if (match === null) throw new Error(`a link is Mbit/s and ms, like 10/40, not "${text}"`);
  return { name: text, megabit: Number(match[1]), roundTripTimeMs: Number(match[2]) };
}

/** @param {string} browserVersion */
function describeMachine(browserVersion) {
  const cpus = os.cpus();
  const [load = 0] = os.loadavg();
  const facts = {
    cpu: cpus[0]?.model.trim() || "unknown",
    cores: cpus.length,
    os: `${os.type()} ${os.release()}`,
    node: process.version,
    browser: `Chromium ${browserVersion}`,
    loadBefore: Number(load.toFixed(2)),
  };
  const text =
    `Machine: ${facts.cores} cores of ${facts.cpu}, ${facts.os}, load ${facts.loadBefore} before; ` +
    `${facts.browser}, headless; Node ${facts.node}. All on loopback, in one machine.`;
  return { ...facts, text };
}

/**
 * @param {string[]} names
 * @returns {Promise<{ ports: Record<string, number>, clockPort: number, stop: () => void }>}
 */
async function startServer(names) {
  const child = fork(new URL("server-process.mjs", import.meta.url), names, {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const started = await new Promise((resolve, reject) => {
    child.once("message", resolve);
    child.once("exit", (code) => reject(new Error(`the server process ended with ${code}`)));
  });
  return { ...started, stop: () => child.kill() };
}
