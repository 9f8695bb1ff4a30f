/**
 * Origins that have greeted in the life of this page: whoever has seen a Sluice server there is not made to believe that it
 * is an ordinary one.
 */
export class GreetedOrigins {
  readonly #origins = new Set<string>();

  add(url: string): void {
    this.#origins.add(new URL(url).host);
  }

  /** Whether a server of ours has answered at the origin of `url`. */
  has(url: string): boolean {
    return this.#origins.has(new URL(url).host);
  }
}

/** Those of all sockets of the page. */
export const greetedOrigins: GreetedOrigins = new GreetedOrigins();
