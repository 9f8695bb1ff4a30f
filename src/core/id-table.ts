/** Ids of one page. Few, as every session that has sent something keeps one page for each table. */
const PAGE_IDS = 32;

interface Page<T> {
  readonly number: number;
  readonly values: (T | undefined)[];
  /** How many of them are there. */
  size: number;
}

/**
 * What is known under ids that count up: most come and go in about the order in which they were given. A `Map` does the
 * same, and costs a small message twice: by the bytes of its entry, and by being copied whenever it grows.
 *
 * Invariant: no page is empty but the newest, so that what stays for long holds one page and not all that have come since,
 * and who comes and goes alone makes none.
 */
export class IdTable<T extends object> {
  readonly #pages = new Map<number, Page<T>>();
  /** The page that was looked at last, as most questions are about one message after the other. */
  #recent: Page<T> | undefined;
  #newest: Page<T> | undefined;
  #size = 0;

  /** @param id an integer from 0 on; greater than those before, for `values` to be in their order */
  set(id: number, value: T): void {
    const page = this.#page(id) ?? this.#add(id);
    const index = id % PAGE_IDS;
    if (page.values[index] === undefined) {
      page.size += 1;
      this.#size += 1;
    }
    page.values[index] = value;
  }

  get(id: number): T | undefined {
    return this.#page(id)?.values[id % PAGE_IDS];
  }

  /** `false` when nothing was known under this id. */
  delete(id: number): boolean {
    const page = this.#page(id);
    if (page?.values[id % PAGE_IDS] === undefined) return false;
    page.values[id % PAGE_IDS] = undefined;
    page.size -= 1;
    this.#size -= 1;
    if (page !== this.#newest) this.#tidy(page);
    return true;
  }

  clear(): void {
    this.#pages.clear();
    this.#recent = undefined;
    this.#newest = undefined;
    this.#size = 0;
  }

  /** In the order of their ids. What is deleted meanwhile is left out. */
  *values(): IterableIterator<T> {
    for (const { values } of this.#pages.values()) {
      for (const value of values) if (value !== undefined) yield value;
    }
  }

  get size(): number {
    return this.#size;
  }

  #page(id: number): Page<T> | undefined {
    const number = Math.floor(id / PAGE_IDS);
    if (this.#recent?.number !== number) this.#recent = this.#pages.get(number);
    return this.#recent;
  }

  #add(id: number): Page<T> {
    const page = { number: Math.floor(id / PAGE_IDS), values: new Array<T | undefined>(PAGE_IDS), size: 0 };
    const before = this.#newest;
    this.#newest = page;
    this.#recent = page;
    this.#pages.set(page.number, page);
    if (before !== undefined) this.#tidy(before);
    return page;
  }

  #tidy(page: Page<T>): void {
    if (page.size > 0) return;
    this.#pages.delete(page.number);
    if (page === this.#recent) this.#recent = undefined;
  }
}
