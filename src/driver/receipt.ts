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

/** A promise that is made when somebody asks for it, so that nobody gets a rejection he did not ask for. */
class LazyPromise {
  #outcome: { readonly error: SluiceError | undefined } | undefined;
  #promise: Promise<void> | undefined;
  #resolve: () => void = () => {};
  #reject: (error: SluiceError) => void = () => {};

  get promise(): Promise<void> {
    this.#promise ??= new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      if (this.#outcome !== undefined) this.#settle();
    });
    return this.#promise;
  }

  settle(error: SluiceError | undefined): void {
    if (this.#outcome !== undefined) return;
    this.#outcome = { error };
    this.#settle();
  }

  #settle(): void {
    const error = this.#outcome?.error;
    if (error === undefined) this.#resolve();
    else this.#reject(error);
  }
}

/** The side of a receipt that the library holds. */
export class ReceiptControl {
  readonly receipt: Receipt = new Receipt(this);
  readonly #written = new LazyPromise();
  readonly #delivered = new LazyPromise();
  readonly #onCancel: () => boolean;
  readonly #onSettled: (() => void)[] = [];
  #state: ReceiptState = "queued";

  constructor(onCancel: () => boolean) {
    this.#onCancel = onCancel;
  }

  /** A receipt of a message that was never accepted. */
  static ended(state: "never-written" | "cancelled", error: SluiceError): Receipt {
    const control = new ReceiptControl(() => false);
    control.fail(state, error);
    return control.receipt;
  }

  writing(): void {
    if (this.#state === "queued") this.#state = "writing";
  }

  handleWritten(): void {
    this.writing();
    this.#written.settle(undefined);
  }

  handleDelivered(): void {
    this.#state = "delivered";
    this.#written.settle(undefined);
    this.#delivered.settle(undefined);
    this.#settled();
  }

  /** No session has sent it: the next one will. */
  requeue(): void {
    this.#state = "queued";
  }

  fail(state: "cancelled" | "expired" | "never-written" | "unknown", error: SluiceError): void {
    this.#state = state;
    this.#written.settle(error);
    this.#delivered.settle(error);
    this.#settled();
  }

  /** Calls `run` once the message has ended, in whatever way. */
  onSettled(run: () => void): void {
    this.#onSettled.push(run);
  }

  cancel(): boolean {
    return this.#onCancel();
  }

  get state(): ReceiptState {
    return this.#state;
  }

  get written(): Promise<void> {
    return this.#written.promise;
  }

  get delivered(): Promise<void> {
    return this.#delivered.promise;
  }

  #settled(): void {
    for (const run of this.#onSettled.splice(0)) run();
  }
}
