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

/** One contender with a page of its own, one direction. */
export class CostTrial {
  #page;
  #cpu;
  #setting;
  #aheadMs;
  /** @type {number[]} */
  #rates = [];
  /** @type {(CpuMs | undefined)[]} */
  #burstCpuMs = [];
  /** @type {(CpuMs | undefined)[]} */
  #fileCpuMs = [];

  /**
   * @param {import("./browser.mjs").BenchBrowser} browser
   * @param {Setting} setting
   */
  static async start(browser, setting) {
    const { contender, server } = setting;
    const host = `127.0.0.1:${server.ports[contender.name]}`;
    const page = await openPage(browser, { host, clockPort: server.clockPort, contender });
    const { offsetMs } = await page.ask("compareClocks");
    const trial = new CostTrial({ page, cpu: await cpuMeter(browser, page), setting, offsetMs });
    // Warming up is not measured.
    await trial.#burst();
    await trial.#send();
    trial.#rates = [];
    return trial;
  }

  /** @param {{ page: import("./transfer.mjs").BenchPage, cpu: Meter, setting: Setting, offsetMs: number }} parts */
  constructor({ page, cpu, setting, offsetMs }) {
    this.#page = page;
    this.#cpu = cpu;
    this.#setting = setting;
    this.#aheadMs = setting.direction === "up" ? offsetMs : -offsetMs;
  }

  async measureBurst() {
    this.#burstCpuMs.push(await this.#measure(() => this.#burst()));
  }

  async measureFile() {
    this.#fileCpuMs.push(await this.#measure(() => this.#send()));
  }

  /** @returns {CostResult} */
  get result() {
    const { direction, plan } = this.#setting;
    return {
      direction,
      messagesPerSecond: median(this.#rates),
      messages: this.#rates.length * plan.count,
      burstCpuMs: sum(this.#burstCpuMs),
      mebibytes: (this.#fileCpuMs.length * plan.fileBytes) / 1024 / 1024,
      fileCpuMs: sum(this.#fileCpuMs),
    };
  }

  close() {
    return this.#page.close();
  }

  /**
   * @param {() => Promise<void>} run
   * @returns {Promise<CpuMs | undefined>}
   */
  async #measure(run) {
    // Browsers give the others' pages less.
    await this.#page.page.bringToFront();
    const before = await this.#cpu();
    await run();
    const after = await this.#cpu();
    return before && after && difference(before, after);
  }

  async #burst() {
    const { direction, plan, contender } = this.#setting;
    const { count, bytes } = plan;
    const { startedAt, at, isInOrder } = await this.#page.ask("burst", { direction, count, bytes });
    if (!isInOrder) throw new Error(`${contender.title}: small messages arrived out of order`);
    this.#rates.push((count * 1000) / (at - this.#aheadMs - startedAt));
  }

  async #send() {
    const { direction, plan } = this.#setting;
    await this.#page.ask("sendFile", { direction, fileBytes: plan.fileBytes });
  }
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
