import { SluiceError } from "../core/error.js";

/** What a channel weighs that nobody has been told of: about its object, so that opening many costs the peer's budget. */
export const CHANNEL_HELD_BYTES = 1024;

/**
 * How many channels wait that the peer has opened and nobody has been told of: those that are open (256 by default), and as
 * many that have ended and hold messages.
 */
export const UNSEEN_CHANNELS_MAX = 512;

export function unseenError(): SluiceError {
  return new SluiceError("ERR_PEER_VIOLATION", "The peer has opened too many channels that nobody listens to");
}

export interface MailboxInit<Item> {
  readonly itemsMax: number;
  readonly deliver: (item: Item) => void;
  /** More has come than is kept. */
  readonly onExceeded: () => void;
}

/** Keeps what comes until somebody listens, then hands it on in order. */
export class Mailbox<Item> {
  readonly #init: MailboxInit<Item>;
  /** `undefined` once somebody listens. */
  #held: Set<Item> | undefined = new Set();

  constructor(init: MailboxInit<Item>) {
    this.#init = init;
  }

  handle(item: Item): void {
    if (this.#held === undefined) return this.#init.deliver(item);
    this.#held.add(item);
    if (this.#held.size > this.#init.itemsMax) this.#init.onExceeded();
  }

  /** Nobody needs to hear of it any more. */
  remove(item: Item): void {
    this.#held?.delete(item);
  }

  /** Somebody listens from now on. */
  open(): void {
    // What comes while the old is handed on is part of the same loop, behind the rest.
    for (const item of this.#held ?? []) {
      this.#held?.delete(item);
      this.#init.deliver(item);
    }
    this.#held = undefined;
  }

  /** How many wait. */
  get length(): number {
    return this.#held?.size ?? 0;
  }
}
