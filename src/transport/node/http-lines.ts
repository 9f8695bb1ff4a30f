import type { IncomingMessage, ServerResponse } from "node:http";
import { BATCHES_TYPE, Header, isMediaType, parseCount, parseKey, TAKEN_BATCH_BYTES_MAX } from "../http/headers.js";
import type { Transport } from "../transport.js";
import { refuse } from "./http-answers.js";
import { HttpLine, type LineLimits, type LineRequest } from "./http-line.js";

export interface HttpLinesLimits extends LineLimits {
  /** Lines at a time. */
  readonly linesMax: number;
  /** Those of them on which no request is under way; of more, the one that has been idle for longest is taken for dead. */
  readonly idleLinesMax: number;
}

const DEFAULT_LIMITS: HttpLinesLimits = {
  batchBytesMax: TAKEN_BATCH_BYTES_MAX,
  bodyBytesMax: 256 * 1024,
  bodyTimeoutMs: 30_000,
  // Below the 30 s after which some load balancers end any request.
  holdMs: 25_000,
  firstHoldMs: 10_000,
  commentMs: 15_000,
  // A client gives up a line whose requests have failed for 10 s.
  idleMs: 15_000,
  earlyHoldMs: 5_000,
  lingerMs: 5_000,
  linesMax: 65_536,
  // A line weighs some 30 KiB with its session, and costs its client no connection: 240 MiB. Those of honest clients are idle for a
  // round trip now and then.
  idleLinesMax: 8192,
};

/**
 * Makes the line that a first request asks for: `start` gets the transport, before anything comes on it. Does nothing more
 * than take the request to its line where a copy of the request has made that meanwhile.
 */
export type OpenLine = (start: (transport: Transport) => void) => void;

/**
 * The HTTP lines of a server, by the keys that their clients have made. Takes requests to their lines, and answers those
 * that no line can be meant by.
 */
export class HttpLines {
  readonly #limits: HttpLinesLimits;
  readonly #lines = new Map<string, HttpLine>();
  /** Those without a request, the one that has been so for longest first. */
  readonly #idle = new Set<HttpLine>();
  readonly #onEmpty: () => void;

  /** @param onEmpty called when the last line has gone */
  constructor(limits: Partial<HttpLinesLimits> = {}, onEmpty: () => void = () => {}) {
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
    this.#onEmpty = onEmpty;
  }

  /**
   * Takes a request whose `Origin` has been checked.
   * @param onNew the request asks for a line: calls `open`, now or later, or answers the request itself
   */
  handle(request: IncomingMessage, response: ServerResponse, onNew: (open: OpenLine) => void): void {
    const said = checked(request, response, this.#limits.bodyBytesMax);
    if (typeof said === "number") return refuse(request, response, said, said === 405 ? { Allow: "GET, POST" } : {});
    const line = this.#lines.get(said.key);
    const isUpload = request.method === "POST";
    if (line !== undefined) return isUpload ? line.handleUpload(said) : line.handleDownlink(said);
    // HTTP-05: nothing but a first POST makes a line; a late request must not bring back one that has ended.
    if (!isUpload || said.position !== 1 || said.received !== 0) return refuse(request, response, 404);
    if (this.#lines.size >= this.#limits.linesMax) return refuse(request, response, 503);
    onNew((start) => this.#open(said, start));
  }

  get size(): number {
    return this.#lines.size;
  }

  #handleIdle(line: HttpLine, isIdle: boolean): void {
    this.#idle.delete(line);
    if (!isIdle) return;
    this.#idle.add(line);
    if (this.#idle.size > this.#limits.idleLinesMax) this.#idle.values().next().value?.expire();
  }

  #open(said: LineRequest & { readonly key: string }, start: (transport: Transport) => void): void {
    const { key } = said;
    const known = this.#lines.get(key);
    if (known !== undefined) return known.handleUpload(said);
    if (said.response.destroyed) return;
    const line: HttpLine = new HttpLine(this.#limits, {
      onIdle: (isIdle) => this.#handleIdle(line, isIdle),
      onOver: () => {
        this.#idle.delete(line);
        this.#lines.delete(key);
        if (this.#lines.size === 0) this.#onEmpty();
      },
    });
    this.#lines.set(key, line);
    start(line);
    line.handleUpload(said);
  }
}

/** What a request says; an HTTP status for one that is no request of a line. */
function checked(
  request: IncomingMessage,
  response: ServerResponse,
  bodyBytesMax: number,
): (LineRequest & { readonly key: string }) | number {
  const { method, headers } = request;
  if (method !== "GET" && method !== "POST") return 405;
  const key = parseKey(headers[Header.LINE]);
  const received = parseCount(headers[Header.RECEIVED]);
  if (key === undefined || received === undefined) return 400;
  const hold = headers[Header.HOLD] === undefined ? Number.POSITIVE_INFINITY : parseCount(headers[Header.HOLD]);
  if (hold === undefined) return 400;
  if (method === "GET") return { key, request, response, received, position: 0, holdMs: hold, close: undefined };
  // HTTP-11. A form of another site can send neither this type nor our header.
  if (!isMediaType(headers["content-type"], BATCHES_TYPE)) return 415;
  if ((headers["content-encoding"] ?? "identity") !== "identity") return 415;
  if (Number(headers["content-length"] ?? 0) > bodyBytesMax) return 413;
  const position = parseCount(headers[Header.POSITION]);
  const close = headers[Header.CLOSE] === undefined ? undefined : parseCount(headers[Header.CLOSE]);
  if (position === undefined || position === 0) return 400;
  if (headers[Header.CLOSE] !== undefined && !isCloseCode(close)) return 400;
  return { key, request, response, received, position, holdMs: hold, close };
}

function isCloseCode(code: number | undefined): boolean {
  return code !== undefined && code >= 1000 && code <= 4999;
}
