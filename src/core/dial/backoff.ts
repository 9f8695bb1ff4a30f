import type { Millis } from "../time.js";

export interface BackoffOptions {
  /** The longest wait before the first retry, ms. Default 500. */
  readonly baseMs: Millis;
  /** The longest wait before any retry, ms. Default 15,000: well inside the time that a server keeps a session. */
  readonly maxMs: Millis;
}

export const DEFAULT_BACKOFF: BackoffOptions = { baseMs: 500, maxMs: 15_000 };

/**
 * How long to wait before the next attempt: exponential with full jitter, so that the clients of a server that comes
 * back do not come all at once ("Exponential Backoff And Jitter", M. Brooker, 2015).
 * @param failures attempts that have failed since the last one that got anywhere, from 1
 * @param random 0 <= random < 1
 */
export function backoffMs(options: BackoffOptions, failures: number, random: number): Millis {
  const longestMs = Math.min(options.maxMs, options.baseMs * 2 ** Math.min(failures - 1, 30));
  return random * longestMs;
}
