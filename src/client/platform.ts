import type { UnencodedText } from "../core/content.js";
import type { Host } from "../driver/host.js";
import type { MessageSink } from "../driver/outflow.js";
import type { BodyPlatform } from "../driver/streamed-message.js";
import type { ReadSource } from "../driver/supply-stream.js";

/** What both browsers and Node have and the narrow library of this layer does not say is optional. */
type Globals = {
  reportError?: (error: unknown) => void;
};

/** The browser as the driver sees it; Node, too, has all of this. Touches nothing before it is called. */
export function browserHost(): Host {
  const encoder = new TextEncoder();
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const decodeUtf8 = (bytes: Uint8Array): string | undefined => {
    try {
      return decoder.decode(bytes as Uint8Array<ArrayBuffer>);
    } catch {
      return undefined;
    }
  };
  return {
    encodeUtf8: (text) => encoder.encode(text),
    contentOf: (text) => (isSmallAscii(text) ? new AsciiText(text) : encoder.encode(text)),
    decodeUtf8,
    readText: decodeUtf8,
    random: Math.random,
    now: () => performance.now(),
    setTimer(run, delayMs) {
      const timer = setTimeout(run, delayMs);
      return () => clearTimeout(timer);
    },
    defer: (run) => queueMicrotask(run),
    // Nothing of a browser comes behind the microtasks and before the next task.
    deferLast: (run) => queueMicrotask(run),
    report,
  };
}

/**
 * The longest text that is encoded only when it leaves, in UTF-16 units. Bytes of their own cost a small one of plain ASCII more than
 * everything else that happens to it (Chromium: 1.5 µs and the garbage); what is larger or other takes a platform's encoder
 * less time than a loop.
 */
const ASCII_LENGTH_MAX = 256;

/** A small text of plain ASCII. */
class AsciiText implements UnencodedText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  get length(): number {
    return this.text.length;
  }

  writeTo(target: Uint8Array, offset: number): void {
    const { text } = this;
    for (let i = 0; i < text.length; i++) target[offset + i] = text.charCodeAt(i);
  }

  encode(): Uint8Array {
    const bytes = new Uint8Array(this.length);
    this.writeTo(bytes, 0);
    return bytes;
  }
}

function isSmallAscii(text: string): boolean {
  if (text.length > ASCII_LENGTH_MAX) return false;
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}

/** 128 random bits: names an attempt to make a session (HSK-04). */
export function randomId(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(16));
}

/** A stream of the platform over `sink`. */
export function writableOf<Data>(sink: MessageSink<Data>): WritableStream<Data> {
  return new WritableStream(sink);
}

/** A stream of the platform over `source`, which is asked only when somebody reads. */
export function readableOf<Data>(source: ReadSource<Data>): ReadableStream<Data> {
  return new ReadableStream(source as UnderlyingDefaultSource<Data>, { highWaterMark: 0 });
}

export const bodyPlatform: BodyPlatform<ReadableStream<Uint8Array>, Blob> = {
  streamOf: readableOf,
  blobOf: (parts) => new Blob(parts as Uint8Array<ArrayBuffer>[]),
  decodeText: (bytes) => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes as Uint8Array<ArrayBuffer>),
};

/** Uncaught, as the exception of an event listener is. */
export function report(error: unknown): void {
  const { reportError } = globalThis as Globals;
  if (reportError !== undefined) {
    reportError(error);
    return;
  }
  queueMicrotask(() => {
    throw error;
  });
}
