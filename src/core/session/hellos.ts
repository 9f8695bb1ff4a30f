/** Why a HELLO was turned down. */
export interface Refusal {
  readonly epoch: number;
  readonly code: number;
  readonly reason: string;
}

/**
 * The HELLOs of a session, on whichever transports: numbers them, and keeps what became of them. As several may be under
 * way, only the newest one speaks for the session: an older one may have been refused because it came late (RES-17).
 */
export class Hellos {
  #epoch = 0;
  #refusal: Refusal | undefined;
  #readNumberMax = 0;

  /** The epoch of the next HELLO (RES-03). */
  next(): number {
    this.#epoch += 1;
    return this.#epoch;
  }

  handleRefused(refusal: Refusal): void {
    if (refusal.epoch > (this.#refusal?.epoch ?? 0)) this.#refusal = refusal;
  }

  /** Numbered batches up to this one have left on a transport that has ended without a refusal. */
  handleDoubt(sentNumber: number): void {
    this.#readNumberMax = sentNumber;
  }

  /** Why the session cannot be had; `undefined` while the newest HELLO was not refused. */
  get verdict(): Refusal | undefined {
    return this.#refusal?.epoch === this.#epoch ? this.#refusal : undefined;
  }

  /** No server has read a numbered batch beyond this one: what has left behind a HELLO that was refused was dropped (HSK-07). */
  get readNumberMax(): number {
    return this.#readNumberMax;
  }
}
