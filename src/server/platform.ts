import { Blob, isUtf8 } from "node:buffer";
import { performance } from "node:perf_hooks";
import { nextTick } from "node:process";
import { ReadableStream, WritableStream } from "node:stream/web";
import type { UnencodedText } from "../core/content.js";
import { invariant } from "../core/invariant.js";
import type { Host } from "../driver/host.js";
import type { MessageSink } from "../driver/outflow.js";
import type { BodyPlatform } from "../driver/streamed-message.js";
import type { ReadSource } from "../driver/supply-stream.js";

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The batch that was written to last, and the same as a Buffer: one object for all the texts in it. */
let lastTarget: Uint8Array | undefined;
let lastBuffer: Buffer = Buffer.alloc(0);

function asBuffer(target: Uint8Array): Buffer {
  if (target === lastTarget) return lastBuffer;
  lastTarget = target;
  lastBuffer = bufferOf(target);
  return lastBuffer;
}

/** Encoding takes Node one call, wherever it writes to. */
class NodeText implements UnencodedText {
  readonly text: string;
  readonly length: number;

  constructor(text: string) {
    this.text = text;
    this.length = Buffer.byteLength(text);
  }

  writeTo(target: Uint8Array, offset: number): void {
    // Where each character has one byte all are ASCII, which is copied instead of encoded.
    const encoding = this.length === this.text.length ? "latin1" : "utf8";
    const written = asBuffer(target).write(this.text, offset, this.length, encoding);
    invariant(written === this.length, "a text is as long as it said");
  }

  encode(): Buffer {
    return Buffer.from(this.text);
  }
}

/** Node as the driver sees it. Text messages stay bytes: `ws` hands out Buffers for both kinds. */
export const nodeHost: Host = {
  encodeUtf8: (text) => Buffer.from(text, "utf8"),
  decodeUtf8(bytes) {
    try {
      return decoder.decode(bytes);
    } catch {
      return undefined;
    }
  },
  contentOf: (text) => new NodeText(text),
  readText: (bytes) => (isUtf8(bytes) ? bytes : undefined),
  random: Math.random,
  now: () => performance.now(),
  setTimer(run, delayMs) {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
  defer: (run) => queueMicrotask(run),
  // From within the microtasks, for the queue of `nextTick` comes before them in a task that is no microtask, and behind
  // all of them in one that is.
  deferLast: (run) => queueMicrotask(() => nextTick(run)),
  report(error) {
    // Uncaught, as what a listener of `ws` throws is; out of line, so that other sessions go on if the process does.
    queueMicrotask(() => {
      throw error;
    });
  },
};

/** Emits; what a listener throws must not hold up what waits behind. */
export function callSafely(emit: () => void): void {
  try {
    emit();
  } catch (error) {
    nodeHost.report(error);
  }
}

/** A stream of the platform over `sink`. */
export function writableOf<Data>(sink: MessageSink<Data>): WritableStream<Data> {
  return new WritableStream(sink);
}

/** A stream of the platform over `source`, which is asked only when somebody reads. */
export function readableOf<Data>(source: ReadSource<Data>): ReadableStream<Data> {
  return new ReadableStream(source, { highWaterMark: 0 });
}

export const bodyPlatform: BodyPlatform<ReadableStream<Uint8Array>, Blob> = {
  streamOf: readableOf,
  blobOf: (parts) => new Blob(parts as Uint8Array[]),
  decodeText: (bytes) => bufferOf(bytes).toString(),
};

/** `bytes` as a Buffer over the same memory. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
