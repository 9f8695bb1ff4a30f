import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SluiceSocket, type SluiceSocketOptions } from "../../src/client/websocket.js";
import { unhandledRejections } from "../support/client-story.js";
import { MemoryNetwork } from "../support/memory-network.js";

const URL = "wss://example.com/live";
/** Three times what leaves before the first ack. */
const MARK = 100_000;

const failure = (code: string) => expect.objectContaining({ code });

let network: MemoryNetwork;
let socket: SluiceSocket;
/** Events `drain`, with what was buffered when they came. */
let drains: number[];
let unhandled: ReturnType<typeof unhandledRejections>;

beforeEach(() => {
  network = new MemoryNetwork();
  unhandled = unhandledRejections();
});

afterEach(async () => {
  network.reach = "up";
  network.blocked = undefined;
  socket.close();
  await network.run(20_000);
  unhandled.stop();
  network.stop();
  expect(socket.readyState).toBe(SluiceSocket.CLOSED);
  expect(unhandled.seen).toEqual([]);
});

function dial(options: SluiceSocketOptions = {}): void {
  socket = new SluiceSocket(URL, [], { WebSocket: network.WebSocket, highWaterMark: MARK, ...options });
  drains = [];
  socket.ondrain = () => drains.push(socket.bufferedAmount);
}

async function connect(options: SluiceSocketOptions = {}): Promise<void> {
  dial(options);
  await network.run(10);
}

/** The server forgets everything, and the client learns of it; the next session does not come about yet. */
async function lose(): Promise<void> {
  network.restart();
  await untilLost();
}

async function untilLost(): Promise<void> {
  let isLost = false;
  socket.addEventListener("sessionlost", () => {
    isLost = true;
  });
  network.reach = "up";
  network.server.decide = () => {
    // Who is refused now dials at once.
    network.reach = "hung";
    return true;
  };
  for (let i = 0; i < 100 && !isLost; i++) await network.run(50);
  expect(isLost).toBe(true);
}

/** The next session comes about, and everything leaves. */
async function comeBack(): Promise<void> {
  network.reach = "up";
  network.server.decide = () => true;
  network.cut();
  await network.run(20_000);
}

/** What the server has got on the default channel. */
const got = () => network.server.ends.items.flatMap(({ messages }) => messages.map(([, data]) => data));

/** How a promise stands by now. */
async function standing(promise: Promise<unknown>): Promise<string> {
  let state = "pending";
  promise.then(
    () => {
      state = "resolved";
    },
    (error: { code?: string }) => {
      state = `rejected ${error.code}`;
    },
  );
  await network.settle();
  return state;
}

const bytes = (size: number) => new Uint8Array(size);

describe("SluiceSocket: messages that perish", () => {
  it("are dropped on time when they cannot leave, and the others are not", async () => {
    await connect();
    network.reach = "down";
    network.cut();
    const receipts = [socket.send("late", { ttl: 300 }), socket.send("stays"), socket.send("long", { ttl: 60_000 })];
    await network.run(290);
    expect(receipts.map(({ state }) => state)).toEqual(["queued", "queued", "queued"]);
    await network.run(20);
    expect(receipts.map(({ state }) => state)).toEqual(["expired", "queued", "queued"]);
    await expect(receipts[0]?.delivered).rejects.toEqual(failure("ERR_EXPIRED"));
    expect(socket.bufferedAmount).toBe("stayslong".length);
    network.reach = "up";
    await network.run(20_000);
    expect(got()).toEqual(["stays", "long"]);
  });

  it("are dropped before the first connection, too", async () => {
    network.reach = "hung";
    dial();
    const receipt = socket.send("late", { ttl: 100 });
    await network.run(110);
    expect(receipt.state).toBe("expired");
    network.reach = "up";
  });

  it("go on with their time from a lost session into the next, counted from `send`", async () => {
    await connect();
    network.reach = "down";
    network.restart();
    const sentAt = performance.now();
    const left = [socket.send("a", { ttl: 3000 }), socket.send("b", { ttl: 60_000 })];
    await untilLost();
    const waiting = [socket.send("c", { ttl: 500 }), socket.send("d")];
    await network.run(sentAt + 2990 - performance.now());
    expect([...left, ...waiting].map(({ state }) => state)).toEqual(["queued", "queued", "expired", "queued"]);
    await network.run(20);
    expect([...left, ...waiting].map(({ state }) => state)).toEqual(["expired", "queued", "expired", "queued"]);
    await comeBack();
    expect(got()).toEqual(["b", "d"]);
  });

  it("refuse a time or key that is none, open or closed", async () => {
    await connect();
    const channel = socket.channel("files");
    for (const end of [socket, channel]) {
      expect(() => end.send("a", { ttl: 0 })).toThrow(failure("ERR_USAGE_ARGUMENT"));
      expect(() => end.send("a", { key: "" })).toThrow(failure("ERR_USAGE_ARGUMENT"));
    }
    socket.close();
    await network.run(100);
    for (const end of [socket, channel]) {
      expect(() => end.send("a", { ttl: Number.NaN })).toThrow(failure("ERR_USAGE_ARGUMENT"));
      expect(end.send("a", { ttl: 1, key: "k" }).state).toBe("never-written");
    }
  });
});

describe("SluiceSocket: messages that take the place of others", () => {
  it("end the older one, and keep its position", async () => {
    await connect();
    const receipts = ["old", "between", "new"].map((data) => socket.send(data, data === "between" ? {} : { key: "k" }));
    expect(receipts.map(({ state }) => state)).toEqual(["cancelled", "queued", "queued"]);
    await expect(receipts[0]?.delivered).rejects.toEqual(failure("ERR_SUPERSEDED"));
    await network.run(50);
    expect(got()).toEqual(["new", "between"]);
  });

  it("do so between two sessions, and so does what the `open` handlers send", async () => {
    await connect();
    network.reach = "down";
    network.restart();
    socket.send("left", { key: "k" });
    socket.send("behind");
    await untilLost();
    const meanwhile = socket.send("meanwhile", { key: "k" });
    socket.addEventListener("open", () => {
      socket.send("first");
      socket.send("newest", { key: "k" });
    });
    await comeBack();
    expect(meanwhile.state).toBe("cancelled");
    expect(got()).toEqual(["first", "newest", "behind"]);
  });
});

describe("SluiceSocket: what may be buffered", () => {
  it("is bounded over all channels, and a refused `send` changes nothing", async () => {
    await connect({ maxBufferedAmount: 5000 });
    network.blocked = "down";
    const channel = socket.channel("files");
    socket.send(bytes(3000));
    channel.send(bytes(1500));
    expect(() => socket.send(bytes(501))).toThrow(failure("ERR_BUFFER_FULL"));
    expect(() => channel.send(bytes(501))).toThrow(expect.objectContaining({ retryable: true }));
    expect([socket.bufferedAmount, channel.bufferedAmount]).toEqual([3000, 1500]);
    channel.send(bytes(500));
    await network.run(50);
    // All of it has left; none of it is acknowledged.
    expect(() => socket.send("x")).toThrow(failure("ERR_BUFFER_FULL"));
    network.blocked = undefined;
    await network.run(50);
    expect(socket.bufferedAmount).toBe(0);
    expect(socket.send(bytes(5000)).state).toBe("queued");
    expect(() => socket.send(bytes(5001))).toThrow(failure("ERR_BUFFER_FULL"));
  });

  it("counts what waits for the next session, and gives it back when it is sent", async () => {
    await connect({ maxBufferedAmount: 1000 });
    await lose();
    socket.send(bytes(1000));
    expect(() => socket.send("x")).toThrow(failure("ERR_BUFFER_FULL"));
    await comeBack();
    expect([socket.bufferedAmount, socket.send(bytes(1000)).state]).toEqual([0, "queued"]);
  });

  it("does not count a Blob, which is not in memory", async () => {
    await connect({ maxBufferedAmount: 10 });
    const receipt = socket.send(new Blob([bytes(100_000)]));
    expect(socket.bufferedAmount).toBe(100_000);
    socket.send("0123456789");
    await network.run(200);
    expect(receipt.state).toBe("delivered");
  });
});

describe("SluiceSocket: the high-water mark", () => {
  it("shuts, drains once, and can be waited for", async () => {
    await connect();
    expect([socket.desiredSize, await standing(socket.ready)]).toEqual([MARK, "resolved"]);
    network.blocked = "down";
    for (let i = 0; i < 3; i++) socket.send(bytes(0.6 * MARK));
    const { ready } = socket;
    expect([socket.desiredSize, socket.ready === ready, await standing(ready)]).toEqual([-0.8 * MARK, true, "pending"]);
    network.blocked = undefined;
    await network.run(500);
    expect([await standing(ready), drains.length, socket.desiredSize]).toEqual(["resolved", 1, MARK]);
    // What is on its way is the affair of the window.
    expect(drains[0]).toBeGreaterThan(MARK);
    socket.send(bytes(MARK - 1));
    await network.run(500);
    expect(drains).toHaveLength(1);
    socket.send(bytes(MARK));
    await network.run(500);
    expect(drains).toHaveLength(2);
  });

  it("is one of each channel, and `ondrain` can be taken away", async () => {
    await connect();
    const channel = socket.channel("files");
    const seen: string[] = [];
    channel.ondrain = () => seen.push("attribute");
    channel.addEventListener("drain", () => seen.push("listener"));
    expect(channel.ondrain).not.toBeNull();
    channel.send(bytes(MARK));
    expect([channel.desiredSize, socket.desiredSize, await standing(socket.ready)]).toEqual([0, MARK, "resolved"]);
    await network.run(100);
    expect([seen, drains]).toEqual([["attribute", "listener"], []]);
    channel.ondrain = null;
    socket.ondrain = null;
    expect([channel.ondrain, socket.ondrain]).toEqual([null, null]);
    channel.send(bytes(MARK));
    await network.run(100);
    expect(seen).toEqual(["attribute", "listener", "listener"]);
  });

  it("holds across a cut", async () => {
    await connect();
    network.reach = "down";
    network.cut();
    socket.send(bytes(2 * MARK));
    const { ready } = socket;
    await network.run(1000);
    expect([await standing(ready), drains]).toEqual(["pending", []]);
    network.reach = "up";
    await network.run(20_000);
    expect([await standing(ready), drains.length]).toEqual(["resolved", 1]);
  });

  it("holds across a lost session, with what was never written", async () => {
    await connect();
    network.reach = "down";
    network.restart();
    socket.send(bytes(2 * MARK));
    const { ready } = socket;
    await untilLost();
    expect([await standing(ready), socket.desiredSize]).toEqual(["pending", -MARK]);
    await comeBack();
    expect([await standing(ready), drains.length]).toEqual(["resolved", 1]);
  });

  it("drains when what was above it is lost", async () => {
    await connect();
    network.blocked = "up";
    const receipt = socket.send(bytes(2 * MARK));
    await network.run(20);
    network.blocked = undefined;
    await lose();
    expect([receipt.state, drains, await standing(socket.ready)]).toEqual(["unknown", [0], "resolved"]);
    network.blocked = undefined;
    await comeBack();
  });

  it("drains when what waits for the next session is taken back, or perishes", async () => {
    await connect();
    await lose();
    socket.send(bytes(MARK)).cancel();
    await network.settle();
    expect(drains).toEqual([0]);
    socket.send(bytes(MARK), { ttl: 100 });
    await network.run(110);
    expect(drains).toEqual([0, 0]);
    await comeBack();
  });

  it("keeps nobody waiting behind the end", async () => {
    await connect();
    const channel = socket.channel("files");
    network.reach = "down";
    network.cut();
    for (const end of [socket, channel]) end.send(bytes(2 * MARK));
    const readies = [socket.ready, channel.ready];
    socket.close();
    await network.run(20_000);
    expect(socket.readyState).toBe(SluiceSocket.CLOSED);
    expect([await standing(readies[0] as Promise<void>), await standing(readies[1] as Promise<void>)]).toEqual([
      "resolved",
      "resolved",
    ]);
    expect([socket.desiredSize, channel.desiredSize, drains]).toEqual([0, 0, []]);
    expect([await standing(socket.ready), await standing(channel.ready)]).toEqual(["resolved", "resolved"]);
  });
});

describe("SluiceSocket: writable", () => {
  it("sends one message for each write, whatever it is, and waits above the mark", async () => {
    await connect();
    expect(socket.writable).toBe(socket.writable);
    const writer = socket.writable.getWriter();
    await writer.write("text");
    await writer.write(Uint8Array.of(1, 2, 3));
    network.blocked = "down";
    const write = writer.write(new Blob([bytes(2 * MARK)]));
    expect(await standing(write)).toBe("pending");
    network.blocked = undefined;
    await network.run(500);
    expect([await standing(write), got()]).toEqual(["resolved", ["text", 3, 2 * MARK]]);
    writer.releaseLock();
  });

  it("takes a pipe, never buffers much more than the mark, and closes the channel behind it", async () => {
    await connect();
    const channel = socket.channel("files", { priority: "low" });
    let most = 0;
    let left = 100;
    const source = new ReadableStream<Uint8Array>({
      pull(controller) {
        most = Math.max(most, channel.bufferedAmount - socket.stats().inFlightBytes);
        if (left === 0) controller.close();
        else controller.enqueue(bytes(0.3 * MARK));
        left -= 1;
      },
    });
    const pipe = source.pipeTo(channel.writable);
    await network.run(2000);
    expect([await standing(pipe), channel.state]).toEqual(["resolved", "closed"]);
    expect(got()).toEqual(Array.from({ length: 100 }, () => 0.3 * MARK));
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThan(1.3 * MARK);
  });

  it("goes on across a cut and a lost session", async () => {
    await connect();
    const writer = socket.writable.getWriter();
    network.reach = "down";
    network.cut();
    const first = writer.write(bytes(MARK));
    await network.run(500);
    expect(await standing(first)).toBe("pending");
    network.reach = "up";
    await network.run(20_000);
    expect(await standing(first)).toBe("resolved");
    await lose();
    const second = writer.write("again");
    await comeBack();
    expect([await standing(second), got()]).toEqual(["resolved", [MARK, "again"]]);
    writer.releaseLock();
  });

  it("waits for room where other channels have filled the buffer", async () => {
    await connect({ maxBufferedAmount: 2000 });
    network.blocked = "down";
    socket.send(bytes(1500));
    const writer = socket.channel("files").writable.getWriter();
    const write = writer.write(bytes(900));
    await network.run(50);
    expect(await standing(write)).toBe("pending");
    network.blocked = undefined;
    await network.run(100);
    expect([await standing(write), got()]).toEqual(["resolved", [1500, 900]]);
    await expect(writer.write(bytes(2001))).rejects.toEqual(failure("ERR_BUFFER_FULL"));
    await expect(writer.closed).rejects.toEqual(failure("ERR_BUFFER_FULL"));
  });

  it("closes the socket with 1000 when it is closed, behind everything", async () => {
    await connect();
    const end = new Promise<number>((resolve) => {
      socket.onclose = ({ code }) => resolve(code);
    });
    const writer = socket.writable.getWriter();
    void writer.write("last");
    const closed = writer.close();
    await network.run(100);
    expect([await standing(closed), await end, got()]).toEqual(["resolved", 1000, ["last"]]);
  });

  it("rejects on a closed socket, and breaks when the socket closes meanwhile", async () => {
    await connect();
    const channel = socket.channel("files");
    const writers = [socket, channel].map((end) => end.writable.getWriter());
    const codes: unknown[] = [];
    for (const { closed } of writers) closed.catch(({ code }) => codes.push(code));
    await network.settle();
    expect(codes).toEqual([]);
    socket.close();
    await network.run(100);
    expect(codes).toEqual(["ERR_NEVER_WRITTEN", "ERR_NEVER_WRITTEN"]);
    for (const writer of writers) expect(await standing(writer.write("a"))).toBe("rejected ERR_NEVER_WRITTEN");
  });

  it("takes back what has not left when it is aborted, and stays open to another stream", async () => {
    await connect();
    network.reach = "down";
    network.cut();
    const { writable } = socket;
    const writer = writable.getWriter();
    const write = writer.write(bytes(2 * MARK));
    await network.settle();
    const aborted = writer.abort(new Error("enough"));
    expect([await standing(write), await standing(aborted)]).toEqual(["rejected ERR_CANCELLED", "resolved"]);
    await expect(writer.closed).rejects.toThrow("enough");
    expect([socket.bufferedAmount, socket.readyState]).toEqual([0, SluiceSocket.OPEN]);
    expect(socket.writable).not.toBe(writable);
    network.reach = "up";
    await network.run(20_000);
    const next = socket.writable.getWriter();
    await next.write("next");
    await network.run(100);
    expect(got()).toEqual(["next"]);
    next.releaseLock();
  });
});
