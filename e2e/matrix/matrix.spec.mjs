/**
 * The blocked matrix: a session through everything that is met between browsers and servers. Every cell opens, carries
 * 1,000 numbered messages each way, and ends up on the transport that is the best one there.
 */
import { expect, test } from "@playwright/test";
import { findProgram } from "../../tools/intermediaries.mjs";
import { CELLS, REFUSED_CELLS } from "./cells.mjs";
import { openCell, readCell } from "./page.mjs";
import { rowOf, runCell } from "./run-cell.mjs";
import { startMatrixServer } from "./server.mjs";
import { report } from "./table-reporter.mjs";

for (const cell of CELLS) {
  test(cell.name, async ({ browser }, info) => {
    const { program } = cell;
    test.skip(program !== undefined && findProgram(program) === undefined, `${program} is not installed`);
    let pageOrigin = "";
    const isKnown = (/** @type {string} */ origin) => origin === pageOrigin;
    const { heartbeatMs } = cell;
    const server = await startMatrixServer({
      ...(cell.namesPages ? { origins: isKnown } : {}),
      ...(heartbeatMs === undefined ? {} : { limits: { heartbeatMs } }),
    });
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
      const { onRound } = between;
      const outcome = await runCell(page, server, { url: `ws://${host}/live?room=1`, transport, pace, onRound });
      const [resumesMin, resumesMax] = cell.resumes ?? [0, Number.POSITIVE_INFINITY];
      expect(server.resumes).toBeGreaterThanOrEqual(resumesMin);
      expect(server.resumes).toBeLessThanOrEqual(resumesMax);
      report(info, rowOf(outcome, server));
    } finally {
      await context.close();
      await between.close();
      await server.close();
    }
  });
}

for (const cell of REFUSED_CELLS) {
  test(`${cell.name}: refused`, async ({ page }) => {
    const { program } = cell;
    test.skip(program !== undefined && findProgram(program) === undefined, `${program} is not installed`);
    const server = await startMatrixServer();
    const between = await cell.start(server);
    try {
      const host = `127.0.0.1:${between.port}`;
      /** @type {number[]} */
      const statuses = [];
      page.on("response", (response) => response.url().includes("/live") && statuses.push(response.status()));
      await page.goto(`http://${host}/`);
      await openCell(page, { url: `ws://${host}/live`, options: { connectTimeoutMs: 2000 } });
      await expect.poll(async () => (await readCell(page, 0)).events).toEqual(["error", "close"]);
      expect(statuses).toContain(403);
      expect(server.sockets).toEqual([]);
    } finally {
      await page.close();
      await between.close();
      await server.close();
    }
  });
}
