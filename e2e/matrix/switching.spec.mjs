/** A session that moves between transports while it is under load: WebSockets are blocked, and come back, 20 times. */
import { expect, test } from "@playwright/test";
import { createHttpFaultProxy } from "../support/http-fault-proxy.mjs";
import { seededBytes } from "../support/seeded.mjs";
import { refused } from "./faults.mjs";
import { openCell, readCell, sendFromPage } from "./page.mjs";
import { startMatrixServer } from "./server.mjs";
import { report } from "./table-reporter.mjs";

const TIMES = 20;
const PER_HALF = 25;
const PART_BYTES = 512 * 1024;
const NOTHING_WRONG = { lost: 0, doubled: 0, reordered: 0, damaged: 0 };
const PATIENCE = { timeout: 60_000 };

test("WebSocket blocked and unblocked 20 times, under load", async ({ page }, info) => {
  test.setTimeout(300_000);
  const upload = { parts: 0, wrong: 0 };
  const server = await startMatrixServer({
    onConnection: (socket) => {
      socket.on("channel", (/** @type {any} */ channel) => {
        channel.on("message", (/** @type {Buffer} */ data) => {
          if (!data.equals(seededBytes(PART_BYTES, upload.parts + 1))) upload.wrong += 1;
          upload.parts += 1;
        });
      });
    },
  });
  const proxy = await createHttpFaultProxy(server);
  const pass = proxy.onUpgrade;
  try {
    const host = `127.0.0.1:${proxy.port}`;
    await page.goto(`http://${host}/`);
    await openCell(page, { url: `ws://${host}/live`, options: { backoff: { baseMs: 50, maxMs: 200 } } });
    await expect.poll(async () => (await readCell(page, 1)).got, PATIENCE).toBe(1);
    await startUpload(page);
    const chat = async () => {
      await sendFromPage(page, PER_HALF);
      server.send(PER_HALF);
    };
    const expectTransport = (/** @type {string} */ name) =>
      expect.poll(async () => (await readCell(page, 0)).transport, PATIENCE).toBe(name);

    for (let time = 0; time < TIMES; time++) {
      await chat();
      await expectTransport("websocket");
      refused(proxy);
      for (const line of proxy.lines) line.cut();
      await chat();
      await expectTransport("sse");
      proxy.onUpgrade = pass;
      // Or it would take 15 s and more until the next try.
      await page.evaluate(() => globalThis.dispatchEvent(new Event("online")));
    }
    await expectTransport("websocket");

    const parts = await page.evaluate(() => globalThis.endUpload());
    const sent = 1 + 2 * PER_HALF * TIMES;
    await expect.poll(() => server.ledger.report(sent), PATIENCE).toEqual(NOTHING_WRONG);
    await expect.poll(async () => (await readCell(page, sent)).report, PATIENCE).toEqual(NOTHING_WRONG);
    const outcome = await readCell(page, sent);
    expect({ up: outcome.sent, down: server.sent, got: outcome.got }).toEqual({ up: sent, down: sent, got: sent });
    expect(outcome.events).toEqual(["open"]);
    expect(server.sockets).toHaveLength(1);
    // Each time there and back.
    const moves = outcome.transports.filter((name, at) => name !== outcome.transports[at - 1]);
    expect(moves).toHaveLength(2 * TIMES + 1);
    await expect.poll(() => upload, PATIENCE).toEqual({ parts, wrong: 0 });
    expect(parts).toBeGreaterThan(TIMES);
    report(info, {
      transports: moves,
      firstMessageMs: Math.round(/** @type {number} */ (outcome.firstMessageMs)),
      up: server.ledger.seen.size,
      down: outcome.got,
      resumes: server.resumes,
    });
  } finally {
    await page.close();
    await proxy.close();
    await server.close();
  }
});

/**
 * Parts go up one after the other, until `endUpload` is called; that gives how many there were.
 * @param {import("@playwright/test").Page} page
 */
async function startUpload(page) {
  await page.evaluate(
    ({ seededSource, partBytes }) => {
      const seededBytes = new Function(`return ${seededSource}`)();
      const channel = globalThis.cell.socket.channel("upload", { priority: "low" });
      let isOver = false;
      const upload = (async () => {
        let parts = 0;
        while (!isOver) {
          parts += 1;
          await channel.send(seededBytes(partBytes, parts)).delivered;
        }
        return parts;
      })();
      globalThis.endUpload = () => {
        isOver = true;
        return upload;
      };
    },
    { seededSource: String(seededBytes), partBytes: PART_BYTES },
  );
}
