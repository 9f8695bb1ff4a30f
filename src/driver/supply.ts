import type { SluiceError } from "../core/error.js";
import { Fifo } from "../core/fifo.js";

/** Somebody who asks for one item. */
export interface Taker<Item> {
  handleItem(item: Item): void;
  /** There are no more; `error` says why, when that was not the plan. */
  handleEnd(error: SluiceError | undefined): void;
}

/** What has arrived and who asks for it, both in their order. An item that somebody waits for is handed over at once. */
export class Supply<Item> {
  readonly #held: Fifo<Item> = new Fifo();
  /** Made when somebody has to wait: most never do. */
  #takers: Set<Taker<Item>> | undefined;
  #end: { readonly error: SluiceError | undefined } | undefined;
  #gate: "open" | "shut" = "open";

  push(item: Item): void {
    this.#held.push(item);
    this.#pump();
  }

  /** Hands over the next item, now or when there is one; or the end, behind all items. */
  ask(taker: Taker<Item>): void {
    this.#takers ??= new Set();
    this.#takers.add(taker);
    this.#pump();
  }

  /** Whoever has asked does not want it any more. */
  withdraw(taker: Taker<Item>): void {
    this.#takers?.delete(taker);
  }

  /** The next item, for who does not wait. */
  shift(): Item | undefined {
    return this.#gate === "open" ? this.#held.shift() : undefined;
  }

  /** Takes back the item that was pushed last; `false` when it has been handed over. */
  retract(item: Item): boolean {
    return this.#held.retract(item);
  }

  /** No more items come. */
  end(error: SluiceError | undefined): void {
    this.#end ??= { error };
    this.#pump();
  }

  /** Nothing is handed over until `open`, not even the end. */
  shut(): void {
    this.#gate = "shut";
  }

  open(): void {
    this.#gate = "open";
    this.#pump();
  }

  /** Whether the next item is handed over at once. */
  get isAwaited(): boolean {
    return this.#gate === "open" && this.#takers !== undefined && this.#takers.size > 0;
  }

  /** How many items wait. */
  get length(): number {
    return this.#held.length;
  }

  /** Set once nothing waits and nothing comes. */
  get exhausted(): { readonly error: SluiceError | undefined } | undefined {
    return this.#held.length === 0 ? this.#end : undefined;
  }

  #pump(): void {
    const takers = this.#takers;
    if (takers === undefined) return;
    for (const taker of takers) {
      if (this.#gate === "shut") return;
      const item = this.#held.shift();
      if (item === undefined && this.#end === undefined) return;
      takers.delete(taker);
      if (item === undefined) taker.handleEnd(this.#end?.error);
      else taker.handleItem(item);
    }
  }
}
