interface Waiting {
  readonly name: string;
  readonly grant: () => unknown;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** As much of the Web Locks API as is used: exclusive locks, by name, in the order of the requests. */
export class FakeLocks {
  readonly #held = new Set<string>();
  #waiting: Waiting[] = [];

  readonly request = (name: string, { signal }: { signal: AbortSignal }, grant: () => unknown): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const waiting = { name, grant, resolve, reject };
      this.#waiting.push(waiting);
      signal.addEventListener("abort", () => {
        if (!this.#waiting.includes(waiting)) return;
        this.#waiting = this.#waiting.filter((other) => other !== waiting);
        reject(new DOMException("aborted", "AbortError"));
      });
      queueMicrotask(() => this.#serve());
    });

  get manager(): LockManager {
    return this as unknown as LockManager;
  }

  get held(): string[] {
    return [...this.#held].sort();
  }

  get waiting(): string[] {
    return this.#waiting.map(({ name }) => name);
  }

  #serve(): void {
    const next = this.#waiting.find(({ name }) => !this.#held.has(name));
    if (next === undefined) return;
    this.#waiting = this.#waiting.filter((other) => other !== next);
    this.#held.add(next.name);
    const end = (settle: () => void): void => {
      this.#held.delete(next.name);
      settle();
      queueMicrotask(() => this.#serve());
    };
    Promise.resolve(next.grant()).then(
      (value) => end(() => next.resolve(value)),
      (error: unknown) => end(() => next.reject(error)),
    );
    this.#serve();
  }
}
