/** Pages that stop taking messages, in real browsers: the server waits, and nothing piles up, is lost, or holds up others. */
import { expect, test } from "@playwright/test";
import { BROWSER_NAMES, launchBrowserIfThere } from "../bench/lib/browser.mjs";
import { memoryOf } from "../bench/lib/process-memory.mjs";
import { startSite } from "./support/site.mjs";

const MIB = 1024 * 1024;
const MESSAGE_BYTES = 64 * 1024;
const MESSAGES = 192;

/** What the server may be ahead of a page that has stopped: the credit of a channel, at most. */
const AHEAD_BYTES_MAX = 4 * MIB;

/** What a browser may grow by while 300 MiB are meant for it: that, and what a browser grows by anyhow. */
const GROWTH_BYTES_MAX = 64 * MIB;
const FLOOD_MIB = 300;

/** @type {Awaited<ReturnType<typeof startSite>> | undefined} */
let site;
test.afterEach(async () => {
  await site?.close();
  site = undefined;
});

/**
 * Sends numbered messages as fast as they are taken.
 * @param {any} channel
 * @param {{ count: number, bytes: number, onSent: () => void }} plan
 */
async function pump(channel, { count, bytes, onSent }) {
  for (let i = 0; i < count; i++) {
    await channel.ready;
    channel.send(Buffer.alloc(bytes, i));
    onSent();
  }
}

test("a page that stops taking makes the server wait, on that channel alone, and loses nothing", async ({ page }) => {
  const names = ["loop", "stream", "paused"];
  /** @type {Record<string, number>} */
  const sent = Object.fromEntries(names.map((name) => [name, 0]));
  /** @type {any[]} */
  const sockets = [];
  site = await startSite({
    onConnection: (socket) => {
      sockets.push(socket);
      socket.on("message", (/** @type {Buffer} */ data) => socket.send(data.toString()));
      for (const name of names) {
        const onSent = () => {
          sent[name] = /** @type {number} */ (sent[name]) + 1;
        };
        void pump(socket.channel(name), { count: MESSAGES, bytes: MESSAGE_BYTES, onSent });
      }
    },
  });
  await page.goto(site.pageUrl);
  await page.evaluate(async (url) => {
    const socket = new globalThis.Sluice.SluiceSocket(url);
    await new Promise((resolve) => socket.addEventListener("open", resolve));
    /** The number of each message that was taken, by channel. @type {Record<string, number[]>} */
    const seen = { loop: [], stream: [], paused: [] };
    const note = (/** @type {keyof typeof seen} */ name, /** @type {ArrayBuffer} */ data) =>
      seen[name]?.push(/** @type {number} */ (new Uint8Array(data)[data.byteLength - 1]));
    const [loop, stream, paused] = ["loop", "stream", "paused"].map((name) => {
      const channel = socket.channel(name);
      channel.binaryType = "arraybuffer";
      return channel;
    });
    const iterator = loop[Symbol.asyncIterator]();
    const reader = stream.readable.getReader();
    const first = new Promise((resolve) => {
      paused.onmessage = (/** @type {MessageEvent} */ event) => {
        note("paused", event.data);
        if (seen["paused"]?.length === 4) {
          paused.pause();
          resolve(undefined);
        }
      };
    });
    for (let i = 0; i < 4; i++) {
      note("loop", (await iterator.next()).value);
      note("stream", (await reader.read()).value);
    }
    await first;
    const goOn = async (/** @type {number} */ count) => {
      paused.resume();
      while (seen["loop"].length < count) note("loop", (await iterator.next()).value);
      while (seen["stream"].length < count) note("stream", (await reader.read()).value);
    };
    Object.assign(globalThis, { socket, seen, goOn });
  }, site.socketUrl);

  // The channel between goes on: each line is answered while the others stand.
  const echo = () =>
    page.evaluate(async () => {
      for (let i = 0; i < 100; i++) {
        const answer = new Promise((resolve) => globalThis.socket.addEventListener("message", resolve, { once: true }));
        globalThis.socket.send(`line ${i}`);
        if (/** @type {any} */ (await answer).data !== `line ${i}`) throw new Error("another line");
      }
    });
  const standing = async () => {
    const before = { ...sent };
    await echo();
    return JSON.stringify(before) === JSON.stringify(sent);
  };
  await expect.poll(standing, { timeout: 30_000 }).toBe(true);
  const [socket] = sockets;
  for (const name of names) {
    const channel = socket.channel(name);
    // As much as fits under the mark waits at the server.
    expect(channel.bufferedAmount).toBeGreaterThan(128 * 1024);
    expect(channel.desiredSize).toBeLessThanOrEqual(0);
    expect(sent[name] * MESSAGE_BYTES - channel.bufferedAmount).toBeLessThan(AHEAD_BYTES_MAX + MESSAGE_BYTES * 4);
    expect(sent[name]).toBeLessThan(MESSAGES);
  }
  expect(
    await page.evaluate(() => Object.values(globalThis.seen).map((/** @type {any} */ list) => list.length)),
  ).toEqual([4, 4, 4]);

  await page.evaluate((count) => globalThis.goOn(count), MESSAGES);
  const all = Array.from({ length: MESSAGES }, (_, index) => index);
  await expect.poll(() => page.evaluate(() => globalThis.seen["paused"].length), { timeout: 30_000 }).toBe(MESSAGES);
  expect(await page.evaluate(() => globalThis.seen)).toEqual({ loop: all, stream: all, paused: all });
});

for (const name of BROWSER_NAMES) {
  test(`${FLOOD_MIB} MiB for a page that has stopped do not fill ${name}, and arrive when it goes on`, async () => {
    test.skip(process.platform !== "linux", "the memory of a browser is only known on Linux");
    test.setTimeout(180_000);
    const browser = await launchBrowserIfThere(name);
    test.skip(browser === undefined, `there is no ${name} here`);
    if (browser === undefined) return;
    let sentBytes = 0;
    site = await startSite({
      onConnection: (socket) => {
        const onSent = () => {
          sentBytes += MIB;
        };
        socket.once("message", () => void pump(socket, { count: FLOOD_MIB, bytes: MIB, onSent }));
      },
    });
    try {
      const page = await browser.newPage();
      await page.goto(site.pageUrl);
      const pid = /** @type {number} */ (browser.puppeteer.process()?.pid);
      await page.evaluate(async (url) => {
        const socket = new globalThis.Sluice.SluiceSocket(url);
        socket.binaryType = "arraybuffer";
        await new Promise((resolve) => socket.addEventListener("open", resolve));
        const iterator = socket[Symbol.asyncIterator]();
        const state = { bytes: 0, isInOrder: true };
        const take = async (/** @type {number} */ count) => {
          for (let i = 0; i < count; i++) {
            const { value } = await iterator.next();
            state.isInOrder &&= new Uint8Array(value)[0] === (state.bytes / value.byteLength) % 256;
            state.bytes += value.byteLength;
          }
        };
        Object.assign(globalThis, { socket, state, take });
      }, site.socketUrl);
      const before = await memoryOf(pid);
      await page.evaluate(() => {
        globalThis.socket.send("begin");
        return globalThis.take(1);
      });
      // Until nothing more is taken from the server, and then for a while.
      let [peak, quiet] = [0, 0];
      while (quiet < 12) {
        const sentBefore = sentBytes;
        await new Promise((resolve) => setTimeout(resolve, 250));
        peak = Math.max(peak, ((await memoryOf(pid)) ?? 0) - (before ?? 0));
        quiet = sentBytes === sentBefore ? quiet + 1 : 0;
      }
      console.log(
        `${browser.version}: the server got rid of ${sentBytes / MIB} MiB, the browser grew by ${(peak / MIB).toFixed(1)} MiB`,
      );
      expect(peak).toBeLessThan(GROWTH_BYTES_MAX);
      expect(sentBytes).toBeLessThan(32 * MIB);
      await page.evaluate((count) => globalThis.take(count), FLOOD_MIB - 1);
      expect(await page.evaluate(() => globalThis.state)).toEqual({ bytes: FLOOD_MIB * MIB, isInOrder: true });
    } finally {
      await browser.close();
    }
  });
}
