// @ts-check
/** The tables of `cost`. */
import { number, table } from "./table.mjs";

/**
 * @typedef {"page" | "network" | "server"} ProcessName network: where a browser has a process for it, that one
 * @typedef {Record<ProcessName, number>} CpuMs
 *
 * @typedef {object} CostResult
 * @property {import("./hol-plan.mjs").Direction} direction
 * @property {number} messagesPerSecond the median of the bursts
 * @property {number} messages in all bursts that `burstCpuMs` is about
 * @property {CpuMs | undefined} burstCpuMs `undefined` where the browser does not tell
 * @property {number} mebibytes in all files that `fileCpuMs` is about
 * @property {CpuMs | undefined} fileCpuMs
 *
 * @typedef {{ name: string, title: string, results: CostResult[] }} CostOf
 */

const WAYS = { up: "page to server", down: "server to page" };

/**
 * @param {string} browser
 * @param {CostOf[]} contenders
 * @param {{ bytes: number, count: number }} plan
 * @returns {string}
 */
export function describeCost(browser, contenders, { bytes, count }) {
  const directions = [...new Set(contenders.flatMap(({ results }) => results.map(({ direction }) => direction)))];
  const parts = [`\n${browser}: messages of ${bytes} bytes a second, in bursts of ${number(count)} over loopback\n\n`];
  parts.push(
    table(["", ...directions.flatMap((way) => [WAYS[way], "native"])], throughputRows(contenders, directions)),
  );
  for (const way of directions) {
    for (const { what, cost } of COSTS) {
      const rows = cpuRows(contenders, way, cost);
      if (rows.length === 0) continue;
      parts.push(`\n${browser}: processor time in ms ${what}, ${WAYS[way]}\n\n`);
      parts.push(table(["", "page", "network process", "server", "all", "native"], rows));
    }
  }
  return parts.join("");
}

/** @type {{ what: string, cost: (result: CostResult) => CpuMs | undefined }[]} */
const COSTS = [
  { what: "for 10,000 such messages", cost: ({ burstCpuMs, messages }) => scaled(burstCpuMs, 10_000 / messages) },
  { what: "for each MiB of a file", cost: ({ fileCpuMs, mebibytes }) => scaled(fileCpuMs, 1 / mebibytes) },
];

/**
 * @param {CostOf[]} contenders
 * @param {CostResult["direction"][]} directions
 */
function throughputRows(contenders, directions) {
  return contenders.map(({ title, results }) => [
    title,
    ...directions.flatMap((way) => {
      const own = rateOf(results, way);
      const native = rateOf(contenders.find(({ name }) => name === "native")?.results ?? [], way);
      return [number(own), `${number(own / native, 1)} ×`];
    }),
  ]);
}

/**
 * @param {CostResult[]} results
 * @param {CostResult["direction"]} way
 */
function rateOf(results, way) {
  return results.find(({ direction }) => direction === way)?.messagesPerSecond ?? Number.NaN;
}

/**
 * @param {CostOf[]} contenders
 * @param {CostResult["direction"]} way
 * @param {(result: CostResult) => CpuMs | undefined} cost
 */
function cpuRows(contenders, way, cost) {
  const measured = contenders.flatMap(({ name, title, results }) => {
    const result = results.find(({ direction }) => direction === way);
    const cpuMs = result && cost(result);
    return cpuMs === undefined ? [] : [{ name, title, cpuMs, all: cpuMs.page + cpuMs.network + cpuMs.server }];
  });
  const native = measured.find(({ name }) => name === "native");
  return measured.map(({ title, cpuMs, all }) => [
    title,
    number(cpuMs.page, 1),
    number(cpuMs.network, 1),
    number(cpuMs.server, 1),
    number(all, 1),
    native === undefined ? "" : `${number(all / native.all, 2)} ×`,
  ]);
}

/**
 * @param {CpuMs | undefined} cpuMs
 * @param {number} factor
 */
function scaled(cpuMs, factor) {
  if (cpuMs === undefined) return undefined;
  return { page: cpuMs.page * factor, network: cpuMs.network * factor, server: cpuMs.server * factor };
}
