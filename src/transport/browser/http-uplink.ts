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
  /**
   * The server has taken a POST, which has taken `tookMs`, and has sent so much down by now.
   * @returns whether some of that has yet to come
   */
  handleAnswer(sent: number, tookMs: number): boolean;
  /** A POST may leave: `bufferedBytes` may have fallen, and what is handed over now goes along. */
  handleReady(): void;
  /** Nothing will go up any more. */
  handleLost(httpStatus: number | undefined): void;
  /** After `close`: everything is told, or cannot be. */
  handleDone(): void;
}

/**
 * Where requests share a connection, another POST may be under way beside one that carries so much, bytes. It leaves when the
 * first has used up half of the time that POSTs have taken lately: the line has something to do while the answer is waited for.
 * So it may beside smaller ones soon after that, at once. Elsewhere each would take a connection of the few that there are.
 */
const PAIR_BYTES = 4096;
const PAIR_SHARE = 0.5;
const PAIR_SOON = 3;

/**
 * What the server has sent when it answers a POST, acks above all, comes down elsewhere at about the same time. The next POST
 * waits for that so long, ms: acks make room for what it carries.
 */
const NEWS_MS = 20;

/** So often two may have been under way when one failed: something on the way does not like that, and they go one by one. */
const PAIR_FAILURES_MAX = 3;

/** Weight of a POST that has taken longer in the time that they take. */
const TOOK_WEIGHT = 1 / 4;

/** What a body holds before anybody has said how much that should be, bytes. */
const BODY_BYTES = 64 * 1024;

/** A batch: a body of this size, bytes, does not fail for it. */
const BODY_BYTES_MIN = 16 * 1024;

/** For how long the last request may fail, ms: nobody waits for it but the server, which has its own time for that. */
const CLOSE_PATIENCE_MS = 2_000;

/** A POST that is under way. */
interface Post {
  readonly request: LineRequest;
  /** The positions of its first batch and of its last, `first - 1` where it has none. */
  readonly first: number;
  readonly last: number;
  /** The length of its body. */
  readonly bytes: number;
  readonly askedAt: number;
  /** Nothing follows. */
  readonly isLast: boolean;
}

/**
 * Takes batches up in POSTs, one at a time, or two where they share a connection and much goes up (HTTP-03), each with as many
 * as should go along; what was not confirmed is sent again. A POST says the position of its first batch, so the server takes
 * each batch once.
 *
 * Invariant: the POSTs under way carry the first batches of the queue, in order.
 */
export class Uplink {
  readonly #requests: Requests;
  readonly #handler: UplinkHandler;
  #patience: Patience;
  /** Whether answers should bring batches: nothing else does, or may. */
  readonly #wantsBatches: () => boolean;
  /** Not confirmed, oldest first. */
  #queue: Uint8Array[] = [];
  /** Of those of them that are in no POST under way. */
  #waitingBytes = 0;
  /** The position of the first batch in the queue, and of the first that is in no POST under way. */
  #first = 1;
  #next = 1;
  /** Of the last batch that was ever in a POST. */
  #sent = 0;
  /** What the way takes, and what should go along. */
  #bodyBytesMax: number;
  #bodyBytes: number = BODY_BYTES;
  /** And what is tried when failures follow each other: something may take less, and not say 413 (Caddy 2.6: 502). */
  #triedBytesMax = Number.POSITIVE_INFINITY;
  #failures = 0;
  /** Under way, oldest first. */
  #posts: readonly Post[] = [];
  /** When the last one left that carried much. */
  #muchAt = Number.NEGATIVE_INFINITY;
  /** The position up to which batches are about to come down; `undefined` while none are known of. */
  #news: number | undefined;
  #cancelNews: () => void = () => {};
  /** How long POSTs take; `undefined` until one was answered. */
  #tookMs: number | undefined;
  #pairFailures = 0;
  /** Whether two may be under way: asked for each that carries much. */
  #isPaired = false;
  #cancelPair: () => void = () => {};
  /** `failing`: waits for the next try. */
  #state: "ready" | "failing" | "stopped" = "ready";
  /** Counts what has put an end to all that was under way. */
  #generation = 0;
  #closeCode: number | undefined;
  /** A browser refuses requests that outlive the page above its quota, which other code may have used up. */
  #mayOutlive = true;
  /** A POST is wanted although there is nothing to take up: it says what has come down. */
  #isDue = false;

  constructor(requests: Requests, bodyBytesMax: number, wantsBatches: () => boolean, handler: UplinkHandler) {
    this.#requests = requests;
    this.#bodyBytesMax = bodyBytesMax;
    this.#wantsBatches = wantsBatches;
    this.#handler = handler;
    this.#patience = new Patience(requests.platform);
  }

  send(batch: Uint8Array): void {
    this.#queue.push(batch);
    this.#waitingBytes += batch.length;
    this.#wake();
  }

  /** So much should go into one POST, bytes. */
  handleRequestBytes(bytes: number): void {
    this.#bodyBytes = bytes;
  }

  /** Batches have come down up to this position. */
  handleReceived(position: number): void {
    if (this.#news === undefined || position < this.#news) return;
    this.#forgetNews();
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
    const isUnderWay = this.#posts.length > 0 || this.#state === "failing";
    if (isUnderWay && this.#fitting(this.#queue).length < this.#queue.length) return;
    this.#patience.stop();
    this.#patience = new Patience(this.#requests.platform, CLOSE_PATIENCE_MS);
    this.#rewind();
    this.#state = "ready";
    this.#pump();
  }

  stop(): void {
    this.#patience.stop();
    this.#rewind();
    this.#state = "stopped";
    this.#queue = [];
    this.#waitingBytes = 0;
  }

  /** Whether what is handed over now has to wait for another POST than the next one. */
  get isBusy(): boolean {
    return !this.#mayPost || this.#waitingBytes >= this.#fullBytes;
  }

  /** Bytes handed over that will not leave with the next POST. */
  get bufferedBytes(): number {
    return this.#mayPost ? Math.max(0, this.#waitingBytes - this.#fullBytes) : this.#waitingBytes;
  }

  /** Whether everything that was handed over is confirmed. */
  get isEmpty(): boolean {
    return this.#queue.length === 0;
  }

  get #fullBytes(): number {
    return Math.min(this.#bodyBytes, this.#bodyBytesMax, this.#triedBytesMax);
  }

  /** Whether a POST that is wanted may leave now. */
  get #mayPost(): boolean {
    if (this.#state !== "ready" || this.#news !== undefined) return false;
    const pairAt = this.#pairAt;
    return this.#posts.length === 0 || (pairAt !== undefined && this.#requests.platform.now() >= pairAt);
  }

  /** When a second POST may leave beside the one that is under way; `undefined` while none may. */
  get #pairAt(): number | undefined {
    const post = this.#posts[0];
    if (post === undefined || this.#posts.length > 1 || this.#tookMs === undefined) return undefined;
    // The last one carries all that is left, and is followed by nothing.
    if (!this.#isPaired || this.#closeCode !== undefined) return undefined;
    if (post.bytes >= PAIR_BYTES) return post.askedAt + this.#tookMs * PAIR_SHARE;
    return post.askedAt - this.#muchAt < this.#tookMs * PAIR_SOON ? post.askedAt : undefined;
  }

  #wake(): void {
    // What is handed over in one go shares a POST.
    queueMicrotask(() => this.#pump());
  }

  /** Lets leave what may. */
  #pump(): void {
    const waiting = this.#queue.slice(this.#next - this.#first);
    const isWanted = waiting.length > 0 || (this.#posts.length === 0 && (this.#isDue || this.#closeCode !== undefined));
    if (!isWanted || !this.#mayPost) return;
    const batches = this.#fitting(waiting);
    const isLast = this.#closeCode !== undefined && batches.length === waiting.length;
    const post = this.#post(batches, isLast);
    this.#posts = [...this.#posts, post];
    if (post.bytes >= PAIR_BYTES) {
      this.#muchAt = post.askedAt;
      this.#isPaired = this.#pairFailures < PAIR_FAILURES_MAX && this.#requests.isMultiplexed;
    }
    void this.#carry(post);
    this.#awaitPair();
  }

  /** Says when another one may leave, if nothing else does before. */
  #awaitPair(): void {
    this.#cancelPair();
    this.#cancelPair = () => {};
    const at = this.#pairAt;
    if (at === undefined) return;
    const delayMs = Math.max(0, at - this.#requests.platform.now());
    this.#cancelPair = this.#requests.platform.setTimer(() => this.#handleReady(), delayMs);
  }

  #handleReady(): void {
    this.#handler.handleReady();
    this.#pump();
  }

  async #carry(post: Post): Promise<void> {
    const generation = this.#generation;
    const sending = post.request.send();
    this.#handler.handleAsked();
    const outcome = await sending;
    if (generation !== this.#generation) return;
    if (outcome.type !== "answer") return this.#handleFailure(outcome, post);
    if (post.isLast) return this.#handler.handleDone();
    await this.#handleAnswer(outcome, post);
  }

  #post(batches: readonly Uint8Array[], isLast: boolean): Post {
    const first = this.#next;
    this.#next += batches.length;
    this.#waitingBytes -= sum(batches);
    this.#sent = Math.max(this.#sent, this.#next - 1);
    this.#isDue = false;
    const body = batchStream(batches);
    const headers = {
      accept: this.#wantsBatches() ? BATCHES_TYPE : "*/*",
      [Header.POSITION]: String(first),
      ...(isLast ? { [Header.CLOSE]: String(this.#closeCode) } : {}),
    };
    const keepalive = isLast && this.#mayOutlive && body.length <= KEEPALIVE_BYTES_MAX;
    const request = this.#requests.create({ method: "POST", headers, body, keepalive });
    request.expectWithin(POST_TIMEOUT_MS);
    const askedAt = this.#requests.platform.now();
    return { request, first, last: this.#next - 1, bytes: body.length, askedAt, isLast };
  }

  async #handleAnswer({ response, received, sent }: Outcome & { type: "answer" }, post: Post): Promise<void> {
    const generation = this.#generation;
    // Not what our server can have: somebody else answers. The answer of a POST may be overtaken by that of the next one.
    if (received < post.first - 1 || received > this.#sent) {
      post.request.abort();
      return this.#lose(undefined);
    }
    const isTaken = received >= post.first || post.last < post.first;
    this.#confirm(received);
    if (isTaken) {
      this.#patience.handleSuccess();
      this.#triedBytesMax *= 2;
      this.#failures = 0;
    }
    await this.#readBatches(response, post.request);
    const tookMs = this.#requests.platform.now() - post.askedAt;
    const hasNews = this.#handler.handleAnswer(sent, tookMs);
    if (generation !== this.#generation) return;
    this.#posts = this.#posts.filter((other) => other !== post);
    const knownMs = this.#tookMs ?? tookMs;
    this.#tookMs = Math.min(tookMs, knownMs + (tookMs - knownMs) * TOOK_WEIGHT);
    // Behind what has not been taken, nothing will be.
    if (received < post.last) this.#rewind();
    if (!isTaken) return this.#pause(undefined);
    if (hasNews) this.#awaitNews(sent);
    this.#awaitPair();
    if (this.#mayPost) this.#handleReady();
  }

  #awaitNews(position: number): void {
    this.#cancelNews();
    this.#news = Math.max(this.#news ?? 0, position);
    this.#cancelNews = this.#requests.platform.setTimer(() => {
      this.#forgetNews();
      this.#handleReady();
    }, NEWS_MS);
  }

  #forgetNews(): void {
    this.#news = undefined;
    this.#cancelNews();
  }

  #handleFailure(outcome: Exclude<Outcome, { type: "answer" }>, post: Post): void {
    if (this.#posts.length > 1) this.#pairFailures += 1;
    this.#rewind();
    if (outcome.type === "refused") return this.#lose(outcome.httpStatus);
    if (outcome.type === "too-large") {
      if (post.last <= post.first) return this.#lose(413);
      this.#halve(post);
      return this.#pump();
    }
    // A server that is full says so to the first request; later on it is something in between.
    if (this.#closeCode !== undefined) this.#mayOutlive = false;
    if (outcome.httpStatus === 503 && this.#first === 1) return this.#lose(503);
    this.#failures += 1;
    if (outcome.isLate) this.#halve(post);
    else if (this.#failures > 1) this.#triedBytesMax = Math.max(BODY_BYTES_MIN, post.bytes / 2);
    void this.#pause(outcome.httpStatus);
  }

  /** Goes on after a while. */
  async #pause(httpStatus: number | undefined): Promise<void> {
    this.#state = "failing";
    const generation = this.#generation;
    const isPatient = await this.#patience.handleFailure();
    if (generation !== this.#generation) return;
    this.#state = "ready";
    if (isPatient) this.#pump();
    else this.#lose(httpStatus);
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
    if (received < this.#first) return;
    // More than is under way where a POST before, of which nobody knew, has got through.
    this.#waitingBytes -= sum(this.#queue.slice(this.#next - this.#first, received + 1 - this.#first));
    this.#queue.splice(0, received + 1 - this.#first);
    this.#first = received + 1;
    this.#next = Math.max(this.#next, this.#first);
  }

  /** Nothing is under way any more: what was not confirmed waits again. */
  #rewind(): void {
    this.#generation += 1;
    this.#cancelPair();
    this.#forgetNews();
    for (const { request } of this.#posts) request.abort();
    this.#posts = [];
    this.#next = this.#first;
    this.#waitingBytes = sum(this.#queue);
  }

  /** The oldest of them, one and as many more as fit. */
  #fitting(batches: readonly Uint8Array[]): readonly Uint8Array[] {
    const max = this.#closeCode === undefined ? this.#fullBytes : Math.min(this.#bodyBytesMax, KEEPALIVE_BYTES_MAX);
    let bytes = 0;
    const end = batches.findIndex((batch, index) => {
      bytes += framedBytes(batch);
      return index > 0 && bytes > max;
    });
    return end === -1 ? batches : batches.slice(0, end);
  }

  /** Something on the way takes smaller bodies only, or is too slow for large ones (HTTP-12). */
  #halve({ bytes }: Post): void {
    this.#bodyBytesMax = Math.max(1, Math.floor(bytes / 2));
  }

  #lose(httpStatus: number | undefined): void {
    if (this.#state === "stopped") return;
    if (this.#closeCode !== undefined) this.#handler.handleDone();
    else this.#handler.handleLost(httpStatus);
  }
}

function sum(batches: readonly Uint8Array[]): number {
  return batches.reduce((bytes, { length }) => bytes + length, 0);
}
