// @ts-check
/** Over loopback: how many small messages a second, and the processor time of messages and of files. */
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
 * @property {number} fileBytes
 *
 * @typedef {object} Setting
 * @property {import("../contenders/index.mjs").Contender} contender
 * @property {{ ports: Record<string, number>, clockPort: number }} server
 * @property {Direction} direction
 * @property {Plan} plan
 *
 * @typedef {() => Promise<CpuMs | undefined>} Meter
 */

/** Bursts and files until the compilers of both ends have seen what there is. */
const WARM_UPS = 2;

/** One contender, one direction; each turn has a page of its own. */
export class CostTrial {
  #browser;
  #setting;
  /** @type {number[]} */
  #rates = [];
  /** @type {(CpuMs | undefined)[]} */
  #burstCpuMs = [];
  /** @type {(CpuMs | undefined)[]} */
  #fileCpuMs = [];
  #files = 0;

  /**
   * @param {import("./browser.mjs").BenchBrowser} browser
   * @param {Setting} setting
   */
  constructor(browser, setting) {
    this.#browser = browser;
    this.#setting = setting;
  }

  /** @param {{ bursts: number, files: number }} turn */
  async measure({ bursts, files }) {
    const { contender, server, direction } = this.#setting;
    const host = `127.0.0.1:${server.ports[contender.name]}`;
    const page = await openPage(this.#browser, { host, clockPort: server.clockPort, contender });
    try {
      const { offsetMs } = await page.ask("compareClocks");
      const aheadMs = direction === "up" ? offsetMs : -offsetMs;
      const cpu = await cpuMeter(this.#browser, page);
      for (let count = 0; count < WARM_UPS; count += 1) await this.#burst(page, aheadMs);
      const burst = async () => void this.#rates.push(await this.#burst(page, aheadMs));
      this.#burstCpuMs.push(await measured(cpu, bursts, burst));
      for (let count = 0; count < WARM_UPS; count += 1) await this.#send(page);
      this.#fileCpuMs.push(await measured(cpu, files, () => this.#send(page)));
      this.#files += files;
    } finally {
      await page.close();
    }
  }

  /** @returns {CostResult} */
  get result() {
    const { direction, plan } = this.#setting;
    return {
      direction,
      messagesPerSecond: median(this.#rates),
      messages: this.#rates.length * plan.count,
      burstCpuMs: sum(this.#burstCpuMs),
      mebibytes: (this.#files * plan.fileBytes) / 1024 / 1024,
      fileCpuMs: sum(this.#fileCpuMs),
    };
  }

  /**
   * @param {import("./transfer.mjs").BenchPage} page
   * @param {number} aheadMs
   * @returns {Promise<number>} messages a second
   */
  async #burst(page, aheadMs) {
    const { direction, plan, contender } = this.#setting;
    const { count, bytes } = plan;
    const { startedAt, at, isInOrder } = await page.ask("burst", { direction, count, bytes });
    if (!isInOrder) throw new Error(`${contender.title}: small messages arrived out of order`);
    return (count * 1000) / (at - aheadMs - startedAt);
  }

  /** @param {import("./transfer.mjs").BenchPage} page */
  async #send(page) {
    const { direction, plan } = this.#setting;
    await page.ask("sendFile", { direction, fileBytes: plan.fileBytes });
  }
}

/**
 * @param {Meter} cpu
 * @param {number} times
 * @param {() => Promise<void>} run
 * @returns {Promise<CpuMs | undefined>} of all of them
 */
async function measured(cpu, times, run) {
  const before = await cpu();
  for (let count = 0; count < times; count += 1) await run();
  const after = await cpu();
  return before && after && difference(before, after);
}

/**
 * Processor time since the start of each process, user and system. Chromium tells it for all of its processes; of its
 * renderers only one has anything to do.
 * @param {import("./browser.mjs").BenchBrowser} browser
 * @param {import("./transfer.mjs").BenchPage} page
 * @returns {Promise<Meter>}
 */
async function cpuMeter(browser, page) {
  if (browser.name !== "chromium") return async () => undefined;
  const session = await browser.puppeteer.target().createCDPSession();
  return async () => {
    const { processInfo } = await session.send("SystemInfo.getProcessInfo");
    const server = await page.ask("serverCpu");
    const of = (/** @type {(type: string) => boolean} */ isMeant) =>
      processInfo.reduce((total, { type, cpuTime }) => total + (isMeant(type) ? cpuTime * 1000 : 0), 0);
    return {
      page: of((type) => type === "renderer"),
      network: of((type) => type.startsWith("network.")),
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

/**
 * @param {(CpuMs | undefined)[]} all
 * @returns {CpuMs | undefined}
 */
function sum(all) {
  const known = all.filter((one) => one !== undefined);
  if (known.length < all.length || known.length === 0) return undefined;
  return known.reduce((total, one) => ({
    page: total.page + one.page,
    network: total.network + one.network,
    server: total.server + one.server,
  }));
}
