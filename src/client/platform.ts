import { Fifo } from "../core/fifo.js";
import type { Host } from "../driver/host.js";
import type { MessageSink } from "../driver/outflow.js";

/** What both browsers and Node have and the narrow library of this layer does not say is optional. */
type Globals = { reportError?: (error: unknown) => void };

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
    decodeUtf8,
    readText: decodeUtf8,
    random: Math.random,
    now: () => performance.now(),
    setTimer(run, delayMs) {
      const timer = setTimeout(run, delayMs);
      return () => clearTimeout(timer);
    },
    defer: (run) => queueMicrotask(run),
    report,
  };
}

/** A stream of the platform over `sink`. */
export function writableOf<Data>(sink: MessageSink<Data>): WritableStream<Data> {
  return new WritableStream(sink);
}

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
 * Runs jobs in order, each in a task of its own, as the event loop dispatches the events of a native WebSocket: an
 * `await` in one listener is over before the next event comes. Messages of a channel, because timers are throttled.
 */
export class TaskQueue {
  readonly #jobs: Fifo<() => void> = new Fifo();
  #port: MessagePort | undefined;

  push(job: () => void): void {
    this.#jobs.push(job);
    if (this.#port === undefined) this.#open().postMessage(null);
  }

  #open(): MessagePort {
    const { port1, port2 } = new MessageChannel();
    this.#port = port2;
    port1.onmessage = () => {
      const job = this.#jobs.shift();
      // Closed as soon as nothing waits: an open port keeps a Node process alive.
      if (this.#jobs.length === 0) {
        this.#port = undefined;
        port1.close();
      } else {
        port2.postMessage(null);
      }
      job?.();
    };
    return port2;
  }
}
