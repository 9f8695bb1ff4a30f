import { type Content, encoded } from "../content.js";
import { invariant } from "../invariant.js";
import { Linked } from "../linked-queue.js";
import type { Millis } from "../time.js";
import type { SendChannel } from "./send-channel.js";

/** Names a message of this end to the application's side of the engine. Counts from 1, never reused in a session. */
export type MessageId = number;

/** What is to be sent. Looked at until the message has ended, so that nothing of it is kept twice. */
export interface OutgoingInit {
  readonly text: boolean;
  /** Length in bytes, `undefined` where only the end of the source tells. */
  readonly totalBytes: number | undefined;
  /** All of it; without it the engine asks with `pull` events, and `supply` answers. Looked at once, at the beginning. */
  readonly bytes?: Content | undefined;
  /** Whether `progress` events are wanted. */
  readonly wantsProgress: boolean;
  /** When it is dropped, if nothing of it has left by then. */
  readonly expiresAt?: Millis | undefined;
  /** It takes the place of a message of the same key on its channel, if nothing of that one has left. */
  readonly key?: string | undefined;
}

/** Where a message of this end is. What the application sees of it is the receipt. */
export type MessageStage = "queued" | "writing" | "written";

/**
 * A message on its way out: what has been supplied of it, and how far it has been cut into chunks. A Blob or File is
 * supplied piece by piece, only as far ahead as the window asks.
 *
 * Invariant: `ackedBytes <= takenBytes <= suppliedBytes <= totalBytes` (where the total is known).
 */
export class OutgoingMessage extends Linked {
  readonly id: MessageId;
  readonly channel: SendChannel;
  readonly #init: OutgoingInit;
  stage: MessageStage = "queued";
  /** The batch that carries its first piece; `undefined` while it is queued. */
  firstNumber: number | undefined;
  /** Which message of its channel it is, from 1; 0 while it is queued. */
  ordinal = 0;
  /** Bytes that the peer has acknowledged. */
  ackedBytes = 0;
  /** What has been supplied and not been taken: most messages are of one piece, and need no list. */
  #piece: Content | undefined;
  #laterPieces: Uint8Array[] | undefined;
  #suppliedBytes = 0;
  #takenBytes = 0;
  #source: "none" | "open" | "asked" | "ended" = "open";

  constructor(id: MessageId, channel: SendChannel, init: OutgoingInit) {
    super();
    this.id = id;
    this.channel = channel;
    this.#init = init;
    const { bytes, totalBytes } = init;
    if (bytes === undefined) return;
    invariant(bytes.length === totalBytes, "a message is as long as it says");
    this.#piece = bytes.length > 0 ? bytes : undefined;
    this.#suppliedBytes = totalBytes;
    this.#source = "none";
  }

  /** Adds what the source has given. The engine owns `piece` from here on. */
  supply(piece: Uint8Array, ended: boolean): void {
    invariant(!this.isEnded, "a message is not supplied behind its end");
    if (piece.length > 0) this.#keep(piece);
    this.#suppliedBytes += piece.length;
    this.#source = ended ? "ended" : "open";
    const { totalBytes } = this;
    if (totalBytes === undefined) return;
    const isRight = ended ? this.#suppliedBytes === totalBytes : this.#suppliedBytes <= totalBytes;
    invariant(isRight, "a message is as long as it said");
  }

  /** Takes the next `size` bytes, which must be there. A view where they lie in one piece, and what was given where it is all. */
  take(size: number): Content {
    invariant(size <= this.availableBytes, "no more is taken than was supplied");
    this.#takenBytes += size;
    const first = this.#piece;
    if (first === undefined) return NOTHING;
    if (first.length === size) {
      this.#piece = this.#laterPieces?.shift();
      return first;
    }
    const bytes = encoded(first);
    this.#piece = bytes;
    if (bytes.length < size) return this.#joined(size);
    this.#piece = bytes.subarray(size);
    return bytes.subarray(0, size);
  }

  /** Whether the source should be asked for more, given how far ahead the engine wants to read. Asks once. */
  asksForMore(aheadBytes: number): boolean {
    if (this.#source !== "open" || this.availableBytes >= aheadBytes) return false;
    this.#source = "asked";
    return true;
  }

  get text(): boolean {
    return this.#init.text;
  }

  /** Length in bytes; `undefined` where only the end of the source tells. */
  get totalBytes(): number | undefined {
    return this.#init.totalBytes;
  }

  get wantsProgress(): boolean {
    return this.#init.wantsProgress;
  }

  get key(): string | undefined {
    return this.#init.key;
  }

  /** Whether it is read piece by piece. The peer's message limit holds for the others only. */
  get isSource(): boolean {
    return this.#source !== "none";
  }

  /** Bytes supplied and not yet cut. */
  get availableBytes(): number {
    return this.#suppliedBytes - this.#takenBytes;
  }

  get suppliedBytes(): number {
    return this.#suppliedBytes;
  }

  get takenBytes(): number {
    return this.#takenBytes;
  }

  /** Whether everything there will ever be has been supplied. */
  get isEnded(): boolean {
    return this.#source === "ended" || this.#source === "none";
  }

  #keep(piece: Uint8Array): void {
    if (this.#piece === undefined) {
      this.#piece = piece;
      return;
    }
    this.#laterPieces ??= [];
    this.#laterPieces.push(piece);
  }

  #joined(size: number): Uint8Array {
    const bytes = new Uint8Array(size);
    let filled = 0;
    while (filled < size) {
      const piece = this.#piece as Uint8Array;
      const part = piece.subarray(0, size - filled);
      bytes.set(part, filled);
      filled += part.length;
      this.#piece = part.length === piece.length ? this.#laterPieces?.shift() : piece.subarray(part.length);
    }
    return bytes;
  }
}

const NOTHING = new Uint8Array(0);
