import type { UnencodedText } from "../core/content.js";
import { Fifo } from "../core/fifo.js";
import type { Host } from "../driver/host.js";
import type { MessageSink } from "../driver/outflow.js";
import type { BodyPlatform } from "../driver/streamed-message.js";
import type { ReadSource } from "../driver/supply-stream.js";

/** What both browsers and Node have and the narrow library of this layer does not say is optional. */
type Globals = {
  reportError?: (error: unknown) => void;
  /** Prioritized Task Scheduling: Chromium, and Firefox from 142 on. */
  scheduler?: { postTask?(run: () => void): Promise<void> };
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
function report(error: unknown): void {
  const { reportError } = globalThis as Globals;
  if (reportError !== undefined) {
    reportError(error);
    return;
  }
  queueMicrotask(() => {
    throw error;
  });
}

/**
 * Ports of one page talk through another thread: who waits for each task before he asks for the next, as here, idles for
 * most of the time. With 16 asked for, a burst of small events goes 2.5 times as fast in Chromium; 64 bring no more. A scheduler
 * has no other thread, and saves another sixth.
 */
const TASKS_AHEAD_MAX = 16;

/** Ports of Node keep the process alive, unless they are told not to. */
type TaskPort = MessagePort & { ref?(): void; unref?(): void };

/**
 * Runs jobs in order, each in a task of its own, as the event loop dispatches the events of a native WebSocket: an
 * `await` in one listener is over before the next event comes. Tasks of the scheduler, or messages of a channel, because timers
 * are throttled.
 *
 * Invariant: outside of `within`, as many tasks are asked for as there are jobs, up to `TASKS_AHEAD_MAX`.
 */
export class TaskQueue {
  readonly #jobs: Fifo<() => void> = new Fifo();
  /** Made for the first job that needs a task, and kept: to make them for each burst of two costs more than the burst. */
  #ports: { readonly asked: TaskPort; readonly asking: MessagePort } | undefined;
  #state: "open" | "ended" = "open";
  /** Whether the first job is to be done in the task that runs. */
  #isWithin = false;

  /**
   * Calls `run`, which the platform has begun a task for. The first job that it brings is done in that task, where none waits
   * before it: one that a single message brings is spared a task of its own.
   */
  within(run: () => void): void {
    if (this.#jobs.length > 0 || this.#isWithin) return run();
    this.#isWithin = true;
    try {
      run();
    } finally {
      this.#isWithin = false;
      const job = this.#jobs.shift();
      if (this.#jobs.length >= TASKS_AHEAD_MAX) this.#ask();
      job?.();
      // It may have been the last of all.
      if (this.#jobs.length === 0 && this.#state === "ended") this.#rest();
    }
  }

  push(job: () => void): void {
    this.#jobs.push(job);
    if (this.#isWithin && this.#jobs.length === 1) return;
    if (this.#jobs.length <= TASKS_AHEAD_MAX) this.#ask();
  }

  /** No more jobs are to be expected. Those that wait, or come all the same, are done. */
  end(): void {
    this.#state = "ended";
    if (this.#jobs.length === 0) this.#rest();
  }

  #ask(): void {
    const { scheduler } = globalThis as Globals;
    if (scheduler?.postTask !== undefined) {
      // What a job throws is reported by itself, so the promise of the task has nothing to tell.
      void scheduler.postTask(this.#runNext);
      return;
    }
    this.#ports ??= this.#open();
    this.#ports.asked.ref?.();
    this.#ports.asking.postMessage(null);
  }

  #open(): { readonly asked: TaskPort; readonly asking: MessagePort } {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = this.#runNext;
    return { asked: port1, asking: port2 };
  }

  readonly #runNext = (): void => {
    const job = this.#jobs.shift();
    if (this.#jobs.length === 0) this.#rest();
    else if (this.#jobs.length >= TASKS_AHEAD_MAX) this.#ask();
    try {
      job?.();
    } catch (error) {
      report(error);
    }
  };

  /** Nothing waits. */
  #rest(): void {
    if (this.#state === "open") {
      this.#ports?.asked.unref?.();
      return;
    }
    this.#ports?.asked.close();
    this.#ports = undefined;
  }
}
