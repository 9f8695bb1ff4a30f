// @ts-check
/** One page that connects: when its first message is back, and what it takes to carry more. */
import { fork } from "node:child_process";
import { once } from "node:events";

/** Nobody waits longer for a page. */
export const LIMIT_MS = 15_000;

/** Until what is wrong with a WebSocket has come out: a client that means to remember it has it by then. */
const STAY_MS = 12_000;

/** Where WebSockets are killed: for how long to look on, and how often something is sent meanwhile. */
const WATCH_MS = 10_000;
const PING_MS = 200;

/** For what is sent after an upgrade to another transport has taken place. */
const SETTLE_MS = 1500;
const CARRIED = 100;
const TEXT = "0123456789abcdef";

/** Where a session moves to a WebSocket: how often both ends send something, and for how long before and after. */
export const TALK_MS = 10;
const MOVE_MS = 2500;

/**
 * @typedef {import("../connect/contenders.mjs").ConnectContender} ConnectContender
 * @typedef {import("puppeteer-core").BrowserContext} BrowserContext
 */

/**
 * @param {ConnectContender} contender
 * @param {number} roundTripTimeMs
 * @param {string} fault
 * @param {number} [talkMs] how often the application sends something, where it does not answer
 */
export async function startConnectServer(contender, roundTripTimeMs, fault, talkMs) {
  const args = [contender.name, String(roundTripTimeMs), fault, ...(talkMs === undefined ? [] : [String(talkMs)])];
  const child = fork(new URL("../connect-server.mjs", import.meta.url), args, {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const [{ port }] = await once(child, "message");
  const ask = async (/** @type {string} */ wish) => {
    child.send(wish);
    const [answer] = await once(child, "message");
    return answer;
  };
  return {
    port: /** @type {number} */ (port),
    /** @returns {Promise<{ upgrades: number, up: number, down: number, arrivals: number[] }>} so far */
    counts: () => ask("counts"),
    /** From here on WebSockets get through. */
    unblock: () => ask("unblock"),
    stop: () => child.kill(),
  };
}

/** @typedef {Awaited<ReturnType<typeof startConnectServer>>} ConnectServer */

/**
 * From the constructor to the first echo, ms; `undefined` where there is none in time.
 * @param {BrowserContext} context
 * @param {ConnectContender} contender
 * @param {ConnectServer} server
 * @param {{ stays?: boolean, limitMs?: number }} [visit] stays: whether the page is looked at for a while
 * @returns {Promise<number | undefined>}
 */
export async function timeFirstEcho(context, contender, server, { stays = false, limitMs = LIMIT_MS } = {}) {
  const page = await openPage(context, contender, server);
  const ms = await page.evaluate(`(async () => {
    const startedAt = performance.now();
    const echo = new Promise((resolve) => { bench.connect(() => resolve(performance.now() - startedAt)); });
    bench.half.send(${JSON.stringify(TEXT)});
    return await Promise.race([echo, bench.sleep(${limitMs})]);
  })()`);
  if (stays) await new Promise((resolve) => setTimeout(resolve, STAY_MS));
  await page.close();
  return /** @type {number | null | undefined} */ (ms) ?? undefined;
}

/**
 * Sends all the time while WebSockets are killed.
 * @param {BrowserContext} context
 * @param {ConnectContender} contender
 * @param {ConnectServer} server
 * @returns {Promise<{ upgrades: number, longestSilenceMs: number, isThere: boolean }>} how many WebSockets were dialled;
 *   how long nothing came back at most; whether something does in the end
 */
export async function watchKilled(context, contender, server) {
  const page = await openPage(context, contender, server);
  const { longestSilenceMs, lastSilenceMs } = /** @type {any} */ (
    await page.evaluate(`(async () => {
      let last = performance.now();
      let longestSilenceMs = 0;
      bench.connect(() => {
        longestSilenceMs = Math.max(longestSilenceMs, performance.now() - last);
        last = performance.now();
      });
      const endAt = performance.now() + ${WATCH_MS};
      while (performance.now() < endAt) {
        bench.half.send(${JSON.stringify(TEXT)});
        await bench.sleep(${PING_MS});
      }
      const lastSilenceMs = performance.now() - last;
      return { longestSilenceMs: Math.max(longestSilenceMs, lastSilenceMs), lastSilenceMs };
    })()`)
  );
  const { upgrades } = await server.counts();
  await page.close();
  return { upgrades, longestSilenceMs, isThere: lastSilenceMs < 1000 };
}

/**
 * Bytes each way for a message of 16 bytes and its echo, one after the other.
 * @param {BrowserContext} context
 * @param {ConnectContender} contender
 * @param {ConnectServer} server
 */
export async function weighMessages(context, contender, server) {
  const page = await openPage(context, contender, server);
  await page.evaluate(`(async () => {
    let received;
    bench.connect(() => received());
    globalThis.echoes = async (count) => {
      for (let i = 0; i < count; i++) {
        const echo = new Promise((resolve) => { received = resolve; });
        bench.half.send(${JSON.stringify(TEXT)});
        await echo;
      }
    };
    await echoes(5);
    await bench.sleep(${SETTLE_MS});
  })()`);
  const before = await server.counts();
  await page.evaluate(`echoes(${CARRIED})`);
  const after = await server.counts();
  await page.close();
  return { up: (after.up - before.up) / CARRIED, down: (after.down - before.down) / CARRIED };
}

/**
 * Has both ends say something all the time, while the session moves from HTTP to a WebSocket.
 * @param {BrowserContext} context
 * @param {ConnectContender} mover
 * @param {ConnectServer} server that blocks WebSockets, and talks
 * @returns {Promise<{ up: number[], down: number[] }>} how long nothing came, each way, at most: before the move, and in it
 *   and behind it, ms
 */
export async function watchMove(context, mover, server) {
  const page = await openPage(context, mover, server);
  await page.evaluate(`(async () => {
    globalThis.arrivals = [];
    bench.connect(() => arrivals.push(performance.now()));
    setInterval(() => bench.half.send(${JSON.stringify(TEXT)}), ${TALK_MS});
    await bench.sleep(${MOVE_MS});
  })()`);
  const { arrivals: before } = await server.unblock();
  // A network that is said to be back is a reason to try again.
  const downBefore = await page.evaluate(`(async () => {
    const count = arrivals.length;
    dispatchEvent(new Event("online"));
    await bench.sleep(${MOVE_MS});
    return count;
  })()`);
  const { arrivals: up, upgrades } = await server.counts();
  const down = /** @type {number[]} */ (await page.evaluate("arrivals"));
  await page.close();
  if (upgrades === 0) throw new Error(`${mover.title} has not moved`);
  const counts = mover.movesByItself === true ? [1, 1] : [before.length, /** @type {number} */ (downBefore)];
  return { up: longestGaps(up, counts[0]), down: longestGaps(down, counts[1]) };
}

/**
 * @param {number[]} times
 * @param {number | undefined} count how many of them belong to the first part
 */
function longestGaps(times, count = 1) {
  const gaps = times.slice(1).map((time, index) => time - /** @type {number} */ (times[index]));
  return [gaps.slice(0, count - 1), gaps.slice(count - 1)].map((part) => Math.max(...part));
}

/**
 * @param {BrowserContext} context
 * @param {ConnectContender} contender
 * @param {ConnectServer} server
 */
async function openPage(context, contender, server) {
  const page = await context.newPage();
  const host = `127.0.0.1:${server.port}`;
  await page.goto(`http://${host}/`);
  if (contender.script !== undefined) await page.addScriptTag({ path: contender.script });
  await page.evaluate(`globalThis.bench = {
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    connect(received) {
      const { connect } = ({ ${contender.connect.toString()} });
      bench.half = connect(${JSON.stringify(host)}, received, ${JSON.stringify(contender.transports)});
    },
  }; undefined`);
  return page;
}
