import type { Source } from "../../src/driver/pending-message.js";
import { reactions } from "./event-loop.js";
import { binary } from "./pair.js";

interface Read {
  readonly offset: number;
  readonly size: number;
  readonly resolve: (piece: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
}

/** A file whose reads are answered when a test says so. */
export class FakeSource implements Source {
  readonly bytes: Uint8Array;
  readonly reads: Read[] = [];
  #answered = 0;

  constructor(size: number) {
    this.bytes = binary(size).bytes;
  }

  read(offset: number, size: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => this.reads.push({ offset, size, resolve, reject }));
  }

  /** Answers the oldest read that waits, with what stands there or with `piece`. */
  async answer(piece?: Uint8Array): Promise<void> {
    const read = this.#next();
    read.resolve(piece ?? this.bytes.slice(read.offset, read.offset + read.size));
    await reactions();
  }

  async fail(error: unknown): Promise<void> {
    this.#next().reject(error);
    await reactions();
  }

  get totalBytes(): number {
    return this.bytes.length;
  }

  /** Reads that wait for their answer. */
  get pendingReads(): number {
    return this.reads.length - this.#answered;
  }

  #next(): Read {
    const read = this.reads[this.#answered];
    if (read === undefined) throw new Error("nobody reads");
    this.#answered += 1;
    return read;
  }
}
