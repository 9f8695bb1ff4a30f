import type { Host } from "../driver/host.js";

/** How many are kept; of more, the oldest are forgotten, as an answer to the newest is one to all (RFC 6455, 5.5.3). */
const PINGS_MAX = 16;

/** How long a client may take, ms: less than the most impatient library waits (automerge-repo, 5 s). */
const PATIENCE_MS = 2000;

/**
 * The pings of an application that its client has not answered. Servers made for `ws` ping, and terminate who does not
 * answer; a session whose client is away would fall to that, and it finds dead lines itself and has a time limit of its own.
 * So it answers itself: once it is parked, and before, where a line is silent that nobody has given up yet.
 */
export class UnansweredPings {
  readonly #host: Pick<Host, "setTimer">;
  readonly #onOverdue: () => void;
  #payloads: Buffer[] = [];
  #cancelTimer: (() => void) | undefined;

  /** @param onOverdue called when the oldest has waited for too long */
  constructor(host: Pick<Host, "setTimer">, onOverdue: () => void) {
    this.#host = host;
    this.#onOverdue = onOverdue;
  }

  add(payload: Buffer): void {
    this.#payloads.push(payload);
    if (this.#payloads.length > PINGS_MAX) this.#payloads.shift();
    this.#cancelTimer ??= this.#host.setTimer(this.#onOverdue, PATIENCE_MS);
  }

  /** The client has answered this one, and with it those before. */
  handlePong(payload: Buffer): void {
    const index = this.#payloads.findIndex((known) => known.equals(payload));
    if (index === -1) return;
    this.#stopTimer();
    this.#payloads.splice(0, index + 1);
    if (this.#payloads.length > 0) this.#cancelTimer = this.#host.setTimer(this.#onOverdue, PATIENCE_MS);
  }

  /** The answer that the client owes, and does not give: to the newest. */
  take(): Buffer | undefined {
    this.#stopTimer();
    const newest = this.#payloads.at(-1);
    this.#payloads = [];
    return newest;
  }

  #stopTimer(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }
}
