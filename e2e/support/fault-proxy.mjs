// @ts-check
/**
 * A TCP relay on loopback that breaks on command: every fault is a call, on one connection or on all of them, at any
 * moment, so that a test decides what a line does and when.
 *
 *   const proxy = await createFaultProxy({ target: { port } });
 *   // connect to 127.0.0.1:proxy.port instead of the target
 *   proxy.cut();                                                        // every connection that there is
 *   proxy.connections[0]?.freeze("up");                                 // one of them
 *   proxy.once("connection", (next) => next.cutAfter(150, "down"));     // one to come, before its first byte
 *
 * What a frozen connection does not carry, it does not read either, but for a small hold (`HELD_BYTES_MAX`). Reading on
 * and keeping everything would be wrong twice: memory without a bound, and a sender that finds an open window for ever,
 * while on a line that is dead nothing is acknowledged and the sender's own buffers fill up. The small hold is there
 * because bytes that Node has read into a socket are gone when that socket is reset; what was on its way has to be
 * deliverable when the line comes back, also when its sender has long gone.
 *
 * What it cannot hold back: bytes that the kernel has taken for the receiving end already. And a sender on loopback gets
 * rid of some megabytes, the kernel's buffers of both sockets, before it notices that nobody reads.
 */
import { EventEmitter } from "node:events";
import net from "node:net";
import { resetSocket } from "../../tools/reset-socket.mjs";

/** Of one direction of a frozen connection, not counting the piece that reached it. Arbitrary, as small as one read. */
export const HELD_BYTES_MAX = 64 * 1024;

/**
 * @typedef {"up" | "down"} Direction up: from the connecting side to the target
 * @typedef {{ port: number, host?: string }} Target
 *
 * @typedef {object} FaultStats
 * @property {number} accepted connections, those counted in `refused` and `hung` included
 * @property {number} refused
 * @property {number} hung
 * @property {number} cut connections that ended by `cut` or `cutAfter`
 * @property {number} reset connections that ended by `reset`
 * @property {number} frozen how often a connection was frozen, in one direction or both
 */

/**
 * @param {{ target: Target, port?: number, host?: string }} options `port` and `host` to listen on: any free one,
 *   127.0.0.1
 * @returns {Promise<FaultProxy>}
 */
export async function createFaultProxy({ target, port = 0, host = "127.0.0.1" }) {
  const proxy = new FaultProxy(target);
  await proxy.listen(port, host);
  return proxy;
}

/**
 * Emits "connection" with each new `FaultConnection` before anything passes through it.
 * @extends {EventEmitter<{ connection: [FaultConnection] }>}
 */
export class FaultProxy extends EventEmitter {
  /** @type {Target} */
  #target;
  #server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket));
  /** @type {Set<FaultConnection>} */
  #connections = new Set();
  #refuses = false;
  #hangs = false;
  /** @type {FaultStats} */
  #stats = { accepted: 0, refused: 0, hung: 0, cut: 0, reset: 0, frozen: 0 };

  /** @param {Target} target */
  constructor(target) {
    super();
    this.#target = target;
  }

  /**
   * @param {number} port
   * @param {string} host
   */
  listen(port, host) {
    return /** @type {Promise<void>} */ (
      new Promise((resolve, reject) => {
        this.#server.once("error", reject);
        this.#server.listen(port, host, () => {
          this.#server.off("error", reject);
          resolve();
        });
      })
    );
  }

  cut() {
    for (const connection of this.connections) connection.cut();
  }

  reset() {
    for (const connection of this.connections) connection.reset();
  }

  /** @param {Direction} [direction] default: both. Connections to come are not concerned; see `hang`. */
  freeze(direction) {
    for (const connection of this.connections) connection.freeze(direction);
  }

  /** @param {Direction} [direction] */
  thaw(direction) {
    for (const connection of this.connections) connection.thaw(direction);
  }

  /**
   * Counts on each connection by itself; those to come are not concerned.
   * @param {number} bytes
   * @param {Direction} direction
   */
  cutAfter(bytes, direction) {
    for (const connection of this.connections) connection.cutAfter(bytes, direction);
  }

  /** New connections are accepted, which nobody who listens can avoid, and reset at once. @param {boolean} refuses */
  refuse(refuses) {
    this.#refuses = refuses;
  }

  /**
   * New connections are accepted, carry nothing, and the target does not hear of them. They stay so when this is
   * switched off, until they are thawed: only then the target is dialled.
   * @param {boolean} hangs
   */
  hang(hangs) {
    this.#hangs = hangs;
  }

  /**
   * Where the next connections go, as after a restart of the server.
   * @param {number} port
   * @param {string} [host] default: as before
   */
  retarget(port, host) {
    this.#target = { ...this.#target, port, ...(host === undefined ? {} : { host }) };
  }

  async close() {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const connection of this.connections) connection.destroy();
    await closed;
  }

  get port() {
    return /** @type {net.AddressInfo} */ (this.#server.address()).port;
  }

  /** In the order in which they came; a frozen one counts as long as one of its ends does not know of its end. */
  get connections() {
    return [...this.#connections];
  }

  /** @returns {FaultStats} */
  stats() {
    return { ...this.#stats };
  }

  /** @param {net.Socket} client */
  #accept(client) {
    this.#stats.accepted += 1;
    if (this.#refuses) {
      this.#stats.refused += 1;
      client.on("error", () => {});
      client.resetAndDestroy();
      return;
    }
    const connection = new FaultConnection(client, {
      id: this.#stats.accepted,
      target: this.#target,
      count: (fault) => {
        this.#stats[fault] += 1;
      },
    });
    this.#connections.add(connection);
    connection.once("close", () => this.#connections.delete(connection));
    if (this.#hangs) {
      this.#stats.hung += 1;
      connection.hang();
    } else {
      connection.dial();
    }
    this.emit("connection", connection);
  }
}

/**
 * Two sockets and what is carried between them. Emits "close" when both are gone.
 * @extends {EventEmitter<{ close: [] }>}
 */
export class FaultConnection extends EventEmitter {
  /** Counts the connections of the proxy, from 1. @type {number} */
  id;
  /** What goes from the client to the target. @type {Pipe} */
  up;
  /** @type {Pipe} */
  down;
  #client;
  #server = new net.Socket({ allowHalfOpen: true });
  #target;
  #count;
  #isDialled = false;
  #openSockets = 2;

  /**
   * @param {net.Socket} client
   * @param {{ id: number, target: Target, count: (fault: "cut" | "reset" | "frozen") => void }} setting
   */
  constructor(client, { id, target, count }) {
    super();
    this.id = id;
    this.#client = client;
    this.#target = target;
    this.#count = count;
    this.up = new Pipe(client, this.#server, () => this.cut());
    this.down = new Pipe(this.#server, client, () => this.cut());
    this.#watch(client, this.up);
    this.#watch(this.#server, this.down);
  }

  dial() {
    if (this.#isDialled || this.#server.destroyed) return;
    this.#isDialled = true;
    this.#server.connect({ host: "127.0.0.1", ...this.#target, noDelay: true });
  }

  hang() {
    this.up.freeze();
    this.down.freeze();
  }

  /**
   * Ends both sockets at once. What their ends see is what they see when a relay's process dies: FIN, or RST where
   * the relay had not read everything.
   */
  cut() {
    if (this.#isOver) return;
    this.#count("cut");
    this.destroy();
  }

  /** RST to both ends. */
  reset() {
    if (this.#isOver) return;
    this.#count("reset");
    for (const socket of [this.#client, this.#server]) resetSocket(socket);
  }

  /**
   * Carries nothing any more and says so to nobody: no bytes, no FIN, no RST.
   * @param {Direction} [direction] default: both
   */
  freeze(direction) {
    this.#count("frozen");
    for (const pipe of this.#pipes(direction)) pipe.freeze();
  }

  /**
   * What was held is delivered, in order, and last the end that its sender has come to meanwhile.
   * @param {Direction} [direction] default: both
   */
  thaw(direction) {
    this.dial();
    for (const pipe of this.#pipes(direction)) pipe.thaw();
  }

  /**
   * Cuts when exactly so many more bytes have passed: in the middle of an upload, at one byte of a handshake.
   * @param {number} bytes
   * @param {Direction} direction
   */
  cutAfter(bytes, direction) {
    if (bytes <= 0) this.cut();
    else this[direction].cutAfter(bytes);
  }

  destroy() {
    for (const socket of [this.#client, this.#server]) socket.destroy();
  }

  get #isOver() {
    return this.#client.destroyed && this.#server.destroyed;
  }

  /** @param {Direction | undefined} direction */
  #pipes(direction) {
    return direction === undefined ? [this.up, this.down] : [this[direction]];
  }

  /**
   * @param {net.Socket} socket
   * @param {Pipe} away what carries away from this socket
   */
  #watch(socket, away) {
    socket.on("error", () => {}); // "close" follows and says enough
    socket.once("close", () => {
      const isClean = socket.readableEnded && socket.writableFinished;
      if (!isClean) away.handleReset();
      this.#openSockets -= 1;
      if (this.#openSockets === 0) this.emit("close");
    });
  }
}

/** One direction of a connection. Held bytes are at most `HELD_BYTES_MAX` and one read. */
class Pipe {
  #source;
  #sink;
  #cut;
  #isFrozen = false;
  /** @type {Uint8Array[]} read and not carried: frozen, or the sink's buffer is full */
  #held = [];
  #heldBytes = 0;
  #carriedBytes = 0;
  #cutAtBytes = Number.POSITIVE_INFINITY;
  /** What comes behind the held bytes; "close" is the end of both directions. @type {"end" | "close" | "reset" | undefined} */
  #ending;

  /**
   * @param {net.Socket} source
   * @param {net.Socket} sink
   * @param {() => void} cut
   */
  constructor(source, sink, cut) {
    this.#source = source;
    this.#sink = sink;
    this.#cut = cut;
    source.on("data", (piece) => {
      this.#held.push(/** @type {Buffer} */ (piece));
      this.#heldBytes += piece.length;
      this.#carry();
    });
    source.once("end", () => {
      this.#ending ??= "end";
      this.#carry();
    });
    sink.on("drain", () => this.#carry());
  }

  freeze() {
    this.#isFrozen = true;
  }

  thaw() {
    this.#isFrozen = false;
    this.#carry();
  }

  /** @param {number} bytes from now on, more than none */
  cutAfter(bytes) {
    this.#cutAtBytes = this.#carriedBytes + bytes;
  }

  /** A reset can overtake bytes that its receiver has not read yet. Held ones shall arrive, so it does not follow them. */
  handleReset() {
    this.#ending = this.#held.length > 0 ? "close" : "reset";
    this.#carry();
  }

  get isFrozen() {
    return this.#isFrozen;
  }

  /** Handed to the receiving socket so far. */
  get bytes() {
    return this.#carriedBytes;
  }

  get heldBytes() {
    return this.#heldBytes;
  }

  #carry() {
    while (!this.#isFrozen && !this.#sink.writableNeedDrain) {
      const piece = this.#held.shift();
      if (piece === undefined) break;
      this.#heldBytes -= piece.length;
      this.#pass(piece);
    }
    this.#finish();
    // Ahead of a full sink nothing needs to be kept; ahead of a frozen one, see the top of this file.
    const bytesMax = this.#isFrozen ? HELD_BYTES_MAX : 1;
    if (this.#heldBytes >= bytesMax) this.#source.pause();
    else this.#source.resume();
  }

  /** @param {Uint8Array} piece */
  #pass(piece) {
    const leftBytes = this.#cutAtBytes - this.#carriedBytes;
    if (piece.length < leftBytes) {
      this.#carriedBytes += piece.length;
      this.#sink.write(piece);
      return;
    }
    this.#carriedBytes += leftBytes;
    // Not before these bytes and all before them are with the kernel: to destroy a socket forgets what is not.
    this.#sink.write(piece.subarray(0, leftBytes), () => this.#cut());
  }

  #finish() {
    if (this.#isFrozen || this.#held.length > 0) return;
    if (this.#ending === "end" && !this.#sink.writableEnded) this.#sink.end();
    if (this.#ending === "close") this.#sink.destroySoon();
    if (this.#ending === "reset") resetSocket(this.#sink);
  }
}
