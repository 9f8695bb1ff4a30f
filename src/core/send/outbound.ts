import { type Millis, ticksToMillis } from "../time.js";
import { encodeBatch, frameBytes } from "../wire/encode.js";
import type { AckFrame, CloseFrame, Frame, Violation } from "../wire/frame.js";
import { varintBytes } from "../wire/varint.js";
import { InFlight } from "./in-flight.js";
import { PathEstimator } from "./path-estimator.js";
import type { ChannelKey } from "./send-channel.js";
import type { Sender } from "./sender.js";
import type { WindowController } from "./window.js";

/** What holds for the next batch. */
export interface BatchSpace {
  /** The largest batch that both the peer and the transport take. */
  readonly batchBytesMax: number;
  /** What may leave in all, whatever the window says: early data is limited (HSK-07). */
  readonly allowanceBytes: number;
  /** What the transport may still buffer. Channel control is not held to it: acks must not overtake it (CHN-08). */
  readonly budgetBytes: number;
}

export interface SentDraft {
  readonly batch: Uint8Array;
  /** Channels whose outgoing direction ends with this batch. */
  readonly ended: readonly ChannelKey[];
}

export type AckOutcome =
  /** `ended`: channels whose CHANNEL_CLOSE it covers. */
  | { readonly type: "news"; readonly ended: readonly ChannelKey[] }
  | { readonly type: "old" }
  | { readonly type: "violation"; readonly violation: Violation };

/** Turns drafts into numbered batches inside the window, and acks into what they mean for messages and window. */
export class Outbound {
  readonly #sender: Sender;
  readonly #window: WindowController;
  readonly #inFlight = new InFlight();
  readonly #path = new PathEstimator();

  constructor(sender: Sender, window: WindowController) {
    this.#sender = sender;
    this.#window = window;
  }

  /** The next numbered batch. It gets its number here, when it leaves, so that replay order is wire order (BAT-05). */
  pollBatch(space: BatchSpace, ack: AckFrame | undefined, now: Millis): SentDraft | undefined {
    const number = this.#inFlight.nextNumber;
    const overhead = varintBytes(number) + (ack === undefined ? 0 : frameBytes(ack));
    const draft = this.#sender.pollDraft({
      spaceBytes: Math.min(space.batchBytesMax, space.allowanceBytes) - overhead,
      roomBytes:
        space.budgetBytes > 0 ? this.#window.windowBytes - this.#inFlight.bytes - overhead : Number.NEGATIVE_INFINITY,
      batchBytesMax: space.batchBytesMax,
    });
    if (draft === undefined) return undefined;
    const batch = this.#encode(number, ack, draft.frames);
    const { chunks, closes } = draft;
    this.#inFlight.add({ number, bytes: batch.length, sentAt: now, chunks, closes });
    return { batch, ended: closes.map((channel) => channel.key) };
  }

  /** The batch that says that nothing follows it (CLS-01). `undefined` while early data leaves it no room. */
  closeBatch(frame: CloseFrame, space: BatchSpace, ack: AckFrame | undefined, now: Millis): Uint8Array | undefined {
    const number = this.#inFlight.nextNumber;
    const batch = this.#encode(number, ack, [frame]);
    if (batch.length > space.allowanceBytes) return undefined;
    this.#inFlight.add({ number, bytes: batch.length, sentAt: now, chunks: [], closes: [] });
    return batch;
  }

  handleAck(frame: AckFrame, now: Millis): AckOutcome {
    const batches = this.#inFlight.take(frame.number, frame.bytes);
    if (batches === undefined) {
      return { type: "violation", violation: { code: 1002, reason: "ack of what was not sent" } };
    }
    const newest = batches.at(-1);
    if (newest === undefined) return { type: "old" };
    // The receiver's clock tells of its newest batch only; an ack that covers it partly does not exist.
    const sample = {
      receivedAt: ticksToMillis(frame.receivedTicks),
      roundTripTimeMs: Math.max(0, now - newest.sentAt - ticksToMillis(frame.delayTicks)),
      ackedBytes: this.#inFlight.ackedBytes,
    };
    this.#path.handleAck(sample);
    this.#window.handleAck(sample, now);
    for (const batch of batches) this.#sender.handleAcked(batch);
    return { type: "news", ended: batches.flatMap((batch) => batch.closes.map((channel) => channel.key)) };
  }

  get sentBytes(): number {
    return this.#inFlight.sentBytes;
  }

  get inFlightBytes(): number {
    return this.#inFlight.bytes;
  }

  get windowBytes(): number {
    return this.#window.windowBytes;
  }

  get path(): Pick<PathEstimator, "roundTripTimeMs" | "bandwidthBitsPerSecond"> {
    return this.#path;
  }

  #encode(number: number, ack: AckFrame | undefined, frames: readonly Frame[]): Uint8Array {
    return encodeBatch(number, ack === undefined ? frames : [ack, ...frames]);
  }
}
