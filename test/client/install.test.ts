import { once } from "node:events";
import { afterEach, describe, expect, it, vi } from "vitest";
import { WebSocket as NodeWebSocket } from "ws";
import { SluiceSocket } from "../../src/client/index.js";
import { install } from "../../src/client/install.js";
import { Loopback } from "../support/loopback.js";

let loopback: Loopback | undefined;
const uninstalls: (() => void)[] = [];

afterEach(async () => {
  for (const uninstall of uninstalls.splice(0).reverse()) uninstall();
  await loopback?.stop();
  loopback = undefined;
  vi.unstubAllGlobals();
});

function installed(...options: Parameters<typeof install>): () => void {
  const uninstall = install(...options);
  uninstalls.push(uninstall);
  return uninstall;
}

async function connected(socket: WebSocket): Promise<void> {
  await once(socket, "open");
  const closed = once(socket, "close");
  socket.close();
  await closed;
}

describe("install", () => {
  it("puts a SluiceSocket in the place of the global, over the one that was there", async () => {
    vi.stubGlobal("WebSocket", NodeWebSocket);
    loopback = await Loopback.start({ authenticate: ({ auth }) => auth });
    installed({ auth: "ann" });
    expect([WebSocket.name, WebSocket.OPEN, WebSocket.length]).toEqual(["WebSocket", 1, 1]);
    const socket = new WebSocket(loopback.url, "chat");
    expect([socket instanceof WebSocket, socket instanceof SluiceSocket]).toEqual([true, true]);
    await connected(socket);
    const server = await loopback.connections.next();
    expect([server.mode, server.principal]).toEqual(["framed", "ann"]);
  });

  it("leaves sockets that exist instances of WebSocket, and others none", async () => {
    vi.stubGlobal("WebSocket", NodeWebSocket);
    loopback = await Loopback.start();
    const before = loopback.webSocket();
    installed();
    expect([before instanceof WebSocket, {} instanceof WebSocket]).toEqual([true, false]);
    class Own extends WebSocket {}
    expect(before instanceof Own).toBe(false);
    const own = new Own(loopback.url);
    expect([own instanceof Own, own instanceof WebSocket]).toEqual([true, true]);
    await connected(own);
  });

  it("of options that are wrong changes nothing", () => {
    vi.stubGlobal("WebSocket", NodeWebSocket);
    expect(() => install({ onSessionLos: "close" } as never)).toThrow(/onSessionLos/);
    expect(globalThis.WebSocket).toBe(NodeWebSocket);
  });

  it("is undone, with the global as it was", () => {
    vi.stubGlobal("WebSocket", NodeWebSocket);
    const before = Object.getOwnPropertyDescriptor(globalThis, "WebSocket");
    installed()();
    expect(Object.getOwnPropertyDescriptor(globalThis, "WebSocket")).toEqual(before);
  });

  it("is undone where there was no global: there is none again", () => {
    const before = Object.getOwnPropertyDescriptor(globalThis, "WebSocket");
    Reflect.deleteProperty(globalThis, "WebSocket");
    const uninstall = install({ WebSocket: NodeWebSocket });
    expect(globalThis.WebSocket.name).toBe("WebSocket");
    uninstall();
    expect("WebSocket" in globalThis).toBe(false);
    if (before !== undefined) Object.defineProperty(globalThis, "WebSocket", before);
  });

  it("does not undo what somebody else has put there since", () => {
    vi.stubGlobal("WebSocket", NodeWebSocket);
    const uninstall = installed();
    class Other {}
    globalThis.WebSocket = Other as never;
    uninstall();
    expect(WebSocket).toBe(Other);
  });

  it("twice is once more over the native one, and is undone in turn", async () => {
    vi.stubGlobal("WebSocket", NodeWebSocket);
    loopback = await Loopback.start();
    installed();
    const first = WebSocket;
    installed();
    await connected(new WebSocket(loopback.url));
    // A session inside of a session would be seen as an ordinary client, or not at all.
    expect((await loopback.connections.next()).mode).toBe("framed");
    expect(loopback.connections.items).toHaveLength(1);
    uninstalls.pop()?.();
    expect(WebSocket).toBe(first);
  });

  it("does not change what a SluiceSocket dials with", async () => {
    vi.stubGlobal("WebSocket", NodeWebSocket);
    loopback = await Loopback.start();
    installed();
    await connected(new SluiceSocket(loopback.url) as unknown as WebSocket);
    expect(loopback.connections.items.map(({ mode }) => mode)).toEqual(["framed"]);
  });

  it("without a WebSocket to dial with gives sockets that fail, and do not dial with themselves", async () => {
    vi.stubGlobal("WebSocket", undefined);
    installed({ onSessionLost: "close" });
    const socket = new WebSocket("ws://127.0.0.1:1/");
    const [event] = await once(socket, "close");
    expect(event).toMatchObject({ code: 1006, wasClean: false });
  });
});
