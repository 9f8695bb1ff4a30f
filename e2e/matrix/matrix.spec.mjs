/**
 * The blocked matrix: a session through everything that is met between browsers and servers. Every cell opens, carries
 * 1,000 numbered messages each way, and ends up on the transport that is the best one there.
 */
import { test } from "@playwright/test";
import { findProgram } from "../../tools/intermediaries.mjs";
import { CELLS } from "./cells.mjs";
import { rowOf, runCell } from "./run-cell.mjs";
import { startMatrixServer } from "./server.mjs";
import { report } from "./table-reporter.mjs";

for (const cell of CELLS) {
  test(cell.name, async ({ browser }, info) => {
    const { program } = cell;
    test.skip(program !== undefined && findProgram(program) === undefined, `${program} is not installed`);
    let pageOrigin = "";
    const isKnown = (/** @type {string} */ origin) => origin === pageOrigin;
    const server = await startMatrixServer(cell.namesPages ? { origins: isKnown } : {});
    const between = await cell.start(server);
    // Chromium goes to loopback without a proxy, unless it is told otherwise.
    const proxy = { server: `http://127.0.0.1:${between.port}`, bypass: "<-loopback>" };
    const context = await browser.newContext(cell.isForward ? { proxy } : {});
    try {
      const page = await context.newPage();
      const host = `127.0.0.1:${cell.isForward ? server.port : between.port}`;
      pageOrigin = `http://${host}`;
      await page.goto(`${pageOrigin}/`);
      const { transport, pace } = cell;
      const outcome = await runCell(page, server, { url: `ws://${host}/live?room=1`, transport, pace });
      report(info, rowOf(outcome, server));
    } finally {
      await context.close();
      await between.close();
      await server.close();
    }
  });
}
