import { SluiceError } from "../error.js";
import { Fifo } from "../fifo.js";
import { invariant, unreachable } from "../invariant.js";
import { BATCH_BYTES_MIN, type Limits } from "../limits.js";
import type { Ports } from "../ports.js";
import { Inbound } from "../receive/inbound.js";
import { type AckOutcome, Outbound } from "../send/outbound.js";
import type { MessageId } from "../send/outgoing-message.js";
import { type ChannelKey, DEFAULT_CHANNEL } from "../send/send-channel.js";
import { Sender } from "../send/sender.js";
import { FixedWindow } from "../send/window.js";
import type { Millis } from "../time.js";
import { BatchReader } from "../wire/decode.js";
import { encodeBatch } from "../wire/encode.js";
import {
  type ChunkFrame,
  carriage,
  type Frame,
  type HandshakeFrame,
  type Priority,
  type Violation,
} from "../wire/frame.js";
import type { AnnouncedLimits } from "../wire/parameters.js";
import { Channels } from "./channels.js";
import { Closing } from "./closing.js";
import type { SessionEvent } from "./events.js";
import { Handshake } from "./handshake.js";
import { Keepalive } from "./keepalive.js";
import { type Death, endOf, type SessionEnd } from "./session-end.js";
import type { MessageInit, SessionOptions, SessionStats } from "./session-types.js";
import { UnnumberedQueue } from "./unnumbered-queue.js";

/**
 * One end of a session: pure and synchronous. Commands and `handle…` take what happens, with the time;
 * `pollTransmit`, `pollEvent` and `nextDeadline` give what follows. After every input the host polls batches as far
 * as its transport takes them, then events until there is none, then reads the deadline anew.
 *
 * It wires its parts and holds no algorithm of its own.
 */
export class Session {
  readonly #limits: Limits;
  readonly #ports: Ports;
  readonly #events: Fifo<SessionEvent> = new Fifo();
  readonly #channels: Channels;
  readonly #sender: Sender;
  readonly #outbound: Outbound;
  readonly #inbound: Inbound;
  readonly #handshake: Handshake;
  readonly #closing: Closing;
  readonly #unnumbered = new UnnumberedQueue();
  #keepalive: Keepalive | undefined;
  #batchBytesMax = BATCH_BYTES_MIN;
  #transportBatchBytesMax = BATCH_BYTES_MIN;
  #lastNow: Millis = Number.NEGATIVE_INFINITY;

  constructor(options: SessionOptions) {
    this.#limits = options.limits;
    this.#ports = options.ports;
    this.#sender = new Sender(options.limits, (event) => this.#events.push(event));
    this.#channels = new Channels(this.#sender, options, (event) => this.#events.push(event));
    this.#outbound = new Outbound(this.#sender, new FixedWindow(options.limits.windowBytes));
    this.#inbound = new Inbound(options.limits, options.ports);
    this.#handshake = new Handshake(options.side, options.limits);
    this.#closing = new Closing(options.limits.closeTimeoutMs);
  }

  /**
   * Opens a channel, or returns the one that the peer has opened under this name.
   * @throws SluiceError `ERR_USAGE_ARGUMENT`, `ERR_TOO_MANY_CHANNELS`, `ERR_USAGE_CHANNEL_CLOSED` (still closing)
   */
  openChannel(name: string, priority: Priority, now: Millis): ChannelKey {
    this.#begin(now);
    return this.#channels.open(name, priority);
  }

  setPriority(channel: ChannelKey, priority: Priority, now: Millis): void {
    this.#begin(now);
    this.#sender.setPriority(channel, priority);
  }

  /** Flushes the channel, then ends it in both directions. */
  closeChannel(channel: ChannelKey, now: Millis): void {
    this.#begin(now);
    this.#channels.close(channel);
  }

  /** @throws SluiceError `ERR_USAGE_CHANNEL_CLOSED`, `ERR_TOO_MANY_CHANNELS`, `ERR_MESSAGE_TOO_LARGE` */
  send(channel: ChannelKey, init: MessageInit, now: Millis): MessageId {
    this.#begin(now);
    if (this.isSendClosed(channel)) {
      throw new SluiceError("ERR_USAGE_CHANNEL_CLOSED", "The channel is closed");
    }
    const max = Math.min(this.#sender.messageBytesMax, this.#limits.messageBytesMax);
    const size = init.totalBytes ?? 0;
    if (size > max)
      throw new SluiceError("ERR_MESSAGE_TOO_LARGE", `A message of ${size} bytes is over the limit of ${max}`);
    this.#channels.announce(channel);
    return this.#sender.send(channel, init);
  }

  /** Answers a `pull`: the next bytes of the message, and whether they are its last. */
  supply(message: MessageId, piece: Uint8Array, ended: boolean, now: Millis): void {
    this.#begin(now);
    this.#sender.supply(message, piece, ended);
  }

  /** Takes a message back, also in its middle. `false` when all of it has left. */
  cancel(message: MessageId, now: Millis): boolean {
    this.#begin(now);
    return this.#sender.cancel(message);
  }

  /** Credentials for the HELLO, where `Side.auth` was `"pending"`. */
  provideAuth(auth: string | undefined, now: Millis): void {
    this.#begin(now);
    this.#handshake.provideAuth(auth === undefined ? undefined : this.#ports.encodeUtf8(auth));
  }

  /** The host lets the client in: what it has sent meanwhile follows. */
  accept(sessionId: Uint8Array, now: Millis): void {
    this.#begin(now);
    const held = this.#handshake.accept();
    if (this.#handshake.state.name !== "established") return;
    this.#events.push({ type: "established", sessionId });
    for (const { batch, receivedAt } of held) this.#handleBatch(batch, now, receivedAt);
  }

  /** Begins the close handshake: what was accepted leaves first. 1005 stands for no code. */
  close(code: number, reason: string, now: Millis): void {
    this.#begin(now);
    if (this.isClosed) return;
    const connecting = this.#handshake.state.name === "idle" || this.#handshake.state.name === "awaiting-greeting";
    if (connecting && this.#sender.isDrained) {
      // WHATWG WebSockets, `close()` while CONNECTING: the connection fails.
      const error = new SluiceError("ERR_CONNECT_FAILED", "Closed before the connection was established");
      this.#end({ code: 1006, reason: "", wasClean: false, error, transportCode: 1000 });
      return;
    }
    this.#closing.close({ code, reason }, now);
  }

  /** Ends the session at once and tells the peer `code`; what has not arrived is lost. */
  abort(code: number, reason: string, error: SluiceError, now: Millis): void {
    this.#begin(now);
    this.#abort(code, reason, error);
  }

  ping(payload: Uint8Array, now: Millis): void {
    this.#begin(now);
    if (!this.isClosed) this.#unnumbered.push({ type: "ping", payload });
  }

  /** A transport is open. `batchBytesMax`: the largest batch that it carries. */
  handleTransportOpen(batchBytesMax: number, now: Millis): void {
    this.#begin(now);
    if (this.#handshake.state.name !== "idle") return;
    this.#transportBatchBytesMax = batchBytesMax;
    this.#keepalive = new Keepalive(
      {
        sendsPings: this.#handshake.greets,
        intervalMs: this.#limits.heartbeatMs,
        graceMs: this.#limits.heartbeatGraceMs,
      },
      now,
    );
    this.#handshake.handleTransportOpen(now);
  }

  /** A batch has arrived, whole. Never throws, whatever is in it. */
  handleBatch(batch: Uint8Array, now: Millis): void {
    this.#begin(now);
    this.#keepalive?.handleReceived(now);
    this.#handleBatch(batch, now);
  }

  /** The transport has ended, or could not be opened. */
  handleTransportClosed(death: Death, now: Millis): void {
    this.#begin(now);
    if (this.isClosed) return;
    this.#end(endOf(death, this.#closing.state, this.#handshake.state));
  }

  /** Call when `nextDeadline` has come; too early or too late does no harm. */
  handleDeadline(now: Millis): void {
    this.#begin(now);
    if (this.isClosed) return;
    if (now >= (this.#handshake.nextDeadline ?? Number.POSITIVE_INFINITY)) {
      const error = new SluiceError("ERR_CONNECT_FAILED", "The handshake took too long", { retryable: true });
      this.#abort(1008, "handshake timeout", error);
    } else if (now >= (this.#closing.nextDeadline ?? Number.POSITIVE_INFINITY)) {
      this.#end(endOf({ wasClean: false, code: 1006, reason: "" }, this.#closing.state, this.#handshake.state));
    } else {
      const due = this.#keepalive?.poll(now);
      if (due === "ping") this.#unnumbered.push({ type: "ping", payload: new Uint8Array(0) });
      if (due === "dead")
        this.#end(endOf({ wasClean: false, code: 1006, reason: "" }, { name: "open" }, this.#handshake.state));
    }
  }

  /**
   * The next batch to hand to the transport; `undefined` when none is there or none may leave.
   * @param budgetBytes what the transport may still buffer; control frames are not held to it
   */
  pollTransmit(budgetBytes: number, now: Millis): Uint8Array | undefined {
    const handshake = this.#pollHandshake();
    if (handshake !== undefined) return handshake;
    const control = this.#unnumbered.pollBatch();
    if (control !== undefined) return control;
    if (!this.isClosed) {
      const batch = this.#pollNumbered(budgetBytes, now);
      if (batch !== undefined) return batch;
    }
    // A session that ends says at once what it has: the other end waits for it.
    if (!this.#inbound.acks.isDue(now) && !this.isClosed && !this.#closing.isExchanged) return undefined;
    const ack = this.#inbound.acks.peek(now);
    this.#inbound.acks.handleSent();
    return ack === undefined ? undefined : encodeBatch(0, [ack]);
  }

  pollEvent(): SessionEvent | undefined {
    return this.#events.shift();
  }

  /** When `handleDeadline` wants to be called; `undefined` for never. */
  nextDeadline(): Millis | undefined {
    if (this.isClosed) return undefined;
    const times = [
      this.#inbound.acks.nextDeadline,
      this.#handshake.nextDeadline,
      this.#closing.nextDeadline,
      this.#keepalive?.nextDeadline,
    ].filter((time) => time !== undefined);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** Whether the end has begun, by either side: nothing more is accepted from the application. */
  get isClosing(): boolean {
    return this.#closing.state.name !== "open";
  }

  /** Whether the session is over. */
  get isClosed(): boolean {
    return this.#handshake.state.name === "ended";
  }

  /** Whether the channel takes no more messages. */
  isSendClosed(channel: ChannelKey): boolean {
    return this.isClosing || this.#sender.isEnding(channel);
  }

  /** Bytes of this channel accepted and not yet acknowledged. */
  bufferedBytes(channel: ChannelKey = DEFAULT_CHANNEL): number {
    return this.#sender.bufferedBytes(channel);
  }

  get stats(): SessionStats {
    return {
      roundTripTimeMs: this.#outbound.path.roundTripTimeMs,
      bandwidthBitsPerSecond: this.#outbound.path.bandwidthBitsPerSecond,
      windowBytes: this.#outbound.windowBytes,
      inFlightBytes: this.#outbound.inFlightBytes,
      queuedBytes: this.#sender.unsentBytes,
      reassemblyBytes: this.#inbound.heldBytes,
      bytesSent: this.#outbound.sentBytes,
      bytesReceived: this.#inbound.receivedBytes,
    };
  }

  #begin(now: Millis): void {
    invariant(now >= this.#lastNow, "time does not go back");
    invariant(this.#events.length === 0, "events are polled before the next input");
    this.#lastNow = now;
  }

  #pollHandshake(): Uint8Array | undefined {
    const frame = this.#handshake.pollFrame();
    if (frame === undefined) return undefined;
    const batch = encodeBatch(0, [frame]);
    if (batch.length <= this.#batchBytesMax || this.#handshake.greets) return batch;
    // Credentials that the server would refuse are refused here, where the application learns why (BAT-08).
    this.#abort(1008, "", new SluiceError("ERR_MESSAGE_TOO_LARGE", "`auth` is over the limit of the server"));
    return undefined;
  }

  #pollNumbered(budgetBytes: number, now: Millis): Uint8Array | undefined {
    const allowanceBytes = this.#handshake.roomBytes(this.#outbound.sentBytes);
    if (allowanceBytes <= 0 || this.#closing.isSent) return undefined;
    const batchBytesMax = Math.min(this.#batchBytesMax, this.#transportBatchBytesMax, this.#limits.chunkBytes);
    const ack = this.#inbound.acks.peek(now);
    const draft = this.#outbound.pollBatch({ batchBytesMax, allowanceBytes, budgetBytes }, ack, now);
    if (draft !== undefined) {
      this.#inbound.acks.handleSent();
      this.#channels.handleEnded(draft.ended);
      return draft.batch;
    }
    const info = this.#closing.due;
    if (info === undefined || !this.#sender.isDrained) return undefined;
    const code = info.code === 1005 ? 0 : info.code;
    const frame = { type: "close", code, reason: this.#ports.encodeUtf8(info.reason) } as const;
    const batch = this.#outbound.closeBatch(frame, { batchBytesMax, allowanceBytes, budgetBytes }, ack, now);
    if (batch === undefined) return undefined;
    this.#closing.handleSent();
    this.#inbound.acks.handleSent();
    return batch;
  }

  #handleBatch(batch: Uint8Array, now: Millis, receivedAt: Millis = now): void {
    // What comes behind the end, or behind a violation, no longer concerns anybody.
    if (this.isClosed) return;
    if (batch.length > this.#limits.batchBytesMax) return this.#fail({ code: 1009, reason: "batch too large" });
    const reader = new BatchReader(batch);
    if (reader.number > 0 && reader.violation === undefined && !this.#admit(reader.number, batch, receivedAt)) return;
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
      const violation = this.#handleFrame(frame, now);
      if (violation !== undefined) return this.#fail(violation);
      if (this.isClosed) return;
    }
    if (reader.violation !== undefined) this.#fail(reader.violation);
  }

  /** Whether a numbered batch is to be read now. */
  #admit(number: number, batch: Uint8Array, receivedAt: Millis): boolean {
    if (this.#handshake.state.name !== "established") {
      if (!this.#handshake.hold(batch, receivedAt))
        this.#fail({ code: 1002, reason: "batch before the handshake is done" });
      return false;
    }
    const verdict = this.#inbound.acceptBatch(number, batch.length, receivedAt);
    if (verdict === "gap") this.#fail({ code: 1002, reason: `batch ${number} out of order` });
    if (verdict !== "next") return false;
    this.#closing.handleProgress(this.#lastNow);
    return true;
  }

  #handleFrame(frame: Frame, now: Millis): Violation | undefined {
    if (this.#closing.isReceived && carriage(frame.type) === "numbered") {
      return { code: 1002, reason: `${frame.type} behind close` };
    }
    switch (frame.type) {
      case "greeting":
      case "hello":
      case "welcome":
        return this.#handleHandshake(frame);
      case "chunk":
        return this.#handleChunk(frame);
      case "ack":
        return this.#handleAck(this.#outbound.handleAck(frame, now), now);
      case "ping":
        this.#unnumbered.pushPong(frame.payload);
        this.#events.push({ type: "ping", payload: frame.payload });
        return undefined;
      case "pong":
        this.#events.push({ type: "pong", payload: frame.payload });
        return undefined;
      case "channel-open":
        return this.#channels.handlePeerOpen(frame.channel, frame.priority, frame.name);
      case "channel-close":
        return this.#inbound.handleChannelClose(frame.channel) ?? this.#channels.handlePeerClose(frame.channel);
      case "reset":
        return this.#inbound.handleReset(frame.channel);
      case "close":
        return this.#handleClose(frame.code, frame.reason, now);
      case "abort":
        this.#handleAbort(frame.code, frame.reason);
        return undefined;
      case "channel-credit":
      case "session-credit":
      case "goaway":
      case "detach":
      case "reject":
        // Assigned, and without effect in this revision (FRM-04).
        return undefined;
      default:
        return unreachable(frame);
    }
  }

  #handleHandshake(frame: HandshakeFrame): Violation | undefined {
    const outcome = this.#handshake.handleFrame(frame);
    switch (outcome.type) {
      case "violation":
        return outcome.violation;
      case "greeting": {
        const protocol = this.#ports.decodeUtf8(outcome.protocol);
        if (protocol === undefined) return { code: 1007, reason: "protocol name is not UTF-8" };
        this.#keepalive?.handleAnnounced(outcome.heartbeatMs, outcome.heartbeatGraceMs);
        this.#events.push({ type: "open", protocol });
        break;
      }
      case "hello": {
        const auth = outcome.auth === undefined ? undefined : this.#ports.decodeUtf8(outcome.auth);
        if (outcome.auth !== undefined && auth === undefined) return { code: 1007, reason: "auth is not UTF-8" };
        this.#events.push({ type: "hello", attemptId: outcome.attemptId, auth });
        break;
      }
      case "welcome":
        this.#events.push({ type: "established", sessionId: outcome.sessionId });
    }
    this.#handlePeerLimits(outcome.limits);
    return undefined;
  }

  #handlePeerLimits(limits: AnnouncedLimits): void {
    this.#batchBytesMax = limits.batchBytesMax;
    this.#sender.handlePeerLimits(limits);
    if (this.#sender.channelsCount <= limits.channelsMax) return;
    // Opened before the limit was known (CHN-09).
    this.#abort(1008, "", new SluiceError("ERR_TOO_MANY_CHANNELS", "More channels than the peer allows"));
  }

  #handleChunk(chunk: ChunkFrame): Violation | undefined {
    const channel = this.#channels.incoming(chunk.channel);
    if (channel === undefined) return { code: 1002, reason: "chunk on an unopened channel" };
    const outcome = this.#inbound.handleChunk(chunk);
    if (outcome === undefined) return undefined;
    if ("violation" in outcome) return outcome.violation;
    this.#events.push({ type: "message", channel, ...outcome.message });
    return undefined;
  }

  #handleAck(outcome: AckOutcome, now: Millis): Violation | undefined {
    if (outcome.type === "violation") return outcome.violation;
    if (outcome.type === "old") return undefined;
    this.#closing.handleProgress(now);
    this.#channels.handleEnded(outcome.ended);
    this.#settle();
    return undefined;
  }

  #handleClose(code: number, reasonBytes: Uint8Array, now: Millis): Violation | undefined {
    const reason = this.#ports.decodeUtf8(reasonBytes);
    if (reason === undefined) return { code: 1007, reason: "close reason is not UTF-8" };
    const info = { code: code === 0 ? 1005 : code, reason };
    switch (this.#closing.handlePeerClose(info, now)) {
      case undefined:
        return { code: 1002, reason: "close twice" };
      case "reply":
        this.#events.push({ type: "closing" });
        return undefined;
      case "settle":
        this.#settle();
        return undefined;
    }
  }

  /** Where both ends have asked at the same time, what is on its way still gets its ack (CLS-03). */
  #settle(): void {
    const state = this.#closing.state;
    if (state.name !== "settling" || this.#outbound.inFlightBytes > 0) return;
    this.#end({ ...state.info, wasClean: true, error: undefined, transportCode: 1000 });
  }

  #handleAbort(code: number, reasonBytes: Uint8Array): void {
    const reason = this.#ports.decodeUtf8(reasonBytes) ?? "";
    const isRefusal = this.#handshake.state.name !== "established" && !this.#handshake.greets;
    const error = isRefusal
      ? new SluiceError("ERR_REFUSED", `The server refused the session: ${code} ${reason}`)
      : undefined;
    this.#end({ code: code === 0 ? 1005 : code, reason, wasClean: true, error, transportCode: 1000 }, isRefusal);
  }

  /** The peer has broken the protocol. It learns the code, not what we think of it (ERR-02). */
  #fail(violation: Violation): void {
    this.#abort(
      violation.code,
      "",
      new SluiceError("ERR_PEER_VIOLATION", `The peer broke the protocol: ${violation.reason}`),
    );
  }

  #abort(code: number, reason: string, error: SluiceError): void {
    if (this.isClosed) return;
    const { isGreeted } = this.#handshake;
    this.#end({ code: 1006, reason: "", wasClean: false, error, transportCode: code });
    this.#inbound.acks.handleSent();
    // Who has not greeted us may be no Sluice server, and gets no frame of ours (HSK-01).
    if (isGreeted) this.#unnumbered.push({ type: "abort", code, reason: this.#ports.encodeUtf8(reason) });
  }

  #end(end: SessionEnd, isUnread = false): void {
    if (this.#closing.state.name !== "closed") this.#closing.end();
    this.#handshake.end();
    this.#unnumbered.clear();
    this.#inbound.clear();
    this.#sender.handleEnd(isUnread);
    this.#events.push({ type: "closed", ...end });
  }
}
