/** One upload with chat lines beside it, in a fresh page over a fresh connection. */

/** About what people write: "123 I am still here, are you?" is 30 bytes. */
const LINE_TEXT = "I am still here, are you?";
const FLOOR_LINES = 20;
const PINGS = 60;
/** What a transfer may take before it counts as stuck. */
const TRANSFER_TIMEOUT_MS = 180_000;

/**
 * @typedef {object} Transfer
 * @property {number} goodputMegabit the file's bits over the time from `send` to its arrival
 * @property {number[]} latenciesMs one-way, of the lines sent while the file was under way, in order
 * @property {number} clockErrorMs half the round trip of the best clock exchange
 * @property {number} clockOffsetMs
 *
 * @typedef {{ latenciesMs: number[] }} Floor
 *
 * @typedef {object} BenchPage
 * @property {() => Promise<Floor>} measureFloor
 * @property {(plan: { fileBytes: number, intervalMs: number }) => Promise<Transfer>} transfer
 * @property {() => Promise<void>} close
 */

/**
 * @param {import("@playwright/test").Browser} browser
 * @param {{ url: string, clockPort: number, contender: import("../contenders/index.mjs").Contender }} setting
 * @returns {Promise<BenchPage>}
 */
export async function openPage(browser, { url, clockPort, contender }) {
  const page = await browser.newPage();
  page.setDefaultTimeout(TRANSFER_TIMEOUT_MS);
  await page.goto(`http://${url}/`);
  // A contender's `connect` travels as text and becomes a function of the page.
  const source = `({ ${contender.connect.toString()} }).connect`;
  await page.evaluate(installBench, { clockPort, pings: PINGS, lineText: LINE_TEXT });
  await page.evaluate(`globalThis.bench.connect(${source}, ${JSON.stringify(url)})`);
  return {
    measureFloor: () => page.evaluate((lines) => globalThis.bench.measureFloor(lines), FLOOR_LINES),
    transfer: (plan) => bounded(page.evaluate((given) => globalThis.bench.transfer(given), plan)),
    close: () => page.close(),
  };
}

/**
 * @template T
 * @param {Promise<T>} work
 * @returns {Promise<T>}
 */
async function bounded(work) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const stuck = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not arrived within ${TRANSFER_TIMEOUT_MS} ms`)), TRANSFER_TIMEOUT_MS);
  });
  try {
    return /** @type {T} */ (await Promise.race([work, stuck]));
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Runs in the page. The clock connection is not slowed down; it compares clocks and asks what has arrived.
 * @param {{ clockPort: number, pings: number, lineText: string }} setting
 */
async function installBench({ clockPort, pings, lineText }) {
  const now = () => performance.timeOrigin + performance.now();
  const sleep = (/** @type {number} */ ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const clock = new WebSocket(`ws://127.0.0.1:${clockPort}/`);
  await new Promise((resolve, reject) => {
    clock.onopen = resolve;
    clock.onerror = () => reject(new Error("no clock"));
  });
  /** One question at a time. @param {object} message @returns {Promise<any>} */
  const ask = (message) =>
    new Promise((resolve) => {
      clock.onmessage = (event) => resolve(JSON.parse(event.data));
      clock.send(JSON.stringify(message));
    });

  /** How far the server's clock is ahead, from the quickest of many exchanges. */
  async function compareClocks() {
    let best = { offsetMs: 0, errorMs: Number.POSITIVE_INFINITY };
    for (let count = 0; count < pings; count += 1) {
      const sentAt = now();
      const { at } = await ask({ type: "ping" });
      const roundTripMs = now() - sentAt;
      if (roundTripMs / 2 < best.errorMs) best = { offsetMs: at - sentAt - roundTripMs / 2, errorMs: roundTripMs / 2 };
    }
    return best;
  }

  /** @type {import("../contenders/index.mjs").Connection} */
  let connection;
  /** @type {number[]} */
  let sentAt = [];

  function sendLine() {
    sentAt.push(now());
    connection.sendLine(`${sentAt.length - 1} ${lineText}`);
  }

  /** @param {{ text: string, at: number }[]} lines @param {number} offsetMs */
  function latencies(lines, offsetMs) {
    return lines.map(({ text, at }, index) => {
      if (text !== `${index} ${lineText}`) throw new Error(`line ${index} arrived as "${text}"`);
      return at - offsetMs - /** @type {number} */ (sentAt[index]);
    });
  }

  globalThis.bench = {
    /** @param {(url: string) => Promise<import("../contenders/index.mjs").Connection>} connect @param {string} url */
    async connect(connect, url) {
      connection = await connect(url);
    },

    /** The line with nothing on it but the chat. @param {number} count */
    async measureFloor(count) {
      const { offsetMs } = await compareClocks();
      await ask({ type: "reset" });
      sentAt = [];
      for (let index = 0; index < count; index += 1) {
        sendLine();
        await sleep(100);
      }
      await ask({ type: "wait", lines: count });
      const { lines } = await ask({ type: "finish" });
      return { latenciesMs: latencies(lines, offsetMs) };
    },

    /** @param {{ fileBytes: number, intervalMs: number }} plan */
    async transfer({ fileBytes, intervalMs }) {
      const content = new Uint8Array(fileBytes);
      for (let at = 0; at < fileBytes; at += 65_536) crypto.getRandomValues(content.subarray(at, at + 65_536));
      const digest = [...new Uint8Array(await crypto.subtle.digest("SHA-256", content))]
        .map((byte) => byte.toString(16).padStart(2, "0"))
        .join("");
      const file = new Blob([content]);
      const clocks = await compareClocks();
      await ask({ type: "reset" });
      sentAt = [];
      const startedAt = now();
      connection.sendFile(file);
      sendLine();
      const timer = setInterval(sendLine, intervalMs);
      await ask({ type: "wait", lines: 0, file: true });
      clearInterval(timer);
      await ask({ type: "wait", lines: sentAt.length, file: true });
      const { lines, file: arrived } = await ask({ type: "finish" });
      if (arrived.bytes !== fileBytes || arrived.digest !== digest) throw new Error("the file arrived damaged");
      const arrivedAt = arrived.at - clocks.offsetMs;
      const all = latencies(lines, clocks.offsetMs);
      connection.close();
      return {
        goodputMegabit: (fileBytes * 8) / (arrivedAt - startedAt) / 1000,
        // Lines sent after the arrival, while the page did not know of it, had nothing to wait for.
        latenciesMs: all.filter((_, index) => /** @type {number} */ (sentAt[index]) < arrivedAt),
        clockErrorMs: clocks.errorMs,
        clockOffsetMs: clocks.offsetMs,
      };
    },
  };
}
