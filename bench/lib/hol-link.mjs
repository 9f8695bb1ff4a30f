// @ts-check
/** One line, one browser, one direction: every contender in turn until there are enough transfers. */
import { createLink } from "../../tools/link-emulator.mjs";
import { fileBytesFor, isEnough } from "./hol-plan.mjs";
import { median, summarise } from "./statistics.mjs";
import { number } from "./table.mjs";
import { openPage } from "./transfer.mjs";

/** A contender so slow that it is done with a transfer before many lines are sent would run for ever. */
const ROUNDS_MAX = 40;

/**
 * @typedef {import("./hol-plan.mjs").Transfer} Transfer
 * @typedef {import("../contenders/index.mjs").Contender} Contender
 *
 * @typedef {object} Setting
 * @property {import("./browser.mjs").BenchBrowser} browser
 * @property {{ ports: Record<string, number>, clockPort: number }} server
 * @property {Contender[]} contenders
 * @property {import("./choices.mjs").LinkChoice} link
 * @property {import("./hol-plan.mjs").Direction} direction
 * @property {number} [transfersWanted] default: until there are enough lines
 * @property {number} seconds that a file takes at the line's rate
 * @property {number} intervalMs
 */

/**
 * @param {Setting} setting
 * @returns {Promise<import("./hol-plan.mjs").LinkResult>}
 */
export async function measureLink(setting) {
  const { browser, server, contenders, link, direction, intervalMs, transfersWanted } = setting;
  const fileBytes = fileBytesFor(link.megabit, setting.seconds);
  const links = new Map();
  for (const { name } of contenders) {
    const target = { port: /** @type {number} */ (server.ports[name]) };
    const line = { rateBitsPerSecond: link.megabit * 1e6, roundTripTimeMs: link.roundTripTimeMs };
    links.set(name, await createLink({ target, ...line }));
  }
  const openFor = (/** @type {Contender} */ contender) =>
    openPage(browser, { host: `127.0.0.1:${links.get(contender.name).port}`, clockPort: server.clockPort, contender });
  const measured = contenders.map((contender) => ({ contender, transfers: /** @type {Transfer[]} */ ([]) }));
  try {
    const floor = await measureFloor(await openFor(/** @type {Contender} */ (contenders[0])), direction);
    for (let round = 0; round < (transfersWanted ?? ROUNDS_MAX); round += 1) {
      const wanting = measured.filter(({ transfers }) => transfersWanted !== undefined || !isEnough(transfers));
      if (wanting.length === 0) break;
      for (const { contender, transfers } of wanting) {
        const transfer = await measureTransfer(await openFor(contender), { direction, fileBytes, intervalMs });
        transfers.push(transfer);
        report(`${browser.name}, ${link.name} ${direction}, round ${round + 1}: ${contender.title}`, transfer);
      }
    }
    const lateness = Math.max(...[...links.values()].map((one) => one.stats()[direction].latenessMs.mean));
    return {
      browser: browser.version,
      link,
      direction,
      fileBytes,
      intervalMs,
      floorMs: summarise(floor.latenciesMs),
      emulatorLatenessMeanMs: lateness,
      contenders: measured.map(({ contender, transfers }) => summariseContender(contender, transfers)),
    };
  } finally {
    await Promise.all([...links.values()].map((one) => one.close()));
  }
}

/**
 * @param {import("./transfer.mjs").BenchPage} page
 * @param {import("./hol-plan.mjs").Direction} direction
 */
async function measureFloor(page, direction) {
  try {
    return await page.measureFloor(direction);
  } finally {
    await page.close();
  }
}

/**
 * @param {import("./transfer.mjs").BenchPage} page
 * @param {import("./transfer.mjs").TransferPlan} plan
 */
async function measureTransfer(page, plan) {
  try {
    return await page.transfer(plan);
  } finally {
    await page.close();
  }
}

/**
 * @param {Contender} contender
 * @param {Transfer[]} transfers
 * @returns {import("./hol-plan.mjs").ContenderResult}
 */
function summariseContender({ name, title, note }, transfers) {
  return {
    name,
    title,
    note,
    latencyMs: summarise(transfers.flatMap((transfer) => transfer.latenciesMs)),
    goodputMegabit: median(transfers.map((transfer) => transfer.goodputMegabit)),
    transfers,
  };
}

/**
 * @param {string} what
 * @param {Transfer} transfer
 */
function report(what, { goodputMegabit, latenciesMs }) {
  const { count, p50, max } = summarise(latenciesMs);
  process.stderr.write(
    `  ${what}, ${number(goodputMegabit, 2)} Mbit/s, ${count} lines, p50 ${number(p50)} ms, max ${number(max)} ms\n`,
  );
}
