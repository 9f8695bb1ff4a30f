import type { Ports } from "../ports.js";
import type { Verdict } from "../receive/batch-order.js";
import { Inbound } from "../receive/inbound.js";
import type { EarlySent } from "../send/in-flight.js";
import { type AckOutcome, type BatchSpace, Outbound } from "../send/outbound.js";
import type { ChannelKey } from "../send/send-channel.js";
import { Sender } from "../send/sender.js";
import type { Millis } from "../time.js";
import type { Trace } from "../trace.js";
import { encodeBatch } from "../wire/encode.js";
import { carriage, type Frame, type Violation } from "../wire/frame.js";
import type { AnnouncedLimits } from "../wire/parameters.js";
import { Channels } from "./channels.js";
import { Closing } from "./closing.js";
import type { SessionEvent } from "./events.js";
import type { Requests, SessionOptions } from "./session-types.js";

/** The frames that mean the same on whichever transport they come. */
export type ExchangeFrame = Exclude<
  Frame,
  { type: "greeting" | "hello" | "welcome" | "ping" | "pong" | "abort" | "detach" | "goaway" }
>;

/** What leaves in requests, by who says what it has to say so. */
const LEAVES = { none: "none", peer: "acks", own: "posts", both: "batches" } as const;

/**
 * Frames that wait to leave, and must not be lost: of channels that begin and end, one or two for each, and verdicts on messages of
 * the peer. They pile up where a peer goes on and acknowledges nothing, so that what is kept for a replay is used up (SEC-06).
 */
const CONTROL_FRAMES_MAX = 4096;

/** What the peer says of its batches at the start of an attachment. */
export interface PeerCounters {
  /** The highest number that it has accepted. */
  readonly received: number;
  /** The last of those that it has to send again which opens a channel; 0 for none. */
  readonly opening: number;
}

/**
 * What the two ends have said to each other, and have yet to say: channels, messages, numbered batches and their acks,
 * the close handshake. It outlives every transport, and knows none.
 */
export class Exchange {
  readonly sender: Sender;
  readonly channels: Channels;
  readonly outbound: Outbound;
  readonly inbound: Inbound;
  readonly closing: Closing;
  readonly #ports: Ports;
  readonly #emit: (event: SessionEvent) => void;
  readonly #trace: Trace | undefined;
  /** Until the peer's batch of this number is read, it may be about to open a channel that has ended here (CHN-10). */
  #peerOpening = 0;
  /** When HELLO or WELCOME has left, until it is answered. */
  #handshakeAt: Millis | undefined;
  /** All that is known of the line by an end that sends nothing. */
  #handshakeRoundTripMs: Millis | undefined;
  #heldEnds: ChannelKey[] = [];

  constructor(
    options: Pick<SessionOptions, "limits" | "ports" | "trace" | "memory">,
    emit: (event: SessionEvent) => void,
  ) {
    const { limits, ports } = options;
    this.#ports = ports;
    this.#emit = emit;
    this.sender = new Sender(limits, emit);
    this.#trace = options.trace;
    this.outbound = new Outbound(this.sender, limits, options);
    const roundTripMs = () => this.outbound.path.smoothedRoundTripMs ?? this.#handshakeRoundTripMs;
    this.inbound = new Inbound({ ...options, roundTripMs }, emit, (frame) => this.sender.control(frame));
    this.channels = new Channels({ sender: this.sender, inbound: this.inbound }, options, emit);
    this.closing = new Closing(limits.closeTimeoutMs);
  }

  /** `false` when more channels are open than the peer takes (CHN-09). */
  handlePeerLimits(limits: AnnouncedLimits): boolean {
    this.sender.handlePeerLimits(limits);
    return this.sender.channelsCount <= limits.channelsMax;
  }

  /**
   * Another transport carries the session. What the handshake has said replaces the acks that were due.
   * @param early what it has had before, as early data
   */
  handleAttached(now: Millis, early?: EarlySent): void {
    this.inbound.handleAttached(now);
    this.outbound.handleAttached(now, early);
  }

  /** Who says what it has to say in requests: acks that cost one are fewer, and so more has to be under way. */
  handleRequests(requests: Requests): void {
    this.inbound.acks.handleCost(requests === "own" || requests === "both");
    this.outbound.handleRequests(LEAVES[requests]);
  }

  /** What the peer says in its HELLO or WELCOME: of what was sent, be it less than it has acknowledged since. */
  handleReceived({ received, opening }: PeerCounters, now: Millis): void {
    this.#peerOpening = opening;
    this.#handleNews(this.outbound.handleReceived(received), now);
    this.handleRead();
  }

  /** HELLO or WELCOME has left on the transport that carries the session, or is to; `undefined`: it has yet to. */
  handleHandshake(sentAt: Millis | undefined): void {
    this.#handshakeAt = sentAt;
  }

  /** It is answered: how long that has taken tells of the line. */
  handleHandshakeAnswer(now: Millis): void {
    if (this.#handshakeAt !== undefined) this.#handshakeRoundTripMs = now - this.#handshakeAt;
    this.#handshakeAt = undefined;
  }

  /** All of a batch has been read. */
  handleRead(): void {
    if (this.#heldEnds.length === 0 || this.#isPeerOpening) return;
    const ended = this.#heldEnds;
    this.#heldEnds = [];
    this.channels.handleEnded(ended);
  }

  /** Judges a numbered batch; only what is `"next"` is to be read. */
  acceptBatch(number: number, bytes: number, receivedAt: Millis, now: Millis): Verdict {
    const verdict = this.inbound.acceptBatch(number, bytes, receivedAt);
    if (verdict === "next") this.closing.handleProgress(now);
    return verdict;
  }

  handleFrame(frame: ExchangeFrame, now: Millis): Violation | undefined {
    if (this.closing.isReceived && carriage(frame.type) === "numbered") {
      return { code: 1002, reason: `${frame.type} behind close` };
    }
    switch (frame.type) {
      case "chunk":
        if (this.sender.controlCount > CONTROL_FRAMES_MAX) return { code: 1008, reason: "more verdicts than it takes" };
        return this.inbound.handleChunk(frame, now);
      case "ack":
        return this.#handleNews(this.outbound.handleAck(frame, now), now);
      case "channel-open":
        return this.channels.handlePeerOpen(frame.channel, frame.priority, frame.name);
      case "channel-close":
        return this.inbound.handleChannelClose(frame.channel) ?? this.channels.handlePeerClose(frame.channel);
      case "reset":
        return this.inbound.handleReset(frame.channel);
      case "channel-credit":
        this.sender.handleCredit(frame.channel, frame.bytes);
        this.#trace?.({ type: "credit", at: now, channel: frame.channel, bytes: frame.bytes });
        return undefined;
      case "admit":
        this.sender.handleAdmit(frame.channel, frame.message);
        return undefined;
      case "reject":
        this.sender.handleReject(frame.channel, frame.message, frame.code);
        return undefined;
      case "close":
        return this.#handleClose(frame.code, frame.reason, now);
      case "abort":
        return undefined;
    }
  }

  /**
   * The next numbered batch, an old one again or a new one. `undefined` when none is there or none may leave.
   * @param mayBegin whether new ones may leave, beside those that have to leave again
   */
  pollBatch(space: BatchSpace, mayBegin: boolean, mayAck: boolean, now: Millis): Uint8Array | undefined {
    if (space.allowanceBytes <= 0) return undefined;
    // In its batch an ack is read first (ACK-08), and must not be before a CHANNEL_OPEN that has waited (CHN-08).
    const ack = mayAck && !this.sender.isControlWaiting ? this.inbound.acks.peek(now) : undefined;
    // Behind our CLOSE, what is left is to be sent again (CLS-01).
    const isNewAllowed = mayBegin && !this.closing.isSent;
    if (!isNewAllowed && !this.outbound.isReplaying) return undefined;
    const draft = this.outbound.pollBatch(space, ack, now);
    if (draft !== undefined) {
      if (draft.isNew && ack !== undefined) this.inbound.acks.handleSent(now);
      this.channels.handleEnded(draft.ended);
      return draft.batch;
    }
    return isNewAllowed ? this.#pollClose(space, ack, now) : undefined;
  }

  /**
   * What only an unnumbered batch can say now: an ack that is due, credit.
   * @param isLast nothing follows: what there is is said at once
   * @param mayAck whether an ack may leave alone
   * @param mayCredit whether credit may
   */
  pollNews(isLast: boolean, mayAck: boolean, mayCredit: boolean, now: Millis): Uint8Array | undefined {
    const { acks, isCreditDue } = this.inbound;
    const hasCredit = isCreditDue && mayCredit;
    const acknowledges = isLast || (mayAck && (hasCredit || acks.isDue(now)));
    const ack = acknowledges ? acks.peek(now) : undefined;
    if (acknowledges) acks.handleSent(now);
    const frames: Frame[] = ack === undefined ? [] : [ack];
    if (hasCredit) frames.push(...this.inbound.pollCredit());
    return frames.length === 0 ? undefined : encodeBatch(0, frames);
  }

  /** Whether an ack may leave alone: not ahead of what it must not overtake. */
  get mayAck(): boolean {
    return !(this.outbound.isReplaying && this.sender.isControlWaiting);
  }

  /** Whether both ends have said CLOSE and know that the other has heard it. */
  get isSettled(): boolean {
    return this.closing.isExchanged && this.outbound.inFlightBytes === 0;
  }

  #pollClose(space: BatchSpace, ack: ReturnType<Inbound["acks"]["peek"]>, now: Millis): Uint8Array | undefined {
    const info = this.closing.due;
    if (info === undefined || !this.sender.isDrained) return undefined;
    const code = info.code === 1005 ? 0 : info.code;
    const frame = { type: "close", code, reason: this.#ports.encodeUtf8(info.reason) } as const;
    const batch = this.outbound.closeBatch(frame, space, ack, now);
    if (batch === undefined) return undefined;
    this.closing.handleSent();
    this.inbound.handleCloseSent();
    if (ack !== undefined) this.inbound.acks.handleSent(now);
    return batch;
  }

  #handleNews(outcome: AckOutcome, now: Millis): Violation | undefined {
    if (outcome.type === "violation") return outcome.violation;
    if (outcome.type === "old") return undefined;
    this.closing.handleProgress(now);
    if (this.#isPeerOpening) this.#heldEnds.push(...outcome.ended);
    else this.channels.handleEnded(outcome.ended);
    return undefined;
  }

  get #isPeerOpening(): boolean {
    return this.inbound.receivedNumber < this.#peerOpening;
  }

  #handleClose(code: number, reasonBytes: Uint8Array, now: Millis): Violation | undefined {
    const reason = this.#ports.decodeUtf8(reasonBytes);
    if (reason === undefined) return { code: 1007, reason: "close reason is not UTF-8" };
    const info = { code: code === 0 ? 1005 : code, reason };
    const step = this.closing.handlePeerClose(info, now);
    if (step === undefined) return { code: 1002, reason: "close twice" };
    this.sender.messages.handlePeerClose();
    if (step === "reply") this.#emit({ type: "closing" });
    return undefined;
  }
}
