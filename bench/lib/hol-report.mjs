// @ts-check
/** The tables of `hol`. */
import { isEnough, LINES_MIN, TRANSFERS_MIN } from "./hol-plan.mjs";
import { summarise } from "./statistics.mjs";
import { number, table } from "./table.mjs";

/** @typedef {import("./hol-plan.mjs").LinkResult} LinkResult */

const HEAD = ["", "p50 ms", "p95 ms", "p99 ms", "max ms", "Mbit/s", "p99, native", "goodput", "lines / transfers"];

/**
 * @param {LinkResult} result
 * @returns {string}
 */
export function describeLink(result) {
  const { browser, link, direction, fileBytes, intervalMs, floorMs, contenders } = result;
  const rows = contenders.map((contender) => rowOf(contender, ratiosTo(contenders, contender)));
  const idle = [floorMs.p50, floorMs.p95, floorMs.p99, floorMs.max].map((value) => number(value));
  rows.push(["nothing but chat on the line", ...idle, "", "", "", `${floorMs.count} / 0`]);
  const few = contenders.filter(({ transfers }) => !isEnough(transfers));
  const way = direction === "up" ? "up, from the page to the server" : "down, from the server to the page";
  const clockErrorMs = Math.max(
    ...contenders.flatMap(({ transfers }) => transfers.map((transfer) => transfer.clockErrorMs)),
  );
  return [
    `\n${browser}; ${link.megabit} Mbit/s, ${link.roundTripTimeMs} ms round trip, emulated; ${way}\n`,
    `One-way latency of chat lines, one every ${intervalMs} ms, beside a file of ${number(fileBytes / 1024 / 1024, 1)} MiB\n\n`,
    table(HEAD, rows),
    `\nClocks compared over an unshaped connection, good to ${number(clockErrorMs, 2)} ms. `,
    `The emulator's timer was ${number(result.emulatorLatenessMeanMs, 2)} ms late on average.\n`,
    ...(few.length === 0 ? [] : [`!!! Not for quoting, ${TOO_SMALL}: ${few.map(({ title }) => title).join("; ")}.\n`]),
  ].join("");
}

const TOO_SMALL = `fewer than ${LINES_MIN} lines or ${TRANSFERS_MIN} transfers`;

/**
 * How a contender does beside the native WebSocket of the same run; absent when that was not measured.
 * @param {LinkResult["contenders"]} contenders
 * @param {LinkResult["contenders"][number]} contender
 */
export function ratiosTo(contenders, contender) {
  const native = contenders.find(({ name }) => name === "native");
  if (native === undefined) return undefined;
  return {
    p99: native.latencyMs.p99 / contender.latencyMs.p99,
    goodput: contender.goodputMegabit / native.goodputMegabit,
  };
}

/**
 * @param {LinkResult["contenders"][number]} contender
 * @param {ReturnType<typeof ratiosTo>} ratios
 */
function rowOf({ title, latencyMs, goodputMegabit, transfers }, ratios) {
  return [
    title,
    number(latencyMs.p50),
    number(latencyMs.p95),
    number(latencyMs.p99),
    number(latencyMs.max),
    number(goodputMegabit, 2),
    ratios === undefined ? "" : `1 : ${number(ratios.p99, 1)}`,
    ratios === undefined ? "" : `${number(ratios.goodput * 100)} %`,
    `${latencyMs.count} / ${transfers.length}`,
  ];
}

/**
 * What is said once, under all tables.
 * @param {LinkResult[]} results
 * @returns {string[]}
 */
export function notesOf(results) {
  const contenders = results.flatMap((result) => result.contenders);
  const notes = contenders.flatMap(({ title, note }) => (note === undefined ? [] : [`${title}: ${note}.`]));
  const worst = summarise(contenders.flatMap(({ transfers }) => transfers.map(({ clockErrorMs }) => clockErrorMs)));
  return [
    ...new Set(notes),
    'Goodput is the median of the transfers, start-up included; "p99, native" is how many times that of the native is.',
    ...(worst.max > 1 ? [`A comparison of clocks was only good to ${number(worst.max, 1)} ms: a busy machine.`] : []),
  ];
}
