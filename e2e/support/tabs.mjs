// @ts-check
/**
 * A Chromium whose tabs can really be hidden: Playwright keeps every page it drives visible, so this one is driven over its
 * debugging port, by nothing but what a test needs.
 */
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WebSocket } from "ws";
import { findBrowser } from "../../tools/find-browser.mjs";

const ARGUMENTS = [
  "--headless=new",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-background-networking",
  "--disable-component-update",
  "--remote-debugging-port=0",
];

export async function startTabs() {
  const folder = await mkdtemp(join(tmpdir(), "sluice-e2e-"));
  const child = spawn(
    /** @type {string} */ (findBrowser()),
    [...ARGUMENTS, `--user-data-dir=${folder}`, "about:blank"],
    {
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  const exited = new Promise((resolve) => child.once("exit", resolve));
  /** @type {string} */
  const endpoint = await new Promise((resolve, reject) => {
    let text = "";
    child.stderr.on("data", (piece) => {
      text += piece;
      const found = /ws:\/\/([^/]+)\/devtools/.exec(text);
      if (found !== null) resolve(`http://${found[1]}`);
    });
    child.once("exit", () => reject(new Error(`no browser: ${text}`)));
  });
  /** @type {Tab[]} */
  const tabs = [];
  return {
    /** Opens `url` in a tab behind the one that was there. @param {string} url */
    async openHidden(url) {
      const [front] = await (await fetch(`${endpoint}/json`)).json();
      const target = await (await fetch(`${endpoint}/json/new?${encodeURIComponent(url)}`, { method: "PUT" })).json();
      const tab = await Tab.attach(target.webSocketDebuggerUrl);
      tabs.push(tab);
      await fetch(`${endpoint}/json/activate/${front.id}`);
      await tab.until(() => location.protocol === "http:" && document.readyState === "complete" && document.hidden);
      return tab;
    },
    async close() {
      for (const tab of tabs) tab.detach();
      child.kill();
      await exited;
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** One page, as far as `evaluate` goes. */
class Tab {
  #socket;
  #lastId = 0;
  /** @type {Map<number, (message: any) => void>} */
  #answers = new Map();

  /** @param {WebSocket} socket */
  constructor(socket) {
    this.#socket = socket;
    socket.on("message", (data) => {
      const message = JSON.parse(String(data));
      this.#answers.get(message.id)?.(message);
      this.#answers.delete(message.id);
    });
  }

  /** @param {string} url */
  static async attach(url) {
    const socket = new WebSocket(url, { perMessageDeflate: false });
    await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
    return new Tab(socket);
  }

  /**
   * Runs `run` in the page, which sees nothing of its module, and gives what it returns.
   * @param {Function} run
   * @param {unknown} [argument]
   * @returns {Promise<any>}
   */
  async evaluate(run, argument) {
    this.#lastId += 1;
    const id = this.#lastId;
    const expression = `(${run})(${JSON.stringify(argument) ?? ""})`;
    const answer = new Promise((resolve) => this.#answers.set(id, resolve));
    const params = { expression, awaitPromise: true, returnByValue: true };
    this.#socket.send(JSON.stringify({ id, method: "Runtime.evaluate", params }));
    const { result, error } = await answer;
    if (error !== undefined || result.exceptionDetails !== undefined) {
      throw new Error(`in the page: ${error?.message ?? JSON.stringify(result.exceptionDetails)}`);
    }
    return result.result.value;
  }

  /** @param {() => boolean} holds */
  async until(holds) {
    for (let tries = 0; !(await this.evaluate(holds)); tries++) {
      if (tries === 100) throw new Error(`never: ${holds}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  detach() {
    this.#socket.close();
  }
}
