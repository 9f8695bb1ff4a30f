/**
 * Where requests share a connection, another POST may be under way beside one that carries so much, bytes. It leaves when the
 * first has used up half of the time that POSTs have taken lately: the line has something to do while the answer is waited for.
 * So it may beside smaller ones soon after that, at once. Elsewhere each would take a connection of the few that there are.
 */
const PAIR_BYTES = 4096;
const PAIR_SHARE = 0.5;
const PAIR_SOON = 3;

/** So often two may have been under way when one failed: something on the way does not like that, and they go one by one. */
const FAILURES_MAX = 3;

/** Weight of a POST that has taken longer in the time that they take. */
const TOOK_WEIGHT = 1 / 4;

/** What counts of a POST that is under way: the length of its body, and when it has left. */
export interface PairedPost {
  readonly bytes: number;
  readonly askedAt: number;
}

/** When a POST may leave beside another one (HTTP-03). */
export class Pairing {
  readonly #requests: { readonly isMultiplexed: boolean };
  /** How long POSTs take, ms; `undefined` until one was answered. */
  #tookMs: number | undefined;
  /** When the last one left that carried much. */
  #muchAt: number = Number.NEGATIVE_INFINITY;
  #failures = 0;
  /** Whether two may be under way: asked for each that carries much. */
  #isPaired = false;

  /** @param requests know whether they share a connection */
  constructor(requests: { readonly isMultiplexed: boolean }) {
    this.#requests = requests;
  }

  handleSent({ bytes, askedAt }: PairedPost): void {
    if (bytes < PAIR_BYTES) return;
    this.#muchAt = askedAt;
    this.#isPaired = this.#failures < FAILURES_MAX && this.#requests.isMultiplexed;
  }

  handleAnswer(tookMs: number): void {
    const knownMs = this.#tookMs ?? tookMs;
    this.#tookMs = Math.min(tookMs, knownMs + (tookMs - knownMs) * TOOK_WEIGHT);
  }

  /** One of two has failed. */
  handleFailure(): void {
    this.#failures += 1;
  }

  /** When another one may leave beside this one; `undefined` while none may. */
  besideAt({ bytes, askedAt }: PairedPost): number | undefined {
    if (this.#tookMs === undefined || !this.#isPaired) return undefined;
    if (bytes >= PAIR_BYTES) return askedAt + this.#tookMs * PAIR_SHARE;
    return askedAt - this.#muchAt < this.#tookMs * PAIR_SOON ? askedAt : undefined;
  }
}
