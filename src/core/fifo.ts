/** Fewer elements than this are not worth a new array each time that a short queue runs empty. Arbitrary. */
const DEAD_MIN = 32;

/** A first-in, first-out queue with constant-time `shift`: `Array.shift` moves every element. */
export class Fifo<T> {
  /** The front, up to the head, is dead. */
  #items: (T | undefined)[] = [];
  #head = 0;

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    const item = this.#items[this.#head];
    if (item === undefined) return undefined;
    this.#items[this.#head] = undefined;
    this.#head += 1;
    // Half dead: moving the rest now costs, per element, one move for each shift that has been saved.
    if (this.#head >= DEAD_MIN && this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  /** Takes back `item` if it is the one that was pushed last. */
  retract(item: T): boolean {
    if (this.length === 0 || this.#items.at(-1) !== item) return false;
    this.#items.pop();
    return true;
  }

  peek(): T | undefined {
    return this.#items[this.#head];
  }

  /** Empties the queue and returns what was in it, in order. */
  drain(): T[] {
    const rest = this.#items.slice(this.#head) as T[];
    this.#items = [];
    this.#head = 0;
    return rest;
  }

  get length(): number {
    return this.#items.length - this.#head;
  }
}
