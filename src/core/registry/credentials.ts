/** SHA-256, or what is as good: tokens are kept only as what it makes of them. */
export type Hash = (bytes: Uint8Array) => Uint8Array;

/** What a client can prove itself by: a token, as its hash, or its attempt while no WELCOME is known to have arrived. */
type Proof = Uint8Array | "attempt";

/**
 * Tokens of WELCOMEs that may all have got lost, or arrived, while their transports raced. Each further HELLO costs the
 * client one of them; that many are never under way. Arbitrary.
 */
const PROOFS_MAX = 8;

/**
 * What a client can come back with (PROTOCOL.md, RES-02): the token of the last WELCOME and, until it is known that this
 * has arrived, what the client came with before it and whatever it was given since: of transports that race, any WELCOME
 * may be the one that arrives.
 *
 * Invariant: one proof at the least, `PROOFS_MAX` at the most, the oldest first; the attempt can only be the first.
 */
export class Credentials {
  #good: Proof[];

  constructor(tokenHash: Uint8Array) {
    this.#good = ["attempt", tokenHash];
  }

  /** Whether the client has a token that was hashed to this. */
  accepts(tokenHash: Uint8Array): boolean {
    let isGood = false;
    for (const proof of this.#good) if (proof !== "attempt" && areEqual(tokenHash, proof)) isGood = true;
    return isGood;
  }

  /** Whether the attempt alone is enough, as the client may have no token yet. */
  get allowsAttempt(): boolean {
    return this.#good[0] === "attempt";
  }

  /**
   * @param used what the client came with, which stays good until `confirm`, as does what it was given since; `undefined`
   * for its attempt
   */
  rotate(used: Uint8Array | undefined, next: Uint8Array): void {
    const from = used === undefined ? 0 : this.#good.findIndex((proof) => proof !== "attempt" && areEqual(proof, used));
    // What is older than what it came with it has no use for.
    this.#good = this.#good.slice(Math.max(0, from));
    if (this.#good.length >= PROOFS_MAX) this.#good.splice(1, 1);
    this.#good.push(next);
  }

  /** The newest token has arrived. */
  confirm(): void {
    this.#good = this.#good.slice(-1);
  }
}

/** Takes as long whatever differs: an answer must not tell how much of a guess was right. */
function areEqual(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] ?? 0);
  return difference === 0;
}
