/** Backpressure in a real browser over an emulated line: a stream of messages is taken as fast as the line carries it. */
import { expect, test } from "@playwright/test";
import { startSite } from "./support/site.mjs";

const SLOW_LINE = { megabit: 20, roundTripTimeMs: 40 };
const CHUNK_BYTES = 64 * 1024;
const CHUNKS = 96;
const HIGH_WATER_MARK = 256 * 1024;

/** @type {Awaited<ReturnType<typeof startSite>> | undefined} */
let site;
test.afterEach(async () => {
  await site?.close();
  site = undefined;
});

test("pipeTo keeps what is buffered bounded, closes the channel, and everything arrives in order", async ({ page }) => {
  /** @type {number[]} */
  const first = [];
  let isClosed = false;
  const onConnection = (/** @type {any} */ socket) => {
    socket.on("channel", (/** @type {any} */ channel) => {
      channel.on("message", (/** @type {Buffer} */ data) => {
        if (data.length === CHUNK_BYTES) first.push(/** @type {number} */ (data[0]));
      });
      channel.on("close", () => {
        isClosed = true;
      });
    });
  };
  site = await startSite({ onConnection, ...SLOW_LINE });
  await page.goto(site.pageUrl);

  const seen = await page.evaluate(
    async ({ url, chunks, chunkBytes }) => {
      const socket = new globalThis.Sluice.SluiceSocket(url, [], { maxBufferedAmount: 1024 * 1024 });
      const files = socket.channel("files", { priority: "low" });
      let [made, drains] = [0, 0];
      /** What had yet to leave whenever the source was asked. @type {number[]} */
      const queued = [];
      files.ondrain = () => {
        drains += 1;
      };
      const source = new ReadableStream({
        pull(controller) {
          queued.push(files.bufferedAmount - socket.stats().inFlightBytes);
          if (made === chunks) return controller.close();
          controller.enqueue(new Uint8Array(chunkBytes).fill(made));
          made += 1;
        },
      });
      await source.pipeTo(files.writable);
      await files.ready;
      return { most: Math.max(...queued), made, drains, left: files.bufferedAmount, readyState: socket.readyState };
    },
    { url: site.socketUrl, chunks: CHUNKS, chunkBytes: CHUNK_BYTES },
  );

  expect(seen).toMatchObject({ made: CHUNKS, left: 0, readyState: 1 });
  // It was kept busy, and never had more than one write above the mark.
  expect(seen.most).toBeGreaterThanOrEqual(HIGH_WATER_MARK - CHUNK_BYTES);
  expect(seen.most).toBeLessThan(HIGH_WATER_MARK + CHUNK_BYTES);
  expect(seen.drains).toBeGreaterThan(CHUNKS / 8);
  // `pipeTo` resolves when all of it has been delivered, and so has the end.
  expect(first).toEqual(Array.from({ length: CHUNKS }, (_, index) => index));
  await expect.poll(() => isClosed).toBe(true);
});
