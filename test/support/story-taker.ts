import type { Channel } from "../../src/client/index.js";
import type { ServerChannel } from "../../src/server/index.js";
import type { Random } from "../simulation/random.js";
import { reactions } from "./event-loop.js";
import type { Name, StoryLedger, Way } from "./story-ledger.js";

type AnyChannel = Channel | ServerChannel;

/** Takes what comes on a channel in the way that its name says, until it ends. */
export class StoryTaker {
  readonly #random: Random;
  readonly #ledger: StoryLedger;
  readonly #onError: (error: unknown) => void;
  readonly #taken = new WeakSet<AnyChannel>();

  constructor(random: Random, ledger: StoryLedger, onError: (error: unknown) => void) {
    this.#random = random;
    this.#ledger = ledger;
    this.#onError = onError;
  }

  take(way: Way, channel: AnyChannel): void {
    if (this.#taken.has(channel)) return;
    this.#taken.add(channel);
    const name = channel.name as Name;
    if ("binaryType" in channel) channel.binaryType = "arraybuffer";
    const run = { looped: this.#loop, streamed: this.#stream, begun: this.#begin }[name as string];
    if (run !== undefined) {
      void run.call(this, way, channel).catch(this.#onError);
    } else if ("on" in channel) {
      channel.on("message", (data) => this.#ledger.see(way, name, data));
    } else {
      channel.onmessage = ({ data }) => this.#ledger.see(way, name, data);
    }
  }

  /** Leaves the loop now and then, and comes back. */
  async #loop(way: Way, channel: AnyChannel): Promise<void> {
    for (let isLeft = true; isLeft; ) {
      isLeft = false;
      for await (const data of channel) {
        this.#ledger.see(way, "looped", data as ArrayBuffer);
        isLeft = this.#random.chance(0.3);
        if (isLeft) break;
      }
      if (this.#random.chance(0.5)) await reactions();
    }
  }

  async #stream(way: Way, channel: AnyChannel): Promise<void> {
    for (;;) {
      const reader = channel.readable.getReader();
      do {
        const { done, value } = await reader.read();
        if (done) return;
        this.#ledger.see(way, "streamed", value as ArrayBuffer);
      } while (this.#random.chance(0.8));
      await reader.cancel();
      // It may have ended in between.
      reader.releaseLock();
    }
  }

  /** Reads each message in some way, or a part of it only. */
  async #begin(way: Way, channel: AnyChannel): Promise<void> {
    for (let isLeft = true; isLeft; ) {
      isLeft = false;
      for await (const message of channel.incoming) {
        await this.#read(way, message).catch((error: { code?: string }) => {
          // Its sender has taken it back.
          if (error.code !== "ERR_CANCELLED") throw error;
        });
        isLeft = this.#random.chance(0.2);
        if (isLeft) break;
      }
    }
  }

  async #read(way: Way, message: { body: unknown; arrayBuffer(): Promise<ArrayBuffer> }): Promise<void> {
    const body = message.body as ReadableStream<Uint8Array<ArrayBuffer>>;
    const how = this.#random.below(6);
    if (how === 0) return body.cancel();
    if (how === 1) {
      const reader = body.getReader();
      await reader.read();
      return reader.cancel();
    }
    if (how > 2) return this.#ledger.see(way, "begun", await message.arrayBuffer());
    const pieces: Uint8Array[] = [];
    for await (const piece of body as unknown as AsyncIterable<Uint8Array<ArrayBuffer>>) {
      pieces.push(piece.slice());
      // Sent away, memory and all, as to a worker.
      structuredClone(piece.buffer, { transfer: [piece.buffer] });
    }
    this.#ledger.see(way, "begun", Buffer.concat(pieces));
  }
}
