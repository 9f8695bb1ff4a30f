/** The examples of docs/migrating, as two people see them who write to each other, also while the line is cut. */
import { expect, test } from "@playwright/test";
import { serveExample } from "../examples/migrating/serve.mjs";
import { createFaultProxy } from "./support/fault-proxy.mjs";

let http;
let proxy;

async function start(example) {
  http = await serveExample(example);
  proxy = await createFaultProxy({ target: { port: http.address().port } });
  return `http://127.0.0.1:${proxy.port}/`;
}

test.afterEach(async () => {
  await proxy.close();
  http.closeAllConnections();
  http.close();
});

async function say(page, text) {
  await page.getByLabel("Write a line").fill(text);
  await page.getByRole("button", { name: "Send" }).click();
}

for (const from of ["native-websocket", "reconnecting-websocket", "socket.io", "sockjs"]) {
  for (const when of ["before", "after"]) {
    test(`${from}, ${when}: two pages write to each other`, async ({ browser }) => {
      const url = await start(`${from}/${when}`);
      const pages = await Promise.all([1, 2].map(async () => await (await browser.newContext()).newPage()));
      const errors = [];
      for (const page of pages) {
        page.on("pageerror", (error) => errors.push(String(error)));
        await page.goto(url);
        await expect(page.locator("#status")).toHaveText("connected");
      }
      const lines = (page) => page.getByRole("listitem").filter({ hasNotText: "(the server has it)" });
      await say(pages[0], "one");
      for (const page of pages) await expect(lines(page)).toHaveText(["one"]);
      if (from === "socket.io") await expect(pages[0].getByText("(the server has it)")).toBeVisible();

      if (when === "after") {
        // What is written in the moment of the cut, and by others meanwhile, arrives: nobody had to write code for it.
        proxy.cut();
        await say(pages[0], "two");
        await say(pages[1], "three");
        for (const page of pages) await expect(lines(page)).toHaveCount(3, { timeout: 20_000 });
        for (const page of pages) {
          expect((await lines(page).allTextContents()).sort()).toEqual(["one", "three", "two"]);
        }
        expect(proxy.stats().cut).toBeGreaterThanOrEqual(2);
      }
      expect(errors).toEqual([]);
      for (const page of pages) await page.context().close();
    });
  }
}

for (const when of ["before", "after"]) {
  test(`sockjs, ${when}: two pages write to each other where WebSockets do not get through`, async ({ browser }) => {
    const url = await start(`sockjs/${when}`);
    http.removeAllListeners("upgrade");
    http.on("upgrade", (_request, line) => line.destroy());
    const pages = await Promise.all([1, 2].map(async () => await (await browser.newContext()).newPage()));
    for (const page of pages) {
      await page.goto(url);
      await expect(page.locator("#status")).toHaveText("connected", { timeout: 20_000 });
    }
    await say(pages[0], "one");
    for (const page of pages) await expect(page.getByRole("listitem")).toHaveText(["one"]);
    for (const page of pages) await page.context().close();
  });
}
