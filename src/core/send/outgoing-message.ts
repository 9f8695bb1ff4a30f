import { invariant } from "../invariant.js";
import { Linked } from "../linked-queue.js";
import type { Millis } from "../time.js";
import type { SendChannel } from "./send-channel.js";

/** Names a message of this end to the application's side of the engine. Counts from 1, never reused in a session. */
export type MessageId = number;

/** What is to be sent. */
export interface OutgoingInit {
  readonly text: boolean;
  /** Length in bytes, `undefined` where only the end of the source tells. */
  readonly totalBytes: number | undefined;
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
  readonly text: boolean;
  /** Length in bytes; `undefined` where only the end of the source tells. */
  readonly totalBytes: number | undefined;
  readonly wantsProgress: boolean;
  readonly key: string | undefined;
  /** Whether it is read piece by piece. The peer's message limit holds for the others only. */
  readonly isSource: boolean;
  stage: MessageStage = "queued";
  /** The batch that carries its first piece; `undefined` while it is queued. */
  firstNumber: number | undefined;
  /** Which message of its channel it is, from 1; 0 while it is queued. */
  ordinal = 0;
  /** Whether the peer takes it although it is over its limit. */
  isAdmitted = false;
  /** Whether the peer has all of it. */
  isAcked = false;
  /** Bytes that the peer has acknowledged. */
  ackedBytes = 0;
  /** What has been supplied and not been taken: most messages are of one piece, and need no list. */
  #piece: Uint8Array | undefined;
  #laterPieces: Uint8Array[] | undefined;
  #suppliedBytes = 0;
  #takenBytes = 0;
  #source: "open" | "asked" | "ended" = "open";

  constructor(id: MessageId, channel: SendChannel, init: OutgoingInit, isSource: boolean) {
    super();
    this.id = id;
    this.channel = channel;
    this.text = init.text;
    this.totalBytes = init.totalBytes;
    this.wantsProgress = init.wantsProgress;
    this.key = init.key;
    this.isSource = isSource;
  }

  /** Adds what the source has given. The engine owns `piece` from here on. */
  supply(piece: Uint8Array, ended: boolean): void {
    invariant(this.#source !== "ended", "a message is not supplied behind its end");
    if (piece.length > 0) this.#keep(piece);
    this.#suppliedBytes += piece.length;
    this.#source = ended ? "ended" : "open";
    if (this.totalBytes === undefined) return;
    const isRight = ended ? this.#suppliedBytes === this.totalBytes : this.#suppliedBytes <= this.totalBytes;
    invariant(isRight, "a message is as long as it said");
  }

  /** Takes the next `size` bytes, which must be there. A view where they lie in one piece. */
  take(size: number): Uint8Array {
    invariant(size <= this.availableBytes, "no more is taken than was supplied");
    this.#takenBytes += size;
    const first = this.#piece;
    if (first === undefined) return new Uint8Array(0);
    if (first.length > size) {
      this.#piece = first.subarray(size);
      return first.subarray(0, size);
    }
    if (first.length === size) {
      this.#piece = this.#laterPieces?.shift();
      return first;
    }
    return this.#joined(size);
  }

  /** Whether the source should be asked for more, given how far ahead the engine wants to read. Asks once. */
  asksForMore(aheadBytes: number): boolean {
    if (this.#source !== "open" || this.availableBytes >= aheadBytes) return false;
    this.#source = "asked";
    return true;
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
    return this.#source === "ended";
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
