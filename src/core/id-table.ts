/** Ids of one page. Few, as every session that has sent something keeps one page for each table. */
const PAGE_IDS = 32;

interface Page<T> {
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
  #recentNumber = -1;
  #newestNumber = -1;
  #size = 0;

  /** @param id an integer from 0 on; greater than those before, for `values` to be in their order */
  set(id: number, value: T): void {
    const number = Math.floor(id / PAGE_IDS);
    const page = this.#page(number) ?? this.#add(number);
    const index = id - number * PAGE_IDS;
    if (page.values[index] === undefined) {
      page.size += 1;
      this.#size += 1;
    }
    page.values[index] = value;
  }

  get(id: number): T | undefined {
    const number = Math.floor(id / PAGE_IDS);
    return this.#page(number)?.values[id - number * PAGE_IDS];
  }

  has(id: number): boolean {
    return this.get(id) !== undefined;
  }

  /** `false` when nothing was known under this id. */
  delete(id: number): boolean {
    const number = Math.floor(id / PAGE_IDS);
    const page = this.#page(number);
    const index = id - number * PAGE_IDS;
    if (page === undefined || page.values[index] === undefined) return false;
    page.values[index] = undefined;
    page.size -= 1;
    this.#size -= 1;
    if (page.size === 0 && number !== this.#newestNumber) this.#drop(number);
    return true;
  }

  clear(): void {
    this.#pages.clear();
    this.#recent = undefined;
    this.#recentNumber = -1;
    this.#newestNumber = -1;
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

  #add(number: number): Page<T> {
    if (this.#page(this.#newestNumber)?.size === 0) this.#drop(this.#newestNumber);
    const page = { values: new Array<T | undefined>(PAGE_IDS), size: 0 };
    this.#pages.set(number, page);
    this.#newestNumber = number;
    this.#recent = page;
    this.#recentNumber = number;
    return page;
  }

  #drop(number: number): void {
    this.#pages.delete(number);
    if (number !== this.#recentNumber) return;
    this.#recent = undefined;
    this.#recentNumber = -1;
  }

  #page(number: number): Page<T> | undefined {
    if (number === this.#recentNumber) return this.#recent;
    const page = this.#pages.get(number);
    if (page === undefined) return undefined;
    this.#recent = page;
    this.#recentNumber = number;
    return page;
  }
}
