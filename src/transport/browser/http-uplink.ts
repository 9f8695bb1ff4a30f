import { batchStream, fittingCount, sizeOf } from "../http/batch-stream.js";
import { BodySize } from "../http/body-size.js";
import { BATCHES_TYPE, Header } from "../http/headers.js";
import { type PairedPost, Pairing } from "../http/pairing.js";
import { Patience } from "./http-patience.js";
import type { LineRequest, Outcome, Requests } from "./http-requests.js";

/** From sending a POST to the end of its answer, ms; the server holds the first one for 10 s. */
const POST_TIMEOUT_MS = 15_000;

/** All requests that outlive the page may carry 64 KiB together (Fetch, `keepalive`); others may be under way. */
const KEEPALIVE_BYTES_MAX = 60 * 1024;

/**
 * What the server has sent when it answers a POST, acks above all, comes down elsewhere at about the same time. The next POST
 * waits for that so long, ms: acks make room for what it carries.
 */
const NEWS_MS = 20;

/** For how long the last request may fail, ms: nobody waits for it but the server, which has its own time for that. */
const CLOSE_PATIENCE_MS = 2_000;

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

/** A POST that is under way. */
interface Post extends PairedPost {
  readonly request: LineRequest;
  /** The positions of its first batch and of its last, `first - 1` where it has none. */
  readonly first: number;
  readonly last: number;
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
  readonly #bodySize: BodySize;
  readonly #pairing: Pairing;
  #patience: Patience;
  /** The position up to which batches are about to come down; `undefined` while none are known of. */
  #news: number | undefined;
  #cancelNews: () => void = () => {};
  /** Under way, oldest first. */
  #posts: Post[] = [];
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
    this.#wantsBatches = wantsBatches;
    this.#handler = handler;
    this.#bodySize = new BodySize(bodyBytesMax);
    this.#pairing = new Pairing(requests);
    this.#patience = new Patience(requests.platform);
  }

  send(batch: Uint8Array): void {
    this.#queue.push(batch);
    this.#waitingBytes += batch.length;
    this.#wake();
  }

  /** So much should go into one POST, bytes. */
  handleRequestBytes(bytes: number): void {
    this.#bodySize.handleRequestBytes(bytes);
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
    if (this.isEmpty && this.#sent === 0) return this.#handler.handleDone();
    // At once: the page may be about to go. What is under way goes along, and counts once.
    const isUnderWay = this.#posts.length > 0 || this.#state === "failing";
    if (isUnderWay && fittingCount(this.#queue, this.#bodyBytesMax) < this.#queue.length) return;
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
    return !this.#mayPost || this.#waitingBytes >= this.#bodySize.bytes;
  }

  /** Bytes handed over that will not leave with the next POST. */
  get bufferedBytes(): number {
    return this.#mayPost ? Math.max(0, this.#waitingBytes - this.#bodySize.bytes) : this.#waitingBytes;
  }

  /** Whether everything that was handed over is confirmed. */
  get isEmpty(): boolean {
    return this.#queue.length === 0;
  }

  /** So much may go into the next POST, bytes: the last one takes along all that it can. */
  get #bodyBytesMax(): number {
    return this.#closeCode === undefined ? this.#bodySize.bytes : Math.min(this.#bodySize.max, KEEPALIVE_BYTES_MAX);
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
    // The last one carries all that is left, and is followed by nothing.
    if (post === undefined || this.#posts.length > 1 || this.#closeCode !== undefined) return undefined;
    return this.#pairing.besideAt(post);
  }

  #wake(): void {
    // What is handed over in one go shares a POST.
    queueMicrotask(() => this.#pump());
  }

  /** Lets leave what may. */
  #pump(): void {
    const waiting = this.#queue.slice(this.#next - this.#first);
    const isDue = this.#posts.length === 0 && (this.#isDue || this.#closeCode !== undefined);
    if ((!isDue && waiting.length === 0) || !this.#mayPost) return;
    const post = this.#post(waiting);
    this.#posts.push(post);
    this.#pairing.handleSent(post);
    void this.#carry(post);
    this.#awaitPair();
  }

  /** Says when another one may leave, if nothing else does before. */
  #awaitPair(): void {
    this.#cancelPair();
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

  #post(waiting: readonly Uint8Array[]): Post {
    const batches = waiting.slice(0, fittingCount(waiting, this.#bodyBytesMax));
    const isLast = this.#closeCode !== undefined && batches.length === waiting.length;
    const first = this.#next;
    this.#next += batches.length;
    const last = this.#next - 1;
    this.#waitingBytes -= sizeOf(batches);
    this.#sent = Math.max(this.#sent, last);
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
    return { request, first, last, bytes: body.length, askedAt: this.#requests.platform.now(), isLast };
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
      this.#bodySize.handleSuccess();
    }
    const { closeCode } = await post.request.readBatches(response, this.#handler);
    if (closeCode !== undefined) this.#handler.handleClose(closeCode);
    const tookMs = this.#requests.platform.now() - post.askedAt;
    const hasNews = this.#handler.handleAnswer(sent, tookMs);
    if (generation !== this.#generation) return;
    this.#posts = this.#posts.filter((other) => other !== post);
    this.#pairing.handleAnswer(tookMs);
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
    if (this.#posts.length > 1) this.#pairing.handleFailure();
    this.#rewind();
    const { httpStatus } = outcome;
    if (outcome.type === "refused") return this.#lose(httpStatus);
    if (outcome.type === "too-large") {
      if (post.last <= post.first) return this.#lose(httpStatus);
      this.#bodySize.handleTooLarge(post.bytes);
      return this.#pump();
    }
    if (this.#closeCode !== undefined) this.#mayOutlive = false;
    // A server that is full says so to the first request; later on it is something in between.
    if (httpStatus === 503 && this.#first === 1) return this.#lose(httpStatus);
    this.#bodySize.handleFailure(post.bytes, outcome.isLate);
    void this.#pause(httpStatus);
  }

  /** Goes on after a while. */
  async #pause(httpStatus: number | undefined): Promise<void> {
    this.#state = "failing";
    const generation = this.#generation;
    const isPatient = await this.#patience.handleFailure();
    if (generation !== this.#generation) return;
    this.#state = "ready";
    if (!isPatient) return this.#lose(httpStatus);
    this.#pump();
    // Nothing has waited here, as behind a POST that only said what has come: what wants to leave is held back elsewhere.
    if (this.#mayPost) this.#handleReady();
  }

  #confirm(received: number): void {
    if (received < this.#first) return;
    // More than is under way where a POST before, of which nobody knew, has got through.
    this.#waitingBytes -= sizeOf(this.#queue.slice(this.#next - this.#first, received + 1 - this.#first));
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
    this.#waitingBytes = sizeOf(this.#queue);
  }

  #lose(httpStatus: number | undefined): void {
    if (this.#state === "stopped") return;
    if (this.#closeCode !== undefined) this.#handler.handleDone();
    else this.#handler.handleLost(httpStatus);
  }
}
