/** Libraries in real pages, on Sluice at both ends, while the line is cut twice. More of them, in Node: e2e/interop. */
import http from "node:http";
import { expect, test } from "@playwright/test";
import { GraphQLInt, GraphQLObjectType, GraphQLSchema } from "graphql";
import { useServer } from "graphql-ws/use/ws";
import { SluiceServer } from "sluice/server";
import { setupWSConnection } from "y-websocket/bin/utils";
import { bundlePage } from "../tools/bundle-page.mjs";
import { createFaultProxy } from "./support/fault-proxy.mjs";

let script;
let server;
let sluice;
let proxy;

test.beforeAll(async () => {
  script = await bundlePage("e2e/libraries/page.mjs");
});

test.beforeEach(async () => {
  server = http.createServer((_request, response) => {
    response.writeHead(200, { "Content-Type": "text/html" }).end("<!doctype html><title>libraries</title>");
  });
  sluice = new SluiceServer({ server });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  proxy = await createFaultProxy({ target: { port: server.address().port } });
});

test.afterEach(async () => {
  await proxy.close();
  sluice.close();
  server.closeAllConnections();
  server.close();
});

/** Cuts the line. @returns resolves when there is a new connection */
async function cut() {
  const { accepted } = proxy.stats();
  proxy.cut();
  while (proxy.stats().accepted === accepted) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** A page in a browser context of its own, with the libraries in it. */
async function openPage(browser) {
  const page = await (await browser.newContext()).newPage();
  await page.goto(`http://127.0.0.1:${proxy.port}/`);
  await page.addScriptTag({ content: script });
  return page;
}

for (const transport of ["websocket", "sse", "long-poll"]) {
  test(`graphql-ws over ${transport}: a subscription is complete and in order`, async ({ browser }) => {
    const count = 300;
    let isBack = Promise.resolve();
    const items = {
      type: GraphQLInt,
      async *subscribe() {
        for (let index = 0; index < count; index += 1) {
          // With what was yielded before on its way; the second time when the first is over.
          if (index === 100) isBack = cut();
          if (index === 200) await isBack.then(() => void cut());
          yield { items: index };
        }
      },
    };
    const query = new GraphQLObjectType({ name: "Query", fields: { none: { type: GraphQLInt } } });
    const subscription = new GraphQLObjectType({ name: "Subscription", fields: { items } });
    useServer({ schema: new GraphQLSchema({ query, subscription }) }, sluice);
    const page = await openPage(browser);
    const setting = { url: `ws://127.0.0.1:${proxy.port}/`, transport };
    const received = await page.evaluate(
      (given) => globalThis.libraries.subscribe(given.url, given.transport),
      setting,
    );
    expect(received).toEqual(Array.from({ length: count }, (_, index) => index));
    expect(await page.evaluate(() => globalThis.libraries.carried())).toEqual([[transport]]);
    await page.context().close();
  });

  test(`Yjs over ${transport}: two pages that type converge`, async ({ browser }) => {
    const seen = { messages: 0, cuts: 0 };
    sluice.on("connection", (socket, request) => {
      setupWSConnection(socket, request);
      socket.on("message", () => {
        seen.messages += 1;
        // Once in each part, with the rest of it on its way or to come.
        if (seen.messages !== 40) return;
        seen.cuts += 1;
        proxy.cut();
      });
    });
    const pages = [await openPage(browser), await openPage(browser)];
    const url = `ws://127.0.0.1:${proxy.port}`;
    for (const page of pages) {
      await page.evaluate((given) => globalThis.libraries.open(given.url, given.transport), { url, transport });
    }
    const read = (page) => page.evaluate(() => globalThis.libraries.text());
    const texts = ["left ".repeat(15), "right ".repeat(15)];
    for (const part of [1, 2]) {
      seen.messages = 0;
      const typing = pages.map((page, at) => page.evaluate((text) => globalThis.libraries.type(text), texts[at]));
      await Promise.all(typing);
      for (const page of pages) {
        await expect.poll(async () => (await read(page)).length, { timeout: 30_000 }).toBe(165 * part);
      }
      expect(seen.cuts).toBe(part);
    }
    const [left, right] = await Promise.all(pages.map(read));
    expect(left).toBe(right);
    expect([...left].sort().join("")).toBe([...texts.join("").repeat(2)].sort().join(""));
    for (const page of pages) {
      expect(await page.evaluate(() => globalThis.libraries.carried())).toEqual([[transport]]);
      await page.context().close();
    }
  });
}
