interface Link<T> {
  item: T;
  previous: Link<T> | undefined;
  next: Link<T> | undefined;
}

/** A first-in, first-out queue of different things, each of which can be taken out or replaced in constant time. */
export class LinkedQueue<T> {
  readonly #links = new Map<T, Link<T>>();
  #first: Link<T> | undefined;
  #last: Link<T> | undefined;

  push(item: T): void {
    const link: Link<T> = { item, previous: this.#last, next: undefined };
    this.#links.set(item, link);
    if (this.#last === undefined) this.#first = link;
    else this.#last.next = link;
    this.#last = link;
  }

  shift(): T | undefined {
    const first = this.#first;
    if (first !== undefined) this.remove(first.item);
    return first?.item;
  }

  peek(): T | undefined {
    return this.#first?.item;
  }

  /** Takes `item` out, wherever it stands. Returns whether it was there. */
  remove(item: T): boolean {
    const link = this.#links.get(item);
    if (link === undefined) return false;
    this.#links.delete(item);
    if (link.previous === undefined) this.#first = link.next;
    else link.previous.next = link.next;
    if (link.next === undefined) this.#last = link.previous;
    else link.next.previous = link.previous;
    return true;
  }

  /** Puts `next` where `item` stands. Returns whether that was there. */
  replace(item: T, next: T): boolean {
    const link = this.#links.get(item);
    if (link === undefined) return false;
    this.#links.delete(item);
    link.item = next;
    this.#links.set(next, link);
    return true;
  }

  clear(): void {
    this.#links.clear();
    this.#first = undefined;
    this.#last = undefined;
  }

  get length(): number {
    return this.#links.size;
  }
}
