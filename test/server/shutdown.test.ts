import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type ServerSocket, SluiceServer, type SluiceServerOptions } from "../../src/server/index.js";
import { runChild } from "../support/child.js";
import { reactions } from "../support/event-loop.js";
import { Loopback } from "../support/loopback.js";
import { RawClient } from "../support/raw-client.js";

let loopback: Loopback;

async function serve(options: Partial<SluiceServerOptions> = {}): Promise<void> {
  loopback = await Loopback.start(options);
}

afterEach(() => loopback.stop());

async function guest(): Promise<[RawClient, ServerSocket]> {
  const peer = await new RawClient(loopback).established();
  return [peer, await loopback.connections.next()];
}

/** Resolves with the error and the close code of a session that ends. */
function endOf(server: ServerSocket): Promise<[string, number]> {
  let code = "";
  server.on("error", (error) => {
    code = error.code;
  });
  return new Promise((resolve) => server.on("close", (closeCode) => resolve([code, closeCode])));
}

async function park([peer, server]: [RawClient, ServerSocket]): Promise<void> {
  const parked = once(server, "park");
  await peer.cut();
  await parked;
}

it.each([-1, Number.NaN, Number.POSITIVE_INFINITY, "100", null])("cannot be shut down within %s", async (withinMs) => {
  await serve();
  const usage = { code: "ERR_USAGE_ARGUMENT" };
  await expect(loopback.server.shutdown({ withinMs: withinMs as number })).rejects.toMatchObject(usage);
  // Nothing has been begun.
  await guest();
});

describe("SluiceServer: close, and the sessions", () => {
  beforeEach(() => serve());

  it("ends those that are parked, at once", async () => {
    const parked = await guest();
    await park(parked);
    const ended = endOf(parked[1]);
    loopback.server.close();
    expect(await ended).toEqual(["ERR_SESSION_LOST", 1006]);
    expect(loopback.server.clients.size).toBe(0);
  });

  it("keeps those whose client is there, until their line is cut", async () => {
    const [peer, server] = await guest();
    loopback.server.close();
    server.send("still here");
    expect(await peer.nextText()).toBe("still here");
    const story: string[] = [];
    server.on("park", () => story.push("park"));
    const ended = endOf(server);
    await peer.cut();
    expect(await ended).toEqual(["ERR_SESSION_LOST", 1006]);
    expect(story).toEqual(["park"]);
    expect(loopback.server.clients.size).toBe(0);
  });

  it("lets nobody in who was at the door: 1013, also for a session that is there", async () => {
    let decide: (principal: unknown) => void = () => {};
    await loopback.stop();
    await serve({
      authenticate: ({ auth }) =>
        auth === "slow"
          ? new Promise((resolve) => {
              decide = resolve;
            })
          : { id: "ada" },
    });
    const [peer, server] = await guest();
    const door = [await new RawClient(loopback).greeted(), await peer.again()];
    const decisions: ((principal: unknown) => void)[] = [];
    for (const visitor of door) {
      visitor.resume(visitor.session.id === undefined ? { received: undefined, auth: "slow" } : { auth: "slow" });
      visitor.unnumbered({ type: "ping", payload: Uint8Array.of(1) });
      await visitor.next("pong");
      decisions.push(decide);
    }
    loopback.server.close();
    for (const run of decisions) run({ id: "ada" });
    for (const visitor of door) expect((await visitor.closed)[0]).toBe(1013);
    expect(loopback.connections.items).toHaveLength(1);
    expect(server.readyState).toBe(1);
    server.send("still here");
    expect(await peer.nextText()).toBe("still here");
  });

  it("lets the process end by itself, whoever has not come back", { timeout: 60_000 }, async () => {
    const scenario = fileURLToPath(new URL("../support/exit-scenario.ts", import.meta.url));
    const output = await runChild(scenario);
    expect(output.trim().split("\n").sort()).toEqual(["left: 0", "server: closed", "session: 1006"]);
  });
});

describe("SluiceServer: shutdown", () => {
  beforeEach(() => serve());

  it("asks every client to come back, each at a moment of its own, and ends when all have gone", async () => {
    const guests = await Promise.all(Array.from({ length: 20 }, () => new RawClient(loopback).established()));
    const delays: number[] = [];
    const over = loopback.server.shutdown({ withinMs: 5000 });
    for (const peer of guests) {
      delays.push((await peer.next("goaway")).delayMs);
      peer.unnumbered({ type: "detach" });
      await peer.closed;
      expect(peer.of("abort")).toEqual([]);
    }
    await over;
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...delays)).toBeLessThan(5000);
    expect(new Set(delays).size).toBeGreaterThan(15);
    expect(loopback.server.clients.size).toBe(0);
  });

  it("a SluiceSocket goes: everything that it has sent has arrived, and it asks for a new session elsewhere", async () => {
    const [client, server] = await loopback.connect([], { backoff: { baseMs: 1, maxMs: 5 }, closeTimeoutMs: 50 });
    const got: string[] = [];
    server.on("message", (data) => got.push(String(data)));
    const ended = endOf(server);
    const receipt = client.send("last");
    await receipt.delivered;
    const other = new SluiceServer({ noServer: true });
    const before = loopback.http.listenerCount("upgrade");
    const over = loopback.server.shutdown({ withinMs: 1 });
    expect(loopback.http.listenerCount("upgrade")).toBe(before - 1);
    // The next process on the same port.
    const onUpgrade = (request: IncomingMessage, line: Duplex, head: Buffer) =>
      other.handleUpgrade(request, line, head, (socket) => other.emit("connection", socket, request));
    loopback.http.on("upgrade", onUpgrade);
    const lost = once(client, "sessionlost");
    const moved = once(other, "connection");
    await over;
    expect(await ended).toEqual(["ERR_SESSION_LOST", 1006]);
    const [{ detail }] = (await lost) as [CustomEvent];
    expect([detail.neverWritten, detail.unknown]).toEqual([[], []]);
    const [next] = (await moved) as [ServerSocket];
    const arrived = once(next, "message");
    client.send("and on");
    expect(String((await arrived)[0])).toBe("and on");
    expect(got).toEqual(["last"]);
    const closed = once(client, "close");
    client.close();
    await closed;
    loopback.http.off("upgrade", onUpgrade);
    other.close();
  });

  it("ends with 1012 whoever stays, ordinary clients too", async () => {
    const [peer, server] = await guest();
    const plain = loopback.webSocket();
    await once(plain, "open");
    const plainClosed = once(plain, "close");
    const ended = endOf(server);
    await loopback.server.shutdown({ withinMs: 1 });
    expect((await peer.closed)[0]).toBe(1012);
    expect(peer.of("goaway")).toEqual([{ type: "goaway", delayMs: 0 }]);
    expect(peer.of("abort")).toMatchObject([{ code: 1012 }]);
    expect(await ended).toEqual(["ERR_SESSION_LOST", 1006]);
    expect((await plainClosed)[0]).toBe(1012);
  });

  it("is over at once when nobody is there, and can be asked for twice", async () => {
    const parked = await guest();
    await park(parked);
    const calls: string[] = [];
    loopback.server.on("close", () => calls.push("close"));
    await loopback.server.shutdown();
    await loopback.server.shutdown();
    await reactions();
    expect(calls).toContain("close");
    expect(loopback.server.clients.size).toBe(0);
  });
});
