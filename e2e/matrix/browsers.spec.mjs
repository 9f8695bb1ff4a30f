/**
 * Other browsers, and Chromium over TLS: each transport opens and carries 1,000 messages each way, over a line that is
 * cut once.
 */
import { chromium, test } from "@playwright/test";
import puppeteer from "puppeteer-core";
import { findBrowser, findFirefox } from "../../tools/find-browser.mjs";
import { findProgram } from "../../tools/intermediaries.mjs";
import { createFaultProxy } from "../support/fault-proxy.mjs";
import { rowOf, runCell } from "./run-cell.mjs";
import { selfSigned } from "./self-signed.mjs";
import { startMatrixServer } from "./server.mjs";
import { report } from "./table-reporter.mjs";
import { startWebkit, WEBKIT_PROGRAMS } from "./webkit.mjs";

const TRANSPORTS = /** @type {const} */ (["websocket", "sse", "long-poll"]);
const ROUNDS = { rounds: 5, pauseMs: 50 };
const CUT_AT_ROUND = 3;

/**
 * @param {import("./run-cell.mjs").Evaluating & { goto: (url: string) => Promise<unknown> }} page
 * @param {import("@playwright/test").TestInfo} info
 * @param {typeof TRANSPORTS[number]} transport
 * @param {{ key: string, cert: string }} [tls]
 */
async function carryAcrossCut(page, info, transport, tls) {
  const server = await startMatrixServer(tls === undefined ? {} : { tls });
  const proxy = await createFaultProxy({ target: { port: server.port } });
  try {
    const host = `127.0.0.1:${proxy.port}`;
    await page.goto(`${tls === undefined ? "http" : "https"}://${host}/`);
    const outcome = await runCell(page, server, {
      url: `${tls === undefined ? "ws" : "wss"}://${host}/live`,
      transport,
      pace: ROUNDS,
      options: { transports: [transport] },
      onRound: (round) => {
        if (round === CUT_AT_ROUND) proxy.cut();
      },
    });
    report(info, rowOf(outcome, server));
  } finally {
    await proxy.close();
    await server.close();
  }
}

for (const transport of TRANSPORTS) {
  test(`Firefox, ${transport}, cut once`, async ({ browserName: _ }, info) => {
    const executablePath = findFirefox();
    test.skip(executablePath === undefined, "Firefox is not installed");
    const browser = await puppeteer.launch({ browser: "firefox", executablePath, headless: true });
    try {
      await carryAcrossCut(await browser.newPage(), info, transport);
    } finally {
      await browser.close();
    }
  });

  test(`WebKit, ${transport}, cut once`, async ({ browserName: _ }, info) => {
    const missing = WEBKIT_PROGRAMS.filter((program) => findProgram(program) === undefined);
    test.skip(missing.length > 0, `${missing.join(" and ")} not installed`);
    const browser = await startWebkit();
    try {
      await carryAcrossCut(browser.page, info, transport);
    } finally {
      await browser.close();
    }
  });

  test(`Chromium, TLS, ${transport}, cut once`, async ({ browserName: _ }, info) => {
    test.skip(findProgram("openssl") === undefined, "openssl is not installed");
    const browser = await chromium.launch({
      executablePath: findBrowser(),
      args: ["--no-sandbox", "--disable-gpu", "--ignore-certificate-errors"],
    });
    try {
      await carryAcrossCut(await browser.newPage(), info, transport, selfSigned());
    } finally {
      await browser.close();
    }
  });
}
