import type { Frame } from "../../src/core/wire/frame.js";
import type { Transport, TransportDeath, TransportHandler } from "../../src/transport/transport.js";
import { naiveDecode } from "./naive-decoder.js";

/**
 * One of two transports joined in memory. What is sent waits in it, and counts as buffered, until `deliver`.
 */
export class LinkedTransport implements Transport {
  readonly name = "websocket";
  readonly greets = true;
  requests: Transport["requests"] = "none";
  isBusy = false;
  readonly batchBytesMax: number;
  /** Everything ever handed over. */
  readonly sent: Uint8Array[] = [];
  /** How the session has ended it; `undefined` as long as it has not. */
  ended: { readonly how: "closed" | "terminated"; readonly code?: number; readonly afterBatches: number } | undefined;
  #handler: TransportHandler | undefined;
  #peer: LinkedTransport | undefined;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;

  constructor(batchBytesMax = 65 * 1024) {
    this.batchBytesMax = batchBytesMax;
  }

  static pair(): [LinkedTransport, LinkedTransport] {
    const ends: [LinkedTransport, LinkedTransport] = [new LinkedTransport(), new LinkedTransport()];
    ends[0].#peer = ends[1];
    ends[1].#peer = ends[0];
    return ends;
  }

  start(handler: TransportHandler): void {
    if (this.#handler !== undefined) throw new Error("started twice");
    this.#handler = handler;
  }

  send(batch: Uint8Array): void {
    if (this.ended !== undefined) return;
    if (batch.length > this.batchBytesMax) throw new Error("a batch over the limit of the transport");
    this.sent.push(batch);
    this.#waiting.push(batch);
    this.#waitingBytes += batch.length;
  }

  close(code: number, _reason: string): void {
    this.#end({ how: "closed", code, afterBatches: this.sent.length });
  }

  terminate(): void {
    this.#drop();
    this.#end({ how: "terminated", afterBatches: this.sent.length });
  }

  get bufferedBytes(): number {
    return this.#waitingBytes;
  }

  /** The transport is open from here on. */
  open(subprotocol = "sluice.v1", extensions = ""): void {
    this.#handler?.handleOpen({ subprotocol, extensions });
  }

  /** Passes on what waits, at most `count` batches; returns whether there was any, or an end to tell of. */
  deliver(count = Number.POSITIVE_INFINITY): boolean {
    const batches = this.#waiting.splice(0, count);
    for (const batch of batches) {
      this.#waitingBytes -= batch.length;
      this.#peer?.inject(batch.slice());
    }
    if (batches.length > 0) this.#handler?.handleWritable();
    if (this.ended === undefined || this.#waiting.length > 0) return batches.length > 0;
    const { how, code = 1006 } = this.ended;
    return this.#peer?.die({ wasClean: how === "closed", code, reason: "" }) || batches.length > 0;
  }

  /** Brings a batch that nobody has sent. */
  inject(batch: Uint8Array): void {
    this.#handler?.handleBatch(batch);
  }

  /** Ends by itself. Returns whether anybody was there to be told. */
  die(death: TransportDeath = { wasClean: false, code: 1006, reason: "" }): boolean {
    const handler = this.#handler;
    this.#handler = undefined;
    this.#drop();
    handler?.handleClosed(death);
    return handler !== undefined;
  }

  /** What has been handed over, as a decoder reads it that is not ours. */
  get batches(): { number: number; bytes: number; frames: Frame[] }[] {
    return this.sent.map((batch) => {
      const { number, frames, isValid } = naiveDecode(batch);
      if (!isValid) throw new Error("a batch that breaks the protocol");
      return { number, bytes: batch.length, frames };
    });
  }

  get frames(): Frame[] {
    return this.batches.flatMap(({ frames }) => frames);
  }

  #drop(): void {
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  #end(ended: NonNullable<LinkedTransport["ended"]>): void {
    this.ended ??= ended;
    this.#handler = undefined;
  }
}
