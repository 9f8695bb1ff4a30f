import { CHANNEL_CREDIT_BYTES, type Limits, MESSAGE_COST_BYTES } from "../limits.js";
import type { Millis } from "../time.js";
import type { ChunkFrame, Violation } from "../wire/frame.js";
import { ChannelCredit, type CreditPool } from "./credit.js";

/**
 * How the application takes what comes on a channel: nobody does yet; in whole messages; or as they begin, piece by piece,
 * whatever their size.
 */
export type ReceiveMode = "undecided" | "messages" | "incoming";

/** What comes of a chunk. `cost` is what the consumer gives back by taking it. */
export type Arrival =
  | { readonly type: "message"; readonly text: boolean; readonly bytes: Uint8Array; readonly cost: number }
  | { readonly type: "incoming"; readonly text: boolean; readonly totalBytes: number | undefined }
  | { readonly type: "piece"; readonly data: Uint8Array; readonly last: boolean; readonly cost: number }
  | { readonly type: "incoming-reset" }
  /** The sender has to learn what becomes of a message that is over the limit, or that does not go on. */
  | { readonly type: "verdict"; readonly message: number; readonly code: number | undefined };

/** A message of unknown length counts as a large one from here on. */
const UNKNOWN_LARGE_BYTES = 16 * 1024;

/** What does not fit the first credit has to be given room (CRD-05). */
const LARGE_BYTES = CHANNEL_CREDIT_BYTES - MESSAGE_COST_BYTES;

const TOO_LARGE = 1009;
const TOO_SLOW = 1013;

/** The message under way. */
interface Partial {
  readonly text: boolean;
  readonly totalBytes: number | undefined;
  pieces: Uint8Array[];
  /** Bytes that have come. */
  bytes: number;
  /** When the last of them came. */
  touchedAt: Millis;
  state: "held" | "streaming" | "refused";
  isAdmitted: boolean;
  /** Whether its sender has been asked to take it back. */
  isRushed: boolean;
}

/** One channel of the peer: puts its messages together, one at a time (MSG-03), and keeps count of its credit. */
export class InboundChannel {
  readonly credit: ChannelCredit;
  readonly #limits: Pick<Limits, "messageBytesMax">;
  readonly #emit: (arrival: Arrival) => void;
  #mode: ReceiveMode;
  #partial: Partial | undefined;
  /** Messages that have begun. */
  #messages = 0;
  #isSilent = false;

  constructor(
    options: { pool: CreditPool; limits: Pick<Limits, "messageBytesMax">; mode: ReceiveMode; onNews: () => void },
    emit: (arrival: Arrival) => void,
  ) {
    this.credit = new ChannelCredit(options.pool, options.onNews);
    this.#limits = options.limits;
    this.#mode = options.mode;
    this.#emit = emit;
    if (options.mode !== "undecided") this.credit.handleConsumer();
  }

  /** How the application takes messages from here on; what has come of one is dealt with in the new way. */
  receive(mode: "messages" | "incoming"): void {
    if (this.#mode === mode) return;
    if (this.#mode === "undecided") this.credit.handleConsumer();
    this.#mode = mode;
    const partial = this.#partial;
    if (partial?.state !== "held") return;
    if (mode === "messages") return this.#judge(partial);
    if (!this.#begin(partial)) return this.credit.giveBack(partial.bytes + MESSAGE_COST_BYTES, true);
    const { pieces } = partial;
    partial.pieces = [];
    let overhead = MESSAGE_COST_BYTES;
    for (const data of pieces) {
      this.#emit({ type: "piece", data, last: false, cost: data.length + overhead });
      overhead = 0;
    }
  }

  handleChunk(chunk: ChunkFrame, now: Millis): Violation | undefined {
    if (chunk.first === (this.#partial !== undefined)) {
      return violation(chunk.first ? "message inside a message" : "later chunk without a first one");
    }
    const cost = chunk.payload.length + (chunk.first ? MESSAGE_COST_BYTES : 0);
    if (!this.credit.receive(cost, this.#mode !== "incoming", now)) return violation("more than the credit");
    const partial = this.#partial ?? this.#first(chunk);
    partial.bytes += chunk.payload.length;
    partial.touchedAt = now;
    const { totalBytes, bytes } = partial;
    if (totalBytes !== undefined && (chunk.last ? bytes !== totalBytes : bytes > totalBytes)) {
      return violation("message not as long as announced");
    }
    this.#partial = chunk.last ? undefined : partial;
    if (partial.state === "refused") this.credit.giveBack(cost, chunk.last);
    else if (this.#mode === "incoming") this.#stream(partial, chunk, cost);
    else this.#collect(partial, chunk);
    return undefined;
  }

  /** The sender has taken back the message that is under way. `false` when there is none. */
  handleReset(): boolean {
    const partial = this.#partial;
    if (partial === undefined) return false;
    this.#partial = undefined;
    if (partial.state === "held") this.credit.giveBack(partial.bytes + MESSAGE_COST_BYTES, true);
    if (partial.state === "streaming") {
      this.credit.handleMessageEnd();
      this.#emit({ type: "incoming-reset" });
    }
    return true;
  }

  /**
   * Asks for the end of a message that is held for the application and has not gone on for `idleMs`, though it could have.
   * The rest may be on its way all the same, and makes it whole: it is kept until its sender takes it back (CRD-08).
   */
  handleIdle(now: Millis, idleMs: Millis): void {
    const deadline = this.idleDeadline(idleMs);
    if (deadline === undefined || now < deadline) return;
    (this.#partial as Partial).isRushed = true;
    this.#emit({ type: "verdict", message: this.#messages, code: TOO_SLOW });
  }

  /** When the message under way has been idle for too long; `undefined` where there is none, or it has to wait for us. */
  idleDeadline(idleMs: Millis): Millis | undefined {
    const partial = this.#partial;
    const isWaited =
      partial?.state === "held" &&
      !partial.isRushed &&
      !this.#isSilent &&
      this.#mode === "messages" &&
      this.credit.isAmple;
    return isWaited ? partial.touchedAt + idleMs : undefined;
  }

  /** The time without a transport is nobody's fault. */
  handleAttached(now: Millis): void {
    if (this.#partial !== undefined) this.#partial.touchedAt = now;
    this.credit.restate();
  }

  /** This end has said CLOSE, and no verdict can follow: what would need one is dropped. */
  handleCloseSent(): void {
    this.#isSilent = true;
  }

  get isPartial(): boolean {
    return this.#partial !== undefined;
  }

  /** Bytes of the message under way that are kept until it is whole. */
  get heldBytes(): number {
    return this.#partial?.state === "held" ? this.#partial.bytes : 0;
  }

  #first({ text, totalBytes, last, payload }: ChunkFrame): Partial {
    this.#messages += 1;
    return {
      text,
      totalBytes: last ? payload.length : totalBytes,
      pieces: [],
      bytes: 0,
      touchedAt: 0,
      state: "held",
      isAdmitted: false,
      isRushed: false,
    };
  }

  #collect(partial: Partial, chunk: ChunkFrame): void {
    if (chunk.last) return this.#finish(partial, chunk.payload);
    partial.pieces.push(owned(chunk.payload));
    this.#judge(partial);
  }

  /** What becomes of a message that is not whole yet: it is refused, or given room. Nobody decides for nobody. */
  #judge(partial: Partial): void {
    if (this.#mode !== "messages") return;
    if (this.#isOverLimit(partial)) return this.#refuse(partial);
    const { totalBytes, bytes } = partial;
    if (totalBytes === undefined ? bytes >= UNKNOWN_LARGE_BYTES : totalBytes > LARGE_BYTES) {
      this.credit.want(totalBytes ?? this.#limits.messageBytesMax);
    }
  }

  #finish(partial: Partial, payload: Uint8Array): void {
    if (this.#isOverLimit(partial)) return this.#refuse(partial);
    this.credit.handleMessageEnd();
    const bytes = joined(partial.pieces, payload, partial.bytes);
    this.#emit({ type: "message", text: partial.text, bytes, cost: partial.bytes + MESSAGE_COST_BYTES });
  }

  /** Forgets what has come of it, and what still comes. */
  #refuse(partial: Partial): void {
    partial.state = "refused";
    partial.pieces = [];
    this.credit.giveBack(partial.bytes + MESSAGE_COST_BYTES, true);
    if (!this.#isSilent) this.#emit({ type: "verdict", message: this.#messages, code: TOO_LARGE });
  }

  #stream(partial: Partial, { payload, last }: ChunkFrame, cost: number): void {
    const isTaken = partial.state === "streaming" ? this.#admit(partial) : this.#begin(partial);
    if (!isTaken) return this.credit.giveBack(cost, last);
    if (last) this.credit.handleMessageEnd();
    this.#emit({ type: "piece", data: payload, last, cost });
  }

  /** Returns whether the application may have it. */
  #begin(partial: Partial): boolean {
    if (this.#isOverLimit(partial) && this.#isSilent) {
      partial.state = "refused";
      return false;
    }
    partial.state = "streaming";
    this.#emit({ type: "incoming", text: partial.text, totalBytes: partial.totalBytes });
    return this.#admit(partial);
  }

  /** What is over the limit is taken only if its sender can learn of that. */
  #admit(partial: Partial): boolean {
    if (partial.isAdmitted || !this.#isOverLimit(partial)) return true;
    if (this.#isSilent) {
      partial.state = "refused";
      this.#emit({ type: "incoming-reset" });
      return false;
    }
    partial.isAdmitted = true;
    this.#emit({ type: "verdict", message: this.#messages, code: undefined });
    return true;
  }

  #isOverLimit({ totalBytes, bytes }: Partial): boolean {
    return Math.max(bytes, totalBytes ?? 0) > this.#limits.messageBytesMax;
  }
}

function joined(pieces: readonly Uint8Array[], last: Uint8Array, totalBytes: number): Uint8Array {
  if (pieces.length === 0) return last;
  const bytes = new Uint8Array(totalBytes);
  let offset = 0;
  for (const piece of pieces) {
    bytes.set(piece, offset);
    offset += piece.length;
  }
  bytes.set(last, offset);
  return bytes;
}

/** A small view would keep the large buffer under it alive: a network stack reads into 64 KiB at a time. */
function owned(view: Uint8Array): Uint8Array {
  return view.length * 2 >= view.buffer.byteLength ? view : view.slice();
}

function violation(reason: string): Violation {
  return { code: 1002, reason };
}
