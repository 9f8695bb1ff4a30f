import type { IncomingMessage } from "node:http";

/** Who is at the door: handshakes under way, by address. */
export class Visitors {
  readonly #counts = new Map<string, number>();

  /**
   * A client comes to the door.
   * @returns what to call when it has left; the first call counts. `undefined` where there are `max` from its address already
   */
  enter(address: string, max: number): (() => void) | undefined {
    const count = this.#counts.get(address) ?? 0;
    if (count >= max) return undefined;
    this.#counts.set(address, count + 1);
    let isHere = true;
    return () => {
      if (isHere) this.#leave(address);
      isHere = false;
    };
  }

  get size(): number {
    return this.#counts.size;
  }

  #leave(address: string): void {
    const rest = (this.#counts.get(address) ?? 1) - 1;
    if (rest === 0) this.#counts.delete(address);
    else this.#counts.set(address, rest);
  }
}

/** Where a request comes from, as far as its connection knows. */
export function addressOf(request: IncomingMessage): string | undefined {
  return request.socket.remoteAddress;
}
