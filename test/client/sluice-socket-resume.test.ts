import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SluiceSocket, type SluiceSocketOptions, type TraceEvent } from "../../src/client/websocket.js";
import { clientStory, unhandledRejections } from "../support/client-story.js";
import { MemoryNetwork } from "../support/memory-network.js";
import { binary } from "../support/pair.js";
import { say } from "../support/talk.js";

const MIB = 1024 * 1024;
const URL = "wss://example.com/live";

let network: MemoryNetwork;
let socket: SluiceSocket;
let story: string[];
let unhandled: ReturnType<typeof unhandledRejections>;

beforeEach(() => {
  network = new MemoryNetwork();
  unhandled = unhandledRejections();
});

afterEach(async () => {
  socket.close();
  await network.run(20_000);
  unhandled.stop();
  network.stop();
  expect(socket.readyState).toBe(SluiceSocket.CLOSED);
  expect(unhandled.seen).toEqual([]);
});

function dial(options: SluiceSocketOptions = {}): void {
  socket = new SluiceSocket(URL, [], { WebSocket: network.WebSocket, ...options });
  story = clientStory(socket);
}

async function connect(options: SluiceSocketOptions = {}): Promise<void> {
  dial(options);
  await network.run(10);
  expect(socket.readyState).toBe(SluiceSocket.OPEN);
  story.length = 0;
}

describe("SluiceSocket: a cut line", () => {
  it("is only a change of the connection's state", async () => {
    await connect();
    const changes: unknown[] = [];
    socket.addEventListener("transportchange", () => changes.push(socket.transport));
    network.cut();
    await network.settle();
    expect([socket.readyState, socket.connectionState, socket.transport]).toEqual([1, "reconnecting", null]);
    await network.run(300);
    expect([socket.readyState, socket.connectionState, socket.transport]).toEqual([1, "connected", "websocket"]);
    expect(story).toEqual(["reconnecting", "connected"]);
    expect(changes).toEqual([null, "websocket"]);
    expect(socket.stats().resumes).toBe(1);
    expect(network.server.ends.items).toHaveLength(1);
  });

  it("loses nothing and doubles nothing, either way, and keeps the order", async () => {
    await connect();
    const receipts = [];
    for (let cut = 0; cut < 5; cut++) {
      for (let i = 0; i < 3; i++) {
        receipts.push(socket.send(`up ${cut}.${i}`));
        network.server.end.send("", say(`down ${cut}.${i}`));
      }
      // Once before anything has left, then with the acks lost, then with one way dead.
      if (cut % 2 === 1) await network.settle();
      if (cut === 3) network.blocked = "down";
      receipts.push(socket.send(binary(100_000).bytes));
      if (cut >= 2) await network.settle();
      network.cut();
      network.blocked = undefined;
      receipts.push(socket.send(`gap ${cut}`));
      await network.run(1000);
    }
    const all = [0, 1, 2, 3, 4];
    const lines = all.flatMap((cut) => [`up ${cut}.0`, `up ${cut}.1`, `up ${cut}.2`, 100_000, `gap ${cut}`]);
    expect(network.server.end.lines).toEqual(lines);
    const messages = story.filter((entry) => entry.startsWith("message "));
    expect(messages).toEqual(all.flatMap((cut) => [0, 1, 2].map((i) => `message down ${cut}.${i}`)));
    expect(receipts.map(({ state }) => state)).toEqual(receipts.map(() => "delivered"));
    await Promise.all(receipts.map(({ delivered }) => delivered));
    expect(socket.bufferedAmount).toBe(0);
    expect(socket.stats().resumes).toBe(5);
    expect(story.some((entry) => /open|close|error|sessionlost/.test(entry))).toBe(false);
  });

  it("in the middle of a large message costs none of it twice at the other end", async () => {
    await connect();
    const loaded: number[] = [];
    const receipt = socket.send(new Blob([binary(4 * MIB).bytes]), { onprogress: (p) => loaded.push(p.loaded) });
    while (loaded.length === 0) await network.run(5);
    network.cut();
    await network.run(5000);
    expect(receipt.state).toBe("delivered");
    expect(network.server.end.lines).toEqual([4 * MIB]);
    expect(loaded).toEqual([...loaded].sort((a, b) => a - b));
    expect(loaded.at(-1)).toBe(4 * MIB);
  });

  it("leaves channels as they are, also those opened meanwhile", async () => {
    await connect();
    const files = socket.channel("files", { priority: "low" });
    const received: string[] = [];
    files.onmessage = ({ data }) => received.push(data);
    files.send("before");
    await network.run(50);
    network.cut();
    await network.settle();
    files.send("between");
    const news = socket.channel("news");
    news.send("new");
    await network.run(500);
    network.server.end.send("files", say("down"));
    await network.run(50);
    expect(network.server.end.messages).toEqual([
      ["files", "before"],
      ["files", "between"],
      ["news", "new"],
    ]);
    expect(received).toEqual(["down"]);
    expect([files.state, news.state, socket.channel("files") === files]).toEqual(["open", "open", true]);
  });

  it("lets what is sent meanwhile be taken back, or wait, as long as the server is away", async () => {
    await connect();
    network.reach = "down";
    network.cut();
    await network.run(3000);
    const receipts = ["a", "b", "c"].map((line) => socket.send(line));
    expect(socket.bufferedAmount).toBe(3);
    expect(receipts[1]?.cancel()).toBe(true);
    await network.run(20_000);
    expect([socket.readyState, socket.connectionState]).toEqual([1, "reconnecting"]);
    expect(receipts.map(({ state }) => state)).toEqual(["queued", "cancelled", "queued"]);
    network.reach = "up";
    await network.run(16_000);
    expect(network.server.end.lines).toEqual(["a", "c"]);
    expect(receipts.map(({ state }) => state)).toEqual(["delivered", "cancelled", "delivered"]);
    expect(story).toEqual(["reconnecting", "connected"]);
  });

  it("is told even when the socket has just opened, in order", async () => {
    dial();
    await network.settle();
    network.cut();
    await network.run(500);
    expect(story).toEqual(["connected", "open 1", "reconnecting", "connected"]);
  });

  it("before the socket was ever open is no news", async () => {
    network.reach = "down";
    dial();
    const receipt = socket.send("early");
    await network.run(100);
    expect([socket.readyState, socket.connectionState, socket.transport]).toEqual([0, "connecting", null]);
    expect(story).toEqual([]);
    network.reach = "up";
    await network.run(3000);
    expect(story).toEqual(["connected", "open 1"]);
    expect(network.server.end.lines).toEqual(["early"]);
    expect(receipt.state).toBe("delivered");
  });

  it("does not keep the server's own close from arriving", async () => {
    await connect();
    network.cut();
    network.server.end.conversation.close(4001, "bye");
    await network.run(1000);
    expect(story).toEqual(["reconnecting", "connected", "closed", "close 4001"]);
  });
});

describe("SluiceSocket: close() without a line", () => {
  it("delivers what was accepted, then closes cleanly, once the line is back", async () => {
    await connect();
    network.cut();
    await network.settle();
    const receipt = socket.send("last words");
    socket.close(4000, "done");
    expect(socket.readyState).toBe(2);
    await network.run(200);
    expect(network.server.end.lines).toEqual(["last words"]);
    expect(receipt.state).toBe("delivered");
    expect(story.at(-1)).toBe("close 4000");
    expect(network.server.end.of("closed")).toMatchObject([{ code: 4000, reason: "done", wasClean: true }]);
  });

  it("does not wait for the next attempt: it is made at once", async () => {
    await connect();
    network.cut();
    await network.settle();
    const before = network.dials.length;
    socket.close();
    await network.settle();
    expect(network.dials).toHaveLength(before + 1);
    expect(story.at(-1)).toBe("close 1005");
  });

  it("gives up after the close timeout when the server stays away", async () => {
    await connect({ closeTimeoutMs: 1000 });
    network.reach = "down";
    network.cut();
    await network.settle();
    const receipt = socket.send("never heard");
    socket.close();
    await network.run(900);
    expect(socket.readyState).toBe(2);
    await network.run(200);
    expect(story).toEqual(["reconnecting", "closed", "error ERR_CONNECTION_LOST", "close 1006"]);
    expect(receipt.state).toBe("never-written");
    const before = network.dials.length;
    await network.run(60_000);
    expect(network.dials).toHaveLength(before);
  });

  it("ends the socket when the session turns out to be lost: nothing is opened anew", async () => {
    await connect();
    network.restart();
    await network.settle();
    const receipt = socket.send("too late");
    socket.close();
    await network.run(60_000);
    expect(story).toEqual(["reconnecting", "sessionlost 2", "closed", "error ERR_SESSION_LOST", "close 1006"]);
    expect(receipt.state).toBe("never-written");
    expect(network.server.size).toBe(0);
  });
});

describe("SluiceSocket: the first connection", () => {
  it("is tried again until its time is over", async () => {
    network.reach = "down";
    dial({ connectTimeoutMs: 3000 });
    const receipt = socket.send("a");
    await network.run(2900);
    expect(story).toEqual([]);
    expect(network.dials.length).toBeGreaterThan(3);
    await network.run(200);
    expect(story).toEqual(["closed", "error ERR_CONNECT_FAILED", "close 1006"]);
    expect(receipt.state).toBe("never-written");
    const before = network.dials.length;
    await network.run(60_000);
    expect(network.dials).toHaveLength(before);
  });

  it("is tried once where the application wants to know: it fails at once", async () => {
    network.reach = "down";
    dial({ onSessionLost: "close" });
    await network.settle();
    expect(story).toEqual(["closed", "error ERR_CONNECT_FAILED", "close 1006"]);
    await network.run(60_000);
    expect(network.dials).toHaveLength(1);
  });

  it.each(["hung", "silent"] as const)("is given up where the server is %s", async (reach) => {
    network.reach = reach;
    dial({ connectTimeoutMs: 2000 });
    await network.run(1900);
    expect(story).toEqual([]);
    await network.run(200);
    expect(story).toEqual(["closed", "error ERR_CONNECT_FAILED", "close 1006"]);
  });

  it("that is cut before the welcome is made up for, and makes no second session", async () => {
    network.blocked = "down";
    dial();
    socket.send("early");
    await network.settle();
    network.blocked = undefined;
    // The greeting and no more.
    network.dial.far.deliver(1);
    await network.run(1);
    network.blocked = "down";
    await network.run(10);
    network.cut();
    network.blocked = undefined;
    await network.run(1000);
    expect(network.server.hellos.length).toBeGreaterThanOrEqual(2);
    expect(network.server.ends.items).toHaveLength(1);
    expect(network.server.end.lines).toEqual(["early"]);
    expect(story.filter((entry) => entry.startsWith("open"))).toEqual(["open 1"]);
  });
});

describe("SluiceSocket: its trace", () => {
  it("goes on over resumes, and tells in a task of its own what became of each message and why it waited", async () => {
    const events: TraceEvent[] = [];
    await connect({ trace: (event) => events.push(event) });
    const files = socket.channel("files", { priority: "low" });
    files.send(binary(2 * MIB).bytes);
    expect(events.filter(({ type }) => type === "message")).toEqual([]);
    await network.settle();
    expect(events).toContainEqual(expect.objectContaining({ type: "message", state: "queued", totalBytes: 2 * MIB }));
    network.cut();
    await network.settle();
    files.send("waits");
    expect(socket.stats().channels["files"]?.waitingFor).toBe("transport");
    await network.run(2000);
    const states = events.flatMap((event) => (event.type === "transport" ? [event.state] : []));
    expect(states).toEqual(["attached", "detached", "attached"]);
    expect(new Set(events.map(({ type }) => type))).toContain("batch");
    expect(new Set(events.map(({ type }) => type))).toContain("ack");
  });
});
