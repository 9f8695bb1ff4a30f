// @ts-check
/**
 * Libraries on Sluice and on the browser's WebSocket with `ws`, in one run: how many messages a second, over loopback,
 * where the processor is the limit.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { bundlePage } from "../tools/bundle-page.mjs";
import { BROWSER_NAMES, launchBrowserIfThere } from "./lib/browser.mjs";
import { chooseNames, parseCount } from "./lib/choices.mjs";
import { describeMachine } from "./lib/machine.mjs";
import { median } from "./lib/statistics.mjs";
import { number, table } from "./lib/table.mjs";

/** What is done, with how many messages. @type {Record<string, { library: "graphql-ws" | "yjs", title: string, count: number }>} */
const WORKLOADS = {
  results: { library: "graphql-ws", title: "graphql-ws: results of a subscription, 64 characters", count: 10_000 },
  edits: { library: "yjs", title: "y-websocket: edits of a document", count: 10_000 },
  queries: { library: "graphql-ws", title: "graphql-ws: queries, one after the other", count: 1000 },
  "large-results": { library: "graphql-ws", title: "graphql-ws: results of 64 KiB", count: 500 },
};
const KINDS = /** @type {const} */ (["native", "sluice"]);
/** Of the rate of the native WebSocket. */
const LEAST_RATIO = 0.9;
/** Until V8 has compiled what is called often: of JavaScript there is more in what is not native. */
const WARM_UP_ROUNDS = 5;

export const INTEROP_OPTIONS = /** @type {const} */ ({
  workloads: { type: "string", default: Object.keys(WORKLOADS).join(",") },
  browsers: { type: "string", default: "chromium" },
  trials: { type: "string", default: "15" },
  watched: { type: "boolean", default: false },
});

export const INTEROP_USAGE = `npm run bench -- interop [options]: libraries on Sluice and on the native WebSocket

  --workloads a,b         ${Object.keys(WORKLOADS).join(", ")}          (all)
  --browsers a,b          ${BROWSER_NAMES.join(", ")}                               (chromium)
  --trials N              of each, in turns, after five that warm up             (15)
  --watched               Chromium tells of each message, as it does to developer tools and test runners

The exit code is 1 when Sluice had less than ${LEAST_RATIO * 100} % of the native WebSocket's rate.
`;

/**
 * @param {Record<"workloads" | "browsers" | "trials", string> & { watched: boolean }} options
 * @returns {Promise<number>} the exit code
 */
export async function runInterop(options) {
  const workloads = chooseNames(options.workloads, Object.keys(WORKLOADS));
  const trials = parseCount(options.trials);
  const machine = describeMachine();
  const script = await bundlePage("bench/interop/page.mjs");
  let isGood = true;
  for (const name of chooseNames(options.browsers, BROWSER_NAMES)) {
    const browser = await launchBrowserIfThere(name, { isWatched: options.watched });
    if (browser === undefined) continue;
    try {
      const rows = [];
      for (const workload of workloads) {
        const [native = Number.NaN, sluice = Number.NaN] = await rates(browser, { workload, script, trials });
        const title = WORKLOADS[workload]?.title ?? workload;
        rows.push([title, number(native), number(sluice), number(sluice / native, 2)]);
        isGood &&= sluice / native >= LEAST_RATIO;
      }
      process.stdout.write(`\n${browser.version}: medians of ${trials}\n\n`);
      process.stdout.write(table(["messages a second", "native", "Sluice", "ratio"], rows));
    } finally {
      await browser.close();
    }
  }
  process.stdout.write(`\nMachine: ${machine}. All on loopback, without TLS; browsers headless.\n`);
  return isGood ? 0 : 1;
}

/**
 * @param {import("./lib/browser.mjs").BenchBrowser} browser
 * @param {{ workload: string, script: string, trials: number }} plan
 * @returns {Promise<number[]>} messages a second, in the order of `KINDS`
 */
async function rates(browser, { workload, script, trials }) {
  const { library, count } = /** @type {typeof WORKLOADS[string]} */ (WORKLOADS[workload]);
  const halves = await Promise.all(
    KINDS.map(async (kind) => {
      const server = fork(new URL("interop-server.mjs", import.meta.url), [library, kind]);
      const [port] = await once(server, "message");
      const page = await browser.newPage();
      await page.goto(`http://127.0.0.1:${port}/`);
      await page.addScriptTag({ content: script });
      const trial = () =>
        page.evaluate((setting) => globalThis.trial(setting), {
          workload,
          kind,
          count,
          url: `ws://127.0.0.1:${port}`,
        });
      return { server, page, trial, took: /** @type {number[]} */ ([]) };
    }),
  );
  try {
    for (let round = 1 - WARM_UP_ROUNDS; round <= trials; round += 1) {
      for (const { trial, took, page } of halves) {
        // The one in front, as timers of the others are throttled.
        await page.bringToFront();
        const milliseconds = await trial();
        if (round > 0) took.push(milliseconds);
      }
    }
    return halves.map(({ took }) => (count / median(took)) * 1000);
  } finally {
    for (const { page, server } of halves) {
      await page.close();
      server.kill();
    }
  }
}
