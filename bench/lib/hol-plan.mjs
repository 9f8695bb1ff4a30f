// @ts-check
/** What `hol` measures, and what is enough. */

/** A percentile wants this many lines from this many transfers, or says that it had fewer. */
export const LINES_MIN = 500;
export const TRANSFERS_MIN = 5;

/** Under what a Sluice server with default options takes as one message, and holds for one client. */
export const FILE_BYTES_MAX = 12 * 1024 * 1024;

/**
 * @typedef {"up" | "down"} Direction up: from the page to the server
 *
 * @typedef {object} Transfer
 * @property {number} goodputMegabit the file's bits over the time from `send` to its arrival
 * @property {number[]} latenciesMs one-way, of the lines sent while the file was under way, in order
 * @property {number} clockErrorMs half the round trip of the best clock exchange
 *
 * @typedef {ReturnType<typeof import("./statistics.mjs").summarise>} Summary
 *
 * @typedef {object} ContenderResult
 * @property {string} name
 * @property {string} title
 * @property {string | undefined} note
 * @property {Summary} latencyMs
 * @property {number} goodputMegabit the median of the transfers
 * @property {Transfer[]} transfers
 *
 * @typedef {object} LinkResult of one browser, line and direction
 * @property {string} browser
 * @property {import("./choices.mjs").LinkChoice} link
 * @property {Direction} direction
 * @property {number} fileBytes
 * @property {number} intervalMs
 * @property {Summary} floorMs lines with nothing beside them
 * @property {number} emulatorLatenessMeanMs
 * @property {ContenderResult[]} contenders
 */

/**
 * A file takes about as long on every line, as far as one message may be that large.
 * @param {number} megabit
 * @param {number} seconds
 */
export function fileBytesFor(megabit, seconds) {
  return Math.min(FILE_BYTES_MAX, Math.round((megabit * 1e6 * seconds) / 8));
}

/** @param {Transfer[]} transfers */
export function isEnough(transfers) {
  const lines = transfers.reduce((sum, { latenciesMs }) => sum + latenciesMs.length, 0);
  return transfers.length >= TRANSFERS_MIN && lines >= LINES_MIN;
}
