import type { Millis } from "../time.js";

/** A deadline that is noticed so much later than it was due was slept through: the page was frozen, or the machine. */
const OVERSLEPT_MS = 2000;

/** How long a line has to answer a probe, ms. Arbitrary; a few round trips of a bad line. */
const PROBE_MS = 3000;

/**
 * Tells a silent line from a dead one (KAL). Any byte that arrives is a sign of life. The server sends a ping every
 * interval and the client answers it, or asks too, where the line is known to need that; both give up when nothing at all
 * has arrived for the interval and the grace. Who has slept through that time asks first: what the line has brought meanwhile may only wait to be read.
 */
export class Keepalive {
  /** How often this end sends pings; `undefined` for never. */
  #pingMs: Millis | undefined;
  #intervalMs: Millis;
  #graceMs: Millis;
  #receivedAt: Millis;
  #pingedAt: Millis;
  /** When a probe must have been answered; `undefined` while none is out. */
  #probeUntil: Millis | undefined;

  constructor(options: { sendsPings: boolean; intervalMs: Millis; graceMs: Millis }, now: Millis) {
    this.#pingMs = options.sendsPings ? options.intervalMs : undefined;
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

  /** The line dies where it carries nothing for longer than this. */
  handleLearnt(pingMs: Millis): void {
    this.#pingMs = pingMs;
  }

  handleReceived(now: Millis): void {
    this.#receivedAt = now;
    this.#probeUntil = undefined;
  }

  /** The line may have died unnoticed: the caller sends a ping, and something has to come soon. */
  probe(now: Millis): void {
    this.#probeUntil ??= now + PROBE_MS;
  }

  /** What the passing of time asks for. A ping counts as sent from here on. */
  poll(now: Millis): "ping" | "dead" | undefined {
    if (now >= this.#deadAt) {
      if (this.#probeUntil !== undefined || now < this.#deadAt + OVERSLEPT_MS) return "dead";
      this.probe(now);
      return "ping";
    }
    if (now < this.#pingAt) return undefined;
    this.#pingedAt = now;
    return "ping";
  }

  get nextDeadline(): Millis {
    return Math.min(this.#pingAt, this.#deadAt);
  }

  /** When something has arrived last. */
  get receivedAt(): Millis {
    return this.#receivedAt;
  }

  /** How long the line may be silent at the most, ms. */
  get patienceMs(): Millis {
    return this.#intervalMs + this.#graceMs;
  }

  get #pingAt(): Millis {
    return this.#pingMs === undefined ? Number.POSITIVE_INFINITY : this.#pingedAt + this.#pingMs;
  }

  get #deadAt(): Millis {
    return this.#probeUntil ?? this.#receivedAt + this.patienceMs;
  }
}

/** Whether a deadline was slept through, and says little about the line. */
export function isOverslept(deadline: Millis, now: Millis): boolean {
  return now >= deadline + OVERSLEPT_MS;
}
