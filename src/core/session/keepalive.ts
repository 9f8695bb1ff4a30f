import type { Millis } from "../time.js";

/**
 * Tells a silent line from a dead one (KAL). Any byte that arrives is a sign of life. The server sends a ping every
 * interval and the client answers it; both give up when nothing at all has arrived for the interval and the grace.
 */
export class Keepalive {
  readonly #sendsPings: boolean;
  #intervalMs: Millis;
  #graceMs: Millis;
  #receivedAt: Millis;
  #pingedAt: Millis;

  constructor(options: { sendsPings: boolean; intervalMs: Millis; graceMs: Millis }, now: Millis) {
    this.#sendsPings = options.sendsPings;
    this.#intervalMs = options.intervalMs;
    this.#graceMs = options.graceMs;
    this.#receivedAt = now;
    this.#pingedAt = now;
  }

  /** The interval that the server has announced. */
  handleAnnounced(intervalMs: Millis, graceMs: Millis): void {
    this.#intervalMs = intervalMs;
    this.#graceMs = graceMs;
  }

  handleReceived(now: Millis): void {
    this.#receivedAt = now;
  }

  /** What the passing of time asks for. A ping counts as sent from here on. */
  poll(now: Millis): "ping" | "dead" | undefined {
    if (now >= this.#deadAt) return "dead";
    if (!this.#sendsPings || now < this.#pingAt) return undefined;
    this.#pingedAt = now;
    return "ping";
  }

  get nextDeadline(): Millis {
    return this.#sendsPings ? Math.min(this.#pingAt, this.#deadAt) : this.#deadAt;
  }

  get #pingAt(): Millis {
    return this.#pingedAt + this.#intervalMs;
  }

  get #deadAt(): Millis {
    return this.#receivedAt + this.#intervalMs + this.#graceMs;
  }
}
