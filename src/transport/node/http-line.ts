import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import { ANSWER_BYTES_MAX, BATCHES_TYPE, EVENTS_TYPE, Header, HTTP_BATCH_BYTES_MAX } from "../http/headers.js";
import {
  SUBPROTOCOL,
  type Transport,
  type TransportDeath,
  type TransportHandler,
  type TransportName,
} from "../transport.js";
import { answer, cutUnread, refuse } from "./http-answers.js";
import { type BodyEnd, type BodyLimits, readBatches } from "./http-body.js";
import { EventStream, LongPoll } from "./http-downlink.js";
import { Outgoing } from "./http-outgoing.js";

/** Bounds of one line. */
export interface LineLimits extends BodyLimits {
  /** How long a poll that has nothing to bring is held, ms. */
  readonly holdMs: number;
  /** How long the first request waits for something to take along, ms. */
  readonly firstHoldMs: number;
  /** How often an event stream gets a comment, ms. */
  readonly commentMs: number;
  /** How long a line lives without any request, ms. */
  readonly idleMs: number;
  /** How long a POST waits for what comes before it, ms. */
  readonly earlyHoldMs: number;
  /** How long a line that has been closed goes on to tell so, ms; and after that, how long its last answers may take. */
  readonly lingerMs: number;
}

/** What a request of a line says in its headers, checked. */
export interface LineRequest {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The position of the last batch that the client has. */
  readonly received: number;
  /** Of the first batch in the body. */
  readonly position: number;
  /** How long a poll may be held, as far as the client says. */
  readonly holdMs: number;
  /** The client ends the line behind this body, with this code. */
  readonly close: number | undefined;
}

/** What a line tells of itself. */
interface LineInit {
  /** Called once: no request of it is to be taken any more. */
  readonly onOver: () => void;
  /** Whether no request of it is under way from here on. May be said again. */
  readonly onIdle: (isIdle: boolean) => void;
}

/** A POST that waits for what comes before it, whose body is being read, or whose answer waits for something to take along. */
interface Upload extends LineRequest {
  state: "early" | "reading" | "held";
  /** Stops whichever it is. */
  stop: () => void;
}

/**
 * The server's end of an HTTP line (PROTOCOL.md, HTTP): batches come up in requests, and go down in whatever answer there
 * is. Both directions count positions, so requests and answers may be lost or repeated.
 *
 * Invariant: at most one upload, one behind it, and one downlink at a time; the newer one has the place, the older one is
 * answered.
 */
export class HttpLine implements Transport {
  readonly greets = false;
  readonly batchBytesMax: number = HTTP_BATCH_BYTES_MAX;
  readonly #limits: LineLimits;
  readonly #init: LineInit;
  readonly #outgoing = new Outgoing();
  #name: TransportName = "sse";
  #handler: TransportHandler | undefined;
  /** The position of the last batch that came up. */
  #received = 0;
  #upload: Upload | undefined;
  /** The next one, which has come before what it follows: nothing of it is read. */
  #early: Upload | undefined;
  #downlink: EventStream | LongPoll | undefined;
  /** Answers that their clients have not taken to their end. */
  readonly #unread = new Set<ServerResponse>();
  #state: "open" | "closing" | "over" = "open";
  #closeCode = 1000;
  #timer: NodeJS.Timeout | undefined;
  #isScheduled = false;

  constructor(limits: LineLimits, init: LineInit) {
    this.#limits = limits;
    this.#init = init;
  }

  start(handler: TransportHandler): void {
    this.#handler = handler;
    handler.handleOpen({ subprotocol: SUBPROTOCOL, extensions: "" });
  }

  send(batch: Uint8Array): void {
    if (this.#state !== "open") return;
    this.#outgoing.push(batch);
    this.#schedule();
  }

  close(code: number, _reason: string): void {
    if (this.#state !== "open") return;
    this.#handler = undefined;
    this.#state = "closing";
    this.#closeCode = code;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#end(), this.#limits.lingerMs);
    // Nobody has to wait for a client that does not come back.
    this.#timer.unref();
    this.#schedule();
  }

  terminate(): void {
    this.#handler = undefined;
    this.#end();
  }

  /** No request of it has come for too long. */
  expire(): void {
    if (this.#state === "open") this.#die({ wasClean: false, code: 1006, reason: "" });
    else this.#end();
  }

  /** A POST: its body brings batches. */
  handleUpload(said: LineRequest): void {
    if (!this.#acknowledge(said)) return;
    for (const stream of [said.request, said.response]) stream.on("error", () => {});
    if (this.#isEarly(said)) return this.#keepEarly(said);
    this.#supersede(this.#upload);
    this.#read(said);
  }

  /** Whether something comes before it, or is coming: what is behind another one is no copy of that. */
  #isEarly({ position }: LineRequest): boolean {
    const upload = this.#upload;
    return position > this.#received + 1 || (upload?.state === "reading" && position > upload.position);
  }

  /** HTTP-10: what is between is on its way, or has never come, and never will. */
  #keepEarly(said: LineRequest): void {
    const { request, response } = said;
    this.#supersede(this.#early);
    const refuseIt = (): void => {
      refuse(request, response, 409, this.progress);
      this.#release(early);
    };
    const timer = setTimeout(refuseIt, this.#limits.earlyHoldMs);
    const early: Upload = { ...said, state: "early", stop: () => clearTimeout(timer) };
    this.#early = early;
    this.#arm();
    response.once("close", () => this.#release(early));
  }

  /** What comes before the next POST may have come by now. */
  #takeEarly(): void {
    const early = this.#early;
    if (early === undefined || this.#upload !== undefined || early.position > this.#received + 1) return;
    this.#release(early);
    this.#read(early);
  }

  #read(said: LineRequest): void {
    const { request, response } = said;
    const upload: Upload = { ...said, state: "reading", stop: () => {} };
    this.#upload = upload;
    this.#arm();
    response.once("close", () => this.#release(upload));
    let position = said.position - 1;
    const onBatch = (batch: Uint8Array): void => {
      position += 1;
      if (position !== this.#received + 1) return;
      this.#received = position;
      this.#handler?.handleBatch(batch);
    };
    upload.stop = readBatches(request, this.#limits, onBatch, (end) => this.#handleBodyEnd(upload, end));
  }

  /** A GET: what goes down goes into its answer from here on. */
  handleDownlink(said: LineRequest): void {
    if (!this.#acknowledge(said)) return;
    this.#finishDownlink();
    const { request, response, received } = said;
    const isStream = request.headers.accept?.includes(EVENTS_TYPE) === true;
    const onGone = (): void => {
      if (this.#downlink !== downlink) return;
      this.#downlink = undefined;
      this.#arm();
    };
    const { commentMs } = this.#limits;
    const holdMs = Math.min(said.holdMs, this.#limits.holdMs);
    const downlink = isStream
      ? new EventStream(response, this.progress, { received, commentMs, onGone, onDrain: () => this.#handleDrain() })
      : new LongPoll(response, { received, holdMs, onGone, onTimeout: () => this.#answerPoll() });
    this.#downlink = downlink;
    this.#arm();
    this.#rename(isStream ? "sse" : "long-poll");
    // What has waited for this one goes along.
    this.#handler?.handleWritable();
    this.#pump();
  }

  get name(): TransportName {
    return this.#name;
  }

  get requests(): "peer" | "both" {
    return this.#name === "sse" ? "peer" : "both";
  }

  get isBusy(): boolean {
    return this.#name === "long-poll" && this.#downlink === undefined;
  }

  get bufferedBytes(): number {
    return this.#outgoing.bufferedBytes + (this.#downlink?.unwrittenBytes ?? 0);
  }

  /** What every answer says: how far both directions have come. */
  get progress(): OutgoingHttpHeaders {
    return { [Header.RECEIVED]: this.#received, [Header.SENT]: this.#outgoing.sent };
  }

  #handleBodyEnd(upload: Upload, end: BodyEnd): void {
    const { request, response, close } = upload;
    switch (end.type) {
      case "cut":
        return this.#release(upload);
      case "too-large":
      case "too-slow":
        refuse(request, response, end.type === "too-large" ? 413 : 408, this.progress);
        return this.#release(upload);
      case "violation":
        refuse(request, response, 400, this.progress);
        return this.#die({ wasClean: false, code: end.violation.code, reason: end.violation.reason });
      case "complete":
    }
    if (close !== undefined) {
      answer(response, 200, this.progress);
      return this.#die({ wasClean: true, code: close, reason: "" });
    }
    upload.state = "held";
    upload.stop = () => {};
    // HTTP-13: until the first one is answered, no GET can come to take anything down. (A late copy of it is not waited with.)
    const isFirst = upload.position === 1 && this.#outgoing.sent === 0;
    if (isFirst && !this.#hasNews(upload.received)) {
      const timer = setTimeout(() => this.#answerUpload(upload), this.#limits.firstHoldMs);
      upload.stop = () => clearTimeout(timer);
    } else {
      this.#answerUpload(upload);
    }
  }

  /** `false` when the request has been refused: what it says cannot be, or is out of date (HTTP-10). */
  #acknowledge({ request, response, received, position }: LineRequest): boolean {
    const { sent, acknowledged } = this.#outgoing;
    if (received > sent) {
      refuse(request, response, 400, this.progress);
      return false;
    }
    // A late copy of a request must not take the line away from those that came after it. What brings news is none.
    if (received < acknowledged && position <= this.#received) {
      refuse(request, response, 409, this.progress);
      return false;
    }
    if (this.#outgoing.acknowledge(received)) this.#handleDrain();
    this.#unread.add(response);
    response.once("close", () => this.#unread.delete(response));
    return true;
  }

  /** Browsers and proxies repeat requests: the older copy must not wait for ever (HTTP-18). */
  #supersede(upload: Upload | undefined): void {
    if (upload === undefined) return;
    this.#release(upload);
    refuse(upload.request, upload.response, upload.state === "held" ? 200 : 409, this.progress);
  }

  #finishDownlink(): void {
    const downlink = this.#downlink;
    this.#downlink = undefined;
    if (downlink?.type === "poll") downlink.answer(200, this.progress);
    else downlink?.finish();
  }

  /** What is sent in one go goes into one answer. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#pump();
    });
  }

  /** Lets go down what may. */
  #pump(): void {
    if (this.#state === "over") return;
    const upload = this.#upload;
    if (upload?.state === "held" && this.#hasNews(upload.received)) this.#answerUpload(upload);
    const downlink = this.#downlink;
    if (downlink?.type === "poll" && this.#hasNews(downlink.received)) return this.#answerPoll();
    if (downlink?.type !== "stream") return;
    while (downlink.isReady && this.#outgoing.hasAfter(downlink.position)) {
      const position = this.#outgoing.nextAfter(downlink.position);
      downlink.write(position, this.#outgoing.at(position));
      this.#outgoing.handleSent(position);
    }
    if (this.#state === "closing" && !this.#outgoing.hasAfter(downlink.position)) downlink.close(this.#closeCode);
  }

  #hasNews(received: number): boolean {
    return this.#state === "closing" || this.#outgoing.hasAfter(received);
  }

  #answerPoll(): void {
    const poll = this.#downlink;
    if (poll?.type !== "poll") return;
    const { headers, body } = this.#take(poll.received, ANSWER_BYTES_MAX);
    poll.answer(200, headers, body);
    this.#handleDrain();
  }

  #answerUpload(upload: Upload): void {
    const { request, response, received } = upload;
    // The client knows whether the stream that is open here brings anything to it.
    const carries = request.headers.accept?.includes(BATCHES_TYPE) === true;
    const { headers, body } = this.#take(received, carries ? ANSWER_BYTES_MAX : 0);
    answer(response, 200, { ...headers, "Content-Type": BATCHES_TYPE }, body);
    this.#release(upload);
    if (body.length > 0) this.#handleDrain();
  }

  #take(received: number, bytesMax: number): { headers: OutgoingHttpHeaders; body: Uint8Array } {
    const { body, first, last } = this.#outgoing.take(received, bytesMax);
    const isDone = this.#state === "closing" && !this.#outgoing.hasAfter(last);
    const headers = { ...this.progress, [Header.POSITION]: first };
    return { headers: isDone ? { ...headers, [Header.CLOSE]: this.#closeCode } : headers, body };
  }

  #handleDrain(): void {
    queueMicrotask(() => {
      this.#pump();
      this.#handler?.handleWritable();
    });
  }

  /** The upload is done with, or its connection is gone. */
  #release(upload: Upload): void {
    upload.stop();
    if (this.#early === upload) this.#early = undefined;
    else if (this.#upload === upload) this.#upload = undefined;
    else return;
    this.#arm();
    this.#takeEarly();
  }

  #rename(name: TransportName): void {
    if (name === this.#name) return;
    this.#name = name;
    this.#handler?.handleRenamed?.();
  }

  /** A line that no request is under way for has lost its client, sooner or later (HTTP-21). */
  #arm(): void {
    if (this.#state !== "open") return;
    clearTimeout(this.#timer);
    const isIdle = (this.#upload ?? this.#early ?? this.#downlink) === undefined;
    this.#init.onIdle(isIdle);
    if (!isIdle) return;
    this.#timer = setTimeout(() => this.expire(), this.#limits.idleMs);
    this.#timer.unref();
  }

  #die(death: TransportDeath): void {
    const handler = this.#handler;
    this.#handler = undefined;
    this.#end();
    handler?.handleClosed(death);
  }

  #end(): void {
    if (this.#state === "over") return;
    this.#state = "over";
    clearTimeout(this.#timer);
    this.#init.onOver();
    for (const upload of [this.#early, this.#upload]) {
      if (upload === undefined) continue;
      this.#release(upload);
      refuse(upload.request, upload.response, 404);
    }
    const downlink = this.#downlink;
    this.#downlink = undefined;
    if (downlink?.type === "poll") downlink.answer(404, {});
    else downlink?.finish();
    this.#outgoing.clear();
    for (const response of this.#unread) cutUnread(response, this.#limits.lingerMs);
  }
}
