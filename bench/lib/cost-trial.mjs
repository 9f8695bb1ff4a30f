// @ts-check
/** One contender over loopback: how many small messages a second, and the processor time of messages and of files. */
import { median } from "./statistics.mjs";
import { openPage } from "./transfer.mjs";

/**
 * @typedef {import("./hol-plan.mjs").Direction} Direction
 * @typedef {import("./cost-report.mjs").CostResult} CostResult
 * @typedef {import("./cost-report.mjs").CpuMs} CpuMs
 *
 * @typedef {object} Plan
 * @property {number} count of messages in a burst
 * @property {number} bytes of each
 * @property {number} bursts each way, after one that warms up
 * @property {number} files each way, after one that warms up
 * @property {number} fileBytes
 */

/**
 * @param {import("./browser.mjs").BenchBrowser} browser
 * @param {{
 *   contender: import("../contenders/index.mjs").Contender,
 *   server: { ports: Record<string, number>, clockPort: number },
 *   direction: Direction,
 *   plan: Plan,
 * }} setting
 * @returns {Promise<CostResult>}
 */
export async function measureCost(browser, { contender, server, direction, plan }) {
  const host = `127.0.0.1:${server.ports[contender.name]}`;
  const page = await openPage(browser, { host, clockPort: server.clockPort, contender });
  const cpu = await cpuMeter(browser, page);
  try {
    const { offsetMs } = await page.ask("compareClocks");
    const aheadMs = direction === "up" ? offsetMs : -offsetMs;
    const burst = async () => {
      const { startedAt, at, isInOrder } = await page.ask("burst", { direction, count: plan.count, bytes: plan.bytes });
      if (!isInOrder) throw new Error(`${contender.title}: small messages arrived out of order`);
      return (plan.count * 1000) / (at - aheadMs - startedAt);
    };
    const bursts = await repeat(plan.bursts, burst, cpu);
    const send = () => page.ask("sendFile", { direction, fileBytes: plan.fileBytes });
    const files = await repeat(plan.files, send, cpu);
    return {
      direction,
      messagesPerSecond: median(bursts.values),
      messages: plan.bursts * plan.count,
      burstCpuMs: bursts.cpuMs,
      mebibytes: (plan.files * plan.fileBytes) / 1024 / 1024,
      fileCpuMs: files.cpuMs,
    };
  } finally {
    await page.close();
  }
}

/**
 * Once to warm up, then as often as wanted with the processor time of all that.
 * @template T
 * @param {number} times
 * @param {() => Promise<T>} run
 * @param {() => Promise<CpuMs | undefined>} cpu
 */
async function repeat(times, run, cpu) {
  await run();
  const before = await cpu();
  const values = [];
  for (let count = 0; count < times; count += 1) values.push(await run());
  const after = await cpu();
  return { values, cpuMs: before && after && difference(before, after) };
}

/**
 * Processor time since the start of each process, user and system. Chromium tells it for all of its processes; of its
 * renderers only one has anything to do.
 * @param {import("./browser.mjs").BenchBrowser} browser
 * @param {import("./transfer.mjs").BenchPage} page
 * @returns {Promise<() => Promise<CpuMs | undefined>>}
 */
async function cpuMeter(browser, page) {
  if (browser.name !== "chromium") return async () => undefined;
  const session = await browser.puppeteer.target().createCDPSession();
  return async () => {
    const { processInfo } = await session.send("SystemInfo.getProcessInfo");
    const server = await page.ask("serverCpu");
    const sum = (/** @type {(type: string) => boolean} */ isMeant) =>
      processInfo.reduce((total, { type, cpuTime }) => total + (isMeant(type) ? cpuTime * 1000 : 0), 0);
    return {
      page: sum((type) => type === "renderer"),
      network: sum((type) => type.startsWith("network.")),
      server: (server.user + server.system) / 1000,
    };
  };
}

/**
 * @param {CpuMs} before
 * @param {CpuMs} after
 * @returns {CpuMs}
 */
function difference(before, after) {
  return {
    page: after.page - before.page,
    network: after.network - before.network,
    server: after.server - before.server,
  };
}
