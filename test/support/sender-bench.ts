import { encoded } from "../../src/core/content.js";
import type { Draft } from "../../src/core/send/draft.js";
import type { SentBatch } from "../../src/core/send/in-flight.js";
import type { OutgoingMessages, SendEvent } from "../../src/core/send/outgoing-messages.js";
import { Sender } from "../../src/core/send/sender.js";
import { frameBytes, type OutgoingFrame } from "../../src/core/wire/encode.js";
import type { ChunkFrame, Frame, Priority } from "../../src/core/wire/frame.js";
import { type AnnouncedLimits, UNANNOUNCED_LIMITS } from "../../src/core/wire/parameters.js";

export const BATCH = 16 * 1024;

/** As the peer reads it. */
export function written(frame: OutgoingFrame): Frame {
  return frame.type === "chunk" ? { ...frame, payload: encoded(frame.payload) } : frame;
}

/** A sender whose batches are acknowledged when the test says so. */
export class SenderBench {
  readonly events: SendEvent[] = [];
  /** Message and offset of each `pull`. */
  readonly pulls: [number, number][] = [];
  readonly sender = new Sender({ chunkBytes: BATCH }, (event) => {
    this.events.push(event);
    if (event.type === "pull") this.pulls.push([event.message, event.offset]);
  });
  readonly sent: Draft[] = [];
  readonly #creditBytes: number;
  #acked = 0;

  /** @param creditBytes what the peer grants on each channel */
  constructor(creditBytes: number = Number.MAX_SAFE_INTEGER) {
    this.#creditBytes = creditBytes;
    this.sender.handleCredit(0, creditBytes);
  }

  channel(key: number, priority: Priority = "normal"): number {
    this.sender.addChannel(key, priority);
    this.sender.announce(key, Uint8Array.of(96 + key));
    this.sender.handleCredit(key, this.#creditBytes);
    return key;
  }

  limits(limits: Partial<AnnouncedLimits>): this {
    this.sender.handlePeerLimits({ ...UNANNOUNCED_LIMITS, ...limits });
    return this;
  }

  poll(roomBytes = Number.POSITIVE_INFINITY, spaceBytes = BATCH): Draft | undefined {
    const limits = { spaceBytes, extraBytes: 0, roomBytes, batchBytesMax: BATCH, isAmple: false };
    const draft = this.sender.pollDraft({ number: this.sent.length + 1, ...limits });
    if (draft !== undefined) this.sent.push(draft);
    return draft;
  }

  pollAll(roomBytes?: number): Draft[] {
    const drafts: Draft[] = [];
    for (let draft = this.poll(roomBytes); draft !== undefined; draft = this.poll(roomBytes)) drafts.push(draft);
    return drafts;
  }

  /** The peer acknowledges the next so many batches. */
  ack(count = this.sent.length - this.#acked): void {
    for (let i = 0; i < count; i++) {
      const { frames, chunks, closes } = this.sent[this.#acked++] as Draft;
      const batch: SentBatch = {
        number: this.#acked,
        batch: new Uint8Array(frames.reduce((sum, frame) => sum + frameBytes(frame), 0)),
        sentAt: 0,
        chunks,
        closes,
        opens: false,
      };
      this.sender.handleAcked(batch);
    }
  }

  get messages(): OutgoingMessages {
    return this.sender.messages;
  }

  get frames(): Frame[] {
    return this.sent.flatMap(({ frames }) => frames.map(written));
  }

  get chunks(): ChunkFrame[] {
    return this.frames.filter((frame) => frame.type === "chunk");
  }

  /** What the application hears of a message, in order. */
  story(id: number): string[] {
    return this.events
      .filter((event) => event.message === id && event.type !== "pull")
      .map((event) => (event.type === "dropped" ? event.fate : event.type));
  }
}

export const joined = (chunks: ChunkFrame[]) => Buffer.concat(chunks.map(({ payload }) => payload));
