import type { SluiceError } from "../core/error.js";

/** Where a sent message is, or how it ended. */
export type ReceiptState = "queued" | "writing" | "delivered" | "cancelled" | "expired" | "never-written" | "unknown";

/** The fate of one sent message. */
export class Receipt {
  readonly #control: ReceiptControl;

  /** @internal */
  constructor(control: ReceiptControl) {
    this.#control = control;
  }

  /**
   * `queued` until its first piece leaves, `writing` until the peer's session has all of it, then `delivered`; or
   * `cancelled`, `expired`, `never-written` (sending it again cannot double it), or `unknown` (it left, and the line was lost).
   */
  get state(): ReceiptState {
    return this.#control.state;
  }

  /** Resolves when all of the message has been handed to a transport. Rejects with a `SluiceError` if it never is. */
  get written(): Promise<void> {
    return this.#control.written;
  }

  /** Resolves when the peer's session has the message, once. Rejects with a `SluiceError` when that cannot be said. */
  get delivered(): Promise<void> {
    return this.#control.delivered;
  }

  /** Takes the message back, also in its middle. `false` when all of it has left, or it has ended already. */
  cancel(): boolean {
    return this.#control.cancel();
  }
}

type Outcome = "reached" | SluiceError;

/** A promise that is settled from outside. */
class Deferred {
  readonly promise: Promise<void>;
  #resolve: () => void = () => {};
  #reject: (error: SluiceError) => void = () => {};

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** The second time it changes nothing. */
  settle(outcome: Outcome): void {
    if (outcome === "reached") this.#resolve();
    else this.#reject(outcome);
  }
}

/**
 * Something that a message reaches or does not. The promise is made when somebody asks for it: nobody gets a rejection he
 * did not ask for, and of 100,000 small messages a second most are not asked about.
 */
type Milestone = Outcome | Deferred | undefined;

function settled(milestone: Milestone, outcome: Outcome): Milestone {
  if (milestone === undefined) return outcome;
  if (milestone instanceof Deferred) milestone.settle(outcome);
  return milestone;
}

function asked(milestone: Milestone): Deferred {
  if (milestone instanceof Deferred) return milestone;
  const deferred = new Deferred();
  if (milestone !== undefined) deferred.settle(milestone);
  return deferred;
}

/** Who keeps room for messages until they have ended. */
export interface Holder {
  release(bytes: number): void;
}

/** Who has a message, and gives it back. */
export interface Keeper {
  /** `false` when that is too late. */
  takeBack(message: ReceiptControl): boolean;
}

/** The side of a receipt that the library holds. Most of the time it is a `PendingMessage`. */
export class ReceiptControl {
  readonly receipt: Receipt = new Receipt(this);
  #written: Milestone;
  #delivered: Milestone;
  #keeper: Keeper | undefined;
  #onSettled: ((error: SluiceError | undefined) => void)[] | undefined;
  #holder: Holder | undefined;
  #state: ReceiptState = "queued";

  /** A receipt of a message that was never accepted. */
  static ended(state: "never-written" | "cancelled", error: SluiceError): Receipt {
    const control = new ReceiptControl();
    control.fail(state, error);
    return control.receipt;
  }

  writing(): void {
    if (this.#state === "queued") this.#state = "writing";
  }

  handleWritten(): void {
    this.writing();
    this.#written = settled(this.#written, "reached");
  }

  handleDelivered(): void {
    this.#state = "delivered";
    this.#written = settled(this.#written, "reached");
    this.#delivered = settled(this.#delivered, "reached");
    this.#settled(undefined);
  }

  /** No session has sent it: the next one will. */
  requeue(): void {
    this.#state = "queued";
  }

  fail(state: "cancelled" | "expired" | "never-written" | "unknown", error: SluiceError): void {
    this.#state = state;
    this.#written = settled(this.#written, error);
    this.#delivered = settled(this.#delivered, error);
    this.#settled(error);
  }

  /** The message is somewhere else now, and is taken back from there. */
  handleMoved(keeper: Keeper): void {
    this.#keeper = keeper;
  }

  /** `holder` gets `heldBytes` back once the message has ended, in whatever way. */
  heldBy(holder: Holder): void {
    this.#holder = holder;
  }

  /** Calls `run` once the message has ended, in whatever way; with the reason, unless it was delivered. */
  onSettled(run: (error: SluiceError | undefined) => void): void {
    if (this.#onSettled === undefined) this.#onSettled = [run];
    else this.#onSettled.push(run);
  }

  cancel(): boolean {
    return this.#keeper?.takeBack(this) ?? false;
  }

  get state(): ReceiptState {
    return this.#state;
  }

  /** What the message holds in memory; nothing once it has ended. */
  get heldBytes(): number {
    return 0;
  }

  get written(): Promise<void> {
    const deferred = asked(this.#written);
    this.#written = deferred;
    return deferred.promise;
  }

  get delivered(): Promise<void> {
    const deferred = asked(this.#delivered);
    this.#delivered = deferred;
    return deferred.promise;
  }

  /** @internal The message has ended. */
  protected handleSettled(): void {}

  #settled(error: SluiceError | undefined): void {
    const { heldBytes } = this;
    const holder = this.#holder;
    this.handleSettled();
    this.#holder = undefined;
    this.#keeper = undefined;
    holder?.release(heldBytes);
    const waiting = this.#onSettled;
    if (waiting === undefined) return;
    this.#onSettled = undefined;
    for (const run of waiting) run(error);
  }
}
