// @ts-check
/** What every cell has to show: that the session opens, and that nothing is lost, doubled or reordered on its way. */
import { expect } from "@playwright/test";
import { NOTHING_WRONG } from "../support/ledger.mjs";
import { openCell, readCell, sendFromPage } from "./page.mjs";

/** Messages each way. */
const MESSAGES = 1000;

/** On a machine that has other things to do. */
const PATIENCE = { timeout: 100_000 };

/**
 * @typedef {import("./page.mjs").Evaluating} Evaluating
 * @typedef {Awaited<ReturnType<typeof import("./server.mjs").startMatrixServer>>} MatrixServer
 * @typedef {Awaited<ReturnType<typeof readCell>>} Outcome
 */

/**
 * Sends in rounds, waits for the transport that is expected, and sends the last round over that one.
 * @param {Evaluating} page
 * @param {MatrixServer} server
 * @param {object} setting
 * @param {string} setting.url
 * @param {string} setting.transport
 * @param {import("./cells.mjs").Pace} [setting.pace]
 * @param {object} [setting.options] of the socket
 * @param {((round: number) => unknown) | undefined} [setting.onRound] what else happens, before each round but the first
 * @returns {Promise<Outcome>}
 */
export async function runCell(page, server, { url, transport, pace, options = {}, onRound = () => {} }) {
  const { rounds, pauseMs } = pace ?? { rounds: 5, pauseMs: 20 };
  await openCell(page, { url, options });
  // The first message and its answer are part of the 1000.
  await expect.poll(async () => (await readCell(page, 1)).got, PATIENCE).toBe(1);
  for (let round = 1; round <= rounds; round++) {
    if (round > 1) {
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      await onRound(round);
    }
    if (round === rounds) await expectTransport(page, server, transport);
    const upTo = Math.ceil((MESSAGES * round) / rounds);
    const { sent } = await readCell(page, 0);
    await sendFromPage(page, upTo - sent);
    server.send(upTo - server.sent);
  }
  await expect.poll(() => server.ledger.report(MESSAGES), PATIENCE).toEqual(NOTHING_WRONG);
  await expect.poll(async () => (await readCell(page, MESSAGES)).report, PATIENCE).toEqual(NOTHING_WRONG);
  await expectTransport(page, server, transport);
  const outcome = await readCell(page, MESSAGES);
  // One session all the way: the application has seen no other.
  expect(outcome.events).toEqual(["open"]);
  expect(server.sockets).toHaveLength(1);
  expect({ sent: outcome.sent, got: outcome.got }).toEqual({ sent: MESSAGES, got: MESSAGES });
  expect({ sent: server.sent, got: server.ledger.seen.size }).toEqual({ sent: MESSAGES, got: MESSAGES });
  return outcome;
}

/**
 * Both ends say so.
 * @param {Evaluating} page
 * @param {MatrixServer} server
 * @param {string} transport
 */
async function expectTransport(page, server, transport) {
  await expect.poll(async () => (await readCell(page, 0)).transport, PATIENCE).toBe(transport);
  await expect.poll(() => server.sockets[0].transport, PATIENCE).toBe(transport);
}

/**
 * What the table says of a cell.
 * @param {Outcome} outcome
 * @param {MatrixServer} server
 */
export function rowOf(outcome, server) {
  return {
    transports: outcome.transports,
    firstMessageMs: Math.round(/** @type {number} */ (outcome.firstMessageMs)),
    up: server.ledger.seen.size,
    down: outcome.got,
    resumes: server.resumes,
  };
}
