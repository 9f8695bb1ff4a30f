import type { Content } from "../core/content.js";
import type { Ports } from "../core/ports.js";
import type { Millis } from "../core/time.js";

/** The platform below the driver: the browser or Node. */
export interface Host extends Ports {
  /** A text to be sent, as it is kept until it leaves: encoded, unless that costs less when it leaves. */
  contentOf(text: string): Content;
  /** A monotonic clock. */
  now(): Millis;
  /** Calls `run` once, after `delayMs` or later. Returns a function that prevents it. */
  setTimer(run: () => void, delayMs: Millis): () => void;
  /** Calls `run` when the running script has ended, before any other task: a microtask. */
  defer(run: () => void): void;
  /**
   * Calls `run` when the running script has ended, and on Node also what its promises have set off, before any other task:
   * what an application sends in small steps, each behind an `await`, is together by then.
   */
  deferLast(run: () => void): void;
  /** Takes what a callback of the application has thrown, as the platform does with uncaught errors. */
  report(error: unknown): void;
}
