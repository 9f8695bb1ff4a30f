// @ts-check
/** One socket in a page, which counts what it gets and sends what it is told. */
import { Ledger, numbered } from "../support/ledger.mjs";

/** Mostly small, as on a chat, and now and then one that is cut into chunks. */
export const SIZES = Array.from({ length: 50 }, (_, index) => {
  if (index === 20) return 9000;
  if (index === 45) return 60_000;
  return index % 5 === 0 ? 1024 : 24;
});

/**
 * What is needed of a page, whatever drives it.
 * @typedef {object} Evaluating
 * @property {(run: (argument: any) => any, argument?: any) => Promise<any>} evaluate
 */

/**
 * Makes `globalThis.cell` in the page. Does not wait for the socket to open.
 * @param {Evaluating} page
 * @param {{ url: string, options?: object }} setting
 */
export async function openCell(page, { url, options = {} }) {
  await page.evaluate(
    ({ url, options, ledgerSource, numberedSource, sizes }) => {
      const Ledger = new Function(`return ${ledgerSource}`)();
      const numbered = new Function(`return ${numberedSource}`)();
      const startedAt = performance.now();
      const socket = new globalThis.Sluice.SluiceSocket(url, [], options);
      const cell = {
        socket,
        ledger: new Ledger(sizes),
        sent: 0,
        events: /** @type {string[]} */ ([]),
        /** Every transport that has carried it, as it changes. */
        transports: /** @type {string[]} */ ([]),
        firstMessageMs: /** @type {number | undefined} */ (undefined),
        send(/** @type {number} */ count) {
          for (let i = 0; i < count; i++) {
            socket.send(numbered(cell.sent, sizes[cell.sent % sizes.length]));
            cell.sent += 1;
          }
        },
      };
      globalThis.cell = cell;
      for (const type of ["open", "error", "close", "sessionlost"])
        socket.addEventListener(type, () => cell.events.push(type));
      socket.addEventListener("transportchange", () => {
        if (socket.transport !== null) cell.transports.push(socket.transport);
      });
      socket.addEventListener("message", (/** @type {MessageEvent} */ event) => {
        cell.firstMessageMs ??= performance.now() - startedAt;
        cell.ledger.take(event.data);
      });
      // Before it opens, as applications do.
      cell.send(1);
    },
    { url, options, ledgerSource: String(Ledger), numberedSource: String(numbered), sizes: SIZES },
  );
}

/** @param {Evaluating} page @param {number} count */
export function sendFromPage(page, count) {
  return page.evaluate((number) => globalThis.cell.send(number), count);
}

/**
 * @param {Evaluating} page
 * @param {number} sentByServer
 */
export function readCell(page, sentByServer) {
  return page.evaluate((sent) => {
    const { cell } = globalThis;
    return {
      sent: cell.sent,
      got: cell.ledger.seen.size,
      report: cell.ledger.report(sent),
      transport: cell.socket.transport,
      transports: cell.transports,
      events: cell.events,
      firstMessageMs: cell.firstMessageMs,
    };
  }, sentByServer);
}
