import { invariant } from "./invariant.js";

/**
 * What can stand in a `LinkedQueue`, in one at a time. It has its links in itself: a map from things to their places, and
 * an object for each place, would cost a small message a tenth of all it costs.
 */
export class Linked {
  /** @internal Which queue it stands in. All three are the queue's to write. */
  queue: object | undefined;
  /** @internal */
  previous: Linked | undefined;
  /** @internal */
  next: Linked | undefined;
}

/** A first-in, first-out queue of different things, each of which can be taken out or replaced in constant time. */
export class LinkedQueue<T extends Linked> {
  #first: T | undefined;
  #last: T | undefined;
  #length = 0;

  push(item: T): void {
    this.#join(item, this.#last, undefined);
    this.#length += 1;
  }

  shift(): T | undefined {
    const first = this.#first;
    if (first !== undefined) this.remove(first);
    return first;
  }

  peek(): T | undefined {
    return this.#first;
  }

  /** Takes `item` out, wherever it stands. Returns whether it was there. */
  remove(item: T): boolean {
    if (item.queue !== this) return false;
    const { previous, next } = item as { previous: T | undefined; next: T | undefined };
    if (previous === undefined) this.#first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    this.#length -= 1;
    release(item);
    return true;
  }

  /** Puts `next` where `item` stands. Returns whether that was there. */
  replace(item: T, next: T): boolean {
    if (item.queue !== this) return false;
    const { previous, next: following } = item as { previous: T | undefined; next: T | undefined };
    release(item);
    this.#join(next, previous, following);
    return true;
  }

  clear(): void {
    for (let item = this.shift(); item !== undefined; item = this.shift());
  }

  get length(): number {
    return this.#length;
  }

  #join(item: T, previous: T | undefined, next: T | undefined): void {
    invariant(item.queue === undefined, "a thing stands in one queue, and once");
    item.queue = this;
    item.previous = previous;
    item.next = next;
    if (previous === undefined) this.#first = item;
    else previous.next = item;
    if (next === undefined) this.#last = item;
    else next.previous = item;
  }
}

function release(item: Linked): void {
  item.queue = undefined;
  item.previous = undefined;
  item.next = undefined;
}
