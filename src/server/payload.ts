import { ReadableStream } from "node:stream/web";
import { BlobSource } from "../driver/blob-source.js";
import type { Payload } from "../driver/pending-message.js";
import { StreamSource } from "../driver/stream-source.js";
import { nodeHost } from "./platform.js";

/** What `send()` takes. Numbers are sent as strings, as `ws` does; arrays and boxed values are what `Buffer.from` makes of them. */
export type ServerSendData =
  | string
  | number
  | Buffer
  | ArrayBufferLike
  | ArrayBufferView
  | Blob
  | ReadableStream<Uint8Array>
  | readonly number[]
  | { valueOf(): ArrayBufferLike | Uint8Array | readonly number[] | string }
  | { [Symbol.toPrimitive](hint: string): string };

/**
 * What of `data` is sent: a snapshot of buffers.
 * @param binary whether bytes go as a binary message; default: what they are not a string
 * @throws TypeError for what cannot be sent, and for a stream that somebody else reads
 */
export function payloadOf(data: unknown, binary?: boolean): Payload {
  if (typeof data === "string" || typeof data === "number") {
    return { type: binary === true ? "binary" : "text", bytes: nodeHost.contentOf(String(data)) };
  }
  if (data instanceof Blob) return { type: "source", source: new BlobSource(data) };
  if (data instanceof ReadableStream) return { type: "source", source: new StreamSource(data) };
  return { type: binary === false ? "text" : "binary", bytes: bytesOf(data) };
}

function bytesOf(data: unknown): Uint8Array {
  // As with `ws`.
  if (data === undefined || data === null) return new Uint8Array(0);
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
  if (data instanceof ArrayBuffer || data instanceof SharedArrayBuffer) return new Uint8Array(data).slice();
  if (typeof data === "object" && data !== null) return new Uint8Array(Buffer.from(data as number[]));
  throw new TypeError("A message is a string, a Buffer, an ArrayBuffer, a view of one, a Blob or a ReadableStream");
}
