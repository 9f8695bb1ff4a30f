import { once } from "node:events";
import { ReadableStream } from "node:stream/web";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { WebSocket } from "ws";
import type { ServerSocket } from "../../src/server/index.js";
import { reactions } from "../support/event-loop.js";
import { Inbox } from "../support/inbox.js";
import { Loopback } from "../support/loopback.js";

const failure = (code: string) => expect.objectContaining({ code });

let loopback: Loopback;
let client: WebSocket;
let socket: ServerSocket;
let inbox: Inbox<string>;

beforeEach(async () => {
  loopback = await Loopback.start({ maxPayload: 1000, limits: { closeTimeoutMs: 400 } });
  client = loopback.webSocket();
  inbox = new Inbox();
  client.on("message", (data, isBinary) => inbox.push(`${data}${isBinary ? " binary" : ""}`));
  await once(client, "open");
  socket = await loopback.connections.next();
});

afterEach(() => loopback.stop());

/** A stream that gives what the test tells it to. */
function told() {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const seen = { cancelled: undefined as unknown };
  const stream = new ReadableStream<Uint8Array>({
    start: (given) => {
      controller = given as never;
    },
    cancel: (reason) => {
      seen.cancelled = reason;
    },
  });
  const give = (text: string) => controller?.enqueue(Buffer.from(text));
  return { stream, seen, give, end: () => controller?.close(), fail: (error: Error) => controller?.error(error) };
}

describe("PlainOutflow: streams", () => {
  it("are one message, and what is sent behind them waits", async () => {
    const { stream, give, end } = told();
    const receipt = socket.send(stream);
    const behind = [socket.send("1"), socket.send(new Blob(["22"]))];
    expect(socket.bufferedAmount).toBe(3);
    give("so");
    await reactions();
    give(" long");
    expect([receipt.state, behind[0]?.state, inbox.items]).toEqual(["queued", "queued", []]);
    end();
    expect(await inbox.take(3)).toEqual(["so long binary", "1", "22 binary"]);
    await Promise.all([receipt, ...behind].map(({ written }) => written));
    await expect(receipt.delivered).rejects.toEqual(failure("ERR_NO_ACK"));
    expect(socket.stats()).toMatchObject({ messagesSent: 3, bytesSent: 10, queuedBytes: 0 });
  });

  it.each<[string, string, (stream: ReturnType<typeof told>) => void]>([
    ["ERR_MESSAGE_TOO_LARGE", "is over the limit", ({ give }) => give("x".repeat(1001))],
    ["ERR_SOURCE_FAILED", "fails", ({ fail }) => fail(new Error("gone"))],
  ])("end with %s when one %s, and nothing else does", async (code, _, spoil) => {
    const source = told();
    const called = new Promise((resolve) => {
      const receipt = socket.send(source.stream, resolve);
      receipt.delivered.catch(() => {});
    });
    socket.send("behind");
    spoil(source);
    expect(await called).toEqual(failure(code));
    expect(await inbox.next()).toBe("behind");
  });

  it("can be taken back while they are read, and so can what waits", async () => {
    const source = told();
    const [receipt, behind] = [socket.send(source.stream), socket.send("behind")];
    socket.send("last");
    await reactions();
    expect([receipt.cancel(), behind.cancel(), behind.cancel()]).toEqual([true, true, false]);
    expect(source.seen.cancelled).toEqual(failure("ERR_CANCELLED"));
    expect(await inbox.next()).toBe("last");
    expect([receipt.state, behind.state]).toEqual(["cancelled", "cancelled"]);
  });

  it("leave before the close that came behind them", async () => {
    const { stream, give, end } = told();
    socket.send(stream);
    socket.close(4000, "bye");
    expect(socket.readyState).toBe(2);
    expect(socket.send("late").state).toBe("never-written");
    const closed = once(client, "close");
    give("last");
    end();
    expect(await inbox.next()).toBe("last binary");
    expect((await closed)[0]).toBe(4000);
  });

  it("hold up a close for as long as they move, and not longer than the close timeout when they do not", async () => {
    const source = told();
    const receipt = socket.send(source.stream);
    const closed = once(client, "close");
    const timers = vi.spyOn(globalThis, "setTimeout");
    socket.close(4000, "bye");
    source.give("a piece");
    await reactions();
    const waits = timers.mock.calls.filter(([, delayMs]) => delayMs === 400);
    expect(waits.length).toBe(2);
    timers.mockRestore();
    expect((await closed)[0]).toBe(4000);
    expect([receipt.state, source.seen.cancelled]).toEqual(["never-written", failure("ERR_NEVER_WRITTEN")]);
    expect(inbox.items).toEqual([]);
  });

  it("end with the connection", async () => {
    const { stream, seen } = told();
    const [receipt, behind] = [socket.send(stream), socket.send("behind")];
    const closed = once(socket, "close");
    client.terminate();
    await closed;
    expect([receipt.state, behind.state]).toEqual(["never-written", "never-written"]);
    await reactions();
    expect(seen.cancelled).toBeInstanceOf(Error);
    expect(socket.bufferedAmount).toBe(0);
  });
});
