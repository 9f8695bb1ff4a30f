import { BatchStreamReader, batchStream, framedBytes } from "../http/batch-stream.js";
import { BATCHES_TYPE, Header, parseCount, TAKEN_BATCH_BYTES_MAX } from "../http/headers.js";
import { Patience } from "./http-patience.js";
import type { LineRequest, Outcome, Requests } from "./http-requests.js";

/** From sending a POST to the end of its answer, ms; the server holds the first one for 10 s. */
const POST_TIMEOUT_MS = 15_000;

/** All requests that outlive the page may carry 64 KiB together (Fetch, `keepalive`); others may be under way. */
const KEEPALIVE_BYTES_MAX = 60 * 1024;

export interface UplinkHandler {
  /** A POST is on its way. */
  handleAsked(): void;
  /** A batch has come along with an answer. */
  handleBatch(position: number, batch: Uint8Array): void;
  /** The server has ended the line behind the batches that have come. */
  handleClose(code: number): void;
  /** The server has taken a POST, which has taken `tookMs`, and has sent so much down by now. */
  handleAnswer(sent: number, tookMs: number): void;
  /** A POST is over: `bufferedBytes` may have fallen, and what is handed over now goes with the next one. */
  handleReady(): void;
  /** Nothing will go up any more. */
  handleLost(httpStatus: number | undefined): void;
  /** After `close`: everything is told, or cannot be. */
  handleDone(): void;
}

/** For how long the last request may fail, ms: nobody waits for it but the server, which has its own time for that. */
const CLOSE_PATIENCE_MS = 2_000;

/**
 * Takes batches up, one POST at a time (HTTP-03), each with as many as fit; what was not confirmed is sent again. A POST says the
 * position of its first batch, so the server takes each batch once.
 */
export class Uplink {
  readonly #requests: Requests;
  readonly #handler: UplinkHandler;
  #patience: Patience;
  /** Whether answers should bring batches: nothing else does, or may. */
  readonly #wantsBatches: () => boolean;
  /** Not confirmed, oldest first. */
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  /** The position of the first batch in the queue. */
  #first = 1;
  /** Of the last batch that was ever in a POST. */
  #sent = 0;
  #bodyBytesMax: number;
  #request: LineRequest | undefined;
  /** When the last POST has left. */
  #askedAt = 0;
  /** A POST is under way, or waits for its next try. */
  #isBusy = false;
  /** The loop that runs has this number; one of another has been replaced. 0: none. */
  #running = 0;
  #loops = 0;
  #closeCode: number | undefined;
  /** A browser refuses requests that outlive the page above its quota, which other code may have used up. */
  #mayOutlive = true;
  /** A POST is wanted although there is nothing to take up: it says what has come down. */
  #isDue = false;
  #isStopped = false;

  constructor(requests: Requests, bodyBytesMax: number, wantsBatches: () => boolean, handler: UplinkHandler) {
    this.#requests = requests;
    this.#bodyBytesMax = bodyBytesMax;
    this.#wantsBatches = wantsBatches;
    this.#handler = handler;
    this.#patience = new Patience(requests.platform);
  }

  send(batch: Uint8Array): void {
    this.#queue.push(batch);
    this.#queuedBytes += batch.length;
    this.#wake();
  }

  /** Tells the server soon what has come down. */
  acknowledge(): void {
    this.#isDue = true;
    this.#wake();
  }

  /** Takes up what was handed over, and tells the server that nothing follows. */
  close(code: number): void {
    this.#closeCode = code;
    if (this.#queue.length === 0 && this.#sent === 0) return this.#handler.handleDone();
    // At once: the page may be about to go. What is under way goes along, and counts once.
    if (this.#running !== 0 && !this.#isLast(this.#queue)) return;
    this.#patience.stop();
    this.#patience = new Patience(this.#requests.platform, CLOSE_PATIENCE_MS);
    this.#request?.abort();
    void this.#run(this.#begin());
  }

  stop(): void {
    this.#isStopped = true;
    this.#running = 0;
    this.#patience.stop();
    this.#queue = [];
    this.#queuedBytes = 0;
  }

  /** Whether what is handed over now has to wait for another POST than the next one. */
  get isBusy(): boolean {
    return this.#isBusy || this.#queuedBytes >= this.#bodyBytesMax;
  }

  /** Bytes handed over and not confirmed. */
  get bufferedBytes(): number {
    return this.#queuedBytes;
  }

  #wake(): void {
    if (this.#running !== 0 || this.#isStopped) return;
    const loop = this.#begin();
    // What is handed over in one go shares a POST.
    queueMicrotask(() => void this.#run(loop));
  }

  #begin(): number {
    this.#loops += 1;
    this.#running = this.#loops;
    return this.#running;
  }

  async #run(loop: number): Promise<void> {
    while (this.#running === loop && (this.#queue.length > 0 || this.#closeCode !== undefined || this.#isDue)) {
      const batches = this.#fitting();
      const isLast = this.#closeCode !== undefined && batches.length === this.#queue.length;
      const request = this.#post(batches, isLast);
      const sending = request.send();
      this.#handler.handleAsked();
      const outcome = await sending;
      if (this.#running !== loop) return;
      if (outcome.type === "answer" && isLast) return this.#finish();
      const mayGoOn =
        outcome.type === "answer"
          ? await this.#handleAnswer(outcome, request, batches)
          : this.#mayRepeat(outcome, batches);
      if (mayGoOn) continue;
      if (this.#running !== loop) return;
      const httpStatus = outcome.type === "failed" ? outcome.httpStatus : undefined;
      const isPatient = await this.#patience.handleFailure();
      if (!isPatient && this.#running === loop) this.#lose(httpStatus);
    }
    if (this.#running === loop) this.#running = 0;
  }

  #post(batches: readonly Uint8Array[], isLast: boolean): LineRequest {
    this.#sent = Math.max(this.#sent, this.#first + batches.length - 1);
    this.#isDue = false;
    this.#isBusy = true;
    this.#askedAt = this.#requests.platform.now();
    const body = batchStream(batches);
    const headers = {
      accept: this.#wantsBatches() ? BATCHES_TYPE : "*/*",
      [Header.POSITION]: String(this.#first),
      ...(isLast ? { [Header.CLOSE]: String(this.#closeCode) } : {}),
    };
    const keepalive = isLast && this.#mayOutlive && body.length <= KEEPALIVE_BYTES_MAX;
    const request = this.#requests.create({ method: "POST", headers, body, keepalive });
    request.expectWithin(POST_TIMEOUT_MS);
    this.#request = request;
    return request;
  }

  /** Whether to go on at once; `false`: after a while. */
  #mayRepeat(outcome: Exclude<Outcome, { type: "answer" }>, batches: readonly Uint8Array[]): boolean {
    if (outcome.type === "refused") {
      this.#lose(outcome.httpStatus);
      return true;
    }
    if (outcome.type === "too-large") {
      if (batches.length < 2) this.#lose(413);
      else this.#halve(batches);
      return true;
    }
    // A server that is full says so to the first request; later on it is something in between.
    if (this.#closeCode !== undefined) this.#mayOutlive = false;
    const isFull = outcome.httpStatus === 503 && this.#first === 1;
    if (isFull) this.#lose(503);
    else if (outcome.isLate) this.#halve(batches);
    return isFull;
  }

  /** Returns whether the server has taken what it could. */
  async #handleAnswer(
    { response, received, sent }: Outcome & { type: "answer" },
    request: LineRequest,
    batches: readonly Uint8Array[],
  ): Promise<boolean> {
    // Not what our server can have: somebody else answers.
    if (received < this.#first - 1 || received > this.#sent) {
      request.abort();
      this.#lose(undefined);
      return true;
    }
    const hasNews = received >= this.#first;
    const isTaken = hasNews || batches.length === 0;
    this.#confirm(received);
    if (isTaken) this.#patience.handleSuccess();
    await this.#readBatches(response, request);
    this.#handler.handleAnswer(sent, this.#requests.platform.now() - this.#askedAt);
    this.#isBusy = !isTaken;
    if (isTaken) this.#handler.handleReady();
    return isTaken;
  }

  async #readBatches(response: Response, request: LineRequest): Promise<void> {
    const reader = new BatchStreamReader(TAKEN_BATCH_BYTES_MAX);
    let position = parseCount(response.headers.get(Header.POSITION)) ?? 0;
    const isWhole = await request.read(response, (piece) => {
      for (const batch of reader.push(piece)) this.#handler.handleBatch(position++, batch);
      if (reader.violation !== undefined) request.abort();
    });
    const code = parseCount(response.headers.get(Header.CLOSE));
    if (isWhole && code !== undefined) this.#handler.handleClose(code);
  }

  #confirm(received: number): void {
    const confirmed = this.#queue.splice(0, received - this.#first + 1);
    for (const batch of confirmed) this.#queuedBytes -= batch.length;
    this.#first = received + 1;
  }

  /** The oldest batches, one and as many more as fit. */
  #fitting(): Uint8Array[] {
    const max = this.#closeCode === undefined ? this.#bodyBytesMax : Math.min(this.#bodyBytesMax, KEEPALIVE_BYTES_MAX);
    let bytes = 0;
    const end = this.#queue.findIndex((batch, index) => {
      bytes += framedBytes(batch);
      return index > 0 && bytes > max;
    });
    return end === -1 ? [...this.#queue] : this.#queue.slice(0, end);
  }

  #isLast(queue: readonly Uint8Array[]): boolean {
    return this.#fitting().length === queue.length;
  }

  /** Something on the way takes smaller bodies only, or is too slow for large ones (HTTP-12). */
  #halve(batches: readonly Uint8Array[]): void {
    const bytes = batches.reduce((sum, batch) => sum + framedBytes(batch), 0);
    this.#bodyBytesMax = Math.max(1, Math.floor(bytes / 2));
  }

  #lose(httpStatus: number | undefined): void {
    if (this.#isStopped) return;
    if (this.#closeCode !== undefined) this.#finish();
    else this.#handler.handleLost(httpStatus);
  }

  #finish(): void {
    this.#running = 0;
    this.#handler.handleDone();
  }
}
