import type { SluiceError } from "../core/error.js";
import type { Supply, Taker } from "./supply.js";

/**
 * Iterates over what a supply has: each item goes to one iterator. Left early (`break`), it takes nothing more, and
 * another iterator goes on where it has stopped.
 */
export class SupplyIterator<Item, Value> implements AsyncIterableIterator<Value> {
  readonly #supply: Supply<Item>;
  readonly #take: (item: Item) => Value;
  readonly #onReturn: () => void;
  /** Calls of `next` that wait, and how to end them. */
  readonly #waiting = new Map<Taker<Item>, () => void>();
  #state: "open" | "done" = "open";

  /**
   * @param take what becomes of an item that is handed over
   * @param onReturn this iterator takes nothing more
   */
  constructor(supply: Supply<Item>, take: (item: Item) => Value, onReturn: () => void) {
    this.#supply = supply;
    this.#take = take;
    this.#onReturn = onReturn;
  }

  next(): Promise<IteratorResult<Value, undefined>> {
    if (this.#state === "done") return Promise.resolve({ done: true, value: undefined });
    const item = this.#supply.shift();
    if (item !== undefined) return Promise.resolve({ done: false, value: this.#take(item) });
    return new Promise((resolve, reject) => {
      const taker: Taker<Item> = {
        handleItem: (item) => {
          this.#waiting.delete(taker);
          resolve({ done: false, value: this.#take(item) });
        },
        handleEnd: (error) => {
          this.#waiting.delete(taker);
          this.#finish(error, { resolve: () => resolve({ done: true, value: undefined }), reject });
        },
      };
      this.#waiting.set(taker, () => resolve({ done: true, value: undefined }));
      this.#supply.ask(taker);
    });
  }

  return(): Promise<IteratorResult<Value, undefined>> {
    if (this.#state === "open") {
      this.#state = "done";
      this.#cancelWaiting();
      this.#onReturn();
    }
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Who asks first learns of an error, as with a generator; to the others it is over. */
  #finish(error: SluiceError | undefined, asked: { resolve: () => void; reject: (error: SluiceError) => void }): void {
    const isFirst = this.#state === "open";
    this.#state = "done";
    if (isFirst && error !== undefined) asked.reject(error);
    else asked.resolve();
    if (isFirst) this.#onReturn();
  }

  #cancelWaiting(): void {
    for (const [taker, end] of this.#waiting) {
      this.#supply.withdraw(taker);
      end();
    }
    this.#waiting.clear();
  }
}
