import { once } from "node:events";
import { WritableStream } from "node:stream/web";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ServerChannel, ServerSocket } from "../../src/server/index.js";
import { captureUncaught, reactions } from "../support/event-loop.js";
import { Loopback } from "../support/loopback.js";
import { RawClient } from "../support/raw-client.js";

/** More than leaves before the first ack. */
const MARK = 10_000;

const failure = (code: string) => expect.objectContaining({ code });

let loopback: Loopback;
/** A client that acknowledges only when it is told to. */
let peer: RawClient;
let socket: ServerSocket;
let channel: ServerChannel;

beforeEach(async () => {
  loopback = await Loopback.start({ highWaterMark: MARK, maxBufferedAmount: 5 * MARK });
  await begin();
});

/** A session whose window has not grown yet. */
async function begin(): Promise<void> {
  peer = await new RawClient(loopback).established();
  socket = await loopback.connections.next();
  channel = socket.channel("files", { priority: "low" });
}

afterEach(async () => {
  socket.terminate();
  await loopback.stop();
});

const bytes = (size: number) => new Uint8Array(size);

async function park(): Promise<void> {
  const parked = once(socket, "park");
  await peer.cut();
  await parked;
}

async function terminate(): Promise<void> {
  // Unlike `once`, not rejected by the `error` that comes before.
  const closed = new Promise((resolve) => socket.on("close", resolve));
  socket.terminate();
  await closed;
}

/** The client acknowledges everything that is on its way, until nothing is buffered. */
async function acknowledge(): Promise<void> {
  while (socket.bufferedAmount + channel.bufferedAmount > 0) {
    peer.ack();
    await reactions();
  }
}

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
  await reactions();
  return state;
}

const endOf = (index: number) => ends()[index] as ReturnType<typeof ends>[number];

/** The socket itself, and one of its channels. */
const ends = () =>
  [socket, channel] as unknown as Pick<
    ServerChannel,
    "send" | "on" | "bufferedAmount" | "ready" | "desiredSize" | "writable"
  >[];

describe("FramedSocket: messages that perish, or are replaced", () => {
  it("expire on time while the session is parked, and what has left does not", async () => {
    const sent = socket.send("left", { ttl: 60 });
    await peer.next("chunk");
    await park();
    const receipts = ends().map((end) => end.send("late", { ttl: 70 }));
    for (const receipt of receipts) await expect(receipt.delivered).rejects.toEqual(failure("ERR_EXPIRED"));
    expect([sent.state, ...receipts.map(({ state }) => state)]).toEqual(["writing", "expired", "expired"]);
    expect(channel.bufferedAmount).toBe(0);
  });

  it("take the place of the older one of their key", async () => {
    await park();
    for (const end of ends()) {
      const old = end.send("old", { key: "k" });
      end.send("between");
      end.send("new", { key: "k" });
      await expect(old.delivered).rejects.toEqual(failure("ERR_SUPERSEDED"));
      expect(old.state).toBe("cancelled");
    }
    const back = await peer.resumed();
    const texts = [];
    for (let i = 0; i < 4; i++) texts.push(await back.nextText());
    expect(texts.sort()).toEqual(["between", "between", "new", "new"]);
  });

  it("refuse options that are none, open or closed", async () => {
    const check = () => {
      for (const end of ends()) {
        expect(() => end.send("a", { ttl: -1 })).toThrow(failure("ERR_USAGE_ARGUMENT"));
        expect(() => end.send("a", { key: "" })).toThrow(failure("ERR_USAGE_ARGUMENT"));
      }
    };
    check();
    await terminate();
    check();
  });
});

describe("FramedSocket: what may be buffered", () => {
  it("is bounded over all channels, and a refused `send` changes nothing", async () => {
    socket.send(bytes(3 * MARK));
    channel.send(bytes(1.5 * MARK));
    let calls = 0;
    const count = () => {
      calls += 1;
    };
    const refused = socket.send(bytes(MARK / 2 + 1), count);
    await expect(refused.written).rejects.toEqual(
      expect.objectContaining({ code: "ERR_BUFFER_FULL", retryable: true }),
    );
    expect(calls).toBe(1);
    expect([socket.bufferedAmount, channel.bufferedAmount, socket.stats().messagesSent]).toEqual([
      3 * MARK,
      1.5 * MARK,
      2,
    ]);
    await acknowledge();
    expect(socket.send(bytes(5 * MARK)).state).toBe("queued");
    expect(() => socket.send(bytes(5 * MARK + 1))).toThrow(failure("ERR_BUFFER_FULL"));
  });

  it("holds while the session is parked, and does not count Blobs", async () => {
    await park();
    socket.send(bytes(5 * MARK));
    await expect(socket.send("x", () => {}).written).rejects.toEqual(failure("ERR_BUFFER_FULL"));
    expect(channel.send(new Blob([bytes(50 * MARK)])).state).toBe("queued");
  });
});

describe("FramedSocket: the high-water mark", () => {
  it("shuts, drains once, and can be waited for", async () => {
    for (const which of [0, 1]) {
      await begin();
      const end = endOf(which);
      let drains = 0;
      end.on("drain", () => {
        drains += 1;
      });
      expect([end.desiredSize, await standing(end.ready)]).toEqual([MARK, "resolved"]);
      end.send(bytes(2 * MARK));
      const { ready } = end;
      expect([end.desiredSize, end.ready === ready, await standing(ready)]).toEqual([-MARK, true, "pending"]);
      await acknowledge();
      expect([end.desiredSize, drains, await standing(ready)]).toEqual([MARK, 1, "resolved"]);
      end.send(bytes(MARK - 1));
      await acknowledge();
      expect(drains).toBe(1);
    }
  });

  it("is that of the callbacks of `send`", async () => {
    let calls = 0;
    const count = () => {
      calls += 1;
    };
    socket.send(bytes(MARK), count);
    await peer.next("chunk");
    await reactions();
    expect(calls).toBe(1);
    socket.send(bytes(MARK), count);
    await reactions();
    expect(calls).toBe(1);
    await acknowledge();
    expect(calls).toBe(2);
  });

  it("goes by what has not left: what is on its way is the affair of the window", async () => {
    for (const which of [0, 1]) {
      await begin();
      const end = endOf(which);
      const drained = once(end as ServerChannel, "drain");
      end.send(bytes(MARK + 1000));
      const { ready } = end;
      expect(end.desiredSize).toBe(-1000);
      await Promise.all([ready, drained]);
      expect(end.bufferedAmount).toBe(MARK + 1000);
      expect(end.desiredSize).toBeGreaterThan(0);
      await acknowledge();
    }
  });

  it("counts what is on its way, too, near `maxBufferedAmount`", async () => {
    await loopback.stop();
    loopback = await Loopback.start({ highWaterMark: MARK, maxBufferedAmount: 4000 });
    await begin();
    socket.send(bytes(3001));
    await peer.next("chunk");
    await reactions();
    expect([socket.stats().queuedBytes, socket.desiredSize, await standing(socket.ready)]).toEqual([0, -1, "pending"]);
    peer.ack();
    await socket.ready;
  });

  it("holds while the session is parked", async () => {
    await park();
    socket.send(bytes(MARK));
    const drained = once(socket, "drain");
    expect(await standing(socket.ready)).toBe("pending");
    peer = await peer.resumed();
    await acknowledge();
    await drained;
    await socket.ready;
  });

  it("keeps nobody waiting behind the end", async () => {
    const readies = ends().map((end) => {
      end.on("drain", () => expect.unreachable());
      end.send(bytes(2 * MARK));
      return end.ready;
    });
    await reactions();
    await terminate();
    for (const ready of readies) await ready;
    for (const end of ends()) expect([end.desiredSize, await standing(end.ready)]).toEqual([0, "resolved"]);
  });

  it("goes on when a listener throws", async () => {
    const error = new Error("thrown by the application");
    const uncaught = await captureUncaught(async () => {
      for (const end of ends()) {
        end.on("drain", () => {
          throw error;
        });
        end.send(bytes(MARK));
      }
      await acknowledge();
    });
    expect(uncaught).toEqual([error, error]);
    expect(socket.readyState).toBe(1);
  });
});

describe("FramedSocket: writable", () => {
  it("sends one message for each write, and waits above the mark", async () => {
    for (const which of [0, 1]) {
      await begin();
      const end = endOf(which);
      expect(end.writable).toBeInstanceOf(WritableStream);
      expect(end.writable).toBe(end.writable);
      const writer = end.writable.getWriter();
      await writer.write("text");
      await writer.write(new Blob([bytes(10)]));
      const write = writer.write(bytes(2 * MARK));
      expect(await standing(write)).toBe("pending");
      await acknowledge();
      await write;
      writer.releaseLock();
    }
  });

  it("closes its channel, or the socket with 1000, behind everything", async () => {
    const writer = channel.writable.getWriter();
    await writer.write("a");
    const closed = writer.close();
    expect([await standing(closed), channel.state]).toEqual(["pending", "closing"]);
    await acknowledge();
    await closed;
    const end = socket.writable.close();
    await end;
    expect(socket.readyState).toBe(2);
    expect(await peer.next("close")).toMatchObject({ code: 1000 });
  });

  it("breaks when the socket closes meanwhile, and is broken afterwards", async () => {
    const codes: unknown[] = [];
    for (const end of ends()) end.writable.getWriter().closed.catch(({ code }) => codes.push(code));
    await reactions();
    expect(codes).toEqual([]);
    await terminate();
    await reactions();
    expect(codes).toEqual(["ERR_NEVER_WRITTEN", "ERR_NEVER_WRITTEN"]);
    for (const end of ends()) {
      expect(await standing(end.send("a").written)).toBe("rejected ERR_NEVER_WRITTEN");
    }
  });

  it("asked for on a closed socket only is broken from the start", async () => {
    await terminate();
    for (const end of ends()) {
      expect(await standing(end.writable.getWriter().closed)).toBe("rejected ERR_NEVER_WRITTEN");
    }
  });

  it("takes back what has not left when it is aborted, and leaves the channel open", async () => {
    await park();
    for (const end of ends()) {
      const { writable } = end;
      const writer = writable.getWriter();
      const write = writer.write(bytes(MARK));
      const refusal = expect(write).rejects.toEqual(failure("ERR_CANCELLED"));
      const broken = expect(writer.closed).rejects.toThrow("enough");
      await reactions();
      await writer.abort(new Error("enough"));
      await Promise.all([refusal, broken]);
      expect([end.bufferedAmount, end.send("next").state, end.writable === writable]).toEqual([0, "queued", false]);
    }
  });
});
