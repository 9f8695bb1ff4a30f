// @ts-check
/**
 * A reverse proxy on loopback that knows HTTP and does what it is told with each request and each upgrade: for what
 * `fault-proxy.mjs`, which knows only bytes, cannot tell apart.
 *
 *   const proxy = await createHttpFaultProxy({ port });
 *   proxy.onUpgrade = ({ client }) => client.destroy();
 *   proxy.onRequest = async ({ response }) => void response.writeHead(413).end();
 */
import http from "node:http";
import net from "node:net";
import { resetSocket } from "../../tools/reset-socket.mjs";

/**
 * @typedef {object} Upgrade a request for another protocol, and what may be done with it
 * @property {http.IncomingMessage} request
 * @property {net.Socket} client
 * @property {() => UpgradedLine} pass on to the target
 *
 * @typedef {object} Exchange a request, and what may be done with it
 * @property {http.IncomingMessage} request
 * @property {http.ServerResponse} response
 * @property {() => Promise<http.IncomingMessage>} ask hands the request to the target, and gives its answer
 * @property {(answer: http.IncomingMessage) => void} pass hands the answer on as it comes
 */

/** @param {{ port: number }} target on 127.0.0.1 */
export async function createHttpFaultProxy(target) {
  const proxy = new HttpFaultProxy(target);
  await proxy.listen();
  return proxy;
}

export class HttpFaultProxy {
  /** @type {(upgrade: Upgrade) => unknown} */
  onUpgrade = ({ pass }) => pass();
  /** @type {(exchange: Exchange) => Promise<unknown>} */
  onRequest = async ({ ask, pass }) => pass(await ask());
  /** What is wanted of the target, by what became of it. */
  counts = { requests: 0, upgrades: 0 };
  #target;
  /** @type {Set<net.Socket>} */
  #sockets = new Set();
  /** @type {Set<UpgradedLine>} */
  #lines = new Set();
  #agent = new http.Agent({ keepAlive: true });
  #server = http.createServer((request, response) => this.#serve(request, response));

  /** @param {{ port: number }} target */
  constructor(target) {
    this.#target = target;
    this.#server.on("connection", (socket) => this.#watch(socket));
    this.#server.on("upgrade", (request, socket, head) =>
      this.#upgrade(request, /** @type {net.Socket} */ (socket), head),
    );
  }

  listen() {
    return new Promise((resolve) => this.#server.listen(0, "127.0.0.1", () => resolve(undefined)));
  }

  /** The upgraded lines that there are, the oldest first. */
  get lines() {
    return [...this.#lines];
  }

  get port() {
    return /** @type {net.AddressInfo} */ (this.#server.address()).port;
  }

  async close() {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    this.#agent.destroy();
    await closed;
  }

  /** @param {net.Socket} socket */
  #watch(socket) {
    socket.on("error", () => {}); // "close" follows
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
  }

  /**
   * @param {http.IncomingMessage} request
   * @param {net.Socket} client
   * @param {Buffer} head
   */
  #upgrade(request, client, head) {
    this.counts.upgrades += 1;
    const pass = () => {
      const server = net.connect({ port: this.#target.port, host: "127.0.0.1", noDelay: true });
      this.#watch(server);
      server.write(Buffer.concat([headOf(request), head]));
      const line = new UpgradedLine(client, server);
      this.#lines.add(line);
      client.once("close", () => this.#lines.delete(line));
      return line;
    };
    this.onUpgrade({ request, client, pass });
  }

  /**
   * @param {http.IncomingMessage} request
   * @param {http.ServerResponse} response
   */
  #serve(request, response) {
    this.counts.requests += 1;
    response.on("error", () => {});
    const ask = () => this.#ask(request, response);
    const pass = (/** @type {http.IncomingMessage} */ answer) => {
      response.writeHead(/** @type {number} */ (answer.statusCode), answer.rawHeaders);
      response.flushHeaders();
      answer.pipe(response);
    };
    // A target that is gone is a connection that is gone.
    this.onRequest({ request, response, ask, pass }).catch(() => response.destroy());
  }

  /**
   * @param {http.IncomingMessage} request
   * @param {http.ServerResponse} response
   * @returns {Promise<http.IncomingMessage>}
   */
  #ask(request, response) {
    const { method, url, rawHeaders } = request;
    const { port } = this.#target;
    return new Promise((resolve, reject) => {
      const asked = http.request({
        agent: this.#agent,
        host: "127.0.0.1",
        port,
        method,
        path: url,
        headers: rawHeaders,
      });
      asked.once("response", (answer) => {
        answer.on("error", () => response.destroy());
        resolve(answer);
      });
      asked.on("error", reject);
      // A browser that has gone takes its request along.
      response.once("close", () => asked.destroy());
      request.pipe(asked);
    });
  }
}

/** The two sockets of an upgrade, and what is carried between them. */
export class UpgradedLine {
  /** What becomes of a piece behind the answer to the handshake: what is carried instead, if anything. */
  filter = {
    up: /** @type {(piece: Buffer) => Buffer | undefined} */ ((piece) => piece),
    down: /** @type {(piece: Buffer) => Buffer | undefined} */ ((piece) => piece),
  };
  /** Resolves when the answer to the handshake has been carried. @type {Promise<void>} */
  opened;
  #client;
  #server;

  /**
   * @param {net.Socket} client
   * @param {net.Socket} server
   */
  constructor(client, server) {
    this.#client = client;
    this.#server = server;
    this.opened = this.#carryAnswer();
    client.on("data", (piece) => carry(this.filter.up(piece), server));
    client.once("close", () => server.destroy());
    server.once("close", () => client.destroy());
    client.once("end", () => server.end());
    server.once("end", () => client.end());
  }

  /** As when a relay's process dies. */
  cut() {
    this.#client.destroy();
    this.#server.destroy();
  }

  reset() {
    for (const socket of [this.#client, this.#server]) resetSocket(socket);
  }

  #carryAnswer() {
    return /** @type {Promise<void>} */ (
      new Promise((resolve) => {
        let answer = Buffer.alloc(0);
        let isOpen = false;
        this.#server.on("data", (piece) => {
          if (isOpen) return carry(this.filter.down(piece), this.#client);
          answer = Buffer.concat([answer, piece]);
          const end = answer.indexOf("\r\n\r\n");
          if (end === -1) return;
          isOpen = true;
          carry(answer.subarray(0, end + 4), this.#client);
          resolve();
          // What waits for `opened` gets its word in before the first bytes behind it.
          const rest = answer.subarray(end + 4);
          if (rest.length > 0) queueMicrotask(() => carry(this.filter.down(rest), this.#client));
        });
      })
    );
  }
}

/**
 * @param {Buffer | undefined} piece
 * @param {net.Socket} sink
 */
function carry(piece, sink) {
  if (piece !== undefined && piece.length > 0 && !sink.writableEnded) sink.write(piece);
}

/** @param {http.IncomingMessage} request */
function headOf({ method, url, rawHeaders }) {
  const lines = [`${method} ${url} HTTP/1.1`];
  for (let i = 0; i < rawHeaders.length; i += 2) lines.push(`${rawHeaders[i]}: ${rawHeaders[i + 1]}`);
  return Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
}
