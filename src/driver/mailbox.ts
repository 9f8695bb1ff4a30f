import { Fifo } from "../core/fifo.js";

/** What a channel weighs that nobody has been told of: about its object, so that opening many costs the peer's budget. */
export const CHANNEL_HELD_BYTES = 1024;

/** What nobody listens to yet, messages and channels, on one budget for all of a session. */
export class MailboxBudget {
  readonly #bytesMax: number;
  readonly #onExceeded: () => void;
  #bytes = 0;

  constructor(bytesMax: number, onExceeded: () => void) {
    this.#bytesMax = bytesMax;
    this.#onExceeded = onExceeded;
  }

  hold(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > this.#bytesMax) this.#onExceeded();
  }

  release(bytes: number): void {
    this.#bytes -= bytes;
  }

  get heldBytes(): number {
    return this.#bytes;
  }
}

/** Keeps what arrives until somebody listens, then hands it on in order. */
export class Mailbox<Item> {
  readonly #budget: MailboxBudget;
  readonly #deliver: (item: Item) => void;
  #held: Fifo<{ item: Item; bytes: number }> | undefined = new Fifo();
  #onEmpty: (() => void) | undefined;

  constructor(budget: MailboxBudget, deliver: (item: Item) => void) {
    this.#budget = budget;
    this.#deliver = deliver;
  }

  handle(item: Item, bytes: number): void {
    if (this.#held === undefined) {
      this.#deliver(item);
      return;
    }
    this.#held.push({ item, bytes });
    this.#budget.hold(bytes);
  }

  /** Nothing more comes: calls `run` behind everything that waits, at once when nothing does. */
  finish(run: () => void): void {
    if (this.#held === undefined || this.#held.length === 0) run();
    else this.#onEmpty = run;
  }

  /** Somebody listens from now on. */
  open(): void {
    for (let next = this.#held?.shift(); next !== undefined; next = this.#held?.shift()) {
      this.#budget.release(next.bytes);
      this.#deliver(next.item);
    }
    this.#held = undefined;
    const onEmpty = this.#onEmpty;
    this.#onEmpty = undefined;
    onEmpty?.();
  }
}
