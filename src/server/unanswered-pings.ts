/** How many are kept; of more, the oldest are forgotten, as an answer to the newest is one to all (RFC 6455, 5.5.3). */
const PINGS_MAX = 16;

/**
 * The pings of an application that its client has not answered. Servers made for `ws` ping, and terminate who does not
 * answer; a session that waits for its client would fall to that, and it has a time limit of its own. So it answers
 * itself.
 */
export class UnansweredPings {
  #payloads: Buffer[] = [];

  add(payload: Buffer): void {
    this.#payloads.push(payload);
    if (this.#payloads.length > PINGS_MAX) this.#payloads.shift();
  }

  /** The client has answered this one, and with it those before. */
  handlePong(payload: Buffer): void {
    const index = this.#payloads.findIndex((known) => known.equals(payload));
    if (index !== -1) this.#payloads.splice(0, index + 1);
  }

  /** The answer that the client owes, which can no longer come from it: to the newest. */
  take(): Buffer | undefined {
    const newest = this.#payloads.at(-1);
    this.#payloads = [];
    return newest;
  }
}
