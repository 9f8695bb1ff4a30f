/** A Blob far larger than memory should hold, over a slow line: it is read as the line takes it, and can be taken back. */
import { expect, test } from "@playwright/test";
import { memoryOf } from "../bench/lib/process-memory.mjs";
import { startSite } from "./support/site.mjs";

const MIB = 1024 * 1024;

/** How long it is watched: `WATCH_SECONDS=60` for the figure in the documents. */
const WATCH_MS = Number(process.env["WATCH_SECONDS"] ?? 12) * 1000;

/** What the page may keep beyond what it had when the message had got going: the read ahead and the window come and go. */
const KEPT_BYTES_MAX = 4 * MIB;

/** What the browser may take meanwhile: V8 lets up to 64 MiB of used buffers lie before it collects them. */
const GROWTH_BYTES_MAX = 96 * MIB;

test("1 GiB at 10 Mbit/s grows the page by a few MiB at most, and is gone when it is cancelled", async ({ page }) => {
  test.setTimeout(WATCH_MS + 60_000);
  /** Each message that has come, its bytes and how it ended. @type {{ bytes: number, end: string }[]} */
  const messages = [];
  const site = await startSite({
    // Far over the limit for whole messages: it is for who takes them as they come.
    onConnection: (socket) =>
      socket.on("channel", (/** @type {any} */ channel) => void drain(channel, messages).catch(() => {})),
    megabit: 10,
    roundTripTimeMs: 40,
  });
  try {
    await page.goto(site.pageUrl);
    const browserPid = await pidOf(page);
    await page.evaluate(async (url) => {
      const mebibyte = new Blob([new Uint8Array(1024 * 1024).fill(7)]);
      const blob = new Blob(Array.from({ length: 1024 }, () => mebibyte));
      const socket = new globalThis.Sluice.SluiceSocket(url);
      const state = { loaded: 0, total: 0, size: blob.size };
      await new Promise((resolve) => socket.addEventListener("open", resolve));
      const receipt = socket.channel("files", { priority: "low" }).send(blob, {
        onprogress: ({ loaded, total }) => Object.assign(state, { loaded, total }),
      });
      receipt.delivered.catch(() => {});
      Object.assign(globalThis, { socket, state, receipt });
    }, site.socketUrl);
    const state = () => page.evaluate(() => ({ ...globalThis.state }));
    const session = await page.context().newCDPSession(page);
    const kept = async () => {
      await session.send("HeapProfiler.collectGarbage");
      const { usedSize, backingStorageSize } = /** @type {any} */ (await session.send("Runtime.getHeapUsage"));
      return usedSize + backingStorageSize;
    };

    // The read ahead, the window and the browser's own pipes have filled by then.
    await expect.poll(async () => (await state()).loaded, { timeout: 20_000 }).toBeGreaterThan(2 * MIB);
    const before = { kept: await kept(), all: await memoryOf(browserPid) };
    const start = await state();
    /** @type {{ kept: number, all: number }[]} */
    const growth = [];
    const rounds = WATCH_MS / 3000;
    for (let round = 0; round < rounds; round++) {
      await page.waitForTimeout(3000);
      // First what lies about, then what is left when it has been swept up.
      const all = ((await memoryOf(browserPid)) ?? 0) - (before.all ?? 0);
      growth.push({ all, kept: (await kept()) - before.kept });
    }
    const after = await state();
    const most = {
      kept: Math.max(...growth.map(({ kept }) => kept)),
      all: Math.max(...growth.map(({ all }) => all)),
    };
    const mebibytes = (/** @type {number} */ bytes) => `${(bytes / MIB).toFixed(1)} MiB`;
    console.log(
      `${mebibytes(after.loaded)} acknowledged; the page kept ${mebibytes(most.kept)} more at the most, ` +
        `all processes of the browser took ${mebibytes(most.all)} more`,
    );
    expect(most.kept).toBeLessThan(KEPT_BYTES_MAX);
    expect(most.all).toBeLessThan(GROWTH_BYTES_MAX);
    // It has been under way all the time, and is not nearly done.
    expect(after.loaded).toBeGreaterThan(start.loaded);
    expect(after).toMatchObject({ total: 1024 * MIB, size: 1024 * MIB });

    const isCancelled = await page.evaluate(() => globalThis.receipt.cancel());
    expect(isCancelled).toBe(true);
    // The channel is free again: what comes behind the cancelled message is not held up by it.
    await page.evaluate(() => globalThis.socket.channel("files").send("next").delivered);
    expect(await page.evaluate(() => [globalThis.receipt.state, globalThis.socket.stats().queuedBytes])).toEqual([
      "cancelled",
      0,
    ]);
    expect(messages).toEqual([
      { bytes: expect.any(Number), end: "taken back" },
      { bytes: 4, end: "whole" },
    ]);
    expect(messages[0]?.bytes).toBeGreaterThanOrEqual(after.loaded);
  } finally {
    await site.close();
  }
});

/**
 * Takes every message as it comes, and keeps nothing of it.
 * @param {any} channel
 * @param {{ bytes: number, end: string }[]} messages
 */
async function drain(channel, messages) {
  for await (const { body } of channel.incoming) {
    const message = { bytes: 0, end: "under way" };
    messages.push(message);
    try {
      for await (const piece of body) message.bytes += piece.length;
      message.end = "whole";
    } catch {
      message.end = "taken back";
    }
  }
}

/** @param {import("@playwright/test").Page} page */
async function pidOf(page) {
  const session = await /** @type {import("@playwright/test").Browser} */ (
    page.context().browser()
  ).newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  await session.detach();
  return /** @type {{ id: number }} */ (processInfo.find(({ type }) => type === "browser")).id;
}
