import type { Content } from "../core/content.js";
import { BlobSource } from "../driver/blob-source.js";
import type { Payload } from "../driver/pending-message.js";
import { StreamSource } from "../driver/stream-source.js";

/** What `send()` takes. */
export type SendData = string | ArrayBufferLike | ArrayBufferView | Blob | ReadableStream<Uint8Array>;

/**
 * What of `data` is sent: a snapshot of buffers, as the native `send()` takes one. What is neither a buffer, a Blob nor a stream is
 * sent as a string, as WebIDL converts it.
 * @throws TypeError for what has no string, for promises, and for a stream that somebody else reads
 */
export function payloadOf(data: unknown, contentOf: (text: string) => Content): Payload {
  if (typeof data === "string") return { type: "text", bytes: contentOf(data) };
  if (ArrayBuffer.isView(data)) {
    return { type: "binary", bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice() };
  }
  // Brands, not `instanceof`: values come from other realms.
  switch (brand(data)) {
    case "ArrayBuffer":
    case "SharedArrayBuffer":
      return { type: "binary", bytes: new Uint8Array(data as ArrayBuffer).slice() };
    case "Blob":
    case "File":
      return { type: "source", source: new BlobSource(data as Blob) };
    case "ReadableStream":
      return { type: "source", source: new StreamSource(data as ReadableStream<Uint8Array>) };
    case "Promise":
      throw new TypeError("A Promise cannot be sent.");
    default:
      // A template would convert as well; `String` would let symbols through.
      return { type: "text", bytes: contentOf(`${data}`) };
  }
}

function brand(value: unknown): string {
  return Object.prototype.toString.call(value).slice("[object ".length, -1);
}
