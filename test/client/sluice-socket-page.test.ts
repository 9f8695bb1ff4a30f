// @vitest-environment jsdom
// @vitest-environment-options { "url": "https://example.com/app/page.html" }
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Channel, SluiceSocket } from "../../src/client/websocket.js";
import { Inbox, inboxOf } from "../support/inbox.js";
import { MockServer, MockWebSocket } from "../support/mock-server.js";
import { file, say } from "../support/talk.js";

let server: MockServer;
let socket: SluiceSocket;

beforeEach(() => {
  vi.stubGlobal("WebSocket", MockWebSocket);
  server = new MockServer("wss://example.com/app/live", "chat");
});

afterEach(async () => {
  if (socket.readyState !== SluiceSocket.CLOSED) {
    const closed = eventOf(socket, "close");
    socket.close();
    await closed;
  }
  server.stop();
  vi.unstubAllGlobals();
});

function eventOf<E extends Event>(target: EventTarget, type: string): Promise<E> {
  return new Promise((resolve) => target.addEventListener(type, (event) => resolve(event as E), { once: true }));
}

async function connect(): Promise<void> {
  socket = new SluiceSocket("live", ["chat"]);
  await eventOf(socket, "open");
}

/** The next thing of this type that the server is told. */
async function told(type: string): Promise<Record<string, unknown>> {
  for (;;) {
    const event = await server.events.next();
    if (event.type === type) return event as never;
  }
}

describe("SluiceSocket in a page", () => {
  it("is the page's EventTarget, and connects relative to the page", async () => {
    await connect();
    expect(socket).toBeInstanceOf(window.EventTarget);
    expect(socket.url).toBe("wss://example.com/app/live");
    expect([socket.readyState, socket.protocol, socket.extensions, socket.mode]).toEqual([1, "chat", "", "framed"]);
  });

  it("dispatches the page's events", async () => {
    socket = new SluiceSocket("live", "chat");
    const open = await eventOf(socket, "open");
    expect(open).toBeInstanceOf(window.Event);
    (await server.ends.next()).conversation.send(0, say("hello"), {});
    const message = await eventOf<MessageEvent>(socket, "message");
    expect(message).toBeInstanceOf(window.MessageEvent);
    expect([message.data, message.origin]).toEqual(["hello", "wss://example.com"]);
    const closed = eventOf<CloseEvent>(socket, "close");
    socket.close(4000, "bye");
    expect(await closed).toBeInstanceOf(window.CloseEvent);
    expect(await closed).toMatchObject({ code: 4000, reason: "bye", wasClean: true });
  });

  it("sends text and buffers, also before it is open", async () => {
    socket = new SluiceSocket("live", ["chat"]);
    socket.send("early");
    socket.send(new TextEncoder().encode("bytes"));
    socket.send(new window.ArrayBuffer(3));
    const messages = [await told("message"), await told("message"), await told("message")];
    expect(messages).toMatchObject([{ data: "early" }, { text: false }, { text: false }]);
    expect(Buffer.from(messages[1]?.["data"] as Uint8Array).toString()).toBe("bytes");
    expect(messages[2]?.["data"]).toHaveLength(3);
  });

  it("gives binary messages as the page's Blob, or as an ArrayBuffer", async () => {
    await connect();
    const inbox = inboxOf(socket);
    const { conversation } = await server.ends.next();
    conversation.send(0, file(10), {});
    expect(await inbox.next()).toBeInstanceOf(window.Blob);
    socket.binaryType = "arraybuffer";
    conversation.send(0, file(100_000), {});
    expect(Object.prototype.toString.call(await inbox.next())).toBe("[object ArrayBuffer]");
  });

  it("knows when a message is delivered, and how much is not", async () => {
    await connect();
    const loaded: number[] = [];
    const receipt = socket.send("x".repeat(100_000), { onprogress: (progress) => loaded.push(progress.loaded) });
    expect(socket.bufferedAmount).toBe(100_000);
    await receipt.delivered;
    expect(socket.bufferedAmount).toBe(0);
    expect(loaded.at(-1)).toBe(100_000);
    expect((await told("message"))["data"]).toHaveLength(100_000);
  });

  it("takes the page's AbortSignal", async () => {
    await connect();
    const controller = new window.AbortController();
    const receipt = socket.send("x".repeat(100_000), { signal: controller.signal });
    controller.abort();
    await expect(receipt.delivered).rejects.toMatchObject({ code: "ERR_CANCELLED" });
  });

  it("carries channels both ways", async () => {
    await connect();
    const channel = socket.channel("files", { priority: "low" });
    const channelInbox = inboxOf(channel);
    channel.send("up");
    const opened = await told("channel");
    expect(opened).toMatchObject({ name: "files", priority: "low" });
    expect(await told("message")).toMatchObject({ channel: opened["channel"], data: "up" });
    const { conversation } = await server.ends.next();
    conversation.send(opened["channel"] as number, say("down"), {});
    expect(await channelInbox.next()).toBe("down");

    const channels = new Inbox<Channel>();
    socket.onchannel = (event) => channels.push(event.channel);
    conversation.send(conversation.openChannel("news", "high"), say("first"), {});
    const news = await channels.next();
    expect([news.name, news.priority]).toEqual(["news", "high"]);
    expect(await inboxOf(news).next()).toBe("first");
  });

  it("is closed by the server", async () => {
    await connect();
    const closed = eventOf<CloseEvent>(socket, "close");
    (await server.ends.next()).conversation.close(4001, "bye");
    expect(await closed).toMatchObject({ code: 4001, reason: "bye", wasClean: true });
  });

  it("leaves with the page: the server gets what was sent, and the end", async () => {
    await connect();
    const { conversation } = await server.ends.next();
    const closed = eventOf<CloseEvent>(socket, "close");
    socket.send("last words");
    window.dispatchEvent(Object.assign(new window.Event("pagehide"), { persisted: false }));
    expect(await closed).toMatchObject({ code: 1006 });
    expect(await told("message")).toMatchObject({ data: "last words" });
    await told("closed");
    expect(conversation.session.isClosed).toBe(true);
  });

  it("sleeps with the page, and goes on when that comes back", async () => {
    await connect();
    await socket.send("before").delivered;
    await told("message");
    const states: string[] = [];
    socket.addEventListener("connectionstatechange", () => states.push(socket.connectionState));
    window.dispatchEvent(Object.assign(new window.Event("pagehide"), { persisted: true }));
    await told("detached");
    const receipt = socket.send("meanwhile");
    window.dispatchEvent(Object.assign(new window.Event("pageshow"), { persisted: true }));
    expect(await told("message")).toMatchObject({ data: "meanwhile" });
    await receipt.delivered;
    expect(states).toEqual(["reconnecting", "connected"]);
    expect(socket.stats().resumes).toBe(1);
  });

  it("listens to the page no longer than it lives", async () => {
    await connect();
    const removed: string[] = [];
    const remove = vi.spyOn(window, "removeEventListener");
    remove.mockImplementation((type) => void removed.push(type));
    const closed = eventOf(socket, "close");
    socket.close();
    await closed;
    remove.mockRestore();
    expect(removed.sort()).toEqual(["offline", "online", "pagehide", "pageshow"]);
  });

  it("throws the page's DOMExceptions", () => {
    expect(() => new SluiceSocket("ftp://example.com")).toThrow(window.DOMException);
    socket = new SluiceSocket("live", ["chat"]);
    expect(() => socket.close(1001)).toThrow(window.DOMException);
  });
});
