/**
 * The interface of a WebSocket: the same questions to the browser's own class and to ours, in a page, and the same answers.
 * Not asked is what cannot be, or is not meant to be the same: `send()` before `open`, which queues; a cut line, which is
 * not the end; events that a script can dispatch only as not trusted, and microtasks between two listeners of one event.
 */
import { expect, test } from "@playwright/test";
import { closing, construction, shape } from "./conformance/cases.mjs";
import { events, messages } from "./conformance/event-cases.mjs";
import { startSite } from "./support/site.mjs";

/** @type {Awaited<ReturnType<typeof startSite>>} */
let site;

test.beforeAll(async () => {
  site = await startSite({
    server: {
      handleProtocols: (protocols, request) =>
        !request.url.includes("protocol=none") && protocols.has("chat") ? "chat" : false,
    },
    onConnection(socket) {
      socket.on("error", () => {});
      socket.on("message", (data, isBinary) => {
        const [command, code, reason] = isBinary ? [] : String(data).split(" ");
        if (command === "!close") socket.close(code && Number(code), reason);
        else socket.send(data, { binary: isBinary });
      });
    },
  });
});

test.afterAll(() => site.close());

test.beforeEach(async ({ page }) => {
  await page.goto(site.pageUrl);
  await page.evaluate(() => {
    globalThis.classes = [WebSocket, globalThis.Sluice.SluiceSocket];
    globalThis.tools = {
      once: (target, type) => new Promise((resolve) => target.addEventListener(type, resolve, { once: true })),
      outcome(run) {
        try {
          const value = run();
          return { value: value === undefined ? "undefined" : value };
        } catch (error) {
          return { threw: error.name, isDomException: error instanceof DOMException };
        }
      },
    };
  });
});

const groups = { shape, construction, closing, events, messages };
for (const [group, cases] of Object.entries(groups)) {
  for (const [title, run] of Object.entries(cases)) {
    test(`${group}: ${title}`, async ({ page }) => {
      const ask = (index) =>
        page.evaluate(
          async ({ source, url, index }) => {
            const ask = new Function(`return (${source})`)();
            const answer = await ask({ Socket: globalThis.classes[index], url, ...globalThis.tools });
            return JSON.parse(JSON.stringify(answer));
          },
          { source: run.toString(), url: site.socketUrl, index },
        );
      const native = await ask(0);
      expect(native).toBeTruthy();
      expect(await ask(1)).toEqual(native);
    });
  }
}
