import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import net from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { createFaultProxy, type FaultConnection, HELD_BYTES_MAX } from "../../e2e/support/fault-proxy.mjs";

// Real sockets and no clock. That something does not arrive is shown by a witness: a connection through the same proxy,
// made later, whose bytes go to and fro meanwhile.

const READ_BYTES_MAX = 64 * 1024;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** One end of a connection, with all that has come to it. */
class End {
  bytesRead = 0;
  isEnded = false;
  isClosed = false;
  errorCode: string | undefined;
  readonly socket: net.Socket;
  #pieces: Buffer[] = [];
  #wake: (() => void)[] = [];

  constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on("data", (piece) => {
      this.#pieces.push(piece);
      this.bytesRead += piece.length;
    });
    socket.on("end", () => {
      this.isEnded = true;
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      this.errorCode = error.code;
    });
    socket.on("close", () => {
      this.isClosed = true;
    });
    for (const event of ["data", "end", "close"]) socket.on(event, () => this.#changed());
    cleanups.push(() => socket.destroy());
  }

  get bytes() {
    return Buffer.concat(this.#pieces);
  }

  get text() {
    return this.bytes.toString("latin1");
  }

  async until(condition: (end: End) => boolean): Promise<this> {
    while (!condition(this)) {
      if (this.isClosed) throw new Error(`closed (${this.errorCode}) after ${this.bytesRead} bytes`);
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
    return this;
  }

  closed(): Promise<this> {
    return this.until((end) => end.isClosed);
  }

  #changed() {
    for (const wake of this.#wake.splice(0)) wake();
  }
}

async function listen() {
  const server = net.createServer({ allowHalfOpen: true });
  const accepted: End[] = [];
  server.on("connection", (socket) => accepted.push(new End(socket)));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanups.push(() => server.close());
  return { server, accepted, port: (server.address() as net.AddressInfo).port };
}

function dial(port: number): End {
  return new End(net.connect({ port, host: "127.0.0.1", allowHalfOpen: true }));
}

async function setUp() {
  const target = await listen();
  const proxy = await createFaultProxy({ target: { port: target.port } });
  cleanups.push(() => proxy.close());
  /** A connection through the proxy that has carried a byte each way. */
  const connect = async () => {
    const index = target.accepted.length;
    const near = dial(proxy.port);
    near.socket.write("u");
    while (target.accepted[index] === undefined) await once(target.server, "connection");
    const far = await (target.accepted[index] as End).until((end) => end.text === "u");
    far.socket.write("d");
    await near.until((end) => end.text === "d");
    const carried = proxy.connections.at(-1) as FaultConnection;
    return { near, far, carried };
  };
  /** Lets pass what would pass. */
  const witness = async () => {
    const { near, far, carried } = await connect();
    for (let turn = 2; turn < 50; turn += 1) {
      near.socket.write("u");
      await far.until((end) => end.bytesRead === turn);
      far.socket.write("d");
      await near.until((end) => end.bytesRead === turn);
    }
    carried.reset();
    await Promise.all([near.closed(), far.closed()]);
  };
  return { target, proxy, connect, witness };
}

const turnOfTheLoop = () => new Promise((resolve) => setImmediate(resolve));

/** The kernel's buffers, too, are full when a value has not changed for many turns of the loop. */
async function still(value: () => number) {
  let before = value();
  for (let turns = 0; turns < 500; turns += 1) {
    await turnOfTheLoop();
    if (value() !== before) turns = 0;
    before = value();
  }
}

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

describe("a fault proxy without faults", () => {
  test("carries bytes intact both ways, ends each direction by itself, and counts", async () => {
    const { proxy, connect } = await setUp();
    const { near, far, carried } = await connect();
    expect(carried.id).toBe(1);
    const sent = randomBytes(3_000_001);
    near.socket.end(sent);
    await far.until((end) => end.isEnded);
    expect(sha256(far.bytes.subarray(1))).toBe(sha256(sent));
    far.socket.end(sent.subarray(0, 2_000_000));
    const closed = once(carried, "close");
    await near.closed();
    expect(sha256(near.bytes.subarray(1))).toBe(sha256(sent.subarray(0, 2_000_000)));
    await closed;
    expect(proxy.connections).toEqual([]);
    expect([carried.up.bytes, carried.down.bytes]).toEqual([3_000_002, 2_000_001]);
    expect(proxy.stats()).toEqual({ accepted: 1, refused: 0, hung: 0, cut: 0, reset: 0, frozen: 0 });
  });

  test("a receiver that does not read stops its sender", async () => {
    const { connect } = await setUp();
    const { near, far, carried } = await connect();
    far.socket.pause();
    near.socket.write(Buffer.alloc(64 * 1024 * 1024));
    await still(() => carried.up.bytes);
    expect(near.socket.writableLength).toBeGreaterThan(0);
    expect(carried.up.heldBytes).toBeLessThanOrEqual(READ_BYTES_MAX);
    far.socket.resume();
    await far.until((end) => end.bytesRead === 64 * 1024 * 1024 + 1);
  });

  test("either end's reset reaches the other", async () => {
    const { connect } = await setUp();
    const first = await connect();
    first.near.socket.resetAndDestroy();
    expect((await first.far.closed()).errorCode).toBe("ECONNRESET");
    const second = await connect();
    second.far.socket.resetAndDestroy();
    expect((await second.near.closed()).errorCode).toBe("ECONNRESET");
  });

  test("a target that refuses is a reset for the connecting side", async () => {
    const { target, proxy } = await setUp();
    target.server.close();
    await once(target.server, "close");
    expect((await dial(proxy.port).closed()).errorCode).toBe("ECONNRESET");
  });
});

describe("cut and reset", () => {
  test("a cut ends both sockets of every connection, without a reset; new ones work", async () => {
    const { proxy, connect } = await setUp();
    const connections = [await connect(), await connect()];
    const ends = connections.flatMap(({ near, far }) => [near, far]);
    proxy.cut();
    for (const end of ends) {
      await end.until(({ isEnded }) => isEnded);
      end.socket.end();
      expect((await end.closed()).errorCode).toBeUndefined();
    }
    expect(proxy.connections).toEqual([]);
    await connect();
    expect(proxy.stats()).toMatchObject({ accepted: 3, cut: 2, reset: 0 });
  });

  test("one connection is cut and the other lives", async () => {
    const { proxy, connect } = await setUp();
    const [first, second] = [await connect(), await connect()];
    first.carried.cut();
    first.carried.cut();
    await Promise.all([first.near.until((end) => end.isEnded), first.far.until((end) => end.isEnded)]);
    second.near.socket.write("still");
    await second.far.until((end) => end.text === "ustill");
    expect(proxy.stats().cut).toBe(1);
  });

  test("a reset is a reset for both ends", async () => {
    const { proxy, connect } = await setUp();
    const { near, far } = await connect();
    proxy.reset();
    for (const end of [near, far]) expect((await end.closed()).errorCode).toBe("ECONNRESET");
    expect(proxy.stats()).toMatchObject({ cut: 0, reset: 1 });
  });
});

describe("freeze and thaw", () => {
  test("a frozen connection carries neither bytes nor ends; thawed, it delivers all of it in order", async () => {
    const { proxy, connect, witness } = await setUp();
    const { near, far, carried } = await connect();
    proxy.freeze();
    near.socket.write("one ");
    near.socket.end("two");
    far.socket.end("three");
    await witness();
    expect([carried.up.heldBytes, carried.down.heldBytes]).toEqual([7, 5]);
    expect([far.text, near.text, far.isEnded, near.isEnded]).toEqual(["u", "d", false, false]);
    expect([carried.up.isFrozen, carried.down.isFrozen]).toEqual([true, true]);
    proxy.thaw();
    await Promise.all([near.closed(), far.closed()]);
    expect([far.text, near.text]).toEqual(["uone two", "dthree"]);
  });

  test("the connections that come after a freeze are not frozen", async () => {
    const { proxy, connect, witness } = await setUp();
    const { near, far } = await connect();
    proxy.freeze();
    await witness();
    near.socket.write("late");
    proxy.thaw();
    await far.until((end) => end.text === "ulate");
  });

  test.each(["up", "down"] as const)("frozen %s only, the other direction goes on", async (direction) => {
    const { connect, witness } = await setUp();
    const { near, far, carried } = await connect();
    const [frozenFrom, frozenTo] = direction === "up" ? [near, far] : [far, near];
    carried.freeze(direction);
    frozenFrom.socket.write("held");
    frozenTo.socket.write("passes");
    await frozenFrom.until((end) => end.text.endsWith("passes"));
    await witness();
    expect(frozenTo.text).toHaveLength(1);
    carried.thaw(direction);
    await frozenTo.until((end) => end.text.endsWith("held"));
  });

  test("a frozen sender is made to wait, what is held stays small, and nothing of it is lost", async () => {
    const { connect } = await setUp();
    const { near, far, carried } = await connect();
    carried.freeze();
    const sent = randomBytes(48 * 1024 * 1024);
    near.socket.end(sent);
    await still(() => near.socket.writableLength);
    expect(near.socket.writableLength).toBeGreaterThan(0);
    expect(carried.up.heldBytes).toBeGreaterThanOrEqual(HELD_BYTES_MAX);
    expect(carried.up.heldBytes).toBeLessThanOrEqual(HELD_BYTES_MAX + READ_BYTES_MAX);
    expect(far.text).toBe("u");
    carried.thaw();
    await far.until((end) => end.isEnded);
    expect(sha256(far.bytes.subarray(1))).toBe(sha256(sent));
  });

  test("what a client left behind before it ended comes back with the thaw, and then its end", async () => {
    const { proxy, connect, witness } = await setUp();
    const { near, far } = await connect();
    proxy.freeze();
    near.socket.end("old ");
    await witness();
    expect(far.text).toBe("u");
    proxy.thaw();
    await far.until((end) => end.isEnded);
    expect(far.text).toBe("uold ");
  });

  test("what a client left behind before its reset comes back with the thaw, and then an end", async () => {
    const { connect, witness } = await setUp();
    const { near, far, carried } = await connect();
    carried.freeze();
    near.socket.write("o");
    while (carried.up.heldBytes < 1) await turnOfTheLoop();
    near.socket.write("ld");
    while (carried.up.heldBytes < 3) await turnOfTheLoop();
    near.socket.resetAndDestroy();
    await witness();
    expect([far.text, far.isClosed]).toEqual(["u", false]);
    const closed = once(carried, "close");
    carried.thaw("up");
    await closed;
    await far.until((end) => end.isEnded);
    expect(far.text).toBe("uold");
  });

  test("a target that went away meanwhile is found out with the thaw", async () => {
    const { connect, witness } = await setUp();
    const { near, far, carried } = await connect();
    carried.freeze();
    near.socket.write("into the void");
    far.socket.resetAndDestroy();
    await witness();
    expect(near.isClosed).toBe(false);
    const closed = once(carried, "close");
    carried.thaw();
    expect((await near.closed()).errorCode).toBe("ECONNRESET");
    await closed;
  });

  test("frozen connections can be cut and reset", async () => {
    const { connect } = await setUp();
    const [first, second] = [await connect(), await connect()];
    for (const { near, carried } of [first, second]) {
      carried.freeze();
      near.socket.write("gone");
    }
    first.carried.cut();
    second.carried.reset();
    await first.far.until((end) => end.isEnded);
    expect(first.far.text).toBe("u");
    expect((await second.far.closed()).errorCode).toBe("ECONNRESET");
  });
});

test("a reset right behind an end leaves no socket open", async () => {
  const { connect, witness } = await setUp();
  const { near, far, carried } = await connect();
  carried.freeze();
  near.socket.end();
  await witness();
  const closed = once(carried, "close");
  carried.thaw();
  carried.reset();
  await closed;
  for (const end of [near, far]) await end.until(({ isEnded, isClosed }) => isEnded || isClosed);
});

describe("cutAfter", () => {
  test.each([1, 1000, 100_000, 3_000_000])("lets exactly %i bytes of an upload pass", async (bytes) => {
    const { connect, proxy } = await setUp();
    const { near, far, carried } = await connect();
    carried.cutAfter(bytes, "up");
    const sent = randomBytes(3_000_000);
    near.socket.write(sent);
    await far.until((end) => end.isEnded || end.isClosed);
    expect(far.bytesRead).toBe(bytes + 1);
    expect(sha256(far.bytes.subarray(1))).toBe(sha256(sent.subarray(0, bytes)));
    expect(carried.up.bytes).toBe(bytes + 1);
    await near.until((end) => end.isEnded || end.isClosed);
    expect(proxy.stats().cut).toBe(1);
  });

  test("counts the bytes down, of every connection by itself", async () => {
    const { connect, proxy } = await setUp();
    const [first, second] = [await connect(), await connect()];
    proxy.cutAfter(5, "down");
    first.far.socket.write("abcd");
    second.far.socket.write("abcdefgh");
    await second.near.until((end) => end.isEnded || end.isClosed);
    expect(second.near.text).toBe("dabcde");
    await first.near.until((end) => end.text === "dabcd");
    first.far.socket.write("ef");
    await first.near.until((end) => end.isEnded || end.isClosed);
    expect(first.near.text).toBe("dabcde");
  });

  test("set before the first byte, it cuts in the middle of a handshake", async () => {
    const { target, proxy } = await setUp();
    proxy.once("connection", (connection) => connection.cutAfter(9, "up"));
    const near = dial(proxy.port);
    near.socket.write("GET /chat HTTP/1.1");
    await once(target.server, "connection");
    const far = target.accepted[0] as End;
    await far.until((end) => end.isEnded || end.isClosed);
    expect(far.text).toBe("GET /chat");
    await near.until((end) => end.isEnded || end.isClosed);
  });

  test("after no bytes is at once", async () => {
    const { connect, proxy } = await setUp();
    const { near } = await connect();
    proxy.cutAfter(0, "down");
    await near.until((end) => end.isEnded);
  });
});

describe("new connections", () => {
  test("are reset while refused, and nobody else is concerned", async () => {
    const { connect, proxy, target } = await setUp();
    const { near, far } = await connect();
    proxy.refuse(true);
    expect((await dial(proxy.port).closed()).errorCode).toBe("ECONNRESET");
    near.socket.write("!");
    await far.until((end) => end.text === "u!");
    expect([proxy.connections.length, target.accepted.length]).toEqual([1, 1]);
    proxy.refuse(false);
    await connect();
    expect(proxy.stats()).toMatchObject({ accepted: 3, refused: 1 });
  });

  test("hang without the target knowing, until they are thawed", async () => {
    const { connect, proxy, target, witness } = await setUp();
    proxy.hang(true);
    const near = dial(proxy.port);
    near.socket.write("hello?");
    const [hung] = await once(proxy, "connection");
    proxy.hang(false);
    await witness();
    await connect();
    expect(target.accepted.map((end) => end.text).filter((text) => text.startsWith("h"))).toEqual([]);
    const dialled = once(target.server, "connection");
    hung.thaw();
    await dialled;
    const far = target.accepted.at(-1) as End;
    await far.until((end) => end.text === "hello?");
    far.socket.write("yes");
    await near.until((end) => end.text === "yes");
    expect(proxy.stats()).toMatchObject({ hung: 1, frozen: 0 });
  });

  test("go to the new target after a retarget, while the old ones stay where they are", async () => {
    const { connect, proxy } = await setUp();
    const { near, far } = await connect();
    const other = await listen();
    proxy.retarget(other.port);
    dial(proxy.port).socket.write("new");
    await once(other.server, "connection");
    await (other.accepted[0] as End).until((end) => end.text === "new");
    near.socket.write("!");
    await far.until((end) => end.text === "u!");
  });
});

test("closing ends every connection, frozen and hung ones too, and takes no more", async () => {
  const { connect, proxy } = await setUp();
  const { near, far, carried } = await connect();
  carried.freeze();
  proxy.hang(true);
  const hung = dial(proxy.port);
  await once(proxy, "connection");
  const { port } = proxy;
  await proxy.close();
  for (const end of [near, far, hung]) await end.until(({ isEnded, isClosed }) => isEnded || isClosed);
  expect(proxy.connections).toEqual([]);
  expect((await dial(port).closed()).errorCode).toBe("ECONNREFUSED");
});
