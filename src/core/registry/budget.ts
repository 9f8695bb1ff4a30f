import { BySize, largestOf } from "./by-size.js";

/** How much memory a server spends on what it keeps for its clients. */
export interface BudgetLimits {
  /**
   * Bytes of all sessions together: to be sent, to be sent again, unfinished, and of early data. Above half of it parked
   * sessions leave, the largest first; at the limit nobody new is let in. Default 256 MiB.
   */
  readonly processBytesMax: number;
}

/** What a parked session weighs beside its data: its objects and tables, measured with Node 20. */
export const PARKED_BYTES: number = 16 * 1024;

/** The share of one principal in the whole: its parked sessions leave above it. */
const PRINCIPAL_SHARE = 1 / 16;

/** Above this share of the whole, parked sessions leave. */
const PARKED_SHARE = 1 / 2;

interface Weighed {
  readonly owner: { readonly principal: string | undefined };
}

/**
 * Who holds how much, and who has to leave when it is too much: parked sessions, the largest first (of a crowd that is about as
 * large, the first), as nobody is there to miss them yet; where that is not enough, and the limit is reached, the largest of all.
 *
 * What is held for strangers keeps others out, and makes nobody leave who is in.
 *
 * Invariant: `heldBytes` is the sum of what was accounted, plus `PARKED_BYTES` for each parked session.
 */
export class Budget<T extends Weighed> {
  readonly #limits: BudgetLimits;
  readonly #bytes = new Map<T, number>();
  readonly #parked: BySize<T> = new BySize();
  /** Those of each principal. */
  readonly #parkedOf = new Map<string, BySize<T>>();
  readonly #byPrincipal = new Map<string, number>();
  /** Principals over their share. Few: a share is a sixteenth. */
  readonly #overdrawn = new Set<string>();
  /** Of sessions, and of clients that have none yet. */
  #sessionBytes = 0;
  #otherBytes = 0;

  constructor(limits: BudgetLimits) {
    this.#limits = limits;
  }

  /** Returns whether it has become more. */
  account(who: T, bytes: number): boolean {
    const delta = bytes - (this.#bytes.get(who) ?? 0);
    if (delta === 0) return false;
    this.#bytes.set(who, bytes);
    if (this.#parked.has(who)) this.#handleParked(who, bytes);
    this.#add(who, delta);
    return delta > 0;
  }

  /** Bytes of clients that have no session yet. */
  accountOther(deltaBytes: number): void {
    this.#otherBytes += deltaBytes;
  }

  park(who: T): void {
    if (this.#parked.has(who)) return;
    this.#handleParked(who, this.#bytes.get(who) ?? 0);
    this.#add(who, PARKED_BYTES);
  }

  unpark(who: T): void {
    if (!this.#parked.delete(who)) return;
    const { principal } = who.owner;
    const own = principal === undefined ? undefined : this.#parkedOf.get(principal);
    own?.delete(who);
    if (principal !== undefined && own?.size === 0) this.#parkedOf.delete(principal);
    this.#add(who, -PARKED_BYTES);
  }

  remove(who: T): void {
    this.unpark(who);
    this.account(who, 0);
    this.#bytes.delete(who);
  }

  /** Who has to leave next; `undefined` when what is held is within bounds. The caller removes it. */
  pollExcess(): T | undefined {
    const { processBytesMax } = this.#limits;
    if (this.#sessionBytes > processBytesMax * PARKED_SHARE) {
      const parked = this.#parked.largest;
      if (parked !== undefined) return parked;
    }
    for (const principal of this.#overdrawn) {
      const parked = this.#parkedOf.get(principal)?.largest;
      if (parked !== undefined) return parked;
    }
    return this.#sessionBytes > processBytesMax ? largestOf(this.#bytes.keys(), this.#bytes) : undefined;
  }

  /** Whether nobody new can be let in. */
  get isFull(): boolean {
    return this.heldBytes >= this.#limits.processBytesMax;
  }

  get heldBytes(): number {
    return this.#sessionBytes + this.#otherBytes;
  }

  #handleParked(who: T, bytes: number): void {
    this.#parked.set(who, bytes);
    const { principal } = who.owner;
    if (principal === undefined) return;
    const own = this.#parkedOf.get(principal) ?? new BySize();
    this.#parkedOf.set(principal, own);
    own.set(who, bytes);
  }

  #add(who: T, bytes: number): void {
    this.#sessionBytes += bytes;
    const { principal } = who.owner;
    if (principal === undefined) return;
    const sum = (this.#byPrincipal.get(principal) ?? 0) + bytes;
    if (sum === 0) this.#byPrincipal.delete(principal);
    else this.#byPrincipal.set(principal, sum);
    if (sum > this.#limits.processBytesMax * PRINCIPAL_SHARE) this.#overdrawn.add(principal);
    else this.#overdrawn.delete(principal);
  }
}
