// @ts-check
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";

/**
 * @typedef {import("../test/simulation/run.js").Report} Report
 * @typedef {import("../test/simulation/plan.js").Profile} Profile
 */

/** Seeds that a thread plays between two reports. */
const PORTION = 250;

/** A range that has not come back after this goes round in circles. */
const PORTION_TIMEOUT_MS = 120_000;

/** More threads than this gain nothing that anybody waits for. */
const WORKERS_MAX = 8;

export const workersDefault = Math.min(WORKERS_MAX, availableParallelism());

/**
 * Plays the schedules of seeds `from` to `from + count - 1` on several threads.
 * @param {string} bundle
 * @param {object} options
 * @param {number} options.from
 * @param {number} options.count
 * @param {Profile} [options.profile]
 * @param {number} options.workers
 * @param {number} options.failuresMax no more are begun once there are so many
 * @param {(report: Report) => void} [options.onProgress]
 * @returns {Promise<Report>}
 */
export async function runPool(bundle, { from, count, profile, workers, failuresMax, onProgress }) {
  /** @type {Report} */
  const total = {
    schedules: 0,
    byProfile: {},
    counts: {},
    faults: {},
    transitions: {},
    steps: 0,
    calmMsMax: 0,
    messagesMin: Number.POSITIVE_INFINITY,
    faultsMin: Number.POSITIVE_INFINITY,
    failures: [],
  };
  let next = from;
  const take = () => {
    if (next >= from + count || total.failures.length >= failuresMax) return undefined;
    const range = { from: next, count: Math.min(PORTION, from + count - next), profile, failuresMax };
    next += range.count;
    return range;
  };
  const threads = Math.min(workers, Math.ceil(count / PORTION));
  const run = async () => {
    const worker = new Worker(new URL("simulation-worker.mjs", import.meta.url), {
      workerData: { bundle },
      execArgv: [],
    });
    try {
      for (let range = take(); range !== undefined; range = take()) {
        merge(total, await play(worker, range));
        onProgress?.(total);
      }
    } finally {
      await worker.terminate();
    }
  };
  await Promise.all(Array.from({ length: threads }, run));
  total.failures.sort((a, b) => a.seed - b.seed);
  return total;
}

/**
 * @param {Worker} worker
 * @param {{ from: number, count: number, profile: Profile | undefined }} range
 * @returns {Promise<Report>}
 */
function play(worker, range) {
  return new Promise((resolve, reject) => {
    /** @param {() => void} then */
    const end = (then) => {
      clearTimeout(timer);
      worker.off("message", handleReport).off("error", handleError);
      then();
    };
    const handleReport = (/** @type {Report} */ report) => end(() => resolve(report));
    const handleError = (/** @type {Error} */ error) => end(() => reject(error));
    const timer = setTimeout(() => {
      const what = `seeds ${range.from} to ${range.from + range.count - 1} do not come to an end`;
      end(() => reject(new Error(what)));
    }, PORTION_TIMEOUT_MS);
    worker.on("message", handleReport).on("error", handleError);
    worker.postMessage(range);
  });
}

/**
 * @param {Report} total
 * @param {Report} part
 */
function merge(total, part) {
  total.schedules += part.schedules;
  total.steps += part.steps;
  total.calmMsMax = Math.max(total.calmMsMax, part.calmMsMax);
  total.messagesMin = Math.min(total.messagesMin, part.messagesMin);
  total.faultsMin = Math.min(total.faultsMin, part.faultsMin);
  total.failures.push(...part.failures);
  for (const sums of /** @type {const} */ (["byProfile", "counts", "faults", "transitions"])) {
    for (const [name, value] of Object.entries(part[sums])) total[sums][name] = (total[sums][name] ?? 0) + value;
  }
}
