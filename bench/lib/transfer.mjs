// @ts-check
/** A fresh page over a fresh connection, and what is measured with it: a file one way with chat lines beside it. */
import { createEnd, LINE_TEXT } from "./end.mjs";
import { judgeTransfer, latenciesOf } from "./judge.mjs";

const FLOOR_LINES = 20;
const FLOOR_INTERVAL_MS = 100;
const PINGS = 60;
/** What a transfer may take before it counts as stuck. */
const TRANSFER_TIMEOUT_MS = 180_000;

/**
 * @typedef {import("./hol-plan.mjs").Direction} Direction
 * @typedef {import("./hol-plan.mjs").Transfer} Transfer
 * @typedef {Awaited<ReturnType<typeof openPage>>} BenchPage
 * @typedef {import("./end.mjs").Plan & { direction: Direction }} TransferPlan
 */

/**
 * @param {import("./browser.mjs").BenchBrowser} browser
 * @param {{
 *   host: string,
 *   clockPort: number,
 *   contender: import("../contenders/index.mjs").Contender,
 * }} setting
 */
export async function openPage(browser, { host, clockPort, contender }) {
  const page = await browser.newPage();
  page.setDefaultTimeout(TRANSFER_TIMEOUT_MS);
  await page.goto(`http://${host}/`);
  // Everything that runs in the page travels as text and becomes a function of the page.
  const setting = JSON.stringify({ clockPort, pings: PINGS });
  await page.evaluate(`(${installBench.toString()})({
    ...${setting},
    createEnd: () => (${createEnd.toString()})({
      lineText: ${JSON.stringify(LINE_TEXT)},
      fileOf: (bytes) => new Blob([bytes]),
    }),
    connect: (receiver) => ({ ${contender.connect.toString()} }).connect(${JSON.stringify(host)}, receiver),
  })`);
  /** @param {string} method @param {unknown} [argument] @returns {Promise<any>} */
  const ask = (method, argument) =>
    bounded(
      page.evaluate((name, given) => globalThis.bench[name](given), method, argument),
      method,
    );
  await ask("use", contender.name);
  /** The clock of the receiver over that of the sender. */
  const aheadOf = (/** @type {Direction} */ direction, /** @type {{ offsetMs: number }} */ { offsetMs }) =>
    direction === "up" ? offsetMs : -offsetMs;
  return {
    page,
    /** Asks the page. */
    ask,
    /** The line with nothing on it but the chat. @param {Direction} direction */
    async measureFloor(direction) {
      const clocks = await ask("compareClocks");
      const plan = { direction, lines: FLOOR_LINES, intervalMs: FLOOR_INTERVAL_MS };
      const { sent, arrived } = await ask("chat", plan);
      return { latenciesMs: latenciesOf(sent, arrived, { aheadMs: aheadOf(direction, clocks), lineText: LINE_TEXT }) };
    },
    /** @param {TransferPlan} plan @returns {Promise<Transfer>} */
    async transfer(plan) {
      const clocks = await ask("compareClocks");
      const { sent, arrived } = await ask("transfer", plan);
      const aheadMs = aheadOf(plan.direction, clocks);
      const judged = judgeTransfer(sent, arrived, { aheadMs, lineText: LINE_TEXT, fileBytes: plan.fileBytes });
      return { ...judged, clockErrorMs: clocks.errorMs };
    },
    close: () => page.close(),
  };
}

/**
 * @template T
 * @param {Promise<T>} work
 * @param {string} what
 * @returns {Promise<T>}
 */
async function bounded(work, what) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const stuck = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not done in ${TRANSFER_TIMEOUT_MS} ms`)), TRANSFER_TIMEOUT_MS);
  });
  try {
    return /** @type {T} */ (await Promise.race([work, stuck]));
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Runs in the page. The clock connection is not slowed down; it compares clocks, and through it the server's end is
 * told what to do and asked what it has.
 * @param {{
 *   clockPort: number,
 *   pings: number,
 *   createEnd: () => import("./end.mjs").End,
 *   connect: (receiver: import("../contenders/index.mjs").Receiver) => Promise<import("../contenders/index.mjs").PageHalf>,
 * }} setting
 */
async function installBench({ clockPort, pings, createEnd: createPageEnd, connect }) {
  const now = () => performance.timeOrigin + performance.now();
  const sleep = (/** @type {number} */ ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const clock = new WebSocket(`ws://127.0.0.1:${clockPort}/`);
  await new Promise((resolve, reject) => {
    clock.onopen = resolve;
    clock.onerror = () => reject(new Error("no clock"));
  });
  /** One question at a time. @param {string} type @param {unknown} [argument] @returns {Promise<any>} */
  const ask = (type, argument) =>
    new Promise((resolve) => {
      clock.onmessage = (event) => resolve(JSON.parse(event.data).value);
      clock.send(JSON.stringify({ type, argument }));
    });
  /** The server's end as if it were here. @type {any} */
  const far = new Proxy({}, { get: (_, type) => (/** @type {unknown} */ argument) => ask(String(type), argument) });
  const near = createPageEnd();
  const half = await connect(near.receiver);
  near.use(half);
  const endsOf = (/** @type {string} */ direction) => (direction === "up" ? [near, far] : [far, near]);

  globalThis.bench = {
    near,
    far,
    use: (/** @type {string} */ name) => far.use(name),

    /** How far the server's clock is ahead, from the quickest of many exchanges. */
    async compareClocks() {
      let best = { offsetMs: 0, errorMs: Number.POSITIVE_INFINITY };
      for (let count = 0; count < pings; count += 1) {
        const sentAt = now();
        const at = await far.ping();
        const roundTripMs = now() - sentAt;
        if (roundTripMs / 2 < best.errorMs)
          best = { offsetMs: at - sentAt - roundTripMs / 2, errorMs: roundTripMs / 2 };
      }
      return best;
    },

    /** @param {{ direction: string, lines: number, intervalMs: number }} plan */
    async chat({ direction, lines, intervalMs }) {
      const [sender, receiver] = endsOf(direction);
      await receiver.reset();
      await sender.start({ fileBytes: 0, intervalMs });
      await sleep(intervalMs * lines);
      const sent = await sender.stop();
      await receiver.wait({ lines: sent.sentAt.length });
      return { sent, arrived: await receiver.finish() };
    },

    serverCpu: () => far.cpu(),

    /** @param {{ direction: string, count: number, bytes: number }} plan */
    async burst({ direction, count, bytes }) {
      const [sender, receiver] = endsOf(direction);
      await receiver.reset();
      await receiver.count(count);
      const { startedAt } = await sender.burst({ count, bytes });
      await receiver.wait({ burst: true });
      return { startedAt, ...(await receiver.counted()) };
    },

    /** Nothing but a file. @param {{ direction: string, fileBytes: number }} plan */
    async sendFile({ direction, fileBytes }) {
      const [sender, receiver] = endsOf(direction);
      await receiver.reset();
      await sender.start({ fileBytes, intervalMs: 0 });
      await receiver.wait({ file: true });
      await sender.stop();
    },

    /** @param {{ direction: string, fileBytes: number, intervalMs: number }} plan */
    async transfer({ direction, fileBytes, intervalMs }) {
      if (document.hidden && intervalMs > 0) throw new Error("this page is hidden, so its timers are throttled");
      const [sender, receiver] = endsOf(direction);
      await receiver.reset();
      await sender.start({ fileBytes, intervalMs });
      await receiver.wait({ file: true });
      const sent = await sender.stop();
      await receiver.wait({ lines: sent.sentAt.length, file: true });
      const arrived = await receiver.finish();
      half.close();
      return { sent, arrived };
    },
  };
}
