import { EventStreamReader } from "../http/event-stream.js";
import { BATCHES_TYPE, EVENTS_TYPE, Header, isMediaType, TAKEN_BATCH_BYTES_MAX } from "../http/headers.js";
import type { TransportName } from "../transport.js";
import { Patience } from "./http-patience.js";
import { Place, type Places } from "./http-places.js";
import type { LineRequest, Outcome, Requests } from "./http-requests.js";

/**
 * From the request to the first bytes of an event stream, ms, and how long it may bring nothing while the server says that
 * it has sent something: after that it is held back on the way.
 */
const HELD_BACK_MS = 2500;

/**
 * Something that waits for more before it passes anything on makes a stream silent for 200 ms as often as the server says
 * something (HAProxy without `option http-no-delay`; the end of an answer goes at once). So many silences in a row of so long,
 * ms, and twice as long as a POST takes, are enough: polls are quicker there.
 */
const SLUGGISH_MS = 80;
const SLUGGISH_POSTS = 2;
const SLUGGISH_TIMES = 6;

/** The server holds a poll for at most 25 s. */
const POLL_TIMEOUT_MS = 35_000;

/** How long a poll is held that others wait for, ms: so each of them has its turn soon. */
const TURN_MS = 250;

/** From one poll that has brought nothing to the next, ms: something that answers at once must not make us ask for ever. */
const EMPTY_POLL_MS = 50;

/** So many event streams in a row that end without having brought anything are enough. */
const BARREN_STREAMS_MAX = 2;

export interface DownlinkHandler {
  handleBatch(position: number, batch: Uint8Array): void;
  /** The server has ended the line behind the batches that have come. */
  handleClose(code: number): void;
  handleName(name: TransportName): void;
  /** Nothing will come down any more. */
  handleLost(httpStatus: number | undefined): void;
}

/** An event stream, or polls where none gets through; nothing but an event stream; nothing but polls. */
export type DownlinkChoice = "auto" | "sse" | "long-poll";

const POLL_HEADERS = { accept: BATCHES_TYPE };

/** Brings batches down: by an event stream as long as one gets through, then by long polls (HTTP-15, HTTP-19). */
export class Downlink {
  readonly #requests: Requests;
  readonly #handler: DownlinkHandler;
  readonly #patience: Patience;
  /** What it needs to wait for something to come; without it, it asks now and then (HTTP-27). */
  readonly #place: Place;
  /** Whether polls may stand in for an event stream. */
  readonly #mayPoll: boolean;
  #mode: "stream" | "poll";
  #state: "new" | "running" | "stopped" = "new";
  #request: LineRequest | undefined;
  /** The stream that is open has brought its first bytes. */
  #isProven = false;
  /** The stream that is open has to bring something within its deadline. */
  #isAwaited = false;
  #barrenStreams = 0;
  /**
   * Barren streams have been given up: perhaps as everything failed, not as streams do. `open`: once a poll gets through, one more
   * is tried; `settled`: that was it.
   */
  #doubt: "none" | "open" | "settled" = "none";
  /** Since when the server is known to have something for the stream to bring, and how long it has taken to say so. */
  #silence: { readonly since: number; readonly tookMs: number } | undefined;
  /** How often in a row that has taken long. */
  #sluggishTimes = 0;

  /** @param places who else may hold a connection; `undefined`: nobody has to care */
  constructor(requests: Requests, wants: DownlinkChoice, places: Places | undefined, handler: DownlinkHandler) {
    this.#requests = requests;
    this.#mode = wants === "long-poll" ? "poll" : "stream";
    this.#mayPoll = wants !== "sse";
    this.#handler = handler;
    this.#patience = new Patience(requests.platform);
    this.#place = new Place(this.#mayPoll ? places : undefined, () => {
      if (this.#mode === "stream") handler.handleName("sse");
    });
  }

  /** The line exists. Does nothing when called again. */
  start(): void {
    if (this.#state !== "new") return;
    this.#state = "running";
    this.#place.claim();
    void this.#run();
  }

  stop(): void {
    this.#state = "stopped";
    this.#place.release();
    this.#patience.stop();
    this.#request?.abort();
  }

  /**
   * The server has put batches into answers up to the position `sent`; up to `received` they have come.
   * @param tookMs how long it has taken to ask for that
   */
  handleProgress(sent: number, received: number, tookMs: number): void {
    if (!this.#isProven || sent <= received) return;
    this.#silence ??= { since: this.#requests.platform.now(), tookMs };
    if (this.#isAwaited) return;
    this.#isAwaited = true;
    this.#request?.expectWithin(HELD_BACK_MS);
  }

  /** Whether it surely brings what the server sends. */
  get isProven(): boolean {
    if (!this.#place.isHeld) return false;
    return this.#mode === "poll" ? this.#request !== undefined : this.#isProven;
  }

  async #run(): Promise<void> {
    while (this.#state === "running") {
      if (!this.#place.isHeld) await this.#pollInTurn();
      else if (this.#mode === "stream") await this.#stream();
      else await this.#poll(POLL_HEADERS);
    }
  }

  async #pollInTurn(): Promise<void> {
    const endTurn = await this.#place.turn();
    if (endTurn === undefined) return;
    this.#handler.handleName("long-poll");
    await this.#poll({ ...POLL_HEADERS, [Header.HOLD]: String(TURN_MS) }, endTurn);
  }

  async #stream(): Promise<void> {
    const request = this.#get({ accept: EVENTS_TYPE }, HELD_BACK_MS);
    const outcome = await request.send();
    const isStream =
      outcome.type === "answer" && isMediaType(outcome.response.headers.get("content-type"), EVENTS_TYPE);
    if (!isStream || !outcome.response.body) {
      request.abort();
      return this.#handleFailedStream(outcome, request);
    }
    const reader = new EventStreamReader(TAKEN_BATCH_BYTES_MAX);
    let batches = 0;
    await request.read(outcome.response, (piece) => {
      request.expectWithin(undefined);
      this.#isProven = true;
      this.#isAwaited = false;
      this.#handler.handleName("sse");
      this.#handleSound();
      for (const event of reader.push(piece)) {
        if (this.#state !== "running") return;
        if (event.type === "close") return this.#handler.handleClose(event.code);
        batches += 1;
        this.#handler.handleBatch(event.position, event.batch);
      }
      if (reader.isViolated || this.#isSluggish) request.abort();
    });
    this.#isProven = false;
    this.#isAwaited = false;
    this.#silence = undefined;
    if (this.#state !== "running") return;
    if (request.isLate || reader.isViolated || this.#isSluggish) return this.#giveUpStreams();
    // The prelude is a comment.
    if (batches > 0 || reader.comments > 1) {
      this.#barrenStreams = 0;
      this.#doubt = "none";
      this.#patience.handleSuccess();
      return;
    }
    await this.#handleBarrenStream(undefined);
  }

  /** The stream has brought something. */
  #handleSound(): void {
    if (this.#silence === undefined) return;
    const { since, tookMs } = this.#silence;
    const isLong = this.#requests.platform.now() - since >= Math.max(SLUGGISH_MS, SLUGGISH_POSTS * tookMs);
    this.#sluggishTimes = isLong ? this.#sluggishTimes + 1 : 0;
    this.#silence = undefined;
  }

  get #isSluggish(): boolean {
    return this.#mayPoll && this.#sluggishTimes >= SLUGGISH_TIMES;
  }

  async #handleFailedStream(outcome: Outcome, request: LineRequest): Promise<void> {
    if (this.#state !== "running") return;
    if (outcome.type === "refused") return this.#lose(outcome.httpStatus);
    if (request.isLate) return this.#giveUpStreams();
    await this.#handleBarrenStream(outcome.type === "failed" ? outcome.httpStatus : undefined);
  }

  async #handleBarrenStream(httpStatus: number | undefined): Promise<void> {
    this.#barrenStreams += 1;
    if (this.#barrenStreams >= BARREN_STREAMS_MAX) {
      this.#doubt = this.#doubt === "none" ? "open" : "settled";
      this.#giveUpStreams();
    }
    if (this.#state === "running") await this.#fail(httpStatus);
  }

  #giveUpStreams(): void {
    if (!this.#mayPoll) return this.#lose(undefined);
    this.#mode = "poll";
    this.#handler.handleName("long-poll");
  }

  /** @param onOver the request is over, and others may have the connection */
  async #poll(headers: Readonly<Record<string, string>>, onOver: () => void = () => {}): Promise<void> {
    const askedAt = this.#requests.platform.now();
    const request = this.#get(headers, POLL_TIMEOUT_MS);
    const outcome = await request.send();
    if (this.#state !== "running" || outcome.type !== "answer") onOver();
    if (this.#state !== "running") return request.abort();
    if (outcome.type === "refused") return this.#lose(outcome.httpStatus);
    if (outcome.type !== "answer") return this.#fail(outcome.httpStatus);
    const { isWhole, count, closeCode } = await request.readBatches(outcome.response, this.#handler);
    onOver();
    if (this.#state !== "running") return;
    if (closeCode !== undefined) return this.#handler.handleClose(closeCode);
    if (!isWhole && count === 0) return this.#fail(undefined);
    this.#patience.handleSuccess();
    if (this.#doubt === "open") {
      this.#doubt = "settled";
      this.#mode = "stream";
      return;
    }
    const pauseMs = askedAt + EMPTY_POLL_MS - this.#requests.platform.now();
    // Hidden pages have their timers late: none where none is needed.
    if (count === 0 && pauseMs > 0) await this.#patience.pause(pauseMs);
  }

  async #fail(httpStatus: number | undefined): Promise<void> {
    if (!(await this.#patience.handleFailure())) this.#lose(httpStatus);
  }

  #get(headers: Readonly<Record<string, string>>, withinMs: number): LineRequest {
    const request = this.#requests.create({ method: "GET", headers });
    request.expectWithin(withinMs);
    this.#request = request;
    return request;
  }

  #lose(httpStatus: number | undefined): void {
    if (this.#state === "running") this.#handler.handleLost(httpStatus);
  }
}
