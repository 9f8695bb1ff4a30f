import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { SluiceSocket, type SluiceSocketOptions } from "../../src/client/index.js";
import { SluiceServer } from "../../src/server/index.js";
import type { ServerSocket } from "../../src/server/server-socket.js";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

/** A network that lets no WebSocket through, until it does. */
let isBlocked = false;
class Blockable extends WebSocket {
  constructor(url: string, protocols: string[]) {
    super(isBlocked ? url.replace(/:\d+/, ":1") : url, protocols);
  }
}

interface Scene {
  readonly url: string;
  readonly server: SluiceServer;
  readonly http: Server;
  readonly sockets: ServerSocket[];
}

/** A server that answers every message, in capitals. */
async function serve(): Promise<Scene> {
  const http = createServer((_, response) => response.writeHead(404).end());
  const server = new SluiceServer({
    server: http,
    path: "/live",
    handleProtocols: (offered) => [...offered][0] ?? false,
  });
  const sockets: ServerSocket[] = [];
  server.on("connection", (socket) => {
    sockets.push(socket);
    socket.on("message", (data) => socket.send(String(data).toUpperCase()));
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  cleanups.push(() => {
    server.close();
    http.closeAllConnections();
    http.close();
  });
  return { url: `ws://127.0.0.1:${(http.address() as AddressInfo).port}/live?room=1`, server, http, sockets };
}

function connect(url: string, options: SluiceSocketOptions = {}, protocols: string[] = []): SluiceSocket {
  const socket = new SluiceSocket(url, protocols, { WebSocket: Blockable, ...options });
  cleanups.push(() => socket.close());
  return socket;
}

const event = (socket: SluiceSocket, type: "open" | "close" | "transportchange") =>
  new Promise<Event>((resolve) => socket.addEventListener(type, resolve, { once: true }));

/** Sends each and gives what comes back. */
async function talk(socket: SluiceSocket, ...messages: string[]): Promise<unknown[]> {
  const answers: unknown[] = [];
  const all = new Promise<void>((resolve) => {
    socket.addEventListener("message", ({ data }) => {
      answers.push(data);
      if (answers.length === messages.length) resolve();
    });
  });
  for (const message of messages) socket.send(message);
  await all;
  return answers;
}

class Notes {
  readonly items = new Map<string, string>();
  getItem(key: string): string | null {
    return this.items.get(key) ?? null;
  }
  setItem(key: string, value: string): void {
    this.items.set(key, value);
  }
}

describe("SluiceSocket where WebSockets are blocked", () => {
  it("goes over HTTP, with everything that it has elsewhere", async () => {
    isBlocked = true;
    const { url, sockets } = await serve();
    const socket = connect(url, {}, ["chat.v2", "chat.v1"]);
    await event(socket, "open");
    expect([socket.transport, socket.mode, socket.protocol, socket.connectionState]).toEqual([
      "sse",
      "framed",
      "chat.v2",
      "connected",
    ]);
    expect(await talk(socket, "one", "two", "three")).toEqual(["ONE", "TWO", "THREE"]);
    const files = socket.channel("files", { priority: "low" });
    await files.send(new Uint8Array(20_000)).delivered;
    expect(sockets.map(({ transport }) => transport)).toEqual(["sse"]);
    const closed = event(socket, "close");
    socket.close(4000, "bye");
    expect(await closed).toMatchObject({ code: 4000, reason: "bye", wasClean: true });
  });

  it.each([
    [["long-poll"], "long-poll"],
    [["sse"], "sse"],
    [["long-poll", "websocket"], "long-poll"],
    [["websocket", "sse"], "websocket"],
  ] as const)("uses what %j asks for: %s", async (transports, expected) => {
    isBlocked = false;
    const { url } = await serve();
    const socket = connect(url, { transports });
    await event(socket, "open");
    expect([socket.transport, await talk(socket, "x")]).toEqual([expected, ["X"]]);
  });

  it("remembers it for the next page, and asks over HTTP first there", async () => {
    isBlocked = true;
    const { url } = await serve();
    const storage = new Notes();
    const first = connect(url, { storage });
    await event(first, "open");
    const [[key, value]] = [...storage.items] as [[string, string]];
    expect(key).toBe(`sluice:${new URL(url).host}`);
    expect(JSON.parse(value).blockedForMs).toBeGreaterThan(29 * 60_000);
    first.close();
    isBlocked = false;
    const second = connect(url, { storage });
    await event(second, "open");
    expect(second.transport).toBe("sse");
  });

  it("is found out by a constructor that throws, too, as one does that a policy forbids", async () => {
    const { url } = await serve();
    function Forbidden(): never {
      throw new Error("SecurityError");
    }
    const socket = connect(url, { WebSocket: Forbidden });
    await event(socket, "open");
    expect([socket.transport, await talk(socket, "x")]).toEqual(["sse", ["X"]]);
  });

  it("fails where a server answers that is none of ours, and has been told nothing", async () => {
    isBlocked = true;
    const seen: string[] = [];
    const http = createServer((request, response) => {
      seen.push(`${request.method} ${request.headers["sluice-line"] ?? "-"}`);
      response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
    cleanups.push(() => http.close());
    const socket = connect(`ws://127.0.0.1:${(http.address() as AddressInfo).port}/`, { connectTimeoutMs: 3000 });
    await event(socket, "close");
    expect(seen.length).toBeGreaterThan(0);
    expect(new Set(seen)).toEqual(new Set(["GET -"]));
  });

  it("comes back to a WebSocket, as the application goes on", async () => {
    isBlocked = true;
    const network = new EventTarget();
    vi.stubGlobal("addEventListener", network.addEventListener.bind(network));
    cleanups.push(() => vi.unstubAllGlobals());
    const { url, sockets } = await serve();
    const socket = connect(url);
    await event(socket, "open");
    const states: string[] = [];
    socket.addEventListener("connectionstatechange", () => states.push(socket.connectionState));
    isBlocked = false;
    // As a page does when the network is another one.
    const changed = event(socket, "transportchange");
    network.dispatchEvent(new Event("online"));
    await changed;
    expect([socket.transport, states, sockets.length]).toEqual(["websocket", [], 1]);
    expect(await talk(socket, "still", "there")).toEqual(["STILL", "THERE"]);
  });
});
