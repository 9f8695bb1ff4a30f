import { BatchStreamReader } from "../http/batch-stream.js";
import { BATCHES_TYPE, Header, parseCount, TAKEN_BATCH_BYTES_MAX } from "../http/headers.js";
import { fateOf } from "../http/statuses.js";

/** What an HTTP line needs of its platform, so that Node and tests can inject another. */
export interface HttpPlatform {
  readonly fetch: typeof fetch;
  /** Calls `run` once, after `delayMs` or later. Returns a function that prevents it. */
  setTimer(run: () => void, delayMs: number): () => void;
  /** A clock that does not go back, ms. */
  now(): number;
  /** A random number, 0 <= x < 1: for jitter. */
  random(): number;
  /** Random bytes that nobody can guess. */
  randomBytes(length: number): Uint8Array;
  /** Whether the newest request to this URL is known to have shared a connection with others: HTTP/2 or HTTP/3. */
  isMultiplexed(url: string): boolean;
}

/** What has become of a request. */
export type Outcome =
  /** A Sluice server has taken it. */
  | {
      readonly type: "answer";
      readonly response: Response;
      /** The position of the last batch that the server has. */
      readonly received: number;
      /** The position of the last batch that it has put into an answer. */
      readonly sent: number;
    }
  /** The line does not exist, or is not for us: asking again is of no use. */
  | { readonly type: "refused"; readonly httpStatus: number }
  | { readonly type: "too-large"; readonly httpStatus: number }
  /** May be better next time. `isLate`: our own deadline has passed. */
  | { readonly type: "failed"; readonly httpStatus: number | undefined; readonly isLate: boolean };

export interface RequestInitOfLine {
  readonly method: "GET" | "POST";
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array<ArrayBuffer>;
  /** Outlives the page; such bodies together are at most 64 KiB. */
  readonly keepalive?: boolean;
}

/** Makes the requests of one line, and ends them all. */
export class Requests {
  readonly platform: HttpPlatform;
  readonly #url: string;
  readonly #key: string;
  readonly #received: () => number;
  readonly #open = new Set<LineRequest>();

  /** @param received the position of the last batch that has come down */
  constructor(platform: HttpPlatform, url: string, received: () => number) {
    this.platform = platform;
    this.#url = url;
    this.#key = Array.from(platform.randomBytes(16), (byte) => byte.toString(16).padStart(2, "0")).join("");
    this.#received = received;
  }

  /** A request that has yet to be sent. */
  create(init: RequestInitOfLine): LineRequest {
    const headers = {
      ...init.headers,
      [Header.LINE]: this.#key,
      [Header.RECEIVED]: String(this.#received()),
      ...(init.method === "POST" ? { "content-type": BATCHES_TYPE } : {}),
    };
    const request = new LineRequest(this.platform, this.#url, { ...init, headers }, () => this.#open.delete(request));
    this.#open.add(request);
    return request;
  }

  abort(): void {
    for (const request of [...this.#open]) request.abort();
  }

  /** Whether they are known to share a connection. */
  get isMultiplexed(): boolean {
    return this.platform.isMultiplexed(this.#url);
  }
}

/** One request, with its deadline, to the end of its answer. */
export class LineRequest {
  readonly #platform: HttpPlatform;
  readonly #url: string;
  readonly #init: RequestInitOfLine;
  readonly #onOver: () => void;
  readonly #controller = new AbortController();
  #cancelDeadline: () => void = () => {};
  #isLate = false;

  constructor(platform: HttpPlatform, url: string, init: RequestInitOfLine, onOver: () => void) {
    this.#platform = platform;
    this.#url = url;
    this.#init = init;
    this.#onOver = onOver;
  }

  /** Aborts it unless it is over `delayMs` from now, or has another deadline by then; `undefined`: has all the time. */
  expectWithin(delayMs: number | undefined): void {
    this.#cancelDeadline();
    this.#cancelDeadline = () => {};
    if (delayMs === undefined) return;
    this.#cancelDeadline = this.#platform.setTimer(() => {
      this.#isLate = true;
      this.abort();
    }, delayMs);
  }

  /** Sends it; what is no answer of a line is done with. Never rejects. */
  async send(): Promise<Outcome> {
    const { method, headers, body, keepalive = false } = this.#init;
    const { signal } = this.#controller;
    let response: Response;
    let received: number | undefined;
    let sent: number | undefined;
    try {
      // No `cache: "no-store"`: Chromium 156 then asks before every request whether it may send it (CORS). Our answers may
      // not be stored anyway.
      const init: RequestInit = { method, headers, signal, keepalive, credentials: "include" };
      response = await this.#platform.fetch.call(undefined, this.#url, { ...init, ...(body && { body }) });
      received = parseCount(response.headers.get(Header.RECEIVED));
      sent = parseCount(response.headers.get(Header.SENT));
    } catch {
      return this.#failed(undefined);
    }
    // A portal answers 200 to everything.
    if (response.status === 200 && received !== undefined && sent !== undefined) {
      return { type: "answer", response, received, sent };
    }
    void response.body?.cancel?.().catch(() => {});
    const { status } = response;
    const fate = fateOf(status);
    return fate === "failed" ? this.#failed(status) : this.#over({ type: fate, httpStatus: status });
  }

  /**
   * Reads the batches in the answer's body, to its end or to what is no batch.
   * @returns whether it has come to its end in order, how many there were, and the code with which the server has ended the
   * line behind them, if it has
   */
  async readBatches(
    response: Response,
    handler: { handleBatch(position: number, batch: Uint8Array): void },
  ): Promise<{ isWhole: boolean; count: number; closeCode: number | undefined }> {
    const reader = new BatchStreamReader(TAKEN_BATCH_BYTES_MAX);
    const first = parseCount(response.headers.get(Header.POSITION)) ?? 0;
    let count = 0;
    const isWhole = await this.read(response, (piece) => {
      for (const batch of reader.push(piece)) handler.handleBatch(first + count++, batch);
      if (reader.violation !== undefined) this.abort();
    });
    const closeCode = isWhole ? parseCount(response.headers.get(Header.CLOSE)) : undefined;
    return { isWhole, count, closeCode };
  }

  /**
   * Reads the answer's body to its end. Never rejects but for what `onPiece` throws.
   * @returns whether it has come to its end in order
   */
  async read(response: Response, onPiece: (piece: Uint8Array) => void): Promise<boolean> {
    // Another `fetch` may have bodies of its own.
    const isWhole = response.body?.getReader
      ? await this.#readStream(response.body, onPiece)
      : await this.#readWhole(response, onPiece);
    this.#over(undefined);
    return isWhole;
  }

  /** Ends it at once; whoever waits for it learns that it has failed. */
  abort(): void {
    this.#controller.abort();
    this.#over(undefined);
  }

  /** Whether it was aborted because of its deadline. */
  get isLate(): boolean {
    return this.#isLate;
  }

  async #readStream(body: ReadableStream<Uint8Array>, onPiece: (piece: Uint8Array) => void): Promise<boolean> {
    const reader = body.getReader();
    for (;;) {
      let result: ReadableStreamReadResult<Uint8Array>;
      try {
        result = await reader.read();
      } catch {
        return false;
      }
      if (result.done) return true;
      onPiece(result.value);
    }
  }

  /** Where there are no streams. */
  async #readWhole(response: Response, onPiece: (piece: Uint8Array) => void): Promise<boolean> {
    let whole: ArrayBuffer;
    try {
      whole = await response.arrayBuffer();
    } catch {
      return false;
    }
    onPiece(new Uint8Array(whole));
    return true;
  }

  #failed(httpStatus: number | undefined): Outcome {
    return this.#over({ type: "failed", httpStatus, isLate: this.#isLate });
  }

  #over<T>(result: T): T {
    this.expectWithin(undefined);
    this.#onOver();
    return result;
  }
}
