import { SluiceError } from "../error.js";
import { BATCH_BYTES_MIN } from "../limits.js";
import { wholeBytesOf } from "../send/outbound.js";
import type { ChannelKey } from "../send/send-channel.js";
import { isDue, type Millis, sooner } from "../time.js";
import type { WaitingFor } from "../trace.js";
import { BatchReader } from "../wire/decode.js";
import { encodeBatch } from "../wire/encode.js";
import type { Frame, Violation } from "../wire/frame.js";
import { type AnnouncedLimits, UNANNOUNCED_LIMITS } from "../wire/parameters.js";
import { ApplicationSide } from "./application-side.js";
import { Attachment } from "./attachment.js";
import type { LineBatch } from "./candidates.js";
import type { PeerCounters } from "./exchange.js";
import type { Keepalive } from "./keepalive.js";
import {
  authTooLarge,
  cleanEnd,
  connectionLost,
  type Death,
  type SessionEnd,
  uncleanEnd,
  violationError,
} from "./session-end.js";
import { statsOf } from "./session-stats.js";
import type { Requests, RoleFrame, SessionOptions, SessionStats } from "./session-types.js";
import { UnnumberedQueue } from "./unnumbered-queue.js";

/**
 * How far what answers the peer may go beyond the transport's budget, bytes. An honest peer never sees this bound: messages stop
 * long before. One that sends without reading would have the answers pile up (SEC-06).
 */
const ANSWERS_OVERDRAFT_BYTES = 128 * 1024;

/**
 * One end of a session: pure and synchronous. Commands and `handle…` take what happens, with the time;
 * `pollTransmit`, `pollEvent` and `nextDeadline` give what follows. After every input the host polls batches as far
 * as its transport takes them, then events until there is none, then reads the deadline anew.
 *
 * It outlives its transports. Each has a name, and what comes from one that it has given up is ignored. It wires
 * its parts and holds no algorithm of its own; what only one end does is in `ClientSession` and `ServerSession`.
 */
export abstract class Session extends ApplicationSide {
  /** The hold on the transport that carries the session, or is to. */
  protected attachment: Attachment;
  protected readonly unnumbered: UnnumberedQueue = new UnnumberedQueue();
  protected keepalive: Keepalive | undefined;
  protected peerLimits: AnnouncedLimits = UNANNOUNCED_LIMITS;
  /** The largest batch that the transport carries. */
  protected transportBatchBytesMax: number = BATCH_BYTES_MIN;
  /** What may leave beyond the window. */
  protected overdraftBytes = 0;
  /** How often a transport has carried the session. */
  #attachments = 0;
  /** The last transport that was given up: what still has to be said leaves on it. */
  #leftLine: number | undefined;
  /** Whether acks and credit wait for the next request: the transport tells when that leaves. */
  #isNewsHeld = false;

  constructor(options: SessionOptions) {
    super(options);
    this.attachment = new Attachment(options.limits);
  }

  /** Begins the close handshake: what was accepted leaves first. 1005 stands for no code. */
  close(code: number, reason: string, now: Millis): void {
    this.begin(now);
    if (!this.isClosed) this.exchange.closing.close({ code, reason }, now);
  }

  /** Ends the session at once and tells the peer `code`; what has not arrived is lost. */
  abort(code: number, reason: string, error: SluiceError, now: Millis): void {
    this.begin(now);
    this.abortNow(code, reason, error);
  }

  ping(payload: Uint8Array, now: Millis): void {
    this.begin(now);
    if (this.attachment.isAttached) this.unnumbered.push({ type: "ping", payload });
  }

  /** Whether timers come in time; those of hidden pages do not. */
  handleTimers(areReliable: boolean, now: Millis): void {
    this.begin(now);
    this.exchange.inbound.acks.handleTimers(areReliable);
  }

  /** A batch has arrived, whole. Never throws, whatever is in it. */
  handleBatch(line: number, batch: Uint8Array, now: Millis): void {
    this.begin(now);
    if (line !== this.attachment.line) return;
    this.keepalive?.handleReceived(now);
    this.read(batch, now, now);
  }

  /** The transport has ended, or could not be opened; `error` where its maker knows why. */
  handleTransportClosed(line: number, _death: Death, now: Millis, error?: SluiceError): void {
    this.begin(now);
    if (line === this.attachment.line) this.handleDeath(1000, now, error);
  }

  /** Call when `nextDeadline` has come; too early or too late does no harm. */
  handleDeadline(now: Millis): void {
    this.begin(now);
    if (this.isClosed) return;
    const { closing, sender, inbound } = this.exchange;
    sender.messages.handleDeadline(now);
    if (this.attachment.isAttached) inbound.handleDeadline(now);
    if (!isDue(closing.nextDeadline, now)) return this.handleLineDeadlines(now);
    this.end(this.agreedEnd ?? uncleanEnd(this.closeFailure));
  }

  /**
   * The next batch to hand to the transport; `undefined` when none is there or none may leave.
   * @param budgetBytes what the transport may still buffer, below 0 when it has more; control frames are not held to it, answers
   * to the peer within `ANSWERS_OVERDRAFT_BYTES`
   * @param requests who says what it has to say in requests
   */
  pollTransmit(budgetBytes: number, now: Millis, requests: Requests = "none"): Uint8Array | undefined {
    this.inputAt = now;
    this.exchange.handleRequests(requests);
    const handshake = this.#pollHandshake(now);
    if (handshake !== undefined) return handshake;
    const mayAnswer = budgetBytes > -ANSWERS_OVERDRAFT_BYTES;
    const control = this.unnumbered.pollBatch(mayAnswer);
    if (control !== undefined) return control;
    if (!this.isClosed) {
      const batch = this.#pollNumbered(budgetBytes, now);
      if (batch !== undefined) return batch;
    }
    return this.#pollNews(budgetBytes, now, requests);
  }

  /** The next batch for a transport that does not carry the session; only a client may have any. */
  pollBeside(_now: Millis): LineBatch | undefined {
    return undefined;
  }

  /** When `handleDeadline` wants to be called; `undefined` for never. */
  nextDeadline(): Millis | undefined {
    if (this.isClosed) return undefined;
    const { attachment } = this;
    const { closing, inbound, outbound, sender } = this.exchange;
    let next = sooner(closing.nextDeadline, sender.messages.nextDeadline);
    next = sooner(sooner(next, attachment.nextDeadline), this.roleDeadline);
    if (attachment.line !== undefined) next = sooner(next, this.keepalive?.nextDeadline);
    if (attachment.isAttached) next = sooner(sooner(next, inbound.nextDeadline), outbound.nextDeadline);
    return this.#mayAck && !this.#isNewsHeld ? sooner(next, inbound.acks.nextDeadline) : next;
  }

  /** How much should leave in one request, bytes; only where batches leave in requests. */
  get requestBytes(): number {
    return this.exchange.outbound.requestBytes;
  }

  /** The transport that `pollTransmit` speaks on; `undefined` before the first one. */
  get line(): number | undefined {
    return this.attachment.line ?? this.#leftLine;
  }

  /** Whether the session is over. */
  get isClosed(): boolean {
    return this.attachment.state.name === "ended";
  }

  /** Whether the page goes: what follows leaves in the same breath or never. */
  get isLeaving(): boolean {
    return this.overdraftBytes > 0;
  }

  /** Why the message at the head of a channel has not left; `undefined` where none waits. */
  waitingFor(channel: ChannelKey): WaitingFor | undefined {
    const reason = this.exchange.outbound.waitingFor(channel);
    return reason === undefined || this.attachment.isAttached ? reason : "transport";
  }

  get stats(): SessionStats {
    return statsOf(this.exchange, Math.max(0, this.#attachments - 1));
  }

  /** Takes a frame of the handshake, or one that ends the attachment. */
  protected abstract handleRoleFrame(frame: RoleFrame, now: Millis): Violation | undefined;

  /** The transport has died, or counts as dead: whether the session goes on without it. */
  protected abstract handleDeath(transportCode: number, now: Millis, error?: SluiceError): void;

  /** The end that both have asked for; `undefined` while one of them has not. */
  protected get agreedEnd(): SessionEnd | undefined {
    const { agreed } = this.exchange.closing;
    return agreed && cleanEnd(agreed);
  }

  /** Why a close handshake came to nothing. */
  protected get closeFailure(): SluiceError {
    return connectionLost();
  }

  /** The largest batch that a HELLO may make. */
  protected get helloBytesMax(): number {
    return this.peerLimits.batchBytesMax;
  }

  /** Whether an ack may ride on a numbered batch. */
  protected get mayAckInBatches(): boolean {
    return this.attachment.isAttached;
  }

  /** Whether no ack may leave, as it would overtake what has to leave again (CHN-10). */
  protected get isAckHeld(): boolean {
    return false;
  }

  /** When something is due that only this end waits for. */
  protected abstract readonly roleDeadline: Millis | undefined;

  /** Asks the line whether it is alive, and ends the attachment when it is not. */
  protected handleLineDeadlines(now: Millis): void {
    if (this.attachment.line === undefined) return;
    const due = this.keepalive?.poll(now);
    if (due === "ping") this.unnumbered.push({ type: "ping", payload: new Uint8Array(0) });
    if (due === "dead") this.handleDeath(1000, now);
  }

  /** The handshake on a transport is done. `counters`: what the peer says in there. */
  protected handleAttached(line: number, sessionId: Uint8Array, counters: PeerCounters, now: Millis): void {
    this.#attachments += 1;
    this.exchange.handleHandshakeAnswer(now);
    this.trace?.({ type: "transport", at: now, state: "attached", line });
    this.emit(this.#attachments === 1 ? { type: "established", sessionId } : { type: "resumed", line });
    this.exchange.handleReceived(counters, now);
    // A close handshake goes on, and has its time for that.
    this.exchange.closing.handleProgress(now);
  }

  /** The session loses its transport, and waits for another one, or is about to be given one. */
  protected detach(transportCode: number, type: "detached" | "abandoned" = "detached"): void {
    const { line } = this.attachment;
    if (line === undefined) return;
    this.#leftLine = line;
    this.attachment.cut();
    this.keepalive = undefined;
    this.unnumbered.clear();
    this.trace?.({ type: "transport", at: this.inputAt, state: "detached", line });
    this.emit({ type, line, transportCode });
  }

  /** `false` when the session has ended over it. */
  protected handlePeerLimits(limits: AnnouncedLimits): boolean {
    this.peerLimits = limits;
    if (this.exchange.handlePeerLimits(limits)) return true;
    // Opened before the limit was known (CHN-09).
    this.abortNow(1008, "", new SluiceError("ERR_TOO_MANY_CHANNELS", "More channels than the peer allows"));
    return false;
  }

  /** Reads a batch. */
  protected read(batch: Uint8Array, receivedAt: Millis, now: Millis): void {
    // What comes behind the end, or behind a violation, no longer concerns anybody.
    if (this.attachment.line === undefined) return;
    if (batch.length > this.limits.batchBytesMax) return this.fail({ code: 1009, reason: "batch too large" }, now);
    const reader = new BatchReader(batch);
    const { number } = reader;
    if (number > 0 && reader.violation === undefined && !this.#admit(number, batch.length, receivedAt, now)) return;
    this.readFrames(reader, now);
  }

  /** Reads what is left of a batch. */
  protected readFrames(reader: BatchReader, now: Millis): void {
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
      const violation = this.#handleFrame(frame, reader.number > 0, now);
      if (violation !== undefined) return this.fail(violation, now);
      if (this.attachment.line === undefined) return;
    }
    if (reader.violation !== undefined) return this.fail(reader.violation, now);
    this.exchange.handleRead();
    const { state } = this.exchange.closing;
    // Where both ends have asked at the same time, what is on its way still gets its ack (CLS-03).
    if (state.name === "settling" && this.exchange.isSettled) this.end(cleanEnd(state.info));
  }

  /** The peer has sent something new. */
  protected handleProgress(): void {}

  /** The peer has broken the protocol. It learns the code, not what we think of it (ERR-02). */
  protected fail(violation: Violation, _now: Millis): void {
    this.abortNow(violation.code, "", violationError(violation));
  }

  protected abortNow(code: number, reason: string, error: SluiceError): void {
    if (this.isClosed) return;
    const { isGreeted } = this.attachment;
    this.end(uncleanEnd(error, code));
    this.exchange.inbound.acks.clear();
    // Who has not greeted us may be no Sluice server, and gets no frame of ours (HSK-01).
    if (isGreeted) this.unnumbered.push({ type: "abort", code, reason: this.ports.encodeUtf8(reason) });
  }

  /** @param readNumberMax the peer has read no batch beyond this one; default: it may have read all */
  protected end(end: SessionEnd, readNumberMax: number = Number.POSITIVE_INFINITY): void {
    const { closing, inbound, sender } = this.exchange;
    if (!this.attachment.isAttached) inbound.acks.clear();
    if (closing.state.name !== "closed") closing.end();
    this.#leftLine = this.line;
    this.attachment.end();
    this.unnumbered.clear();
    inbound.clear();
    sender.handleEnd(readNumberMax);
    this.emit({ type: "closed", ...end });
  }

  /** A numbered batch has been handed to the transport. */
  protected handleNumberedSent(bytes: number): void {
    this.attachment.handleSent(bytes);
  }

  #pollHandshake(now: Millis): Uint8Array | undefined {
    const frame = this.attachment.pollFrame();
    if (frame === undefined) return undefined;
    this.exchange.handleHandshake(now);
    const batch = encodeBatch(0, [frame]);
    if (batch.length <= this.helloBytesMax || frame.type === "welcome") return batch;
    this.abortNow(1008, "", authTooLarge());
    return undefined;
  }

  #pollNumbered(budgetBytes: number, now: Millis): Uint8Array | undefined {
    const { state, allowanceBytes } = this.attachment;
    const { chunkBytes } = this.exchange.outbound;
    const boundBytes = Math.min(this.peerLimits.batchBytesMax, this.transportBatchBytesMax);
    const batchBytesMax = Math.min(boundBytes, chunkBytes);
    const wholeBytesMax = Math.min(boundBytes, wholeBytesOf(chunkBytes));
    const space = { batchBytesMax, wholeBytesMax, allowanceBytes, budgetBytes, overdraftBytes: this.overdraftBytes };
    const batch = this.exchange.pollBatch(space, state.name !== "leaving", this.mayAckInBatches, now);
    if (batch === undefined) return undefined;
    this.handleNumberedSent(batch.length);
    return batch;
  }

  #pollNews(budgetBytes: number, now: Millis, requests: Requests): Uint8Array | undefined {
    const { closing } = this.exchange;
    // A session that ends says at once what it has: the other end waits for it.
    const isLast = this.isClosed || (closing.isExchanged && this.attachment.isAttached);
    // It would wait for a request, and be out of date by then.
    const waits = budgetBytes <= 0 && (requests === "own" || requests === "both");
    this.#isNewsHeld = !isLast && (waits || budgetBytes <= -ANSWERS_OVERDRAFT_BYTES);
    if (this.#isNewsHeld) return undefined;
    return this.exchange.pollNews(isLast, this.#mayAck, this.attachment.isAttached, now);
  }

  /** Whether an ack may leave alone: not before the handshake is done, and not ahead of what it must not overtake. */
  get #mayAck(): boolean {
    return this.attachment.isAttached && !this.isAckHeld && this.exchange.mayAck;
  }

  /** Whether a numbered batch is to be read. */
  #admit(number: number, bytes: number, receivedAt: Millis, now: Millis): boolean {
    if (!this.attachment.isAttached) {
      this.fail({ code: 1002, reason: "batch before the handshake is done" }, now);
      return false;
    }
    const verdict = this.exchange.acceptBatch(number, bytes, receivedAt, now);
    if (verdict === "next") this.handleProgress();
    // The transport has lost something, and is of no use any more; another one brings it again (BAT-04).
    if (verdict === "gap") this.handleDeath(1002, now);
    return verdict === "next";
  }

  #handleFrame(frame: Frame, isNumbered: boolean, now: Millis): Violation | undefined {
    switch (frame.type) {
      case "greeting":
      case "hello":
      case "welcome":
      case "abort":
      case "detach":
      case "goaway":
        return this.handleRoleFrame(frame, now);
      case "ping":
        this.unnumbered.pushPong(frame.payload);
        this.emit({ type: "ping", payload: frame.payload });
        return undefined;
      case "pong":
        this.emit({ type: "pong", payload: frame.payload });
        return undefined;
      case "ack":
        if (!this.attachment.isAttached) return { code: 1002, reason: "ack before the handshake is done" };
        // An ack inside of a batch that is sent again is an old one, and tells nothing of this transport (RES-02).
        if (!isNumbered && this.attachment.confirm()) {
          this.exchange.handleHandshakeAnswer(now);
          this.emit({ type: "confirmed" });
        }
        return this.exchange.handleFrame(frame, now);
      default:
        return this.exchange.handleFrame(frame, now);
    }
  }
}
