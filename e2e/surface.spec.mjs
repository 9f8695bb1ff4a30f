/** What the application sees, beside the browser's own WebSocket: the same calls to both, the same answers. */
import events from "node:events";
import net from "node:net";
import { expect, test } from "@playwright/test";
import { startSite } from "./support/site.mjs";

/** @type {Awaited<ReturnType<typeof startSite>>} */
let site;
/** Every socket the server was given, with what it received. */
let served = [];

test.beforeEach(async ({ page }) => {
  served = [];
  site = await startSite({
    server: { handleProtocols: (protocols) => (protocols.has("chat.v1") ? "chat.v1" : false) },
  });
  site.sluice.on("connection", (socket) => {
    const one = { socket, received: [], closed: undefined };
    served.push(one);
    socket.on("message", (data, isBinary) => {
      one.received.push({ isBinary, bytes: [...data] });
      socket.send(data, { binary: isBinary });
    });
    socket.on("close", (code, reason) => {
      one.closed = { code, reason: String(reason) };
    });
  });
  await page.goto(site.pageUrl);
  await page.evaluate((url) => {
    globalThis.url = url;
    globalThis.both = { sluice: globalThis.Sluice.SluiceSocket, native: WebSocket };
    globalThis.once = (target, type) =>
      new Promise((resolve) => target.addEventListener(type, resolve, { once: true }));
    /** How often a port is asked for a task until `run` is over. */
    globalThis.countTasks = async (run) => {
      const { postMessage } = MessagePort.prototype;
      let posted = 0;
      MessagePort.prototype.postMessage = function (...parts) {
        posted += 1;
        return postMessage.apply(this, parts);
      };
      await run();
      MessagePort.prototype.postMessage = postMessage;
      return posted;
    };
    /** What a call gives: the name of what it throws, or what it returns. */
    globalThis.outcome = (run) => {
      try {
        return { value: run() };
      } catch (error) {
        return { threw: error.name, isDomException: error instanceof DOMException };
      }
    };
  }, site.socketUrl);
});

test.afterEach(() => site.close());

/** Runs in the page with each class in turn. */
async function withBoth(page, run) {
  return await page.evaluate(async (source) => {
    const compare = new Function(`return (${source})`)();
    return { sluice: await compare(globalThis.both.sluice), native: await compare(globalThis.both.native) };
  }, run.toString());
}

test("the constructor refuses and accepts what the native one does", async ({ page }) => {
  const { sluice, native } = await withBoth(page, (Socket) => {
    const { url, outcome } = globalThis;
    const cases = [
      [],
      [""],
      ["no url at all:::"],
      ["ftp://127.0.0.1/"],
      [`${url}#fragment`],
      [url, ""],
      [url, "with space"],
      [url, ["a", "a"]],
      [url, ["a", "a,b"]],
      [url],
      [url, []],
      [url.replace("ws:", "http:")],
      ["/path?query=1"],
      [new URL(url)],
    ];
    return cases.map((args) =>
      outcome(() => {
        const socket = new Socket(...args);
        const { readyState, protocol, extensions, binaryType, bufferedAmount } = socket;
        const seen = { url: socket.url, readyState, protocol, extensions, binaryType, bufferedAmount };
        socket.close();
        return seen;
      }),
    );
  });
  expect(sluice).toEqual(native);
  expect(native.filter((one) => one.threw !== undefined).length).toBeGreaterThanOrEqual(7);
  expect(native.filter((one) => one.value !== undefined).length).toBeGreaterThanOrEqual(4);
});

test("close and send refuse what the native ones refuse", async ({ page }) => {
  const { sluice, native } = await withBoth(page, async (Socket) => {
    const { url, once, outcome } = globalThis;
    const socket = new Socket(url);
    const isConnecting = socket.readyState === Socket.CONNECTING && socket.CONNECTING === 0;
    await once(socket, "open");
    const refused = [
      () => socket.close(999),
      () => socket.close(1001),
      () => socket.close(2999),
      () => socket.close(5000),
      () => socket.close(1000, "x".repeat(124)),
      () => socket.close(1000, "ü".repeat(62)),
      () => socket.send(),
    ].map(outcome);
    socket.binaryType = "nonsense";
    const { binaryType } = socket;
    socket.close(4321, "bye");
    const closing = socket.readyState;
    const { code, reason, wasClean, type } = await once(socket, "close");
    const afterwards = outcome(() => socket.close());
    return { isConnecting, refused, binaryType, closing, close: { code, reason, wasClean, type }, afterwards };
  });
  expect(sluice).toEqual(native);
  expect(native.refused.every((one) => one.threw !== undefined)).toBe(true);
  await expect
    .poll(() => served.map((one) => one.closed))
    .toEqual([
      { code: 4321, reason: "bye" },
      { code: 4321, reason: "bye" },
    ]);
});

test("every kind of message goes both ways as over the native one", async ({ page }) => {
  const { sluice, native } = await withBoth(page, async (Socket) => {
    const { url, once } = globalThis;
    const socket = new Socket(url);
    await once(socket, "open");
    const buffer = new Uint8Array([0, 1, 2, 253, 254, 255]);
    const messages = [
      "",
      "plain",
      "grüße 👋 \u0000",
      "lone \ud800 surrogate",
      new Uint8Array(0),
      buffer,
      buffer.subarray(2, 4),
      buffer.buffer,
      new DataView(buffer.buffer, 1, 2),
      new Blob(["blob ", "of parts"]),
      12.5,
      null,
    ];
    const seen = [];
    for (const binaryType of ["blob", "arraybuffer"]) {
      socket.binaryType = binaryType;
      for (const message of messages) {
        const arrived = once(socket, "message");
        socket.send(message);
        // The copy was taken: what happens to the buffer afterwards is nobody's business.
        if (message === buffer) buffer[0] = 99;
        const event = await arrived;
        if (message === buffer) buffer[0] = 0;
        const { data } = event;
        const kind =
          data instanceof Blob ? `Blob ${data.type}` : data instanceof ArrayBuffer ? "ArrayBuffer" : typeof data;
        const bytes = typeof data === "string" ? data : [...new Uint8Array(await new Response(data).arrayBuffer())];
        seen.push({ kind, bytes, isMessageEvent: event instanceof MessageEvent, origin: event.origin });
      }
    }
    socket.close();
    await once(socket, "close");
    return seen;
  });
  expect(sluice).toEqual(native);
  expect(native).toHaveLength(24);
  expect(served[0].received).toEqual(served[1].received);
});

test("a consumer that awaits one message after the other misses none", async ({ page }) => {
  const { sluice, native } = await withBoth(page, async (Socket) => {
    const { url, once } = globalThis;
    const socket = new Socket(url);
    await once(socket, "open");
    const seen = [];
    for (let number = 0; number < 200; number += 1) socket.send(String(number));
    for (let number = 0; number < 200; number += 1) seen.push((await once(socket, "message")).data);
    socket.close();
    return seen;
  });
  expect(sluice).toEqual(native);
  expect(native).toHaveLength(200);
});

test("a message that comes alone costs no task beside the one that it comes in", async ({ page }) => {
  const tasks = await page.evaluate(async () => {
    const socket = new globalThis.Sluice.SluiceSocket(globalThis.url);
    await globalThis.once(socket, "open");
    const posted = await globalThis.countTasks(async () => {
      for (let number = 0; number < 50; number += 1) {
        socket.send(String(number));
        await globalThis.once(socket, "message");
      }
    });
    socket.close();
    return posted;
  });
  expect(tasks).toBe(0);
});

test("messages that come together share tasks, and what one awaits is over before the next comes", async ({ page }) => {
  const { heard, posted } = await page.evaluate(async () => {
    const socket = new globalThis.Sluice.SluiceSocket(globalThis.url);
    await globalThis.once(socket, "open");
    socket.send("warm");
    await globalThis.once(socket, "message");
    const heard = [];
    const all = new Promise((resolve) => {
      socket.onmessage = async ({ data }) => {
        heard.push(data);
        for (let turn = 0; turn < 30; turn += 1) await undefined;
        heard.push(`${data} later`);
        if (data === "499") resolve();
      };
    });
    const posted = await globalThis.countTasks(() => {
      for (let number = 0; number < 500; number += 1) socket.send(String(number));
      return all;
    });
    socket.close();
    return { heard, posted };
  });
  const numbers = Array.from({ length: 500 }, (_, number) => String(number));
  expect(heard).toEqual(numbers.flatMap((number) => [number, `${number} later`]));
  // A listener that takes long, on a slow machine, makes its task end early: not each does.
  expect(posted).toBeLessThan(250);
});

test("the application's protocol is negotiated, ours is not seen", async ({ page }) => {
  const { sluice, native } = await withBoth(page, async (Socket) => {
    const { url, once } = globalThis;
    const socket = new Socket(url, ["chat.v2", "chat.v1"]);
    await once(socket, "open");
    const { protocol } = socket;
    socket.close();
    return protocol;
  });
  expect(sluice).toBe("chat.v1");
  expect(native).toBe("chat.v1");
  expect(served.map((one) => one.socket.protocol)).toEqual(["chat.v1", "chat.v1"]);
});

test("what is sent before open arrives, in order", async ({ page }) => {
  const echoed = await page.evaluate(async () => {
    const socket = new globalThis.Sluice.SluiceSocket(globalThis.url);
    const seen = [];
    const all = new Promise((resolve) => {
      socket.onmessage = (event) => {
        seen.push(event.data);
        if (seen.length === 3) resolve();
      };
    });
    for (const text of ["one", "two", "three"]) socket.send(text);
    await all;
    return { seen, bufferedAmount: socket.bufferedAmount, transport: socket.transport, mode: socket.mode };
  });
  expect(echoed).toMatchObject({ seen: ["one", "two", "three"], transport: "websocket", mode: "framed" });
});

test("installed, the page's WebSocket is ours, until it is put back", async ({ page }) => {
  const seen = await page.evaluate(async () => {
    const { url, once } = globalThis;
    const native = WebSocket;
    const before = new WebSocket(url);
    const uninstall = globalThis.Sluice.install({ onSessionLost: "close" });
    const socket = new WebSocket("/live", ["chat.v1"]);
    const isInstance = [before instanceof WebSocket, socket instanceof WebSocket, WebSocket.name];
    await once(socket, "open");
    const { mode, protocol } = socket;
    for (const open of [before, socket]) open.close();
    uninstall();
    return {
      isInstance,
      mode,
      protocol,
      isBack: WebSocket === native,
      keys: Object.keys(globalThis).includes("WebSocket"),
    };
  });
  expect(seen).toEqual({
    isInstance: [true, true, "WebSocket"],
    mode: "framed",
    protocol: "chat.v1",
    isBack: true,
    keys: false,
  });
});

test("nobody there is an error and a close with 1006, as over the native one", async ({ page }) => {
  const vacant = net.createServer().listen(0, "127.0.0.1");
  await events.once(vacant, "listening");
  const { port } = vacant.address();
  vacant.close();
  await page.evaluate((free) => {
    globalThis.vacant = `ws://127.0.0.1:${free}/`;
  }, port);
  const { sluice, native } = await withBoth(page, async (Socket) => {
    const socket = new Socket(globalThis.vacant);
    const seen = [];
    socket.onerror = (event) => seen.push(event.type);
    const { code, wasClean, reason } = await globalThis.once(socket, "close");
    return { seen, code, wasClean, reason, readyState: socket.readyState };
  });
  expect(sluice).toEqual(native);
  expect(native).toMatchObject({ seen: ["error"], code: 1006, readyState: 3 });
});
