// @ts-check
/** One contender and its line that breaks again and again: what was lost, doubled and reordered at the far ends. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { createFaultProxy } from "../../e2e/support/fault-proxy.mjs";
import { breakLine } from "./faults.mjs";
import { createEnd, tally } from "./numbered.mjs";

/** Between two messages of one end. With the sizes of `createEnd`, about 11 Mbit/s while it sends. */
const INTERVAL_MS = 10;
const POLL_MS = 50;
/** No answer for so long: the page or the server process is stuck. */
const ANSWER_MS = 30_000;
/** Socket.IO needs up to 45 s to notice that a line is dead, and 20 s for each pooled connection that it then tries. */
const RETURN_MS = 180_000;
/** Until a few messages are through. */
const THROUGH_MS = 10_000;
/** At the end: nothing new for so long, while connected, is all there will be. */
const QUIET_MS = 10_000;
/** What may come twice after everything has come. */
const AFTERMATH_MS = 2000;

/**
 * @typedef {import("../cuts/index.mjs").CutsContender} CutsContender
 * @typedef {import("./faults.mjs").Fault} Fault
 * @typedef {import("./numbered.mjs").EndState} EndState
 * @typedef {import("./numbered.mjs").EndLog} EndLog
 *
 * @typedef {object} Plan
 * @property {number} messages each way
 * @property {Fault[]} faults
 * @property {{ megabit: number, roundTripTimeMs: number }} line
 * @property {number} limitMs for the cuts; settling at the end comes on top
 * @property {(text: string) => void} progress
 *
 * @typedef {{ lost: number, doubled: number, reordered: number, damaged: number }} Damage
 *
 * @typedef {object} CutsResult
 * @property {string} name
 * @property {string} title
 * @property {number} cuts how often the line was broken
 * @property {Damage} [up] absent when nobody could be asked any more
 * @property {Damage} [down]
 * @property {number} seconds
 * @property {number} connects
 * @property {{ kind: string, backAfterMs: number | undefined }[]} faults
 * @property {string[]} notes
 */

/**
 * @param {import("./browser.mjs").BenchBrowser} browser
 * @param {CutsContender} contender
 * @param {Plan} plan
 * @returns {Promise<CutsResult>}
 */
export async function runTrial(browser, contender, plan) {
  const { name, title } = contender;
  const startedAt = Date.now();
  /** @type {CutsResult} */
  const result = { name, title, cuts: 0, seconds: 0, connects: 0, faults: [], notes: [] };
  /** @type {(() => unknown)[]} */
  const cleanups = [];
  try {
    const server = await startServer(name, plan.line);
    cleanups.push(server.stop);
    // The break is on the browser's side of the line: what is on its way down is gone, acknowledgements too.
    const proxy = await createFaultProxy({ target: { port: server.port } });
    cleanups.push(() => proxy.close());
    const page = await openPage(browser, { contender, port: proxy.port, notes: result.notes });
    cleanups.push(page.close);
    const ends = { server, page };
    const messages = await breakAgainAndAgain(proxy, ends, { plan, result, until: startedAt + plan.limitMs });
    await settle(ends, messages);
    result.connects = (await page.state()).connects;
    result.up = judge("up", await server.log(), { sent: (await page.log()).sent, result });
    result.down = judge("down", await page.log(), { sent: (await server.log()).sent, result });
    for (const error of (await server.log()).errors) result.notes.push(`send on the server: ${error}`);
    for (const error of (await page.log()).errors) result.notes.push(`send in the page: ${error}`);
  } catch (error) {
    result.notes.push(`given up: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    for (const cleanup of cleanups.reverse()) await cleanup();
  }
  result.seconds = (Date.now() - startedAt) / 1000;
  return result;
}

/**
 * @param {import("../../e2e/support/fault-proxy.mjs").FaultProxy} proxy
 * @param {Ends} ends
 * @param {{ plan: Plan, result: CutsResult, until: number }} context
 * @returns {Promise<number>} how many messages there are to be: all, unless the connection did not come back. To go on
 *   sending then would count against the contender what it has been counted for already.
 */
async function breakAgainAndAgain(proxy, ends, { plan, result, until }) {
  const { page, server } = ends;
  const isBack = async (/** @type {number} */ connects) => {
    // Asked for nothing but whether it lives: the page would wait for a dead one.
    await server.state();
    const state = await page.state();
    return state.isOver || (state.isConnected && state.connects > connects);
  };
  // The server knows whom to send to when it has heard of the page.
  page.allow(1);
  if (!(await wait(async () => (await server.state()).arrived > 0, RETURN_MS))) throw new Error("never connected");
  let thaw = () => {};
  for (const [index, fault] of plan.faults.entries()) {
    if (Date.now() > until) {
      result.notes.push("out of time for more cuts");
      break;
    }
    const before = { up: (await server.state()).arrived, down: (await page.state()).arrived };
    const share = Math.floor((plan.messages * (index + 1)) / (plan.faults.length + 1));
    allow(ends, share);
    // A share too small for so many would wait for nothing.
    const through = Math.min(fault.throughMessages, Math.floor(plan.messages / plan.faults.length / 4) || 1);
    await wait(async () => {
      const up = (await server.state()).arrived - before.up;
      const down = (await page.state()).arrived - before.down;
      return up >= through && down >= through;
    }, THROUGH_MS);
    thaw();
    const { connects } = await page.state();
    const brokenAt = Date.now();
    thaw = await breakLine(proxy, fault);
    result.cuts += 1;
    const isBackInTime = await wait(() => isBack(connects), RETURN_MS);
    const { isOver } = await page.state();
    const backAfterMs = isBackInTime && !isOver ? Date.now() - brokenAt : undefined;
    result.faults.push({ kind: fault.kind, backAfterMs });
    plan.progress(
      `${result.title}: ${result.cuts} of ${plan.faults.length}, ${fault.kind}, ${backAfterMs ?? "not"} ms`,
    );
    if (backAfterMs === undefined) {
      result.notes.push(`${isOver ? "closed for good" : "did not come back"} after cut ${result.cuts}, ${fault.kind}`);
      thaw();
      return share;
    }
  }
  thaw();
  return plan.messages;
}

/**
 * Until everything is there, or nothing more comes.
 * @param {Ends} ends
 * @param {number} messages
 */
async function settle(ends, messages) {
  allow(ends, messages);
  let arrived = -1;
  let quietSince = Date.now();
  await wait(
    async () => {
      const [up, down] = [await ends.server.state(), await ends.page.state()];
      if (up.arrived + down.arrived === 2 * messages) return true;
      const isWaitedFor = !down.isConnected && !down.isOver;
      const isSending = up.sent < messages || down.sent < messages;
      if (up.arrived + down.arrived > arrived || isWaitedFor || isSending) quietSince = Date.now();
      arrived = up.arrived + down.arrived;
      return Date.now() - quietSince > QUIET_MS;
    },
    RETURN_MS + messages * INTERVAL_MS * 2,
  );
  await new Promise((resolve) => setTimeout(resolve, AFTERMATH_MS));
}

/**
 * @param {string} direction
 * @param {EndLog} log of the receiving end
 * @param {{ sent: number, result: CutsResult }} context
 * @returns {Damage}
 */
function judge(direction, { numbers, damaged }, { sent, result }) {
  if (damaged > 0) result.notes.push(`${direction}: ${damaged} arrived damaged`);
  return { ...tally(numbers, sent), damaged };
}

/** @typedef {{ server: Awaited<ReturnType<typeof startServer>>, page: Awaited<ReturnType<typeof openPage>> }} Ends */

/**
 * @param {Ends} ends
 * @param {number} count
 */
function allow({ server, page }, count) {
  server.allow(count);
  page.allow(count);
}

/**
 * @param {string} name
 * @param {Plan["line"]} line
 */
async function startServer(name, { megabit, roundTripTimeMs }) {
  const args = [name, ...[INTERVAL_MS, megabit, roundTripTimeMs].map(String)];
  const child = fork(new URL("../cuts-server.mjs", import.meta.url), args, {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const ended = once(child, "exit").then(([code, signal]) => {
    throw new Error(`the server process ended with ${signal ?? code}`);
  });
  ended.catch(() => {}); // whoever asks next gets it
  const answer = () => bounded(Promise.race([once(child, "message"), ended]), "the server process does not answer");
  /** One question at a time. @param {"state" | "log"} what */
  const ask = async (what) => {
    if (child.connected) child.send({ ask: what });
    const [reply] = await answer();
    return reply;
  };
  const [{ port }] = await answer();
  return {
    port: /** @type {number} */ (port),
    allow: (/** @type {number} */ count) => child.connected && child.send({ allow: count }),
    state: () => /** @type {Promise<EndState>} */ (ask("state")),
    log: () => /** @type {Promise<EndLog>} */ (ask("log")),
    stop: () => child.kill(),
  };
}

/**
 * @param {import("./browser.mjs").BenchBrowser} browser
 * @param {{ contender: CutsContender, port: number, notes: string[] }} setting
 */
async function openPage(browser, { contender, port, notes }) {
  const page = await browser.newPage();
  const host = `127.0.0.1:${port}`;
  page.on("pageerror", (error) => {
    if (notes.length < 10) notes.push(`in the page: ${error instanceof Error ? error.message : error}`);
  });
  await page.goto(`http://${host}/`);
  await page.addScriptTag({ path: contender.script });
  await page.evaluate(`{
    const end = (${createEnd.toString()})({ intervalMs: ${INTERVAL_MS} });
    const half = ({ ${contender.connect.toString()} }).connect(${JSON.stringify(host)}, (text) => end.received(text));
    end.start(half.send);
    globalThis.bench = { allow: end.allow, log: end.log, state: () => ({ ...end.state(), ...half.state() }) };
  }`);
  const ask = (/** @type {string} */ call) => bounded(page.evaluate(`bench.${call}`), "the page does not answer");
  return {
    allow: (/** @type {number} */ count) => void ask(`allow(${count})`).catch(() => {}),
    state: () => /** @type {Promise<EndState & import("../cuts/index.mjs").PageState>} */ (ask("state()")),
    log: () => /** @type {Promise<EndLog>} */ (ask("log()")),
    close: () => page.close(),
  };
}

/**
 * @param {() => Promise<boolean>} condition
 * @param {number} limitMs
 * @returns {Promise<boolean>} whether it came true
 */
async function wait(condition, limitMs) {
  const until = Date.now() + limitMs;
  while (!(await condition())) {
    if (Date.now() > until) return false;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return true;
}

/**
 * @template T
 * @param {Promise<T>} work
 * @param {string} complaint
 * @returns {Promise<T>}
 */
async function bounded(work, complaint) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(complaint)), ANSWER_MS);
  });
  try {
    return /** @type {T} */ (await Promise.race([work, late]));
  } finally {
    clearTimeout(timer);
  }
}
