import { Fifo } from "../fifo.js";
import { BATCH_BYTES_MIN, PONGS_QUEUED_MAX } from "../limits.js";
import { encodeBatch, frameBytes } from "../wire/encode.js";
import type { Frame } from "../wire/frame.js";

/** Frames of no number that wait to leave: pings, pongs, the abort. They go before everything else. */
export class UnnumberedQueue {
  readonly #frames: Fifo<Frame> = new Fifo();
  readonly #pongs: Fifo<Frame> = new Fifo();

  push(frame: Frame): void {
    this.#frames.push(frame);
  }

  /** Answers a ping. Of too many the oldest gives way: an answer to the newest is one to all (RFC 6455, 5.5.3). */
  pushPong(payload: Uint8Array): void {
    if (this.#pongs.length >= PONGS_QUEUED_MAX) this.#pongs.shift();
    this.#pongs.push({ type: "pong", payload: payload.slice() });
  }

  /**
   * As many of them as fit a batch that every peer takes (LIM-02).
   * @param mayAnswer whether pongs leave. A peer that asks and does not read would fill the transport with them
   */
  pollBatch(mayAnswer = true): Uint8Array | undefined {
    const frames: Frame[] = [];
    let bytes = 1;
    for (const queue of mayAnswer ? [this.#frames, this.#pongs] : [this.#frames]) {
      for (let frame = queue.peek(); frame !== undefined; frame = queue.peek()) {
        bytes += frameBytes(frame);
        if (bytes > BATCH_BYTES_MIN) return encodeBatch(0, frames);
        queue.shift();
        frames.push(frame);
      }
    }
    return frames.length === 0 ? undefined : encodeBatch(0, frames);
  }

  clear(): void {
    this.#frames.drain();
    this.#pongs.drain();
  }
}
