import type { Limits } from "../limits.js";
import { type Millis, ticksToMillis } from "../time.js";
import type { BatchEnd, Trace, WaitingFor } from "../trace.js";
import { encodeBatch, frameBytes, type OutgoingFrame } from "../wire/encode.js";
import type { AckFrame, CloseFrame, Violation } from "../wire/frame.js";
import { varintBytes } from "../wire/varint.js";
import type { BatchMemory } from "./batch-memory.js";
import type { DraftSpace } from "./draft.js";
import { type EarlySent, InFlight, type SentBatch } from "./in-flight.js";
import type { Requests } from "./request-wait.js";
import type { ChannelKey } from "./send-channel.js";
import type { Sender } from "./sender.js";
import { type AckSample, WindowController } from "./window.js";

/** What holds for the next batch. */
export interface BatchSpace {
  /** The largest batch to make: both the peer and the transport take it, and nobody waits for it for long. */
  readonly batchBytesMax: number;
  /** The same where it ends its message: what little is left of one is not worth a batch of its own. */
  readonly wholeBytesMax: number;
  /** What may leave, whatever the window says: early data is limited (HSK-07). */
  readonly allowanceBytes: number;
  /** What the transport may still buffer. Channel control is not held to it: acks must not overtake it (CHN-08). */
  readonly budgetBytes: number;
  /** What may leave beyond the window. */
  readonly overdraftBytes: number;
}

export interface SentDraft {
  readonly batch: Uint8Array;
  /** Whether it leaves for the first time. */
  readonly isNew: boolean;
  /** Channels whose outgoing direction ends with this batch. */
  readonly ended: readonly ChannelKey[];
}

export type AckOutcome =
  /** `ended`: channels whose CHANNEL_CLOSE it covers. */
  | { readonly type: "news"; readonly ended: readonly ChannelKey[] }
  | { readonly type: "old" }
  | { readonly type: "violation"; readonly violation: Violation };

/** Own data that nothing acknowledges for so long, in round trips, says that the line is dead; within these bounds, ms. */
const STALL_ROUND_TRIPS = 8;
const STALL_MIN_MS = 5_000;
const STALL_MAX_MS = 15_000;

/** From so many of the largest batches on, a window is counted in whole ones: of less, part of one is a part worth having. */
const AMPLE_BATCHES = 16;

/** Before anything was asked for: there is no transport yet. */
const NO_SPACE: BatchSpace = {
  batchBytesMax: 0,
  wholeBytesMax: 0,
  allowanceBytes: 0,
  budgetBytes: 0,
  overdraftBytes: 0,
};

/**
 * How large a batch may be that ends its message, where others are of `chunkBytes`: a 64th more, for what stands around the
 * payload. Messages are often as large as a power of two, and a little.
 */
export function wholeBytesOf(chunkBytes: number): number {
  return chunkBytes + Math.floor(chunkBytes / 64);
}

/** The bounds that concern what is on its way. */
export type OutboundLimits = Pick<Limits, "chunkBytes" | "windowBytes" | "replayBytesMax">;

interface OutboundOptions {
  readonly trace?: Trace | undefined;
  /** Where the memory of batches comes from that leave over a WebSocket; V8's by default. */
  readonly memory?: BatchMemory | undefined;
}

/** Turns drafts into numbered batches inside the window, keeps them until they are acknowledged, and sends them again. */
export class Outbound {
  readonly #sender: Sender;
  readonly #limits: OutboundLimits;
  #window: WindowController;
  readonly #inFlight = new InFlight();
  readonly #trace: Trace | undefined;
  #requests: Requests = "none";
  /** When there is room for more without an ack; `undefined` where that does not happen, or nothing waits for it. */
  #roomAt: Millis | undefined;
  /** What held for the last batch that was asked for. */
  #space: BatchSpace | undefined;
  /** When the line was last known to carry our batches: the last news, or when it was idle for the last time. */
  #progressAt: Millis = 0;
  readonly #memory: BatchMemory | undefined;
  /** From this one on, no transport but the present one has had a batch. */
  #exclusiveNumber = 1;

  constructor(sender: Sender, limits: OutboundLimits, options: OutboundOptions = {}) {
    this.#trace = options.trace;
    this.#memory = options.memory;
    this.#sender = sender;
    this.#limits = limits;
    this.#window = new WindowController(limits);
  }

  /**
   * The next numbered batch: those that have to be sent again first. A new one gets its number here, when it leaves, so
   * that replay order is wire order (BAT-05).
   */
  pollBatch(space: BatchSpace, ack: AckFrame | undefined, now: Millis): SentDraft | undefined {
    this.#space = space;
    if (this.#inFlight.due !== undefined) return this.#pollReplay(this.#inFlight.due, space, now);
    this.#sender.messages.handleDeadline(now);
    const draftSpace = this.#draftSpace(space, ack, this.#window.shutBytes(now));
    this.#roomAt = undefined;
    const draft = this.#sender.pollDraft(draftSpace);
    if (draft === undefined) {
      const hasOtherRoom = space.budgetBytes > 0 && this.#replayRoomBytes > 0;
      if (hasOtherRoom && this.#sender.isWaitingForRoom) {
        this.#window.handleLimited();
        this.#roomAt = this.#window.opensAt(now);
      }
      return undefined;
    }
    const { number } = draftSpace;
    const { chunks, closes, end } = draft;
    const opens = draft.frames.some(({ type }) => type === "channel-open");
    const batch = this.#encode(number, ack, draft.frames);
    const sent = { number, batch, sentAt: now, chunks, closes, opens };
    this.#add(sent, now);
    if (this.#trace !== undefined) this.#traceBatch(sent, end, now);
    return { batch, isNew: true, ended: closes.map((channel) => channel.key) };
  }

  /** The batch that says that nothing follows it (CLS-01). `undefined` while others are ahead of it, or it has no room. */
  closeBatch(frame: CloseFrame, space: BatchSpace, ack: AckFrame | undefined, now: Millis): Uint8Array | undefined {
    if (this.#inFlight.due !== undefined) return undefined;
    const number = this.#inFlight.nextNumber;
    const batch = this.#encode(number, ack, [frame]);
    if (batch.length > space.allowanceBytes) return undefined;
    this.#add({ number, batch, sentAt: now, chunks: [], closes: [], opens: false }, now);
    return batch;
  }

  /** Whether batches leave in requests, or their acks do. */
  handleRequests(requests: Requests): void {
    this.#requests = requests;
    this.#window.handleRequests(requests);
  }

  handleAck(frame: AckFrame, now: Millis): AckOutcome {
    const batches = this.#inFlight.take(frame.number, frame.bytes);
    if (batches === undefined) {
      return { type: "violation", violation: { code: 1002, reason: "ack of what was not sent" } };
    }
    const newest = batches.at(-1);
    if (newest === undefined) return { type: "old" };
    this.#progressAt = now;
    // The receiver's clock tells of its newest batch only; an ack that covers it partly does not exist.
    const sample = {
      sentAt: newest.sentAt,
      ackedAt: now,
      receivedAt: ticksToMillis(frame.receivedTicks),
      roundTripTimeMs: Math.max(0, now - newest.sentAt - ticksToMillis(frame.delayTicks)),
      bytes: newest.batch.length,
      totalBytes: this.#inFlight.ackedBytes,
      newBytes: batches.reduce((sum, { batch }) => sum + batch.length, 0),
      lineBytes: this.#inFlight.lineBytes,
    };
    const { phase } = this.#window;
    this.#window.handleAck(sample, now);
    if (this.#trace !== undefined) this.#traceAck(frame.number, sample, now);
    if (phase !== this.#window.phase) this.#traceWindow(now);
    const outcome = this.#news(batches);
    this.#giveBack(batches);
    return outcome;
  }

  /** Whether the peer may say so in RECEIVED: neither less than it has acknowledged, nor more than was sent. */
  canSettle(received: number): boolean {
    return this.#inFlight.canSettle(received);
  }

  /**
   * Another transport carries the session: everything that is not acknowledged is sent again on it.
   * @param early what it has had before, as early data
   */
  handleAttached(now: Millis, early?: EarlySent): void {
    this.#inFlight.rewind(early);
    this.#exclusiveNumber = this.#inFlight.nextNumber;
    // Another line: what was learnt of the one before says nothing about it.
    this.#window = new WindowController(this.#limits, this.#window.path.smoothedRoundTripMs);
    this.#window.handleRequests(this.#requests);
    this.#roomAt = undefined;
    this.#progressAt = now;
  }

  /** The peer says, at the start of an attachment, what it has accepted (RES-05). Tells nothing of the path. */
  handleReceived(received: number): AckOutcome {
    const batches = this.#inFlight.settle(received);
    return batches.length === 0 ? { type: "old" } : this.#news(batches);
  }

  /** The line has woken up together with this end: what was missed meanwhile is no sign of its death. */
  handleWoken(now: Millis): void {
    this.#progressAt = now;
  }

  /** When something new was acknowledged, or the line was last empty; `undefined` while it is. */
  get waitingSince(): Millis | undefined {
    return this.#inFlight.lineBytes === 0 ? undefined : this.#progressAt;
  }

  /** When the line counts as dead because it does not carry our batches; `undefined` while nothing is on it. */
  get stallDeadline(): Millis | undefined {
    if (this.#inFlight.lineBytes === 0) return undefined;
    const patienceMs = STALL_ROUND_TRIPS * (this.#window.path.smoothedRoundTripMs ?? STALL_MAX_MS);
    return this.#progressAt + Math.min(STALL_MAX_MS, Math.max(STALL_MIN_MS, patienceMs));
  }

  /** When more may leave, whatever comes: `pollBatch` is to be asked again then. */
  get nextDeadline(): Millis | undefined {
    return this.#roomAt;
  }

  /**
   * What has left and is not acknowledged, behind this number: its number, and the batch, which is to be sent on another
   * transport as well.
   */
  sentAfter(number: number): Pick<SentBatch, "number" | "batch"> | undefined {
    this.#exclusiveNumber = this.#inFlight.nextNumber;
    return this.#inFlight.after(number);
  }

  get sentBytes(): number {
    return this.#inFlight.sentBytes;
  }

  /** The highest number given to a batch. */
  get sentNumber(): number {
    return this.#inFlight.sentNumber;
  }

  /** The last batch to be sent again that opens a channel; 0 for none (CHN-10). */
  get openingNumber(): number {
    return this.#inFlight.openingNumber;
  }

  /** The highest number that the present transport has had. */
  get lineNumber(): number {
    return this.#inFlight.lineNumber;
  }

  /** Bytes sent and not acknowledged, on whichever transport: what is kept for a replay. */
  get inFlightBytes(): number {
    return this.#inFlight.bytes;
  }

  /** All memory that it keeps: of what is on its way, and of what is to be. */
  get heldBytes(): number {
    return this.#inFlight.bytes + (this.#memory?.freeBytes ?? 0);
  }

  /** Why the head of a channel has not left; `undefined` where nothing waits in it. */
  waitingFor(key: ChannelKey): WaitingFor | undefined {
    const space = this.#space ?? NO_SPACE;
    // What has to leave again goes first, and waits for the transport only.
    const budgetBytes = this.isReplaying ? 0 : space.budgetBytes;
    return this.#sender.waitingFor(key, this.#draftSpace({ ...space, budgetBytes }, undefined));
  }

  /** Whether there are batches that the present transport has yet to be given again. */
  get isReplaying(): boolean {
    return this.#inFlight.due !== undefined;
  }

  /** Whether nothing is on the line that the peer has not acknowledged. */
  get isQuiet(): boolean {
    return this.#inFlight.lineBytes === 0;
  }

  /** The largest batch that does not hold up others for long. */
  get chunkBytes(): number {
    return this.#window.chunkBytes;
  }

  get windowBytes(): number {
    return this.#window.windowBytes;
  }

  /** How much should leave in one request, where batches leave in requests: as much as may, where they leave again. */
  get requestBytes(): number {
    return this.isReplaying ? Number.POSITIVE_INFINITY : this.#window.requestBytes;
  }

  get path(): WindowController["path"] {
    return this.#window.path;
  }

  /**
   * Not held to the window: it was in it once, and what is new must not have to wait for it (CHN-08). The transport's
   * budget and the bound on early data hold.
   */
  #pollReplay(due: SentBatch, space: BatchSpace, now: Millis): SentDraft | undefined {
    if (due.batch.length > space.allowanceBytes || space.budgetBytes <= 0) return undefined;
    if (this.#inFlight.lineBytes === 0) this.#handleIdle(now);
    this.#inFlight.handleReplayed(now);
    if (this.#trace !== undefined) this.#traceBatch(due, "replay", now);
    return { batch: due.batch, isNew: false, ended: [] };
  }

  #draftSpace(space: BatchSpace, ack: AckFrame | undefined, shutBytes = 0): DraftSpace {
    const number = this.#inFlight.nextNumber;
    const overhead = varintBytes(number) + (ack === undefined ? 0 : frameBytes(ack));
    const windowBytes = this.#window.windowBytes - shutBytes + space.overdraftBytes;
    const boundBytes = Math.min(space.allowanceBytes, this.#replayRoomBytes);
    const spaceBytes = Math.min(space.batchBytesMax, boundBytes);
    return {
      number,
      spaceBytes: spaceBytes - overhead,
      extraBytes: Math.min(space.wholeBytesMax, boundBytes) - spaceBytes,
      roomBytes: space.budgetBytes > 0 ? windowBytes - this.#inFlight.bytes - overhead : Number.NEGATIVE_INFINITY,
      batchBytesMax: space.batchBytesMax,
      isAmple: windowBytes >= AMPLE_BATCHES * space.batchBytesMax,
    };
  }

  /** What cannot be kept must not leave: it could not be sent again. */
  get #replayRoomBytes(): number {
    return this.#limits.replayBytesMax - this.#inFlight.bytes;
  }

  #traceBatch({ number, batch, chunks }: SentBatch, end: BatchEnd | "replay", at: Millis): void {
    const traced = chunks.map(({ message, bytes, last }) => {
      const { channel } = message;
      return { channel: channel.key, priority: channel.priority, message: message.id, bytes, last };
    });
    const { inFlightBytes, windowBytes } = this;
    this.#trace?.({ type: "batch", at, number, bytes: batch.length, chunks: traced, end, inFlightBytes, windowBytes });
  }

  #traceAck(number: number, { newBytes, roundTripTimeMs }: AckSample, at: Millis): void {
    const { inFlightBytes, windowBytes } = this;
    const { bytesPerMs } = this.path;
    const bandwidthBitsPerSecond = bytesPerMs === undefined ? undefined : bytesPerMs * 8000;
    const line = { roundTripTimeMs, bandwidthBitsPerSecond, inFlightBytes, windowBytes };
    this.#trace?.({ type: "ack", at, number, bytes: newBytes, ...line });
  }

  #traceWindow(at: Millis): void {
    const { phase, windowBytes } = this.#window;
    this.#trace?.({ type: "window", at, phase, windowBytes });
  }

  #add(batch: SentBatch, now: Millis): void {
    if (this.#inFlight.lineBytes === 0) this.#handleIdle(now);
    this.#inFlight.add(batch);
  }

  #handleIdle(now: Millis): void {
    this.#progressAt = now;
    this.#window.handleIdle(now);
  }

  #news(batches: readonly SentBatch[]): AckOutcome {
    const ended: ChannelKey[] = [];
    for (const batch of batches) {
      this.#sender.handleAcked(batch);
      for (const channel of batch.closes) ended.push(channel.key);
    }
    return { type: "news", ended };
  }

  #encode(number: number, ack: AckFrame | undefined, frames: readonly OutgoingFrame[]): Uint8Array {
    return encodeBatch(number, ack === undefined ? frames : [ack, ...frames], this.#reusable);
  }

  /** What leaves in a request may be repeated after its ack. */
  get #reusable(): BatchMemory | undefined {
    return this.#requests === "none" ? this.#memory : undefined;
  }

  /** What the peer has, and got from the only transport that had it, is nobody's any more. */
  #giveBack(batches: readonly SentBatch[]): void {
    const memory = this.#reusable;
    if (memory === undefined) return;
    for (const { number, batch } of batches) if (number >= this.#exclusiveNumber) memory.give(batch);
    if (this.isQuiet) memory.clear();
  }
}
