import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import net from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { createLink, UNCONTROLLED } from "../../tools/link-emulator.mjs";

// Real sockets, but nothing here waits for a clock: the lines are unlimited or stand still. Times are the model's
// business (link-model.test.ts).

const UNLIMITED = { rateBitsPerSecond: Number.POSITIVE_INFINITY, roundTripTimeMs: 0 };

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function listen(handler: (socket: net.Socket) => void): Promise<number> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    handler(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as net.AddressInfo).port;
}

async function link(port: number, options: Partial<Parameters<typeof createLink>[0]> = {}) {
  const created = await createLink({ target: { port }, ...UNLIMITED, ...options });
  cleanups.push(() => created.close());
  return created;
}

function dial(port: number): net.Socket {
  const socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  socket.on("error", () => {});
  cleanups.push(() => socket.destroy());
  return socket;
}

/** Everything up to the end of the stream; unlike `for await`, it leaves the writing half open. */
function readAll(socket: net.Socket): Promise<Buffer> {
  const pieces: Buffer[] = [];
  socket.on("data", (piece) => pieces.push(piece));
  return new Promise((resolve, reject) => {
    socket.once("end", () => resolve(Buffer.concat(pieces)));
    socket.once("close", () => reject(new Error("closed before its end")));
  });
}

/** Unlike `once(socket, "close")`, it takes an error for an ending. */
function closed(socket: net.Socket): Promise<boolean> {
  return new Promise((resolve) => socket.once("close", resolve));
}

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

describe("a link", () => {
  test("carries bytes intact both ways and ends each direction by itself", async () => {
    const port = await listen(async (socket) => {
      const received = await readAll(socket);
      socket.end(sha256(received).repeat(1000));
    });
    const { port: linkPort, stats } = await link(port, { queueBytes: 4096 });
    const client = dial(linkPort);
    const sent = randomBytes(1_000_003);
    client.end(sent);
    const answer = (await readAll(client)).toString();
    expect(answer.length).toBe(64_000);
    expect(answer === sha256(sent).repeat(1000)).toBe(true);
    expect(stats().up.bytes).toBe(sent.length);
    expect(stats().down.bytes).toBe(64_000);
  });

  test("lets the server speak first", async () => {
    const port = await listen((socket) => socket.end("hello"));
    const { port: linkPort } = await link(port);
    expect((await readAll(dial(linkPort))).toString()).toBe("hello");
  });

  test("a full queue makes the sender wait; moving again, everything arrives", async () => {
    let received = 0;
    const total = 32 * 1024 * 1024;
    let finish: () => void = () => {};
    const finished = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const port = await listen((socket) => {
      socket.on("data", (piece) => {
        received += piece.length;
        if (received === total) finish();
      });
    });
    const created = await link(port, { queueBytes: 10_000 });
    const client = dial(created.port);
    client.write("x");
    await once(client, "connect");
    created.set({ rateBitsPerSecond: 0 });
    expect(client.write(Buffer.alloc(total - 1))).toBe(false);
    // Far more than the kernel swallows, so that the write cannot finish: the first thing to happen is a full queue.
    while (created.stats().up.queuedBytes < 10_000) await new Promise((resolve) => setImmediate(resolve));
    expect(created.stats().up.queuedBytes).toBe(10_000);
    expect(client.writableLength).toBeGreaterThan(0);
    created.set({ rateBitsPerSecond: Number.POSITIVE_INFINITY });
    await finished;
    expect(created.stats().up).toMatchObject({ queuedBytes: 0, flyingBytes: 0, bytes: total });
  });

  test("a receiver that does not read stops its sender, not the other connections", async () => {
    const port = await listen((socket) => {
      socket.on("data", (piece) => {
        const isForStuck = piece[0] === "p".charCodeAt(0);
        if (isForStuck) socket.pause();
        else socket.write(piece);
      });
    });
    const created = await link(port, { queueBytes: 10_000 });
    const stuck = dial(created.port);
    stuck.write(Buffer.alloc(64 * 1024 * 1024, "p"));
    const other = dial(created.port);
    // Without the stop, 64 MB would be swallowed within some hundred turns.
    for (let turn = 0; turn < 3000; turn += 1) {
      other.write("q");
      await once(other, "data");
      if (stuck.writableLength === 0) break;
    }
    expect(stuck.writableLength).toBeGreaterThan(0);
  });

  test("a cut resets both ends of every connection, and new ones work", async () => {
    const far: net.Socket[] = [];
    const port = await listen((socket) => {
      far.push(socket);
      socket.write("up");
    });
    const created = await link(port);
    const clients = [dial(created.port), dial(created.port)];
    await Promise.all(clients.map((client) => once(client, "data")));
    expect(created.stats().connections).toBe(2);
    const endings = [...clients, ...far].map(closed);
    for (const socket of far) socket.resume();
    created.cut();
    await Promise.all(endings);
    expect(created.stats().connections).toBe(0);
    const next = dial(created.port);
    await once(next, "data");
    expect(created.stats().connections).toBe(1);
  });

  test("either end's death reaches the other", async () => {
    const far: net.Socket[] = [];
    const port = await listen((socket) => {
      far.push(socket);
      socket.on("data", () => {});
      socket.write("up");
    });
    const created = await link(port);
    const first = dial(created.port);
    await once(first, "data");
    const farClosed = closed(far[0] as net.Socket);
    first.resetAndDestroy();
    await farClosed;
    const second = dial(created.port);
    await once(second, "data");
    const nearClosed = closed(second);
    (far[1] as net.Socket).resetAndDestroy();
    await nearClosed;
  });

  test("a target that refuses is a reset for the connecting side", async () => {
    const probe = net.createServer().listen(0, "127.0.0.1");
    await once(probe, "listening");
    const { port } = probe.address() as net.AddressInfo;
    probe.close();
    await once(probe, "close");
    const created = await link(port);
    const client = dial(created.port);
    expect(await closed(client)).toBe(true);
  });

  test("carries a socket that somebody else accepted, after the bytes already read from it", async () => {
    const port = await listen(async (socket) => {
      socket.end(`got ${await readAll(socket)}`);
    });
    const created = await link(port);
    const front = await listen((socket) => {
      socket.once("data", (head) => {
        socket.pause();
        socket.removeAllListeners("data");
        created.carry(socket, Buffer.concat([Buffer.from("before "), head]));
      });
    });
    const client = dial(front);
    client.end("first");
    expect((await readAll(client)).toString()).toBe("got before first");
  });

  test("rates, round trips and queues that make no sense are refused", async () => {
    for (const options of [{ rateBitsPerSecond: -1 }, { roundTripTimeMs: -1 }, { queueBytes: 0 }]) {
      await expect(createLink({ target: { port: 1 }, ...UNLIMITED, ...options })).rejects.toThrow(RangeError);
    }
  });

  test("directions can differ", async () => {
    const port = await listen((socket) => {
      socket.on("data", () => socket.write("answer"));
    });
    const created = await link(port);
    created.set({ rateBitsPerSecond: { up: Number.POSITIVE_INFINITY, down: 0 } });
    const client = dial(created.port);
    client.write("question");
    while (created.stats().down.queuedBytes === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(created.stats().up.bytes).toBe(8);
    expect(created.stats().down).toMatchObject({ bytes: 0, queuedBytes: 6 });
  });

  test("says what it cannot control", () => {
    expect(UNCONTROLLED.join(" ")).toMatch(/kernel.*loss.*timer/is);
  });
});
