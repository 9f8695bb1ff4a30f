import { isDue, type Millis } from "./time.js";

interface Entry<T> {
  readonly item: T;
  readonly at: Millis;
  /** Breaks ties: what was added first is due first. */
  readonly order: number;
}

/**
 * Things whose time comes, the earliest first: a binary heap that knows where each of them stands, so that what is over
 * before its time leaves nothing behind.
 *
 * Invariant: no entry is due before its parent, `(index - 1) >> 1`.
 */
export class DeadlineQueue<T> {
  readonly #heap: Entry<T>[] = [];
  readonly #places = new Map<T, number>();
  #added = 0;

  add(item: T, at: Millis): void {
    this.#added += 1;
    this.#rise(this.#heap.length, { item, at, order: this.#added });
  }

  /** Does nothing where `item` is not waiting. */
  remove(item: T): void {
    const index = this.#places.get(item);
    if (index === undefined) return;
    this.#places.delete(item);
    const last = this.#heap.pop() as Entry<T>;
    if (last.item === item) return;
    const parent = this.#heap[(index - 1) >> 1];
    if (index > 0 && isBefore(last, parent as Entry<T>)) this.#rise(index, last);
    else this.#sink(index, last);
  }

  /** Takes out the next that is due. */
  pollDue(now: Millis): T | undefined {
    const first = this.#heap[0];
    if (first === undefined || !isDue(first.at, now)) return undefined;
    this.remove(first.item);
    return first.item;
  }

  clear(): void {
    this.#heap.length = 0;
    this.#places.clear();
  }

  get nextDeadline(): Millis | undefined {
    return this.#heap[0]?.at;
  }

  get size(): number {
    return this.#heap.length;
  }

  #rise(from: number, entry: Entry<T>): void {
    let index = from;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = this.#heap[parentIndex] as Entry<T>;
      if (!isBefore(entry, parent)) break;
      this.#put(index, parent);
      index = parentIndex;
    }
    this.#put(index, entry);
  }

  #sink(from: number, entry: Entry<T>): void {
    let index = from;
    for (;;) {
      let childIndex = 2 * index + 1;
      let child = this.#heap[childIndex];
      if (child === undefined) break;
      const other = this.#heap[childIndex + 1];
      if (other !== undefined && isBefore(other, child)) {
        child = other;
        childIndex += 1;
      }
      if (!isBefore(child, entry)) break;
      this.#put(index, child);
      index = childIndex;
    }
    this.#put(index, entry);
  }

  #put(index: number, entry: Entry<T>): void {
    this.#heap[index] = entry;
    this.#places.set(entry.item, index);
  }
}

function isBefore<T>(a: Entry<T>, b: Entry<T>): boolean {
  return a.at === b.at ? a.order < b.order : a.at < b.at;
}
