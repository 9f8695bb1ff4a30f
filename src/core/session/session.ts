import { SluiceError } from "../error.js";
import { Fifo } from "../fifo.js";
import { invariant } from "../invariant.js";
import { BATCH_BYTES_MIN, type Limits } from "../limits.js";
import type { Ports } from "../ports.js";
import { wholeBytesOf } from "../send/outbound.js";
import type { MessageId } from "../send/outgoing-message.js";
import { type ChannelKey, DEFAULT_CHANNEL } from "../send/send-channel.js";
import { isDue, type Millis } from "../time.js";
import type { Trace, WaitingFor } from "../trace.js";
import { BatchReader } from "../wire/decode.js";
import { encodeBatch } from "../wire/encode.js";
import type { CloseFrame, Frame, HandshakeFrame, Priority, Violation } from "../wire/frame.js";
import { type AnnouncedLimits, UNANNOUNCED_LIMITS } from "../wire/parameters.js";
import { Attachment } from "./attachment.js";
import type { LineBatch } from "./candidates.js";
import type { SessionEvent } from "./events.js";
import { Exchange, type PeerCounters } from "./exchange.js";
import type { Keepalive } from "./keepalive.js";
import { MessageTrace } from "./message-trace.js";
import { cleanEnd, connectionLost, type Death, type SessionEnd, uncleanEnd, violationError } from "./session-end.js";
import type { MessageInit, SessionOptions, SessionStats } from "./session-types.js";
import { UnnumberedQueue } from "./unnumbered-queue.js";

/** The frames that only one of the two ends takes. */
export type RoleFrame =
  | HandshakeFrame
  | CloseFrame
  | Extract<Frame, { type: "detach" }>
  | Extract<Frame, { type: "goaway" }>;

/**
 * One end of a session: pure and synchronous. Commands and `handle…` take what happens, with the time;
 * `pollTransmit`, `pollEvent` and `nextDeadline` give what follows. After every input the host polls batches as far
 * as its transport takes them, then events until there is none, then reads the deadline anew.
 *
 * It outlives its transports. Each has a name, and what comes from one that it has given up is ignored. It wires
 * its parts and holds no algorithm of its own; what only one end does is in `ClientSession` and `ServerSession`.
 */
export abstract class Session {
  protected readonly limits: Limits;
  protected readonly ports: Ports;
  protected readonly exchange: Exchange;
  /** The hold on the transport that carries the session, or is to. */
  protected attachment: Attachment;
  protected readonly unnumbered: UnnumberedQueue = new UnnumberedQueue();
  protected keepalive: Keepalive | undefined;
  protected peerLimits: AnnouncedLimits = UNANNOUNCED_LIMITS;
  /** The largest batch that the transport carries. */
  protected transportBatchBytesMax: number = BATCH_BYTES_MIN;
  /** What may leave beyond the window. */
  protected overdraftBytes = 0;
  /** When HELLO or WELCOME has left, until it is answered. */
  protected handshakeAt: Millis | undefined;
  readonly #events: Fifo<SessionEvent> = new Fifo();
  readonly #trace: Trace | undefined;
  readonly #messageTrace: MessageTrace | undefined;
  /** How often a transport has carried the session. */
  #attachments = 0;
  /** The last transport that was given up: what still has to be said leaves on it. */
  #leftLine: number | undefined;
  #lastNow: Millis = Number.NEGATIVE_INFINITY;
  /** When the input, or the poll, began that makes events. */
  #tracedAt: Millis = 0;

  constructor(options: SessionOptions) {
    this.limits = options.limits;
    this.ports = options.ports;
    this.#trace = options.trace;
    this.#messageTrace = options.trace === undefined ? undefined : new MessageTrace(options.trace);
    this.exchange = new Exchange(options, (event) => this.emit(event));
    this.attachment = new Attachment(options.limits);
  }

  /**
   * Opens a channel, or returns the one that the peer has opened under this name.
   * @throws SluiceError `ERR_USAGE_ARGUMENT`, `ERR_TOO_MANY_CHANNELS`, `ERR_USAGE_CHANNEL_CLOSED` (still closing)
   */
  openChannel(name: string, priority: Priority, now: Millis): ChannelKey {
    this.begin(now);
    return this.exchange.channels.open(name, priority);
  }

  setPriority(channel: ChannelKey, priority: Priority, now: Millis): void {
    this.begin(now);
    this.exchange.sender.setPriority(channel, priority);
  }

  /** Flushes the channel, then ends it in both directions. */
  closeChannel(channel: ChannelKey, now: Millis): void {
    this.begin(now);
    this.exchange.channels.close(channel);
  }

  /** @throws SluiceError `ERR_USAGE_CHANNEL_CLOSED`, `ERR_TOO_MANY_CHANNELS`, `ERR_MESSAGE_TOO_LARGE` */
  send(channel: ChannelKey, init: MessageInit, now: Millis): MessageId {
    this.begin(now);
    const { sender, channels } = this.exchange;
    if (this.isSendClosed(channel)) {
      throw new SluiceError("ERR_USAGE_CHANNEL_CLOSED", "The channel is closed");
    }
    const max = this.messageBytesMax;
    const size = init.bytes?.length ?? 0;
    if (size > max)
      throw new SluiceError("ERR_MESSAGE_TOO_LARGE", `A message of ${size} bytes is over the limit of ${max}`);
    channels.announce(channel);
    const message = sender.send(channel, init);
    this.#messageTrace?.handleSent(message, channel, init.totalBytes, now);
    return message;
  }

  /** Answers a `pull`: the next bytes of the message, and whether they are its last. */
  supply(message: MessageId, piece: Uint8Array, ended: boolean, now: Millis): void {
    this.begin(now);
    this.exchange.sender.messages.supply(message, piece, ended);
  }

  /**
   * How the application takes what comes on the channel from here on: whole messages, or each as it begins, in pieces.
   * Before that nothing comes on it beyond a first credit; the default channel hands on whole messages from the start.
   */
  receive(channel: ChannelKey, mode: "messages" | "incoming", now: Millis): void {
    this.begin(now);
    this.exchange.inbound.receive(channel, mode);
  }

  /** The application has taken `cost` of what it was handed. Returns whether there is something to tell the peer. */
  take(channel: ChannelKey, cost: number): boolean {
    const { inbound } = this.exchange;
    inbound.take(channel, cost);
    return inbound.isCreditDue;
  }

  /** Memory is short, or is not any more: the peer is granted less for the time. */
  handleScarcity(isScarce: boolean, now: Millis): void {
    this.begin(now);
    this.exchange.inbound.handleScarcity(isScarce);
  }

  /** Takes a message back, also in its middle. `false` when all of it has left. */
  cancel(message: MessageId, now: Millis): boolean {
    this.begin(now);
    return this.exchange.sender.messages.cancel(message);
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
    const { state } = closing;
    const isClean = state.name === "lingering" || state.name === "settling";
    this.end(isClean ? cleanEnd(state.info) : uncleanEnd(this.closeFailure));
  }

  /**
   * The next batch to hand to the transport; `undefined` when none is there or none may leave.
   * @param budgetBytes what the transport may still buffer; control frames are not held to it
   */
  pollTransmit(budgetBytes: number, now: Millis): Uint8Array | undefined {
    this.#tracedAt = now;
    const handshake = this.#pollHandshake(now);
    if (handshake !== undefined) return handshake;
    const control = this.unnumbered.pollBatch();
    if (control !== undefined) return control;
    if (!this.isClosed) {
      const batch = this.#pollNumbered(budgetBytes, now);
      if (batch !== undefined) return batch;
    }
    return this.#pollNews(now);
  }

  /** The next batch for a transport that does not carry the session; only a client may have any. */
  pollBeside(): LineBatch | undefined {
    return undefined;
  }

  pollEvent(): SessionEvent | undefined {
    return this.#events.shift();
  }

  /** When `handleDeadline` wants to be called; `undefined` for never. */
  nextDeadline(): Millis | undefined {
    if (this.isClosed) return undefined;
    const { closing, sender } = this.exchange;
    const times = [
      closing.nextDeadline,
      sender.messages.nextDeadline,
      this.attachment.nextDeadline,
      ...this.roleDeadlines,
    ];
    if (this.attachment.line !== undefined) times.push(this.keepalive?.nextDeadline);
    const { inbound } = this.exchange;
    if (this.attachment.isAttached) times.push(inbound.nextDeadline);
    if (this.#mayAck) times.push(inbound.acks.nextDeadline);
    const known = times.filter((time) => time !== undefined);
    return known.length === 0 ? undefined : Math.min(...known);
  }

  /** The transport that `pollTransmit` speaks on; `undefined` before the first one. */
  get line(): number | undefined {
    return this.attachment.line ?? this.#leftLine;
  }

  /** Whether the end has begun, by either side: nothing more is accepted from the application. */
  get isClosing(): boolean {
    return this.exchange.closing.state.name !== "open";
  }

  /** Whether the session is over. */
  get isClosed(): boolean {
    return this.attachment.state.name === "ended";
  }

  /** Whether the channel takes no more messages. */
  isSendClosed(channel: ChannelKey): boolean {
    return this.isClosing || this.exchange.sender.isEnding(channel);
  }

  /** The largest message that both ends take, as far as the peer has said. */
  get messageBytesMax(): number {
    return Math.min(this.exchange.sender.messages.bytesMax, this.limits.messageBytesMax);
  }

  /** The message whose place one of this key would take; `undefined` where it would queue behind the others. */
  superseded(channel: ChannelKey, key: string): MessageId | undefined {
    return this.exchange.sender.superseded(channel, key);
  }

  /** Bytes of this channel accepted and not yet acknowledged. */
  bufferedBytes(channel: ChannelKey = DEFAULT_CHANNEL): number {
    return this.exchange.sender.bufferedBytes(channel);
  }

  /** Why the message at the head of a channel has not left; `undefined` where none waits. */
  waitingFor(channel: ChannelKey): WaitingFor | undefined {
    const reason = this.exchange.outbound.waitingFor(channel);
    return reason === undefined || this.attachment.isAttached ? reason : "transport";
  }

  /** Bytes that the session keeps: to be sent, to be sent again, and received but not taken by the application. */
  get heldBytes(): number {
    const { sender, outbound, inbound } = this.exchange;
    return sender.messages.unsentBytes + outbound.inFlightBytes + inbound.untakenBytes;
  }

  get stats(): SessionStats {
    const { sender, outbound, inbound } = this.exchange;
    const { bytesPerMs } = outbound.path;
    return {
      roundTripTimeMs: outbound.path.smoothedRoundTripMs,
      bandwidthBitsPerSecond: bytesPerMs === undefined ? undefined : bytesPerMs * 8000,
      windowBytes: outbound.windowBytes,
      inFlightBytes: outbound.inFlightBytes,
      queuedBytes: sender.messages.unsentBytes,
      reassemblyBytes: inbound.reassemblyBytes,
      untakenBytes: inbound.untakenBytes,
      bytesSent: outbound.sentBytes,
      bytesReceived: inbound.receivedBytes,
      resumes: Math.max(0, this.#attachments - 1),
    };
  }

  /** Every input begins with this. */
  protected begin(now: Millis): void {
    invariant(now >= this.#lastNow, "time does not go back");
    invariant(this.#events.length === 0, "events are polled before the next input");
    this.#lastNow = now;
    this.#tracedAt = now;
  }

  protected emit(event: SessionEvent): void {
    this.#messageTrace?.handleEvent(event, this.#tracedAt);
    this.#events.push(event);
  }

  /** Takes a frame of the handshake, or one that ends the attachment. */
  protected abstract handleRoleFrame(frame: RoleFrame, now: Millis): Violation | undefined;

  /** The transport has died, or counts as dead: whether the session goes on without it. */
  protected abstract handleDeath(transportCode: number, now: Millis, error?: SluiceError): void;

  /** Why a close handshake came to nothing. */
  protected get closeFailure(): SluiceError {
    return connectionLost();
  }

  /** The largest batch that a HELLO may make. */
  protected get helloBytesMax(): number {
    return this.peerLimits.batchBytesMax;
  }

  /** Whether no ack may leave, as it would overtake what has to leave again (CHN-10). */
  protected get isAckHeld(): boolean {
    return false;
  }

  /** When something is due that only this end waits for. */
  protected abstract readonly roleDeadlines: (Millis | undefined)[];

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
    this.#handleHandshakeAnswer(now);
    this.#trace?.({ type: "transport", at: now, state: "attached", line });
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
    this.#trace?.({ type: "transport", at: this.#tracedAt, state: "detached", line });
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
    this.exchange.inbound.acks.handleSent();
    // Who has not greeted us may be no Sluice server, and gets no frame of ours (HSK-01).
    if (isGreeted) this.unnumbered.push({ type: "abort", code, reason: this.ports.encodeUtf8(reason) });
  }

  /** @param readNumberMax the peer has read no batch beyond this one; default: it may have read all */
  protected end(end: SessionEnd, readNumberMax: number = Number.POSITIVE_INFINITY): void {
    const { closing, inbound, sender } = this.exchange;
    if (!this.attachment.isAttached) inbound.acks.handleSent();
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

  #handleHandshakeAnswer(now: Millis): void {
    if (this.handshakeAt !== undefined) this.exchange.handleHandshakeAnswer(now - this.handshakeAt);
    this.handshakeAt = undefined;
  }

  #pollHandshake(now: Millis): Uint8Array | undefined {
    const frame = this.attachment.pollFrame();
    if (frame === undefined) return undefined;
    this.handshakeAt = now;
    const batch = encodeBatch(0, [frame]);
    if (batch.length <= this.helloBytesMax || frame.type === "welcome") return batch;
    // Credentials that the server would refuse are refused here, where the application learns why (BAT-08).
    this.abortNow(1008, "", new SluiceError("ERR_MESSAGE_TOO_LARGE", "`auth` is over the limit of the server"));
    return undefined;
  }

  #pollNumbered(budgetBytes: number, now: Millis): Uint8Array | undefined {
    const { isAttached, state, allowanceBytes } = this.attachment;
    const { chunkBytes } = this.exchange.outbound;
    const boundBytes = Math.min(this.peerLimits.batchBytesMax, this.transportBatchBytesMax);
    const batchBytesMax = Math.min(boundBytes, chunkBytes);
    const wholeBytesMax = Math.min(boundBytes, wholeBytesOf(chunkBytes));
    const space = { batchBytesMax, wholeBytesMax, allowanceBytes, budgetBytes, overdraftBytes: this.overdraftBytes };
    const batch = this.exchange.pollBatch(space, state.name !== "leaving", isAttached, now);
    if (batch === undefined) return undefined;
    this.handleNumberedSent(batch.length);
    return batch;
  }

  /** What only an unnumbered batch can say now: an ack that is due, credit. */
  #pollNews(now: Millis): Uint8Array | undefined {
    const { closing, inbound } = this.exchange;
    // A session that ends says at once what it has: the other end waits for it.
    const isLast = this.isClosed || (closing.isExchanged && this.attachment.isAttached);
    const hasCredit = inbound.isCreditDue && this.attachment.isAttached;
    const mayAck = isLast || (this.#mayAck && (hasCredit || inbound.acks.isDue(now)));
    const ack = mayAck ? inbound.acks.peek(now) : undefined;
    if (mayAck) inbound.acks.handleSent();
    const frames: Frame[] = ack === undefined ? [] : [ack];
    if (hasCredit) frames.push(...inbound.pollCredit());
    return frames.length === 0 ? undefined : encodeBatch(0, frames);
  }

  /** Whether an ack may leave alone: not before the handshake is done, and not ahead of what it must not overtake. */
  get #mayAck(): boolean {
    const { outbound, sender } = this.exchange;
    return this.attachment.isAttached && !this.isAckHeld && !(outbound.isReplaying && sender.isControlWaiting);
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
          this.#handleHandshakeAnswer(now);
          this.emit({ type: "confirmed" });
        }
        return this.exchange.handleFrame(frame, now);
      default:
        return this.exchange.handleFrame(frame, now);
    }
  }
}
