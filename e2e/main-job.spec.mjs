/**
 * The main job, in a real browser over an emulated line: a chat line passes a running upload. Nothing here is decided
 * by a clock: "in time" means that only so many bytes of the upload got out of the line between the sending and the
 * arrival of a chat line.
 */
import { createHash } from "node:crypto";
import { expect, test } from "@playwright/test";
import { seededBytes } from "./support/seeded.mjs";
import { startSite } from "./support/site.mjs";

const HOME_LINE = { megabit: 10, roundTripTimeMs: 40 };
/** More than 8 MB, and no multiple of anything. */
const FILE_BYTES = 8 * 1024 * 1024 + 12_345;
/** Some windows' worth; a queue that serves in order of arrival would let all of the 8 MB out first. */
const PASSING_BYTES_MAX = 512 * 1024;
/** The line needs 6.7 s for the file, and there is a chat line every 100 ms: half of them is a safe minimum. */
const LINES_MIN = 33;

const sha256 = (/** @type {Uint8Array} */ bytes) => createHash("sha256").update(bytes).digest("hex");

/** @type {Awaited<ReturnType<typeof startSite>> | undefined} */
let site;
test.afterEach(async () => {
  await site?.close();
  site = undefined;
});

test("chat lines pass an upload of 8 MB, and everything arrives once, in order and intact", async ({ page }) => {
  /** @type {{ text: string, lineBytes: number }[]} */
  const lines = [];
  /** @type {{ channel: string, content: Buffer, isBinary: boolean, linesBefore: number }[]} */
  const files = [];
  const onConnection = (/** @type {any} */ socket) => {
    socket.on("message", (/** @type {Buffer} */ data) => {
      lines.push({ text: String(data), lineBytes: link.stats().up.bytes });
    });
    socket.on("channel", (/** @type {any} */ channel) => {
      channel.on("message", (/** @type {Buffer} */ content, /** @type {boolean} */ isBinary) => {
        files.push({ channel: channel.name, content, isBinary, linesBefore: lines.length });
      });
    });
  };
  site = await startSite({ onConnection, ...HOME_LINE });
  const { link } = site;
  await page.goto(site.pageUrl);
  await page.evaluate(`globalThis.seededBytes = ${seededBytes}`);
  const baseBytes = link.stats().up.bytes;

  const sent = await page.evaluate(
    async ({ url, fileBytes }) => {
      const socket = new globalThis.Sluice.SluiceSocket(url, [], { transports: ["websocket"] });
      await new Promise((resolve) => socket.addEventListener("open", resolve, { once: true }));
      const files = socket.channel("files", { priority: "low" });
      const file = new File([globalThis.seededBytes(fileBytes, 7)], "seeded.bin");
      const progress = [0];
      const receipt = files.send(file, {
        onprogress: (/** @type {any} */ event) => progress.push(event.loaded),
      });
      const bufferedAfterSend = files.bufferedAmount;
      /** How much of the file was known to have arrived when each line was sent. @type {number[]} */
      const deliveredAtLine = [];
      const lineReceipts = [];
      const say = () => {
        deliveredAtLine.push(/** @type {number} */ (progress.at(-1)));
        lineReceipts.push(socket.send(`${deliveredAtLine.length - 1} are you still there?`));
      };
      say();
      const timer = setInterval(say, 100);
      await receipt.delivered;
      clearInterval(timer);
      await Promise.all(lineReceipts.map((line) => line.delivered));
      return {
        deliveredAtLine,
        progress,
        bufferedAfterSend,
        bufferedAtEnd: files.bufferedAmount + socket.bufferedAmount,
        state: receipt.state,
        transport: socket.transport,
        mode: socket.mode,
        stats: socket.stats(),
      };
    },
    { url: site.socketUrl, fileBytes: FILE_BYTES },
  );

  // Everything once, in order, intact.
  expect(files).toHaveLength(1);
  expect(files[0]).toMatchObject({ channel: "files", isBinary: true });
  expect(files[0]?.content.length).toBe(FILE_BYTES);
  expect(sha256(/** @type {Buffer} */ (files[0]?.content))).toBe(sha256(seededBytes(FILE_BYTES, 7)));
  expect(lines.map((line) => line.text)).toEqual(
    sent.deliveredAtLine.map((_, index) => `${index} are you still there?`),
  );

  // While the upload ran, not after it.
  expect(files[0]?.linesBefore).toBeGreaterThanOrEqual(LINES_MIN);
  const passed = lines.map(
    (line, index) => line.lineBytes - baseBytes - /** @type {number} */ (sent.deliveredAtLine[index]),
  );
  expect(Math.max(...passed)).toBeLessThan(PASSING_BYTES_MAX);

  // And the page could follow it.
  expect(sent.progress).toEqual([...sent.progress].sort((a, b) => a - b));
  expect(sent.progress.at(-1)).toBe(FILE_BYTES);
  expect(sent.progress.length).toBeGreaterThan(20);
  expect(sent).toMatchObject({ state: "delivered", transport: "websocket", mode: "framed", bufferedAtEnd: 0 });
  expect(sent.bufferedAfterSend).toBe(FILE_BYTES);
});

test("small messages pass a large one on its way down", async ({ page }) => {
  const content = seededBytes(FILE_BYTES, 11);
  /** @type {(socket: any) => void} */
  let onConnection = () => {};
  const connected = new Promise((resolve) => {
    onConnection = resolve;
  });
  site = await startSite({ onConnection, ...HOME_LINE });
  const { link } = site;
  await page.goto(site.pageUrl);
  await page.evaluate((url) => {
    const socket = new globalThis.Sluice.SluiceSocket(url, [], { transports: ["websocket"] });
    const bulk = socket.channel("bulk", { priority: "low" });
    const state = {
      ticks: /** @type {string[]} */ ([]),
      ticksBefore: -1,
      /** @type {Blob | undefined} */ blob: undefined,
    };
    socket.onmessage = (/** @type {MessageEvent} */ event) => {
      state.ticks.push(event.data);
      socket.send(event.data);
    };
    bulk.onmessage = (/** @type {MessageEvent} */ event) => {
      state.ticksBefore = state.ticks.length;
      state.blob = event.data;
    };
    globalThis.state = state;
  }, site.socketUrl);
  const socket = await connected;

  /** @type {number[]} */
  const passed = [];
  /** @type {number[]} */
  const bytesAtTick = [];
  socket.on("message", (/** @type {Buffer} */ data) => {
    const tick = Number(String(data));
    passed.push(link.stats().down.bytes - /** @type {number} */ (bytesAtTick[tick]));
  });
  let isDelivered = false;
  const receipt = socket.channel("bulk", { priority: "low" }).send(content);
  const delivered = receipt.delivered.then(() => {
    isDelivered = true;
  });
  while (!isDelivered) {
    bytesAtTick.push(link.stats().down.bytes);
    socket.send(String(bytesAtTick.length - 1));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await delivered;
  await expect.poll(() => passed.length).toBe(bytesAtTick.length);

  const received = await page.evaluate(async () => {
    const { ticks, ticksBefore, blob } = globalThis.state;
    const digest = await crypto.subtle.digest("SHA-256", await blob.arrayBuffer());
    const hex = [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return { ticks, ticksBefore, isBlob: blob instanceof Blob, hex };
  });
  expect(received.isBlob).toBe(true);
  expect(received.hex).toBe(sha256(content));
  expect(received.ticks).toEqual(bytesAtTick.map((_, index) => String(index)));
  expect(received.ticksBefore).toBeGreaterThanOrEqual(LINES_MIN);
  // There and back: what the line carries in a round trip comes on top.
  expect(Math.max(...passed)).toBeLessThan(PASSING_BYTES_MAX);
});

test("a line that is cut in the middle of an upload: it goes on where it was, and nobody is told", async ({ page }) => {
  /** @type {{ content: Buffer, channel: string }[]} */
  const files = [];
  /** @type {string[]} */
  const serverEvents = [];
  const onConnection = (/** @type {any} */ socket) => {
    for (const type of ["park", "resume", "close"]) socket.on(type, () => serverEvents.push(type));
    socket.on("channel", (/** @type {any} */ channel) => {
      channel.on("message", (/** @type {Buffer} */ content) => files.push({ content, channel: channel.name }));
    });
  };
  site = await startSite({ onConnection, ...HOME_LINE });
  await page.goto(site.pageUrl);
  await page.evaluate(`globalThis.seededBytes = ${seededBytes}`);
  await page.evaluate((url) => {
    const socket = new globalThis.Sluice.SluiceSocket(url, [], { transports: ["websocket"] });
    const state = { events: /** @type {string[]} */ ([]), loaded: 0, outcome: "" };
    globalThis.state = state;
    for (const type of ["open", "error", "close", "sessionlost"])
      socket.addEventListener(type, () => state.events.push(type));
    const receipt = socket.channel("files").send(new Blob([globalThis.seededBytes(4_000_000, 3)]), {
      onprogress: (/** @type {any} */ event) => {
        state.loaded = event.loaded;
      },
    });
    receipt.delivered.then(
      () => {
        state.outcome = receipt.state;
      },
      (/** @type {any} */ error) => {
        state.outcome = `${receipt.state} ${error.code}`;
      },
    );
  }, site.socketUrl);

  for (const bytes of [100_000, 1_000_000, 2_500_000]) {
    await page.waitForFunction((loaded) => globalThis.state.loaded > loaded, bytes);
    site.link.cut();
  }

  await page.waitForFunction(() => globalThis.state.outcome !== "");
  const { events, outcome } = await page.evaluate(() => globalThis.state);
  expect({ events, outcome }).toEqual({ events: ["open"], outcome: "delivered" });
  const expected = sha256(seededBytes(4_000_000, 3));
  expect(files.map(({ content, channel }) => [channel, sha256(content)])).toEqual([["files", expected]]);
  // Where the client is back before the server has noticed that it was gone, there is nothing to tell.
  const pairs = serverEvents.length / 2;
  expect(pairs).toBeGreaterThanOrEqual(1);
  expect(serverEvents).toEqual(Array.from({ length: pairs }, () => ["park", "resume"]).flat());
  // What was on the line is sent again, and no more: some windows, not the file.
  expect(site.link.stats().up.bytes).toBeLessThan(4_000_000 + 3 * PASSING_BYTES_MAX);
});

test("a cancelled upload stops in the middle, and the chat goes on", async ({ page }) => {
  /** @type {string[]} */
  const arrived = [];
  const onConnection = (/** @type {any} */ socket) => {
    socket.on("message", (/** @type {Buffer} */ data) => arrived.push(String(data)));
    socket.on("channel", (/** @type {any} */ channel) => {
      channel.on("message", (/** @type {Buffer} */ data) => arrived.push(`file of ${data.length}`));
    });
  };
  site = await startSite({ onConnection, ...HOME_LINE });
  const { link } = site;
  await page.goto(site.pageUrl);
  const state = await page.evaluate(async (url) => {
    const socket = new globalThis.Sluice.SluiceSocket(url, [], { transports: ["websocket"] });
    const files = socket.channel("files", { priority: "low" });
    const aborter = new AbortController();
    const receipt = files.send(new Blob([new Uint8Array(8_000_000)]), {
      signal: aborter.signal,
      onprogress: (/** @type {any} */ event) => {
        if (event.loaded > 500_000) aborter.abort();
      },
    });
    const error = await receipt.delivered.then(
      () => undefined,
      (/** @type {any} */ reason) => reason.name,
    );
    await socket.send("after the cancelled one").delivered;
    await files.send(new Blob(["next"])).delivered;
    return { state: receipt.state, error, buffered: files.bufferedAmount };
  }, site.socketUrl);
  expect(state).toMatchObject({ state: "cancelled", buffered: 0 });
  expect(arrived).toEqual(["after the cancelled one", "file of 4"]);
  expect(link.stats().up.bytes).toBeLessThan(4_000_000);
});
