import type { Limits } from "../limits.js";
import type { Ports } from "../ports.js";
import type { Millis } from "../time.js";
import type { ChunkFrame, Violation } from "../wire/frame.js";
import { AckPolicy } from "./ack-policy.js";
import { BatchOrder, type Verdict } from "./batch-order.js";
import { Reassembly } from "./reassembly.js";

/** A message as the application gets it. Bytes may be a view of the batch that carried them. */
export interface InboundMessage {
  readonly text: boolean;
  readonly data: string | Uint8Array;
}

/** The incoming half of a session: each batch once and in order, its chunks put together, and what to acknowledge. */
export class Inbound {
  readonly #ports: Pick<Ports, "readText">;
  readonly #order = new BatchOrder();
  readonly #reassembly: Reassembly;
  readonly acks: AckPolicy = new AckPolicy(this.#order);

  constructor(limits: Limits, ports: Pick<Ports, "readText">) {
    this.#ports = ports;
    this.#reassembly = new Reassembly(limits);
  }

  /** Judges a numbered batch of `bytes` bytes: only what is `"next"` is to be read (BAT-04). */
  acceptBatch(number: number, bytes: number, now: Millis): Verdict {
    const verdict = this.#order.accept(number, bytes, now);
    if (verdict === "next") this.acks.handleBatch(bytes, now);
    if (verdict === "duplicate") this.acks.handleDuplicate(now);
    return verdict;
  }

  /** Takes a chunk; gives the message that it completes, or what is wrong with it. */
  handleChunk(chunk: ChunkFrame): { message: InboundMessage } | { violation: Violation } | undefined {
    const outcome = this.#reassembly.handleChunk(chunk);
    if (outcome.type === "violation") return { violation: outcome.violation };
    if (outcome.type === "partial") return undefined;
    const { text, bytes } = outcome.message;
    const data = text ? this.#ports.readText(bytes) : bytes;
    if (data === undefined) return { violation: { code: 1007, reason: "text is not UTF-8" } };
    return { message: { text, data } };
  }

  /** The sender has taken back the message that is under way on `channel`. */
  handleReset(channel: number): Violation | undefined {
    return this.#reassembly.reset(channel) ? undefined : { code: 1002, reason: "reset of no message" };
  }

  /** Nothing follows on `channel`. */
  handleChannelClose(channel: number): Violation | undefined {
    if (!this.#reassembly.isPartial(channel)) return undefined;
    return { code: 1002, reason: "channel closed inside a message" };
  }

  /** Forgets what has arrived in part. */
  clear(): void {
    this.#reassembly.clear();
  }

  /** Bytes of unfinished messages. */
  get heldBytes(): number {
    return this.#reassembly.heldBytes;
  }

  /** The highest batch number accepted. */
  get receivedNumber(): number {
    return this.#order.number;
  }

  /** Bytes of all batches accepted. */
  get receivedBytes(): number {
    return this.#order.bytes;
  }
}
