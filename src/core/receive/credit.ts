import { CHANNEL_CREDIT_BYTES, type Limits, MESSAGE_COST_BYTES } from "../limits.js";
import type { Millis } from "../time.js";

export type CreditLimits = Pick<Limits, "reassemblyBytesMax" | "channelCreditBytesMax" | "sessionCreditBytesMax">;

/** What a channel may be ahead of its consumer, once it has one, bytes: four messages of a chunk each. */
const WINDOW_BYTES = 256 * 1024;

/** A window that comes within so many round trips is small for the line: it doubles, as QUIC stacks do it. */
const GROWTH_ROUND_TRIPS = 4;

/** Unless its consumer is behind by more than this share of it. */
const GROWTH_BACKLOG_SHARE = 1 / 2;

/** What is taken for the round trip where this end has none measured, as it sends nothing, ms. */
const ASSUMED_ROUND_TRIP_MS = 100;

/** A sender may wait for room for half of the largest batch. */
const LOW_BYTES = CHANNEL_CREDIT_BYTES / 2;

/** News of credit is worth a frame from this share of the window on. */
const NEWS_SHARE = 1 / 4;

/**
 * What the channels of a session share: room to be ahead of their consumers by more than the first credit, and room for
 * large messages. Nothing of it is on the wire: it decides what the channels grant.
 *
 * Invariant: `grownBytes <= sessionCreditBytesMax` and `reservedBytes <= reassemblyBytesMax`.
 */
export class CreditPool {
  readonly #limits: CreditLimits;
  readonly #roundTripMs: () => Millis | undefined;
  /** Channels whose large message waits for room, oldest first. */
  #waiting: Set<ChannelCredit> | undefined;
  #grownBytes = 0;
  #reservedBytes = 0;
  #untakenBytes = 0;
  #isScarce = false;

  /** @param roundTripMs as far as this end knows */
  constructor(limits: CreditLimits, roundTripMs: () => Millis | undefined) {
    this.#limits = limits;
    this.#roundTripMs = roundTripMs;
  }

  get roundTripMs(): Millis {
    return this.#roundTripMs() ?? ASSUMED_ROUND_TRIP_MS;
  }

  /** Memory is short: no channel is granted more than the first credit until that is over. */
  handleScarcity(isScarce: boolean): void {
    this.#isScarce = isScarce;
  }

  get isScarce(): boolean {
    return this.#isScarce;
  }

  /** Cost of what has come and has not been taken, on all channels, unfinished messages included. */
  get untakenBytes(): number {
    return this.#untakenBytes;
  }

  /** */
  handleHeld(deltaBytes: number): void {
    this.#untakenBytes += deltaBytes;
  }

  /** The session has ended, and nobody counts any more. */
  clear(): void {
    this.#untakenBytes = 0;
    this.#waiting = undefined;
  }

  /** A window from `bytes` to as near to `wanted` as there is room for. */
  grow(bytes: number, wanted: number): number {
    const { channelCreditBytesMax, sessionCreditBytesMax } = this.#limits;
    const room = this.#isScarce ? 0 : sessionCreditBytesMax - this.#grownBytes;
    const grown = Math.max(bytes, Math.min(wanted, channelCreditBytesMax, bytes + room));
    this.#grownBytes += grown - bytes;
    return grown;
  }

  /** */
  shrink(bytes: number): void {
    this.#grownBytes -= bytes;
  }

  /** Reserves room for a message, or remembers that `channel` waits for it; in turn, so that large ones get theirs. */
  reserve(channel: ChannelCredit, bytes: number): boolean {
    const first = this.#waiting?.values().next().value ?? channel;
    if (first === channel && this.#reservedBytes + bytes <= this.#limits.reassemblyBytesMax) {
      this.#waiting?.delete(channel);
      this.#reservedBytes += bytes;
      return true;
    }
    this.#waiting ??= new Set();
    this.#waiting.add(channel);
    return false;
  }

  /** */
  release(bytes: number): void {
    this.#reservedBytes -= bytes;
    this.#serve();
  }

  /** */
  leave(channel: ChannelCredit): void {
    if (this.#waiting?.delete(channel)) this.#serve();
  }

  #serve(): void {
    for (const channel of this.#waiting ?? []) if (!channel.retry()) return;
  }
}

/** Room for a large message: until its last chunk has come (`end` is known), and then until it has been taken. */
interface Reservation {
  readonly bytes: number;
  end: number | undefined;
}

/**
 * What the peer may send on one channel, in absolute values (PROTOCOL.md, CRD). Counts cost: the bytes of a message, and
 * `MESSAGE_COST_BYTES` for itself, so that empty ones are not free.
 *
 * What is granted is what has been taken, and a window; for the time of a large message also all of it, as the window
 * alone could not hold it until it is whole.
 *
 * Invariant: `taken + returned <= received <= granted`.
 */
export class ChannelCredit {
  readonly #pool: CreditPool;
  readonly #onNews: () => void;
  #windowBytes = CHANNEL_CREDIT_BYTES;
  #granted = CHANNEL_CREDIT_BYTES;
  #received = 0;
  #taken = 0;
  /** Of what has come, what nobody will take: it was taken back, or refused. */
  #returned = 0;
  /** At most one for each channel, so that one whose consumer sleeps does not use up the room of all. */
  #reservation: Reservation | undefined;
  /** What the message under way needs and has not got yet. */
  #wantedBytes: number | undefined;
  #hasConsumer = false;
  /** Cost of the message under way, of which the consumer can have taken nothing yet. */
  #heldCost = 0;
  /** Whether the last window has come quickly. */
  #isQuick = false;
  /** Where the measuring of the sender's pace has begun. */
  #pace = { received: 0, at: Number.NEGATIVE_INFINITY };

  /** @param onNews the peer has to learn of `granted` */
  constructor(pool: CreditPool, onNews: () => void) {
    this.#pool = pool;
    this.#onNews = onNews;
  }

  /** Somebody takes what comes from here on: the peer may be further ahead. */
  handleConsumer(): void {
    this.#hasConsumer = true;
    this.#windowBytes = this.#pool.grow(this.#windowBytes, Math.max(this.#windowBytes, WINDOW_BYTES));
    this.#update();
  }

  /**
   * `false` when the peer has sent more than it was granted.
   * @param isHeld whether it is handed on only when its message is whole
   */
  receive(cost: number, isHeld: boolean, now: Millis): boolean {
    if (this.#received + cost > this.#granted) return false;
    this.#received += cost;
    this.#pool.handleHeld(cost);
    if (isHeld) this.#heldCost += cost;
    this.#keepPace(now);
    this.#update();
    return true;
  }

  /** The message under way is large: asks for all the room that it may need. */
  want(bytes: number): void {
    if (this.#wantedBytes !== undefined || this.#isReserved) return;
    this.#wantedBytes = bytes;
    this.retry();
  }

  /** The message under way is whole: its room is needed until it has been taken. */
  handleMessageEnd(): void {
    this.#heldCost = 0;
    this.#unwant();
    if (this.#isReserved && this.#reservation !== undefined) this.#reservation.end = this.#received - this.#returned;
    this.#settle();
  }

  /** Nobody will take so much of what has come; with `isMessageOver`, nothing more comes of the message under way. */
  giveBack(cost: number, isMessageOver: boolean): void {
    this.#returned += cost;
    this.#pool.handleHeld(-cost);
    if (isMessageOver) {
      this.#heldCost = 0;
      this.#unwant();
      if (this.#isReserved) this.#release();
    }
    this.#update();
  }

  /** The consumer has taken so much. More than there is counts as all of it. */
  take(cost: number): void {
    const taken = Math.min(cost, this.untaken);
    this.#taken += taken;
    this.#pool.handleHeld(-taken);
    this.#settle();
    this.#grow();
    this.#update();
  }

  /** The pool may have room. Returns whether this channel waits no more. */
  retry(): boolean {
    const bytes = this.#wantedBytes;
    // One at a time: the message before has not been taken yet.
    if (bytes === undefined || this.#reservation !== undefined) return true;
    if (!this.#pool.reserve(this, bytes)) return false;
    this.#wantedBytes = undefined;
    this.#reservation = { bytes, end: undefined };
    this.#update();
    return true;
  }

  /** The bounds may have changed. */
  refresh(): void {
    this.#update();
  }

  /** The peer may have missed it: another transport carries the session. */
  restate(): void {
    if (this.#granted > CHANNEL_CREDIT_BYTES) this.#onNews();
  }

  /** Nothing more comes on the channel. What waits to be taken still counts until it is. */
  close(): void {
    this.#unwant();
    this.#pool.shrink(this.#windowBytes - CHANNEL_CREDIT_BYTES);
    this.#windowBytes = CHANNEL_CREDIT_BYTES;
  }

  /** The sum of what the peer may ever send. */
  get granted(): number {
    return this.#granted;
  }

  /** What the peer may still send. */
  get room(): number {
    return this.#granted - this.#received;
  }

  /** Whether that is enough for a sender that goes on by half a batch. */
  get isAmple(): boolean {
    return this.room >= LOW_BYTES;
  }

  /** Cost of what has come and has not been taken. */
  get untaken(): number {
    return this.#received - this.#returned - this.#taken;
  }

  /** Whether the message under way has its room. */
  get #isReserved(): boolean {
    return this.#reservation !== undefined && this.#reservation.end === undefined;
  }

  /** What the window does not have to hold of a large message. */
  get #reservedBytes(): number {
    if (this.#reservation === undefined) return 0;
    const { bytes, end } = this.#reservation;
    return Math.min(bytes + MESSAGE_COST_BYTES, (end ?? Number.POSITIVE_INFINITY) - this.#taken);
  }

  #unwant(): void {
    if (this.#wantedBytes === undefined) return;
    this.#wantedBytes = undefined;
    this.#pool.leave(this);
  }

  #release(): void {
    const bytes = this.#reservation?.bytes ?? 0;
    this.#reservation = undefined;
    this.#pool.release(bytes);
    this.retry();
  }

  #settle(): void {
    const end = this.#reservation?.end;
    if (end !== undefined && this.#taken >= end) this.#release();
  }

  #keepPace(now: Millis): void {
    if (this.#received - this.#pace.received < this.#windowBytes) return;
    this.#isQuick = now - this.#pace.at <= GROWTH_ROUND_TRIPS * this.#pool.roundTripMs;
    this.#pace = { received: this.#received, at: now };
    this.#grow();
  }

  /** The sender is quick; where the consumer is so, too, both get more room. */
  #grow(): void {
    const backlog = this.untaken - this.#heldCost;
    if (!this.#isQuick || !this.#hasConsumer || backlog > this.#windowBytes * GROWTH_BACKLOG_SHARE) return;
    this.#isQuick = false;
    this.#windowBytes = this.#pool.grow(this.#windowBytes, Math.max(2 * this.#windowBytes, WINDOW_BYTES));
  }

  /**
   * Says so when there is enough to say; and whatever it is where the peer could not send half a batch any more, which it
   * might wait for. Not while messages wait for a consumer: there will be more to say when it has taken them, and to tell of
   * each would make a peer that is quicker than the consumer send each by itself. Most channels never need more than their
   * first credit, and then nothing is said at all.
   */
  #update(): void {
    const windowBytes = this.#pool.isScarce ? CHANNEL_CREDIT_BYTES : this.#windowBytes;
    const target = this.#taken + this.#returned + windowBytes + this.#reservedBytes;
    const news = target - this.#granted;
    const isFirst = this.#granted === CHANNEL_CREDIT_BYTES && this.#reservation === undefined;
    const isWorthIt = !isFirst && news >= windowBytes * NEWS_SHARE;
    const isDue = !this.isAmple && (isFirst || this.untaken <= this.#heldCost);
    if (news <= 0 || !(isWorthIt || isDue)) return;
    this.#granted = target;
    this.#onNews();
  }
}
