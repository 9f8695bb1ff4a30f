import { alone } from "../core/bytes.js";
import type { SluiceError } from "../core/error.js";
import { Fifo } from "../core/fifo.js";
import type { ReadController, ReadSource } from "./supply-stream.js";

/** Some bytes of a message. */
export interface Piece {
  readonly data: Uint8Array;
  /** Whether it is the last of its message. */
  readonly isLast: boolean;
  /** The application has it. */
  readonly taken: () => void;
}

/** The bytes of one message as they come, and how far they have been read. */
export class MessageBody implements ReadSource<Uint8Array> {
  readonly text: boolean;
  /** Bytes of the whole message; `undefined` when its sender does not know them either. */
  readonly totalBytes: number | undefined;
  readonly #onFinished: () => void;
  readonly #pieces: Fifo<Piece> = new Fifo();
  #controller: ReadController<Uint8Array> | undefined;
  /** What still comes. */
  #arrival: "due" | "complete" | { readonly error: SluiceError } = "due";
  /** What its reader wants; `"finished"` once nothing of it is held or due. */
  #reader: "idle" | "waiting" | "cancelled" | "finished" = "idle";
  #isDisturbed = false;
  #resolve: () => void = () => {};

  /** @param onFinished it has been read, has failed, or what was left of a cancelled one has gone by */
  constructor(init: { text: boolean; totalBytes: number | undefined }, onFinished: () => void) {
    this.text = init.text;
    this.totalBytes = init.totalBytes;
    this.#onFinished = onFinished;
  }

  handlePiece(piece: Piece): void {
    if (piece.isLast) this.#arrival = "complete";
    if (this.#reader === "cancelled") {
      piece.taken();
      if (piece.isLast) this.#finish();
      return;
    }
    // As the pieces of a `fetch` are: applications send them to workers, memory and all.
    this.#pieces.push({ ...piece, data: alone(piece.data) });
    if (this.#reader === "waiting") this.#give();
  }

  /** The rest does not come: its reader learns of it behind what is held. */
  interrupt(error: SluiceError): void {
    if (this.#arrival !== "due") return;
    this.#arrival = { error };
    if (this.#pieces.length === 0) this.#fail(error);
  }

  /** Its sender has taken it back: nothing of it counts any more. */
  reset(error: SluiceError): void {
    if (this.#arrival !== "due") return;
    this.#arrival = { error };
    this.#drop();
    this.#fail(error);
  }

  start(controller: ReadController<Uint8Array>): void {
    this.#controller = controller;
    if (typeof this.#arrival === "object" && this.#pieces.length === 0) controller.error(this.#arrival.error);
  }

  pull(): Promise<void> | undefined {
    this.#isDisturbed = true;
    this.#reader = "waiting";
    this.#give();
    if (this.#reader !== "waiting") return undefined;
    return new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  cancel(): void {
    this.#isDisturbed = true;
    if (this.#reader === "finished") return;
    this.#reader = "cancelled";
    this.#resolve();
    this.#drop();
    if (this.#arrival !== "due") this.#finish();
  }

  /** Whether its stream has been read from or cancelled. */
  get isDisturbed(): boolean {
    return this.#isDisturbed;
  }

  get isFinished(): boolean {
    return this.#reader === "finished";
  }

  /** Answers the read that waits, if something is there for it. */
  #give(): void {
    for (let piece = this.#pieces.shift(); piece !== undefined; piece = this.#pieces.shift()) {
      if (piece.data.length > 0) {
        this.#reader = "idle";
        this.#controller?.enqueue(piece.data);
      }
      piece.taken();
      if (piece.isLast) {
        this.#controller?.close();
        return this.#finish();
      }
      if (this.#reader === "idle") break;
    }
    if (this.#pieces.length === 0 && typeof this.#arrival === "object") this.#fail(this.#arrival.error);
    else if (this.#reader === "idle") this.#resolve();
  }

  #fail(error: SluiceError): void {
    if (this.#reader !== "cancelled") this.#controller?.error(error);
    this.#finish();
  }

  #drop(): void {
    for (const piece of this.#pieces.drain()) piece.taken();
  }

  #finish(): void {
    if (this.#reader === "finished") return;
    this.#reader = "finished";
    this.#resolve();
    this.#onFinished();
  }
}
