// @ts-check
/** A page with one socket that counts: what it is told to send, and what it gets. */
import { expect } from "@playwright/test";
import { Ledger, NOTHING_WRONG, numbered, SIZES } from "./ledger.mjs";

/** The server application of most tests: counts what comes, and sends as the test asks. */
export function countingServer() {
  const ledger = new Ledger(SIZES);
  const state = { ledger, sockets: /** @type {any[]} */ ([]), sent: 0, events: /** @type {string[]} */ ([]) };
  const onConnection = (/** @type {any} */ socket) => {
    state.sockets.push(socket);
    for (const type of ["park", "resume", "close"]) socket.on(type, () => state.events.push(type));
    socket.on("error", () => {});
    socket.on("message", (/** @type {Buffer} */ data) => ledger.take(String(data)));
  };
  const send = (/** @type {number} */ count) => {
    for (let i = 0; i < count; i++) {
      state.sockets[0].send(numbered(state.sent, /** @type {number} */ (SIZES[state.sent % SIZES.length])));
      state.sent += 1;
    }
  };
  return { state, onConnection, send };
}

/** What is needed of a page. @typedef {Pick<import("@playwright/test").Page, "evaluate">} Evaluating */

/**
 * Makes `socket`, `state` and `sendMore(count)` in the page, and waits for `open`.
 * @param {Evaluating} page
 * @param {string} url
 * @param {object} [options] of the socket
 */
export async function openSocket(page, url, options = {}) {
  await page.evaluate(
    ({ url, options, ledgerSource, numberedSource, sizes }) => {
      const Ledger = new Function(`return ${ledgerSource}`)();
      const numbered = new Function(`return ${numberedSource}`)();
      const socket = new globalThis.Sluice.SluiceSocket(url, [], { transports: ["websocket"], ...options });
      const state = {
        events: /** @type {string[]} */ ([]),
        ledger: new Ledger(sizes),
        sent: 0,
        receipts: /** @type {any[]} */ ([]),
      };
      globalThis.state = state;
      globalThis.socket = socket;
      globalThis.sendMore = (/** @type {number} */ count) => {
        for (let i = 0; i < count; i++) {
          state.receipts.push(socket.send(numbered(state.sent, sizes[state.sent % sizes.length])));
          state.sent += 1;
        }
      };
      for (const type of ["open", "error", "close", "sessionlost"])
        socket.addEventListener(type, () => state.events.push(type));
      socket.addEventListener("connectionstatechange", () => state.events.push(socket.connectionState));
      socket.addEventListener("message", (/** @type {MessageEvent} */ event) => state.ledger.take(event.data));
    },
    { url, options, ledgerSource: String(Ledger), numberedSource: String(numbered), sizes: SIZES },
  );
  // Not `waitForFunction`, which waits for animation frames: hidden pages have none.
  await expect.poll(() => page.evaluate(() => globalThis.state.events.includes("open"))).toBe(true);
}

/** How often the session has changed its line. @param {Evaluating} page */
export function resumes(page) {
  return page.evaluate(() => globalThis.socket.stats().resumes);
}

/**
 * Waits until everything that was sent has arrived, once and in order, on both sides.
 * @param {Evaluating} page
 * @param {ReturnType<typeof countingServer>["state"]} state
 */
export async function expectComplete(page, state) {
  const sent = await page.evaluate(() => globalThis.state.sent);
  await expect.poll(() => state.ledger.report(sent), { timeout: 30_000 }).toEqual(NOTHING_WRONG);
  const report = () => page.evaluate((count) => globalThis.state.ledger.report(count), state.sent);
  await expect.poll(report, { timeout: 30_000 }).toEqual(NOTHING_WRONG);
}
