import type { SluiceError } from "../core/error.js";
import type { Supply, Taker } from "./supply.js";

/** The part of `ReadableStreamDefaultController` that is used: the type itself belongs to the platforms. */
export interface ReadController<Value> {
  enqueue(value: Value): void;
  close(): void;
  error(reason: unknown): void;
}

/** An `UnderlyingSource` (WHATWG Streams) that is asked only when somebody reads. */
export interface ReadSource<Value> {
  start(controller: ReadController<Value>): void;
  pull(controller: ReadController<Value>): Promise<void> | undefined;
  cancel(): void;
}

/** A stream of what a supply has, one item for each read. Cancelled, it takes nothing more. */
export class SupplySource<Item, Value> implements ReadSource<Value> {
  readonly #supply: Supply<Item>;
  readonly #take: (item: Item) => Value;
  readonly #onCancel: () => void;
  #controller: ReadController<Value> | undefined;
  #state: "open" | "ended" = "open";
  /** The read that waits, if there is one: they come one at a time. */
  #taker: Taker<Item> | undefined;
  /** Ends its `pull`. */
  #resolve: () => void = () => {};

  /**
   * @param take what becomes of an item that is handed over
   * @param onCancel this stream takes nothing more
   */
  constructor(supply: Supply<Item>, take: (item: Item) => Value, onCancel: () => void) {
    this.#supply = supply;
    this.#take = take;
    this.#onCancel = onCancel;
  }

  start(controller: ReadController<Value>): void {
    this.#controller = controller;
    this.handleEnd();
  }

  pull(controller: ReadController<Value>): Promise<void> | undefined {
    const taker: Taker<Item> = {
      handleItem: (item) => {
        this.#taker = undefined;
        controller.enqueue(this.#take(item));
        // Who waits for the end does not have to read once more for it.
        this.handleEnd();
        this.#resolve();
      },
      handleEnd: (error) => {
        this.#taker = undefined;
        this.#end(error);
      },
    };
    this.#taker = taker;
    this.#supply.ask(taker);
    if (this.#taker === undefined) return undefined;
    return new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  cancel(): void {
    this.#state = "ended";
    if (this.#taker !== undefined) this.#supply.withdraw(this.#taker);
    this.#resolve();
    this.#onCancel();
  }

  /** Nothing more comes: ends the stream once everything has been read. */
  handleEnd(): void {
    const { exhausted } = this.#supply;
    if (exhausted !== undefined) this.#end(exhausted.error);
  }

  #end(error: SluiceError | undefined): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    if (error === undefined) this.#controller?.close();
    else this.#controller?.error(error);
    this.#resolve();
  }
}
