// @ts-check
import http from "node:http";
import { performance } from "node:perf_hooks";
import { createLink } from "../../tools/link-emulator.mjs";

/** What both endpoints take as one message. */
export const FILE_BYTES_MAX = 16 * 1024 * 1024;

const REPORT_INTERVAL_MS = 100;
const RATE_MEGABIT_MAX = 1000;
const ROUND_TRIP_MS_MAX = 2000;

/** One open page: its two lines, what arrives over them, and the control connection that tells the page so. */
export class Viewer {
  /** @type {Record<"sluice" | "native", import("../../tools/link-emulator.mjs").Link>} */
  links = /** @type {any} */ ({});
  /** Whether no WebSocket gets through on Sluice's line. */
  isBlocked = false;
  #agent = new http.Agent({ keepAlive: true });
  #id;
  #control;
  #closed = false;
  /** @type {NodeJS.Timeout | undefined} */
  #reports;
  /** @type {Record<"sluice" | "native", Set<{ terminate(): void }>>} */
  #sockets = { sluice: new Set(), native: new Set() };

  /**
   * @param {string} id
   * @param {import("ws").WebSocket} control
   */
  constructor(id, control) {
    this.#id = id;
    this.#control = control;
    control.on("message", (data) => this.#handleControl(String(data)));
  }

  /** @param {number} port of the inner server */
  async open(port) {
    const options = { target: { port }, rateBitsPerSecond: 10e6, roundTripTimeMs: 40 };
    this.links = { sluice: await createLink(options), native: await createLink(options) };
    if (this.#closed) return void (await this.#closeLinks());
    this.#reports = setInterval(() => this.#report(), REPORT_INTERVAL_MS);
    this.#tell({ type: "hello", viewer: this.#id, fileBytesMax: FILE_BYTES_MAX });
  }

  /**
   * Takes a request through the line, and its answer back.
   * @param {"sluice" | "native"} side
   * @param {http.IncomingMessage} request
   * @param {http.ServerResponse} response
   */
  carryRequest(side, request, response) {
    const { method, url: path, headers } = request;
    const options = { host: "127.0.0.1", port: this.links[side].port, agent: this.#agent, method, path, headers };
    const onward = http.request(options, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      response.flushHeaders();
      answer.on("error", () => response.destroy());
      answer.pipe(response);
    });
    onward.on("error", () => response.destroy());
    response.on("close", () => onward.destroy());
    request.on("error", () => onward.destroy());
    request.pipe(onward);
  }

  async close() {
    this.#closed = true;
    this.#agent.destroy();
    clearInterval(this.#reports);
    await this.#closeLinks();
  }

  /** @param {any} socket a server socket of Sluice */
  attachSluice(socket) {
    this.#attach("sluice", socket);
    socket.on("message", (/** @type {Buffer} */ data) => this.#handleLine("sluice", data));
    const files = socket.channel("files", { priority: "low" });
    files.on("message", (/** @type {Buffer} */ data) => this.#handleFile("sluice", data));
  }

  /** @param {import("ws").WebSocket} socket */
  attachNative(socket) {
    this.#attach("native", socket);
    socket.on("message", (data, isBinary) => {
      if (isBinary) this.#handleFile("native", /** @type {Buffer} */ (data));
      else this.#handleLine("native", /** @type {Buffer} */ (data));
    });
  }

  /**
   * @param {"sluice" | "native"} side
   * @param {{ terminate(): void, on(event: string, listener: () => void): unknown }} socket
   */
  #attach(side, socket) {
    this.#sockets[side].add(socket);
    socket.on("error", () => {});
    socket.on("close", () => this.#sockets[side].delete(socket));
  }

  /**
   * A chat line is "number text"; what counts is when it came, and the page hears that at once and around the line.
   * @param {"sluice" | "native"} side
   * @param {Buffer} data
   */
  #handleLine(side, data) {
    this.#tell({ type: "line", side, number: Number.parseInt(data.toString("latin1"), 10), at: epochNow() });
  }

  /**
   * @param {"sluice" | "native"} side
   * @param {Buffer} data
   */
  #handleFile(side, data) {
    this.#tell({ type: "file", side, bytes: data.length, at: epochNow() });
  }

  /** @param {string} text */
  #handleControl(text) {
    const message = parse(text);
    if (message.type === "ping") {
      this.#tell({ type: "pong", sent: message.sent, at: epochNow() });
    } else if (message.type === "set") {
      const rateBitsPerSecond = Math.min(Math.max(Number(message.megabit) || 1, 0.1), RATE_MEGABIT_MAX) * 1e6;
      const roundTripTimeMs = Math.min(Math.max(Number(message.roundTripMs) || 0, 0), ROUND_TRIP_MS_MAX);
      for (const link of Object.values(this.links)) link.set({ rateBitsPerSecond, roundTripTimeMs });
    } else if (message.type === "block") {
      this.isBlocked = message.isOn === true;
      if (this.isBlocked) this.links.sluice.cut();
    } else if (message.type === "cut") {
      for (const link of Object.values(this.links)) link.cut();
    } else if (message.type === "drop" && (message.side === "native" || message.side === "sluice")) {
      // What is already on the line goes with the connection, or it would be in the way of the next one.
      this.links[message.side].cut();
      for (const socket of this.#sockets[message.side]) socket.terminate();
    }
  }

  #report() {
    const { sluice, native } = this.links;
    const describe = (/** @type {import("../../tools/link-emulator.mjs").Link} */ link) => {
      const { bytes, queuedBytes } = link.stats().up;
      return { bytes, queuedBytes };
    };
    this.#tell({ type: "lines", at: epochNow(), sluice: describe(sluice), native: describe(native) });
  }

  /** @param {object} message */
  #tell(message) {
    if (this.#control.readyState === this.#control.OPEN) this.#control.send(JSON.stringify(message));
  }

  async #closeLinks() {
    await Promise.all(Object.values(this.links).map((link) => link.close()));
  }
}

function epochNow() {
  return performance.timeOrigin + performance.now();
}

/**
 * @param {string} text
 * @returns {Record<string, unknown>}
 */
function parse(text) {
  try {
    return Object(JSON.parse(text));
  } catch {
    return {};
  }
}
