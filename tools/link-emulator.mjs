#!/usr/bin/env node
// @ts-check
/**
 * A TCP relay that behaves like a slow line, in user space and without root: one rate and one queue per direction,
 * shared by every connection that goes through it, and half the round trip time of delay each way.
 *
 *   const link = await createLink({ target: { host: "127.0.0.1", port }, rateBitsPerSecond: 10e6, roundTripTimeMs: 40 });
 *   // connect to 127.0.0.1:link.port instead of the target
 *
 * What it models: the serialisation time of every byte, the delay, a queue that makes the sender wait when it is
 * full (instead of dropping, as TCP would end up waiting too), the round trip of opening a connection, fair shares
 * between connections. What it cannot: see `UNCONTROLLED`. The arithmetic is in `link-model.mjs`; this file holds
 * the sockets and the timer.
 */
import { realpathSync } from "node:fs";
import net from "node:net";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";
import { Line } from "./link-model.mjs";
import { resetSocket } from "./reset-socket.mjs";

/** What a number measured through this emulator does not contain. Print it beside the numbers. */
export const UNCONTROLLED = [
  "The kernel's loopback buffers in front of the emulated queue: up to 2.6 MB per connection that a sender can get rid of before it notices a full line.",
  "Packets: there are no losses, no retransmissions, no TCP slow start and no header bytes; the rate is that of TCP payload.",
  "Timers: Node wakes up to about 1 ms late in each direction (not accumulating, see the lateness in the statistics).",
];

const DEFAULT_QUEUE_BYTES = 256 * 1024;
/** Pieces in which connections share the line: an Ethernet packet's worth. */
const PIECE_BYTES = 1500;

/**
 * @typedef {number | { up: number, down: number }} PerDirection up: from the connecting side to the target
 *
 * @typedef {object} LinkChanges
 * @property {PerDirection} [rateBitsPerSecond] Infinity: unlimited; 0: the line stands still
 * @property {number} [roundTripTimeMs] half of it each way
 * @property {PerDirection} [queueBytes] what each direction's queue holds before the sender has to wait
 *
 * @typedef {object} LinkOptions
 * @property {{ host?: string, port: number }} target
 * @property {PerDirection} rateBitsPerSecond
 * @property {number} roundTripTimeMs
 * @property {PerDirection} [queueBytes] default 256 KiB
 * @property {number} [port] to listen on, default: any free one
 * @property {string} [host] to listen on, default 127.0.0.1
 *
 * @typedef {object} DirectionStats
 * @property {number} bytes delivered so far
 * @property {number} queuedBytes waiting in the emulated queue now
 * @property {number} flyingBytes on the emulated wire now
 * @property {{ mean: number, max: number }} latenessMs how late the timer delivered what it delivered
 *
 * @typedef {{ connections: number, up: DirectionStats, down: DirectionStats }} LinkStats
 *
 * @typedef {object} Link
 * @property {number} port
 * @property {(changes: LinkChanges) => void} set changes the line while it runs
 * @property {() => void} cut resets every connection and forgets what was under way; new connections work
 * @property {(socket: import("node:stream").Duplex, firstBytes?: Uint8Array) => void} carry
 *   takes a socket that was accepted elsewhere through this line, after the bytes already read from it
 * @property {() => LinkStats} stats
 * @property {() => Promise<void>} close
 */

/**
 * @param {LinkOptions} options
 * @returns {Promise<Link>}
 */
export async function createLink(options) {
  const relay = new Relay(options);
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => relay.carry(socket));
  await /** @type {Promise<void>} */ (
    new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen(options.port ?? 0, options.host ?? "127.0.0.1", () => {
        server.off("error", reject);
        resolve();
      });
    })
  );
  const address = /** @type {net.AddressInfo} */ (server.address());
  return {
    port: address.port,
    set: (changes) => relay.set(changes),
    cut: () => relay.cut(),
    carry: (socket, firstBytes) => relay.carry(/** @type {net.Socket} */ (socket), firstBytes),
    stats: () => relay.stats(),
    close: async () => {
      relay.cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/**
 * What travels: bytes, or a marker that keeps its place behind them.
 * @typedef {{ to: Half, kind: "bytes", bytes: Uint8Array } | { to: Half, kind: "connect" | "connected" | "end" | "reset" }} Item
 */

/** Both lines, everything that goes through them, and the one timer. */
class Relay {
  /** @type {{ host: string, port: number }} */
  #target;
  /** @type {Record<"up" | "down", Direction>} */
  #directions;
  /** @type {Set<Half>} the connecting side of every connection */
  #connections = new Set();
  /** @type {NodeJS.Timeout | undefined} */
  #timer;

  /** @param {LinkOptions} options */
  constructor(options) {
    this.#target = { host: options.target.host ?? "127.0.0.1", port: options.target.port };
    const settings = lineSettings({ queueBytes: DEFAULT_QUEUE_BYTES, ...options });
    this.#directions = { up: new Direction(settings.up), down: new Direction(settings.down) };
  }

  /** @param {LinkChanges} changes */
  set(changes) {
    const now = performance.now();
    const settings = lineSettings(changes);
    this.#directions.up.line.set(settings.up, now);
    this.#directions.down.line.set(settings.down, now);
    this.#pump();
  }

  cut() {
    for (const near of [...this.#connections]) {
      near.reset();
      near.peer?.reset();
    }
    for (const direction of this.#each()) direction.clear();
    this.#connections.clear();
    this.#pump();
  }

  /** @returns {LinkStats} */
  stats() {
    const now = performance.now();
    const { up, down } = this.#directions;
    return { connections: this.#connections.size, up: up.stats(now), down: down.stats(now) };
  }

  /**
   * @param {net.Socket} socket
   * @param {Uint8Array} [firstBytes]
   */
  carry(socket, firstBytes) {
    const near = new Half(socket, this.#directions.up, () => this.#pump());
    if (firstBytes !== undefined && firstBytes.length > 0) socket.unshift(firstBytes);
    this.#connections.add(near);
    socket.once("close", () => this.#connections.delete(near));
    // Opening costs what it costs on a line: this marker is the SYN, "connected" the answer, both wait their turn.
    this.#directions.up.push({ to: near, kind: "connect" }, performance.now());
    this.#pump();
  }

  /** @param {Half} near */
  #connect(near) {
    if (near.isGone) return;
    const socket = net.connect({ ...this.#target, allowHalfOpen: true, noDelay: true });
    const far = new Half(socket, this.#directions.down, () => this.#pump());
    near.peer = far;
    far.peer = near;
    socket.once("connect", () => {
      this.#directions.down.push({ to: near, kind: "connected" }, performance.now());
      far.start();
      this.#pump();
    });
  }

  /** Delivers what has arrived, lets in what fits, and sets the timer for the next of either. */
  #pump() {
    /** @type {Set<Half>} */
    const written = new Set();
    for (let progress = true; progress; ) {
      progress = false;
      const now = performance.now();
      for (const direction of this.#each()) {
        for (let item = direction.poll(now); item !== undefined; item = direction.poll(now)) {
          this.#deliver(item, written);
          progress = true;
        }
        if (direction.admit(now)) progress = true;
      }
    }
    for (const half of written) half.flush();
    this.#arm();
  }

  /**
   * @param {Item} item
   * @param {Set<Half>} written
   */
  #deliver(item, written) {
    if (item.kind === "bytes") {
      item.to.write(item.bytes);
      written.add(item.to);
    } else if (item.kind === "connect") {
      this.#connect(item.to);
    } else if (item.kind === "connected") {
      item.to.start();
    } else if (item.kind === "end") {
      item.to.end();
    } else {
      item.to.reset();
    }
  }

  #arm() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    let deadline = Number.POSITIVE_INFINITY;
    for (const direction of this.#each()) deadline = Math.min(deadline, direction.nextDeadline());
    if (deadline === Number.POSITIVE_INFINITY) return;
    this.#timer = setTimeout(() => this.#pump(), Math.max(0, deadline - performance.now()));
  }

  #each() {
    return [this.#directions.up, this.#directions.down];
  }
}

/** A line, and the sockets that want to put bytes into it. */
class Direction {
  /** @type {Line<Item>} */
  line;
  /** @type {Set<Half>} in the order in which they are served */
  #sources = new Set();
  #bytes = 0;
  #deliveries = 0;
  #latenessSumMs = 0;
  #latenessMaxMs = 0;

  /** @param {import("./link-model.mjs").LineSettings} settings */
  constructor(settings) {
    this.line = new Line(settings);
  }

  /** @param {Half} source */
  add(source) {
    this.#sources.add(source);
  }

  /** @param {Half} source */
  delete(source) {
    this.#sources.delete(source);
  }

  clear() {
    this.line.clear();
    this.#sources.clear();
  }

  /**
   * @param {Item} item
   * @param {number} now
   */
  push(item, now) {
    this.line.push(item, item.kind === "bytes" ? item.bytes.length : 0, now);
  }

  /** @param {number} now */
  poll(now) {
    const flown = this.line.poll(now);
    if (flown === undefined) return undefined;
    const lateMs = now - flown.arrivesAt;
    this.#bytes += flown.bytes;
    this.#deliveries += 1;
    this.#latenessSumMs += lateMs;
    this.#latenessMaxMs = Math.max(this.#latenessMaxMs, lateMs);
    return flown.item;
  }

  /**
   * Takes a piece from each source in turn while the queue has room.
   * @param {number} now
   * @returns {boolean} whether anything was taken
   */
  admit(now) {
    let taken = false;
    // A source that was served goes to the end of the set, where this very loop meets it again: turns, until the
    // queue is full or nobody has anything.
    for (const source of this.#sources) {
      const room = this.line.roomBytes(now);
      if (room === 0) break;
      const bytes = source.read(Math.min(room, PIECE_BYTES));
      if (bytes === undefined || source.peer === undefined) continue;
      this.push({ to: source.peer, kind: "bytes", bytes }, now);
      this.#sources.delete(source);
      this.#sources.add(source);
      taken = true;
    }
    return taken;
  }

  nextDeadline() {
    const arrival = this.line.nextArrivalAt() ?? Number.POSITIVE_INFINITY;
    // Room is of interest only to somebody who waits for it.
    const blocked = [...this.#sources].some((source) => source.hasBytes);
    return blocked ? Math.min(arrival, this.line.nextDepartureAt() ?? Number.POSITIVE_INFINITY) : arrival;
  }

  /**
   * @param {number} now
   * @returns {DirectionStats}
   */
  stats(now) {
    this.line.roomBytes(now);
    return {
      bytes: this.#bytes,
      queuedBytes: this.line.queuedBytes,
      flyingBytes: this.line.flyingBytes,
      latenessMs: {
        mean: this.#deliveries === 0 ? 0 : this.#latenessSumMs / this.#deliveries,
        max: this.#latenessMaxMs,
      },
    };
  }
}

/** One socket of a connection: a source for the line that leads away from it, the sink of the other line. */
class Half {
  /** @type {Half | undefined} */
  peer;
  #socket;
  #direction;
  #wake;
  #ended = false;

  /**
   * @param {net.Socket} socket
   * @param {Direction} direction that carries what this socket reads
   * @param {() => void} wake
   */
  constructor(socket, direction, wake) {
    this.#socket = socket;
    this.#direction = direction;
    this.#wake = wake;
    socket.setNoDelay?.(true);
    socket.on("error", () => {}); // "close" follows and says enough
    socket.once("close", () => this.#handleClose());
    socket.on("drain", wake);
  }

  /** From here on bytes are read; before, the connection is not open from this side's point of view. */
  start() {
    if (this.isGone) return;
    this.#direction.add(this);
    this.#socket.on("readable", () => {
      // At the end of the stream this is what makes "end" happen.
      if (this.#socket.readableLength === 0) this.#socket.read(0);
      this.#wake();
    });
    this.#socket.once("end", () => {
      this.#ended = true;
      this.#leave("end");
    });
  }

  /**
   * @param {number} bytesMax
   * @returns {Uint8Array | undefined}
   */
  read(bytesMax) {
    if (!this.hasBytes) return undefined;
    const bytes = this.#socket.read(Math.min(bytesMax, this.#socket.readableLength));
    if (this.#socket.readableLength === 0) this.#socket.read(0);
    return bytes ?? undefined;
  }

  /** Whether something could enter the line: not while the other end has stopped reading. */
  get hasBytes() {
    return this.#socket.readableLength > 0 && this.peer !== undefined && !this.peer.isStuck;
  }

  get isStuck() {
    return this.#socket.writableNeedDrain;
  }

  get isGone() {
    return this.#socket.destroyed;
  }

  /** @param {Uint8Array} bytes */
  write(bytes) {
    if (this.isGone || this.#socket.writableEnded) return;
    if (this.#socket.writableCorked === 0) this.#socket.cork();
    this.#socket.write(bytes);
  }

  flush() {
    this.#socket.uncork();
  }

  end() {
    if (!this.isGone) this.#socket.end();
  }

  reset() {
    // A net.Socket can send a reset; another Duplex can only be destroyed.
    if (typeof this.#socket.resetAndDestroy === "function") resetSocket(this.#socket);
    else this.#socket.destroy();
  }

  #handleClose() {
    const clean = this.#ended && this.#socket.writableFinished;
    this.#leave(clean ? undefined : "reset");
  }

  /** @param {"end" | "reset" | undefined} kind */
  #leave(kind) {
    this.#direction.delete(this);
    if (kind === undefined || this.peer === undefined) return;
    this.#direction.push({ to: this.peer, kind }, performance.now());
    this.#wake();
  }
}

/** @param {LinkChanges} changes */
function lineSettings(changes) {
  /** @type {Record<"up" | "down", any>} */
  const settings = { up: {}, down: {} };
  for (const direction of /** @type {const} */ (["up", "down"])) {
    const { rateBitsPerSecond, queueBytes, roundTripTimeMs } = changes;
    if (rateBitsPerSecond !== undefined) settings[direction].rateBitsPerSecond = pick(rateBitsPerSecond, direction);
    if (queueBytes !== undefined) settings[direction].queueBytesMax = pick(queueBytes, direction);
    if (roundTripTimeMs !== undefined) settings[direction].delayMs = roundTripTimeMs / 2;
  }
  return settings;
}

/**
 * @param {PerDirection} value
 * @param {"up" | "down"} direction
 */
function pick(value, direction) {
  return typeof value === "number" ? value : value[direction];
}

/** `node tools/link-emulator.mjs --target 127.0.0.1:8080 --rate 10 --rtt 40 [--port 9000] [--queue 256]` */
async function main() {
  const { parseArgs } = await import("node:util");
  const { values } = parseArgs({
    options: {
      target: { type: "string" },
      rate: { type: "string", default: "10" },
      rtt: { type: "string", default: "40" },
      queue: { type: "string", default: "256" },
      port: { type: "string", default: "0" },
    },
  });
  const match = /^(?:(.+):)?(\d+)$/.exec(values.target ?? "");
  if (match === null) {
    process.stderr.write(
      "usage: link-emulator.mjs --target HOST:PORT [--rate MBIT/S] [--rtt MS] [--queue KIB] [--port N]\n",
    );
    process.exitCode = 2;
    return;
  }
  const link = await createLink({
    target: { host: match[1] ?? "127.0.0.1", port: Number(match[2]) },
    rateBitsPerSecond: Number(values.rate) * 1e6,
    roundTripTimeMs: Number(values.rtt),
    queueBytes: Number(values.queue) * 1024,
    port: Number(values.port),
  });
  process.stdout.write(`127.0.0.1:${link.port} is ${values.target} behind ${values.rate} Mbit/s, ${values.rtt} ms\n`);
  for (const line of UNCONTROLLED) process.stdout.write(`not modelled: ${line}\n`);
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) await main();
