/** Of so many that are about as large, the largest is looked for; of a crowd, the one that has been there for longest will do. */
const CROWD = 64;

/**
 * Who is the largest, without looking at all of them: they lie in classes, each of sizes up to twice as large as the class before.
 *
 * Invariant: each is in one class, that of the size last said of it.
 */
export class BySize<T> {
  readonly #classes: Set<T>[] = [];
  readonly #sizes = new Map<T, number>();

  /** It is there, and so large. */
  set(item: T, size: number): void {
    const [before, now] = [this.#sizes.get(item), classOf(size)];
    this.#sizes.set(item, size);
    if (before !== undefined && classOf(before) === now) return;
    if (before !== undefined) this.#classes[classOf(before)]?.delete(item);
    while (this.#classes.length <= now) this.#classes.push(new Set());
    this.#classes[now]?.add(item);
  }

  /** Returns whether it was there. */
  delete(item: T): boolean {
    const size = this.#sizes.get(item);
    if (size === undefined) return false;
    this.#classes[classOf(size)]?.delete(item);
    return this.#sizes.delete(item);
  }

  has(item: T): boolean {
    return this.#sizes.has(item);
  }

  /** The largest, or of a crowd one that is more than half as large. */
  get largest(): T | undefined {
    for (let index = this.#classes.length - 1; index >= 0; index--) {
      const items = this.#classes[index] as Set<T>;
      if (items.size > 0) return items.size > CROWD ? items.values().next().value : largestOf(items, this.#sizes);
    }
    return undefined;
  }

  get size(): number {
    return this.#sizes.size;
  }
}

/** The first of the largest; who has no size counts as nothing. */
export function largestOf<T>(items: Iterable<T>, sizes: ReadonlyMap<T, number>): T | undefined {
  let largest: T | undefined;
  let most = -1;
  for (const item of items) {
    const size = sizes.get(item) ?? 0;
    if (size > most) [largest, most] = [item, size];
  }
  return largest;
}

/** 0 for nothing, and then 1 more for twice as much. */
function classOf(size: number): number {
  return size === 0 ? 0 : Math.floor(Math.log2(size)) + 1;
}
