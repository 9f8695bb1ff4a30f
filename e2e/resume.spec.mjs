/**
 * Sessions that outlive their lines, in a real browser behind a proxy that breaks on command. What arrives is counted at
 * the far end, in both directions.
 */
import { expect, test } from "@playwright/test";
import { startFaultySite } from "./support/faulty-site.mjs";
import { NOTHING_WRONG } from "./support/ledger.mjs";
import { countingServer, expectComplete, openSocket, resumes } from "./support/socket-page.mjs";

/** @type {Awaited<ReturnType<typeof startFaultySite>> | undefined} */
let site;
test.afterEach(async () => {
  await site?.close();
  site = undefined;
});

/** What a session may have waiting on each side when its line is cut: some rounds' worth. A server keeps 16 MiB of one. */
const WAITING_BYTES_MAX = 4 * 1024 * 1024;

/**
 * On the side where more waits.
 * @param {import("@playwright/test").Page} page
 * @param {ReturnType<typeof countingServer>["state"]} state
 */
async function waitingBytes(page, state) {
  return Math.max(state.sockets[0].bufferedAmount, await page.evaluate(() => globalThis.socket.bufferedAmount));
}

test("RES: a line that is cut 60 times loses, doubles and reorders nothing", async ({ page }) => {
  test.setTimeout(180_000);
  const { state, onConnection, send } = countingServer();
  site = await startFaultySite({ onConnection });
  const { proxy } = site;
  await page.goto(site.pageUrl);
  await openSocket(page, site.socketUrl, { backoff: { baseMs: 40, maxMs: 400 } });

  const kinds = ["cut", "reset", "cut after up", "cut after down", "cut after early bytes", "refused for a while"];
  for (let round = 0; round < 60; round++) {
    // A round adds more than a line carries that is cut at once: where the machine is slow it would pile up, until the
    // server lets go of the session for its size.
    await expect.poll(() => waitingBytes(page, state), { timeout: 20_000 }).toBeLessThan(WAITING_BYTES_MAX);
    const before = await resumes(page);
    const connection = proxy.connections.at(-1);
    const kind = kinds[round % kinds.length];
    // Bytes are counted from here on: everything of a round may be over before another call reaches the page.
    if (kind === "cut after up") connection?.cutAfter(30_000 + 997 * round, "up");
    if (kind === "cut after down") connection?.cutAfter(30_000 + 997 * round, "down");
    await page.evaluate(() => globalThis.sendMore(50));
    send(50);
    switch (kind) {
      case "cut":
        connection?.cut();
        break;
      case "reset":
        connection?.reset();
        break;
      case "cut after up":
      case "cut after down":
        break;
      case "cut after early bytes":
        // The next one breaks too, in the middle of its handshake or of what follows.
        proxy.once("connection", (next) => next.cutAfter(200 + 131 * round, round % 2 === 0 ? "up" : "down"));
        connection?.cut();
        break;
      default:
        proxy.refuse(true);
        connection?.reset();
        await new Promise((resolve) => setTimeout(resolve, 100));
        proxy.refuse(false);
    }
    await expect.poll(() => resumes(page), { timeout: 20_000 }).toBeGreaterThan(before);
  }
  await expectComplete(page, state);

  const { events, fates } = await page.evaluate(() => ({
    events: globalThis.state.events,
    fates: [...new Set(globalThis.state.receipts.map((/** @type {any} */ receipt) => receipt.state))],
  }));
  expect(fates).toEqual(["delivered"]);
  expect(await resumes(page)).toBeGreaterThanOrEqual(60);
  expect(proxy.stats().cut + proxy.stats().reset).toBeGreaterThanOrEqual(60);
  // A resume is not seen but in the state of the connection, and the server has one socket.
  expect(events.filter((event) => !["connected", "reconnecting"].includes(event))).toEqual(["open"]);
  expect(state.sockets).toHaveLength(1);
  expect(await page.evaluate(() => globalThis.state.sent)).toBe(3000);
  expect(state.sent).toBe(3000);
});

test("RES: a cut at any byte of the first handshake, or right behind it, loses nothing", async ({ page }) => {
  test.setTimeout(120_000);
  const { state, onConnection } = countingServer();
  site = await startFaultySite({ onConnection });
  const { proxy } = site;
  await page.goto(site.pageUrl);
  // Upgrade request and answer, GREETING, HELLO, WELCOME, the first messages: by steps that hit each of them.
  const positions = [1, 100, 300, 450, 520, 560, 600, 1000, 1800, 2400, 2600, 2650, 2700, 2800, 4000];
  let sent = 0;
  for (const direction of /** @type {const} */ (["up", "down"])) {
    for (const position of positions) {
      proxy.once("connection", (connection) => connection.cutAfter(position, direction));
      const outcome = await page.evaluate(
        async ({ url, from }) => {
          const socket = new globalThis.Sluice.SluiceSocket(url, [], {
            backoff: { baseMs: 30, maxMs: 100 },
            transports: ["websocket"],
            // A handshake that is cut may mean an ordinary server, which would be dialled in plain mode in between.
            mode: "framed",
          });
          const receipts = [];
          const pad = (/** @type {number} */ n, /** @type {number} */ size) =>
            `${n}:`.padEnd(size, String.fromCharCode(97 + (n % 26)));
          const sizes = [20, 300, 1024, 40_000, 20, 20, 150_000];
          for (let n = from; n < from + 4; n++)
            receipts.push(socket.send(pad(n, /** @type {number} */ (sizes[n % 7]))));
          await Promise.all(receipts.map((receipt) => receipt.delivered));
          const closed = new Promise((resolve) => {
            socket.onclose = (/** @type {CloseEvent} */ event) => resolve(`${event.code} ${event.wasClean}`);
          });
          socket.close(1000);
          return await closed;
        },
        { url: site.socketUrl, from: sent },
      );
      expect(outcome, `${direction} at ${position}`).toBe("1000 true");
      sent += 4;
    }
  }
  expect(state.ledger.report(sent)).toEqual(NOTHING_WRONG);
  // However often it was dialled, each attempt has made one session.
  expect(state.sockets).toHaveLength(2 * positions.length);
});

test("RES: an old connection that comes back to life changes nothing", async ({ page }) => {
  const { state, onConnection, send } = countingServer();
  site = await startFaultySite({ onConnection });
  const { proxy } = site;
  await page.goto(site.pageUrl);
  await openSocket(page, site.socketUrl);
  for (let round = 0; round < 3; round++) {
    const old = proxy.connections.at(-1);
    old?.freeze();
    await page.evaluate(() => globalThis.sendMore(60));
    send(60);
    const before = await resumes(page);
    // The network is another one, and neither end has been told that the old line is dead.
    await page.evaluate(() => globalThis.dispatchEvent(new Event("online")));
    await expect.poll(() => resumes(page), { timeout: 15_000 }).toBe(before + 1);
    await page.evaluate(() => globalThis.sendMore(10));
    old?.thaw();
    await expectComplete(page, state);
  }
  expect(state.sockets).toHaveLength(1);
  expect(await resumes(page)).toBe(3);
  expect(state.events).toEqual(["park", "resume", "park", "resume", "park", "resume"]);
});

test("KAL: a line that dies in silence is given up by a timer of ours, not by the browser's `close`", async ({
  page,
}) => {
  const { state, onConnection, send } = countingServer();
  site = await startFaultySite({ onConnection });
  await page.goto(site.pageUrl);
  await openSocket(page, site.socketUrl);
  // Some round trips, from which the page knows how long an ack takes.
  await page.evaluate(() => globalThis.sendMore(10));
  await expectComplete(page, state);
  site.proxy.freeze();
  await page.evaluate(() => globalThis.sendMore(30));
  send(30);
  // Chromium takes 60 s and more to tell of it.
  await expect.poll(() => resumes(page), { timeout: 20_000 }).toBe(1);
  await expectComplete(page, state);
});

test("RES: a server that starts anew: the report is exact, and the rest goes into the next session", async ({
  page,
}) => {
  const { state, onConnection } = countingServer();
  site = await startFaultySite({ onConnection });
  const { proxy } = site;
  await page.goto(site.pageUrl);
  await openSocket(page, site.socketUrl, { backoff: { baseMs: 50 } });
  await page.evaluate(() => globalThis.sendMore(21));
  await expectComplete(page, state);

  await page.evaluate(() => {
    globalThis.socket.addEventListener("sessionlost", (/** @type {any} */ event) => {
      const numberOf = (/** @type {any} */ receipt) => globalThis.state.receipts.indexOf(receipt);
      globalThis.state.loss = {
        neverWritten: event.detail.neverWritten.map(numberOf),
        unknown: event.detail.unknown.map(numberOf),
      };
    });
    globalThis.socket.addEventListener("open", () => globalThis.socket.send("0:hello again".padEnd(20, "a")));
  });
  // The acks stop, then the messages: some get there and nobody can know it, most do not leave at all.
  proxy.connections.at(-1)?.freeze("down");
  await page.evaluate(() => globalThis.sendMore(40));
  await expect.poll(() => state.ledger.seen.size).toBeGreaterThan(24);
  const arrived = new Set(state.ledger.seen);
  await site.restart();
  await page.waitForFunction(() => globalThis.state.loss !== undefined);
  const { loss, events } = await page.evaluate(() => globalThis.state);

  // Every message of which it was not known has exactly one place.
  const all = [...loss.unknown, ...loss.neverWritten].sort((a, b) => a - b);
  expect(all).toEqual(Array.from({ length: 40 }, (_, i) => 21 + i));
  expect(loss.unknown.length).toBeGreaterThan(0);
  expect(loss.neverWritten.length).toBeGreaterThan(0);
  for (const number of arrived) expect(loss.neverWritten).not.toContain(number);
  expect(events.filter((event) => event === "sessionlost")).toHaveLength(1);

  // In the new session: first what the `open` handler has sent, then what was never written, nothing twice.
  await expect
    .poll(() => loss.neverWritten.every((/** @type {number} */ number) => state.ledger.seen.has(number)))
    .toBe(true);
  expect(state.sockets).toHaveLength(2);
  const states = await page.evaluate(() =>
    globalThis.state.receipts.map((/** @type {any} */ receipt) => receipt.state),
  );
  for (const number of loss.unknown) expect(states[number]).toBe("unknown");
  await page.waitForFunction(
    (numbers) => numbers.every((number) => globalThis.state.receipts[number].state === "delivered"),
    /** @type {number[]} */ (loss.neverWritten),
  );
  // "hello again" is the 0 that comes a second time, and no other.
  expect(state.ledger).toMatchObject({ doubled: 1 });
  const later = [...state.ledger.seen].filter((number) => !arrived.has(number));
  expect(later).toEqual(loss.neverWritten);
});

test("RES: with onSessionLost close, a lost session is an error and a close with 1006", async ({ page }) => {
  const { onConnection } = countingServer();
  site = await startFaultySite({ onConnection });
  await page.goto(site.pageUrl);
  await openSocket(page, site.socketUrl, { onSessionLost: "close", backoff: { baseMs: 50 } });
  await page.evaluate(async () => {
    await globalThis.socket.send("0:".padEnd(20, "a")).delivered;
    globalThis.socket.addEventListener("close", (/** @type {CloseEvent} */ event) => {
      globalThis.state.end = `${event.code} ${event.wasClean} ${globalThis.socket.readyState}`;
    });
    globalThis.socket.addEventListener("error", (/** @type {any} */ event) => {
      globalThis.state.code = event.error.code;
    });
  });
  await site.restart();
  await page.waitForFunction(() => globalThis.state.end !== undefined);
  const { events, end, code } = await page.evaluate(() => globalThis.state);
  expect({ end, code }).toEqual({ end: "1006 false 3", code: "ERR_SESSION_LOST" });
  expect(events.slice(-3)).toEqual(["closed", "error", "close"]);
  expect(events).toContain("sessionlost");
});

test("a page that is left for good ends its session at once", async ({ page }) => {
  const { state, onConnection } = countingServer();
  site = await startFaultySite({ onConnection });
  await page.goto(site.pageUrl);
  await openSocket(page, site.socketUrl);
  /** @type {Promise<number>} */
  const closed = new Promise((resolve) => state.sockets[0].on("close", resolve));
  // Playwright's Chromium has no back/forward cache: the page does not come back.
  await page.evaluate(() => globalThis.sendMore(3));
  await page.goto("about:blank");
  expect(await closed).toBe(1001);
  expect(state.ledger.report(3)).toEqual(NOTHING_WRONG);
  expect(state.events).toEqual(["close"]);
});

test("no page is kept out of the back/forward cache by an unload handler", async ({ page }) => {
  site = await startFaultySite();
  await page.addInitScript(() => {
    const types = /** @type {string[]} */ ([]);
    const { addEventListener } = EventTarget.prototype;
    EventTarget.prototype.addEventListener = function (/** @type {any[]} */ ...args) {
      types.push(args[0]);
      return addEventListener.apply(this, /** @type {any} */ (args));
    };
    globalThis.listenedTypes = types;
  });
  await page.goto(site.pageUrl);
  await openSocket(page, site.socketUrl);
  const types = await page.evaluate(() => globalThis.listenedTypes);
  expect(types).toContain("pagehide");
  expect(types).not.toContain("unload");
  expect(types).not.toContain("beforeunload");
});
