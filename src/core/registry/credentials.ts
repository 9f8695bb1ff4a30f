/** SHA-256, or what is as good: tokens are kept only as what it makes of them. */
export type Hash = (bytes: Uint8Array) => Uint8Array;

/**
 * What a client can come back with (PROTOCOL.md, RES-02): the token of the last WELCOME and, until it is known that this
 * has arrived, what the client came with before it: the token before, or its attempt where there was none.
 */
export class Credentials {
  #current: Uint8Array;
  /** `"attempt"`: no WELCOME is known to have arrived. */
  #previous: Uint8Array | "attempt" | undefined = "attempt";

  constructor(tokenHash: Uint8Array) {
    this.#current = tokenHash;
  }

  /** Whether the client has the token that was hashed to this. */
  accepts(tokenHash: Uint8Array): boolean {
    const isCurrent = areEqual(tokenHash, this.#current);
    const isPrevious = this.#previous instanceof Uint8Array && areEqual(tokenHash, this.#previous);
    return isCurrent || isPrevious;
  }

  /** Whether the attempt alone is enough, as the client may have no token yet. */
  get allowsAttempt(): boolean {
    return this.#previous === "attempt";
  }

  /** @param used what the client came with, which stays good until `confirm`; `undefined` for its attempt */
  rotate(used: Uint8Array | undefined, next: Uint8Array): void {
    this.#previous = used ?? "attempt";
    this.#current = next;
  }

  /** The newest token has arrived. */
  confirm(): void {
    this.#previous = undefined;
  }
}

/** Takes as long whatever differs: an answer must not tell how much of a guess was right. */
function areEqual(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] ?? 0);
  return difference === 0;
}
