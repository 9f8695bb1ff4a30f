/** Streams as messages, in a real browser and from Node: read as the line takes them, and one message at the other end. */
import { ReadableStream } from "node:stream/web";
import { expect, test } from "@playwright/test";
import { startSite } from "./support/site.mjs";

const KIB = 1024;
const PIECE_BYTES = 64 * KIB;
const PIECES = 128;

/** What is read ahead at most: what waits to be cut, and one piece; beside that, what the window lets be on its way. */
const AHEAD_BYTES_MAX = 128 * KIB + PIECE_BYTES;

/** @type {Awaited<ReturnType<typeof startSite>> | undefined} */
let site;
test.afterEach(async () => {
  await site?.close();
  site = undefined;
});

/** Whether each piece is full of its own number. @param {Uint8Array} data */
const isWhole = (data) =>
  data.length === PIECES * PIECE_BYTES && data.every((byte, index) => byte === Math.floor(index / PIECE_BYTES));

test("a stream of the page is pulled as the line takes it, and arrives as one message", async ({ page }) => {
  /** @type {Buffer[]} */
  const messages = [];
  const onConnection = (/** @type {any} */ socket) =>
    socket.on("channel", (/** @type {any} */ channel) =>
      channel.on("message", (/** @type {Buffer} */ data) => messages.push(data)),
    );
  site = await startSite({ onConnection, megabit: 20, roundTripTimeMs: 40 });
  await page.goto(site.pageUrl);
  const seen = await page.evaluate(
    async ({ url, pieces, pieceBytes }) => {
      const socket = new globalThis.Sluice.SluiceSocket(url);
      await new Promise((resolve) => socket.addEventListener("open", resolve));
      const files = socket.channel("files", { priority: "low" });
      let [made, most, loaded] = [0, 0, 0];
      const stream = new ReadableStream(
        {
          pull(controller) {
            // Pulled when the one before has been taken: nothing is read that the line has no use for yet.
            const { inFlightBytes, queuedBytes } = socket.stats();
            most = Math.max(most, made * pieceBytes - loaded - inFlightBytes, queuedBytes);
            if (made === pieces) return controller.close();
            controller.enqueue(new Uint8Array(pieceBytes).fill(made));
            made += 1;
          },
        },
        { highWaterMark: 0 },
      );
      const receipt = files.send(stream, {
        onprogress: (progress) => {
          loaded = progress.loaded;
        },
      });
      const isLocked = stream.locked;
      await receipt.delivered;
      return { isLocked, most, loaded, state: receipt.state };
    },
    { url: site.socketUrl, pieces: PIECES, pieceBytes: PIECE_BYTES },
  );
  expect(seen).toMatchObject({ isLocked: true, loaded: PIECES * PIECE_BYTES, state: "delivered" });
  expect(seen.most).toBeLessThanOrEqual(AHEAD_BYTES_MAX);
  expect(messages.map(isWhole)).toEqual([true]);
});

test("a stream of the server arrives in the page as one message, and one that fails does not", async ({ page }) => {
  /** @type {Promise<unknown>[]} */
  const outcomes = [];
  const onConnection = (/** @type {any} */ socket) => {
    let made = 0;
    const failing = new ReadableStream({
      pull(controller) {
        made += 1;
        if (made < 8) controller.enqueue(new Uint8Array(PIECE_BYTES));
        else controller.error(new Error("the disk is gone"));
      },
    });
    const whole = new ReadableStream({
      start(controller) {
        for (let i = 0; i < PIECES; i++) controller.enqueue(new Uint8Array(PIECE_BYTES).fill(i));
        controller.close();
      },
    });
    for (const stream of [failing, whole]) {
      const { delivered } = socket.send(stream);
      outcomes.push(
        delivered.then(
          () => "delivered",
          (/** @type {any} */ error) => `${error.code}: ${error.cause.message}`,
        ),
      );
    }
  };
  site = await startSite({ onConnection, megabit: 50, roundTripTimeMs: 20 });
  await page.goto(site.pageUrl);
  const sizes = await page.evaluate(async (url) => {
    const socket = new globalThis.Sluice.SluiceSocket(url);
    socket.binaryType = "arraybuffer";
    const { data } = await new Promise((resolve) => socket.addEventListener("message", resolve));
    const bytes = new Uint8Array(data);
    return { length: bytes.length, isWhole: bytes.every((byte, index) => byte === Math.floor(index / 65_536)) };
  }, site.socketUrl);
  expect(sizes).toEqual({ length: PIECES * PIECE_BYTES, isWhole: true });
  expect(await Promise.all(outcomes)).toEqual(["ERR_SOURCE_FAILED: the disk is gone", "delivered"]);
});
