import type { Source } from "./pending-message.js";

/** The part of `Blob` that is used: the type itself belongs to the platforms. */
interface BlobLike {
  readonly size: number;
  slice(start: number, end: number): { arrayBuffer(): Promise<ArrayBuffer> };
}

/** A Blob or File, read slab by slab. */
export class BlobSource implements Source {
  readonly blob: BlobLike;
  readonly totalBytes: number;

  constructor(blob: BlobLike) {
    this.blob = blob;
    this.totalBytes = blob.size;
  }

  async read(offset: number, size: number): Promise<Uint8Array> {
    return new Uint8Array(await this.blob.slice(offset, offset + size).arrayBuffer());
  }
}
