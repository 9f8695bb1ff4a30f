/** What a body holds before anybody has said how much that should be, bytes. */
const BODY_BYTES = 64 * 1024;

/** A batch: a body of this size, bytes, does not fail for it. */
const BODY_BYTES_MIN = 16 * 1024;

/** How much goes up in one request: as much as should, within what the way takes (HTTP-12). */
export class BodySize {
  /** What the way takes. */
  #max: number;
  /** What should go along. */
  #wanted: number = BODY_BYTES;
  /** And what is tried when failures follow each other: something may take less, and not say 413 (Caddy 2.6: 502). */
  #tried: number = Number.POSITIVE_INFINITY;
  #failures = 0;

  /** @param max the largest body, bytes, until it turns out to be too large */
  constructor(max: number) {
    this.#max = max;
  }

  /** So much should go into one body, bytes. */
  handleRequestBytes(bytes: number): void {
    this.#wanted = bytes;
  }

  /** A body has got through. */
  handleSuccess(): void {
    this.#tried *= 2;
    this.#failures = 0;
  }

  /** A body of so many bytes was too large (413). */
  handleTooLarge(bytes: number): void {
    this.#max = Math.max(1, Math.floor(bytes / 2));
  }

  /** One of so many bytes has failed. @param isLate it was not through in time */
  handleFailure(bytes: number, isLate: boolean): void {
    this.#failures += 1;
    if (isLate) this.handleTooLarge(bytes);
    else if (this.#failures > 1) this.#tried = Math.max(BODY_BYTES_MIN, bytes / 2);
  }

  /** So much goes into the next body, bytes. */
  get bytes(): number {
    return Math.min(this.#wanted, this.#max, this.#tried);
  }

  /** As much as may, bytes. */
  get max(): number {
    return this.#max;
  }
}
