import type { Limits } from "../limits.js";
import type { Ports } from "../ports.js";
import type { Millis } from "../time.js";
import type { ChunkFrame, Frame, Violation } from "../wire/frame.js";
import { AckPolicy } from "./ack-policy.js";
import { BatchOrder, type Verdict } from "./batch-order.js";
import { CreditPool } from "./credit.js";
import { type Arrival, InboundChannel, type ReceiveMode } from "./inbound-channel.js";

/** Names a channel inside one engine, as on the sending side. */
type ChannelKey = number;

/** What the application gets of a channel, and gives back `cost` for when it has taken it. */
export type InboundEvent =
  /** A message. Text is what the port `readText` made of it; bytes may be a view of a larger buffer. */
  | {
      readonly type: "message";
      readonly channel: ChannelKey;
      readonly text: boolean;
      readonly data: string | Uint8Array;
      readonly cost: number;
    }
  /** A message begins that is taken piece by piece; `totalBytes` where its sender knows it. */
  | {
      readonly type: "incoming";
      readonly channel: ChannelKey;
      readonly text: boolean;
      readonly totalBytes: number | undefined;
    }
  | {
      readonly type: "piece";
      readonly channel: ChannelKey;
      readonly data: Uint8Array;
      readonly last: boolean;
      readonly cost: number;
    }
  /** Its sender has taken it back. */
  | { readonly type: "incoming-reset"; readonly channel: ChannelKey };

interface Known {
  readonly key: ChannelKey;
  readonly channel: InboundChannel;
  /** The peer's wire id; `undefined` once nothing more comes. */
  id: number | undefined;
  /** Whether the peer has to learn of more credit. */
  hasNews: boolean;
}

export interface InboundOptions {
  readonly limits: Limits;
  readonly ports: Pick<Ports, "readText">;
  /** As far as this end knows; `undefined` while it does not. */
  readonly roundTripMs: () => Millis | undefined;
}

/**
 * The incoming half of a session: each batch once and in order, its chunks put together channel by channel, what to
 * acknowledge, and how much may come.
 */
export class Inbound {
  readonly #options: InboundOptions;
  readonly #emit: (event: InboundEvent) => void;
  readonly #control: (frame: Frame) => void;
  readonly #order = new BatchOrder();
  readonly #pool: CreditPool;
  readonly #byKey = new Map<ChannelKey, Known>();
  readonly #byId = new Map<number, Known>();
  /** How those channels are to be taken that the peer has not opened yet. */
  #modes: Map<ChannelKey, "messages" | "incoming"> | undefined;
  /** How many channels are in the middle of a message, and of how many the peer has to learn that there is more credit. */
  #partialCount = 0;
  #newsCount = 0;
  /** What is wrong with the text that a chunk has completed. */
  #violation: Violation | undefined;
  #isSilent = false;
  readonly acks: AckPolicy;

  /** @param control takes frames for the peer that must not be lost */
  constructor(options: InboundOptions, emit: (event: InboundEvent) => void, control: (frame: Frame) => void) {
    this.#options = options;
    this.#emit = emit;
    this.#control = control;
    this.acks = new AckPolicy(this.#order, options.roundTripMs);
    this.#pool = new CreditPool(options.limits, options.roundTripMs);
    // A WebSocket hands on what comes, be it to nobody.
    this.#add(0, 0, "messages");
  }

  /** Judges a numbered batch of `bytes` bytes: only what is `"next"` is to be read (BAT-04). */
  acceptBatch(number: number, bytes: number, now: Millis): Verdict {
    const verdict = this.#order.accept(number, bytes, now);
    if (verdict === "next") this.acks.handleBatch(bytes, now);
    if (verdict === "duplicate") this.acks.handleDuplicate(now);
    return verdict;
  }

  /** The peer has opened its direction of the channel `key`, under this wire id. */
  open(id: number, key: ChannelKey): void {
    this.#add(id, key, this.#modes?.get(key) ?? "undecided");
  }

  /** How the application takes what comes on the channel from here on. */
  receive(key: ChannelKey, mode: "messages" | "incoming"): void {
    this.#modes ??= new Map();
    this.#modes.set(key, mode);
    this.#byKey.get(key)?.channel.receive(mode);
  }

  /** The application has taken so much of what it was given. */
  take(key: ChannelKey, cost: number): void {
    const known = this.#byKey.get(key);
    if (known === undefined) return;
    known.channel.credit.take(cost);
    this.#forgetWhenTaken(known);
  }

  /** Memory is short, or is not any more. */
  handleScarcity(isScarce: boolean): void {
    if (this.#pool.isScarce === isScarce) return;
    this.#pool.handleScarcity(isScarce);
    for (const { channel, id } of this.#byKey.values()) if (id !== undefined) channel.credit.refresh();
  }

  /** Takes a chunk; gives what is wrong with it. */
  handleChunk(chunk: ChunkFrame, now: Millis): Violation | undefined {
    const known = this.#byId.get(chunk.channel);
    if (known === undefined) return { code: 1002, reason: "chunk on an unopened channel" };
    const { isPartial } = known.channel;
    const violation = known.channel.handleChunk(chunk, now) ?? this.#violation;
    this.#violation = undefined;
    this.#partialCount += Number(known.channel.isPartial) - Number(isPartial);
    return violation;
  }

  /** The sender has taken back the message that is under way on `id`. */
  handleReset(id: number): Violation | undefined {
    const known = this.#byId.get(id);
    if (!known?.channel.handleReset()) return { code: 1002, reason: "reset of no message" };
    this.#partialCount -= 1;
    return undefined;
  }

  /** Nothing follows on `id`. */
  handleChannelClose(id: number): Violation | undefined {
    const known = this.#byId.get(id);
    if (known === undefined) return undefined;
    if (known.channel.isPartial) return { code: 1002, reason: "channel closed inside a message" };
    known.id = undefined;
    known.channel.credit.close();
    this.#byId.delete(id);
    this.#modes?.delete(known.key);
    this.#newsCount -= Number(known.hasNews);
    known.hasNews = false;
    this.#forgetWhenTaken(known);
    return undefined;
  }

  /** A channel is gone that the peer may never have opened. */
  handleChannelGone(key: ChannelKey): void {
    this.#modes?.delete(key);
  }

  /** Another transport carries the session: what was said of credit may have been lost. */
  handleAttached(now: Millis): void {
    this.acks.clear();
    for (const { channel, id } of this.#byKey.values()) if (id !== undefined) channel.handleAttached(now);
  }

  /** This end has said CLOSE: no verdict can follow. Channels of the peer that open now come too late for one, too. */
  handleCloseSent(): void {
    this.#isSilent = true;
    for (const { channel } of this.#byKey.values()) channel.handleCloseSent();
  }

  /** Refuses what has stood still for too long. */
  handleDeadline(now: Millis): void {
    if (this.#partialCount === 0) return;
    for (const { channel } of this.#byId.values()) channel.handleIdle(now, this.#options.limits.reassemblyIdleMs);
  }

  /** When a message under way has stood still for too long. */
  get nextDeadline(): Millis | undefined {
    if (this.#partialCount === 0) return undefined;
    let next: Millis | undefined;
    for (const { channel } of this.#byId.values()) {
      const deadline = channel.idleDeadline(this.#options.limits.reassemblyIdleMs);
      if (deadline !== undefined && (next === undefined || deadline < next)) next = deadline;
    }
    return next;
  }

  /** Whether the peer has to learn of more credit. */
  get isCreditDue(): boolean {
    return this.#newsCount > 0;
  }

  /** What it has to learn: at most a frame of a few bytes for each of 256 channels, so it fits any batch (LIM-02). */
  pollCredit(): Frame[] {
    const frames: Frame[] = [];
    for (const [id, known] of this.#byId) {
      if (!known.hasNews) continue;
      known.hasNews = false;
      frames.push({ type: "channel-credit", channel: id, bytes: known.channel.credit.granted });
    }
    this.#newsCount = 0;
    return frames;
  }

  /** Forgets everything: the session has ended. */
  clear(): void {
    this.#byKey.clear();
    this.#byId.clear();
    this.#partialCount = 0;
    this.#newsCount = 0;
    this.#pool.clear();
  }

  /** Bytes of unfinished messages that are kept until they are whole. */
  get reassemblyBytes(): number {
    let bytes = 0;
    for (const { channel } of this.#byId.values()) bytes += channel.heldBytes;
    return bytes;
  }

  /** What the application has not taken yet, unfinished messages included, as cost. */
  get untakenBytes(): number {
    return this.#pool.untakenBytes;
  }

  /** The highest batch number accepted. */
  get receivedNumber(): number {
    return this.#order.number;
  }

  /** Bytes of all batches accepted. */
  get receivedBytes(): number {
    return this.#order.bytes;
  }

  #add(id: number, key: ChannelKey, mode: ReceiveMode): void {
    const { limits } = this.#options;
    const onNews = () => this.#handleNews(known);
    const channel = new InboundChannel({ pool: this.#pool, limits, mode, onNews }, (arrival) =>
      this.#handle(known, arrival),
    );
    const known: Known = { key, id, channel, hasNews: false };
    if (this.#isSilent) channel.handleCloseSent();
    this.#byId.set(id, known);
    this.#byKey.set(key, known);
  }

  #handleNews(known: Known): void {
    if (known.hasNews || known.id === undefined) return;
    known.hasNews = true;
    this.#newsCount += 1;
  }

  #handle({ key, id }: Known, arrival: Arrival): void {
    switch (arrival.type) {
      case "message": {
        const { text, bytes, cost } = arrival;
        const data = text ? this.#options.ports.readText(bytes) : bytes;
        if (data === undefined) this.#violation = { code: 1007, reason: "text is not UTF-8" };
        else this.#emit({ type: "message", channel: key, text, data, cost });
        return;
      }
      case "verdict": {
        const { message, code } = arrival;
        const channel = id as number;
        this.#control(
          code === undefined ? { type: "admit", channel, message } : { type: "reject", channel, message, code },
        );
        return;
      }
      default:
        this.#emit({ ...arrival, channel: key });
    }
  }

  #forgetWhenTaken(known: Known): void {
    if (known.id === undefined && known.channel.credit.untaken === 0) this.#byKey.delete(known.key);
  }
}
