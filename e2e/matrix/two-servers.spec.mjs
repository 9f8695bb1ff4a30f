/**
 * One balancer, and two servers that know nothing of each other. A session lives in one of them: with stickiness every
 * request, and every WebSocket that comes back, finds it; without, what is lost is told.
 */
import { expect, test } from "@playwright/test";
import { findProgram } from "../../tools/intermediaries.mjs";
import { createFaultProxy } from "../support/fault-proxy.mjs";
import { numbered } from "../support/ledger.mjs";
import { SIZES } from "./page.mjs";
import { startHaproxy } from "./programs.mjs";
import { rowOf, runCell } from "./run-cell.mjs";
import { startMatrixServer } from "./server.mjs";
import { report } from "./table-reporter.mjs";

const PATIENCE = { timeout: 60_000 };
const SWIFT = { backoff: { baseMs: 50, maxMs: 200 } };

/** By these the balancer knows two users apart. With `balance source`, one goes to each server. */
const ADDRESSES = ["127.0.0.2", "127.0.0.3"];

const BY_COOKIE = {
  name: "cookie insert",
  backend: "  balance roundrobin\n  cookie server insert indirect nocache",
  optionsOf: (/** @type {string} */ name) => `cookie ${name}`,
};
const BY_ADDRESS = {
  name: "balance source",
  backend: "  balance source\n  hash-type consistent",
  optionsOf: () => "",
};
const NOT_STICKY = { name: "not sticky", backend: "  balance roundrobin", optionsOf: () => "" };

/** @param {typeof BY_COOKIE} method */
async function startSite({ backend, optionsOf }) {
  const servers = [await startMatrixServer(), await startMatrixServer()];
  const targets = servers.map(({ port }, index) => ({ port, name: `s${index}`, options: optionsOf(`s${index}`) }));
  // Tells the page's test who has answered.
  const balancer = await startHaproxy(targets, { backend, frontend: "  http-response set-header x-server %s" });
  const lines = await Promise.all(
    ADDRESSES.map((localAddress) => createFaultProxy({ target: { port: balancer.port, localAddress } })),
  );
  return {
    servers,
    lines,
    async close() {
      for (const each of [...lines, balancer, ...servers]) await each.close();
    },
  };
}

/** @type {[typeof BY_COOKIE, "websocket" | "sse" | "long-poll"][]} */
const STICKY = [
  [BY_COOKIE, "websocket"],
  [BY_COOKIE, "sse"],
  [BY_COOKIE, "long-poll"],
  [BY_ADDRESS, "websocket"],
  [BY_ADDRESS, "sse"],
];

for (const [method, transport] of STICKY) {
  test(`two servers, ${method.name}, ${transport}, cut 4 times`, async ({ browser }, info) => {
    test.skip(findProgram("haproxy") === undefined, "haproxy is not installed");
    const site = await startSite(method);
    const contexts = await Promise.all(site.lines.map(() => browser.newContext()));
    try {
      const users = [];
      for (const [index, line] of site.lines.entries()) {
        const page = await contexts[index].newPage();
        const answer = await page.goto(`http://127.0.0.1:${line.port}/`);
        const name = await answer?.headerValue("x-server");
        users.push({ page, line, server: site.servers[name === "s0" ? 0 : 1] });
      }
      expect(users[0].server).not.toBe(users[1].server);
      const outcomes = await Promise.all(
        users.map(({ page, line, server }) =>
          runCell(page, server, {
            url: `ws://127.0.0.1:${line.port}/live`,
            transport,
            options: { transports: [transport], ...SWIFT },
            onRound: () => line.cut(),
          }),
        ),
      );
      // Over HTTP a cut ends a request, and seldom a line.
      const resumesMin = transport === "websocket" ? 1 : 0;
      for (const { server } of users) expect(server.resumes).toBeGreaterThanOrEqual(resumesMin);
      report(info, rowOf(outcomes[0], users[0].server));
    } finally {
      for (const context of contexts) await context.close();
      await site.close();
    }
  });
}

/** Enough for sessions to be looked for where they are not. */
const ROUNDS = 6;
const PER_ROUND = 50;

test(`two servers, not sticky, websocket, cut ${ROUNDS - 1} times: sessions are lost, and it is told`, async ({
  page,
}) => {
  test.skip(findProgram("haproxy") === undefined, "haproxy is not installed");
  const site = await startSite(NOT_STICKY);
  try {
    const line = await openAccounts(page, site, "websocket");
    for (let round = 1; round <= ROUNDS; round++) {
      await page.evaluate((count) => globalThis.accounts.send(count), PER_ROUND);
      // In the middle of them: what has left and is not acknowledged is what a lost session leaves in doubt.
      if (round < ROUNDS) line.cut();
      // Until it has come to an end, a cut may only delay what the next one meets.
      await expect.poll(() => page.evaluate(() => globalThis.accounts.waiting()), PATIENCE).toBe(0);
    }
    const told = await expectAccountsToTally(page, site.servers);
    expect(told.lost).toBeGreaterThan(0);
    // The last round was not cut.
    expect(told.delivered).toBeGreaterThanOrEqual(PER_ROUND);
  } finally {
    await page.close();
    await site.close();
  }
});

test("two servers, not sticky, sse: sessions are lost, and it is told", async ({ page }) => {
  test.skip(findProgram("haproxy") === undefined, "haproxy is not installed");
  const site = await startSite(NOT_STICKY);
  try {
    await openAccounts(page, site, "sse");
    await page.evaluate((count) => globalThis.accounts.send(count), PER_ROUND);
    await expect.poll(() => page.evaluate(() => globalThis.accounts.told.lost), PATIENCE).toBeGreaterThan(3);
    await expectAccountsToTally(page, site.servers);
  } finally {
    await page.close();
    await site.close();
  }
});

/**
 * What the page takes for delivered has come, once; what has not come it takes for unknown, or still has.
 * @param {import("@playwright/test").Page} page
 * @param {Awaited<ReturnType<typeof startMatrixServer>>[]} servers
 */
async function expectAccountsToTally(page, servers) {
  const { told, states } = await page.evaluate(() => ({
    told: { ...globalThis.accounts.told },
    states: globalThis.accounts.states(),
  }));
  const [first, second] = servers.map(({ ledger }) => ledger);
  expect([...first.seen].filter((number) => second.seen.has(number))).toEqual([]);
  for (const { doubled, damaged } of [first, second]) expect({ doubled, damaged }).toEqual({ doubled: 0, damaged: 0 });
  const missing = states.flatMap((state, number) => (first.seen.has(number) || second.seen.has(number) ? [] : [state]));
  expect(missing.filter((state) => !["unknown", "queued", "writing"].includes(state))).toEqual([]);
  expect(told.unknown).toBe(states.filter((state) => state === "unknown").length);
  expect(told.opened).toBeGreaterThanOrEqual(told.lost);
  return { ...told, delivered: states.filter((state) => state === "delivered").length };
}

/**
 * Makes `globalThis.accounts` in the page: a socket, and the receipts of all that it was given.
 * @param {import("@playwright/test").Page} page
 * @param {Awaited<ReturnType<typeof startSite>>} site
 * @param {"websocket" | "sse"} transport
 */
async function openAccounts(page, { lines: [line] }, transport) {
  const host = `127.0.0.1:${line.port}`;
  await page.goto(`http://${host}/`);
  await page.evaluate(
    ({ url, options, numberedSource, sizes }) => {
      const numbered = new Function(`return ${numberedSource}`)();
      const socket = new globalThis.Sluice.SluiceSocket(url, [], options);
      /** @type {any[]} */
      const receipts = [];
      const told = { opened: 0, lost: 0, unknown: 0 };
      socket.addEventListener("open", () => {
        told.opened += 1;
      });
      socket.addEventListener("sessionlost", (/** @type {CustomEvent} */ { detail }) => {
        told.lost += 1;
        told.unknown += detail.unknown.length;
      });
      const states = () => receipts.map(({ state }) => state);
      globalThis.accounts = {
        told,
        states,
        waiting: () => states().filter((state) => state === "queued" || state === "writing").length,
        send(/** @type {number} */ count) {
          for (let i = 0; i < count; i++) {
            const number = receipts.length;
            const receipt = socket.send(numbered(number, sizes[number % sizes.length]));
            receipt.delivered.catch(() => {});
            receipts.push(receipt);
          }
        },
      };
    },
    {
      url: `ws://${host}/live`,
      options: { transports: [transport], ...SWIFT },
      numberedSource: String(numbered),
      sizes: SIZES,
    },
  );
  return line;
}
