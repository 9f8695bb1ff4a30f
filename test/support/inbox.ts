/** Things that arrive one by one, and somebody who waits for them. */
export class Inbox<Item> {
  readonly items: Item[] = [];
  #taken = 0;
  #waiting: ((item: Item) => void)[] = [];

  readonly push = (item: Item): void => {
    this.items.push(item);
    this.#waiting.shift()?.(this.items[this.#taken++] as Item);
  };

  /** The next one that nobody has taken. */
  next(): Promise<Item> {
    if (this.#taken < this.items.length) return Promise.resolve(this.items[this.#taken++] as Item);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async take(count: number): Promise<Item[]> {
    const items: Item[] = [];
    while (items.length < count) items.push(await this.next());
    return items;
  }
}

/** The data of the messages that come on a socket or a channel of the client. */
export function inboxOf(target: EventTarget): Inbox<unknown> {
  const inbox = new Inbox<unknown>();
  target.addEventListener("message", (event) => inbox.push((event as MessageEvent).data));
  return inbox;
}
