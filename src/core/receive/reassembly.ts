import type { Limits } from "../limits.js";
import type { ChunkFrame, Violation } from "../wire/frame.js";

/** A message as the peer sent it. `bytes` may be a view of the batch that carried it. */
export interface ReceivedMessage {
  readonly text: boolean;
  readonly bytes: Uint8Array;
}

interface Partial {
  readonly text: boolean;
  readonly totalBytes: number | undefined;
  readonly pieces: Uint8Array[];
  bytes: number;
}

export type ReassemblyOutcome =
  | { readonly type: "message"; readonly message: ReceivedMessage }
  | { readonly type: "partial" }
  | { readonly type: "violation"; readonly violation: Violation };

const PARTIAL: ReassemblyOutcome = { type: "partial" };

/**
 * Puts messages together from their chunks, one at a time per channel (MSG-03). What a peer announces reserves
 * nothing: memory is held for what has arrived.
 *
 * Invariant: `heldBytes <= reassemblyBytesMax` and at most `reassemblyMessagesMax` messages are unfinished.
 */
export class Reassembly {
  readonly #limits: Pick<Limits, "messageBytesMax" | "reassemblyBytesMax" | "reassemblyMessagesMax">;
  readonly #partials = new Map<number, Partial>();
  #heldBytes = 0;

  constructor(limits: Pick<Limits, "messageBytesMax" | "reassemblyBytesMax" | "reassemblyMessagesMax">) {
    this.#limits = limits;
  }

  handleChunk(chunk: ChunkFrame): ReassemblyOutcome {
    const partial = this.#partials.get(chunk.channel);
    if (chunk.first === (partial !== undefined)) {
      return violation(1002, chunk.first ? "message inside a message" : "later chunk without a first one");
    }
    const bytes = (partial?.bytes ?? 0) + chunk.payload.length;
    const totalBytes = partial === undefined ? chunk.totalBytes : partial.totalBytes;
    if (bytes > this.#limits.messageBytesMax || (totalBytes ?? 0) > this.#limits.messageBytesMax) {
      return violation(1009, "message too large");
    }
    if (totalBytes !== undefined && (chunk.last ? bytes !== totalBytes : bytes > totalBytes)) {
      return violation(1002, "message not as long as announced");
    }
    if (chunk.last) return { type: "message", message: this.#finish(chunk, partial) };
    return this.#hold(chunk, partial);
  }

  /** Forgets what has arrived of the message that is under way on `channel`. `false` when there is none. */
  reset(channel: number): boolean {
    const partial = this.#partials.get(channel);
    if (partial === undefined) return false;
    this.#heldBytes -= partial.bytes;
    return this.#partials.delete(channel);
  }

  clear(): void {
    this.#partials.clear();
    this.#heldBytes = 0;
  }

  isPartial(channel: number): boolean {
    return this.#partials.has(channel);
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  #hold(chunk: ChunkFrame, known: Partial | undefined): ReassemblyOutcome {
    const partial = known ?? { text: chunk.text, totalBytes: chunk.totalBytes, pieces: [], bytes: 0 };
    this.#partials.set(chunk.channel, partial);
    if (this.#partials.size > this.#limits.reassemblyMessagesMax)
      return violation(1009, "too many unfinished messages");
    partial.pieces.push(owned(chunk.payload));
    partial.bytes += chunk.payload.length;
    this.#heldBytes += chunk.payload.length;
    if (this.#heldBytes > this.#limits.reassemblyBytesMax) return violation(1009, "too many unfinished bytes");
    return PARTIAL;
  }

  #finish(chunk: ChunkFrame, partial: Partial | undefined): ReceivedMessage {
    if (partial === undefined) return { text: chunk.text, bytes: chunk.payload };
    this.reset(chunk.channel);
    const bytes = new Uint8Array(partial.bytes + chunk.payload.length);
    let offset = 0;
    for (const piece of partial.pieces) {
      bytes.set(piece, offset);
      offset += piece.length;
    }
    bytes.set(chunk.payload, offset);
    return { text: partial.text, bytes };
  }
}

/** A small view would keep the large buffer under it alive: a network stack reads into 64 KiB at a time. */
function owned(view: Uint8Array): Uint8Array {
  return view.length * 2 >= view.buffer.byteLength ? view : view.slice();
}

function violation(code: 1002 | 1009, reason: string): ReassemblyOutcome {
  return { type: "violation", violation: { code, reason } };
}
