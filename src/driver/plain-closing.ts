import type { Millis } from "../core/time.js";

export interface PlainClosingInit {
  readonly code: number;
  readonly reason: string;
  /** How long nothing may move, ms. */
  readonly timeoutMs: Millis;
}

/**
 * The end of a plain conversation, once the application has asked for it: everything is handed over first, then the
 * WebSocket is closed, and its peer is waited for.
 *
 * Invariant: `nextDeadline` is `timeoutMs` after the last time that something has moved.
 */
export class PlainClosing {
  readonly code: number;
  readonly reason: string;
  readonly #timeoutMs: Millis;
  #step: "flushing" | "waiting" = "flushing";
  /** What had left when something last moved. */
  #passedBytes: number;
  #deadline: Millis;

  /** @param passedBytes what has left by now */
  constructor(init: PlainClosingInit, passedBytes: number, now: Millis) {
    this.code = init.code;
    this.reason = init.reason;
    this.#timeoutMs = init.timeoutMs;
    this.#passedBytes = passedBytes;
    this.#deadline = now + init.timeoutMs;
  }

  /**
   * Looks at what has left by now.
   * @param isFlushed whether everything has been handed over
   * @returns whether the WebSocket is to be closed now: once
   */
  handleTurn(passedBytes: number, isFlushed: boolean, now: Millis): boolean {
    const closes = this.#step === "flushing" && isFlushed;
    if (closes) this.#step = "waiting";
    if (closes || passedBytes > this.#passedBytes) {
      this.#passedBytes = passedBytes;
      this.#deadline = now + this.#timeoutMs;
    }
    return closes;
  }

  /** When nothing has moved for too long. */
  get nextDeadline(): Millis {
    return this.#deadline;
  }
}
