import type { Millis } from "../time.js";

/** What is known of a network and an origin, in times from now, so that it can outlive a page. */
export interface Remembered {
  /** For how long WebSockets count as blocked. */
  readonly blockedForMs?: Millis | undefined;
  /** How often a line has to carry something, as it does not live without. */
  readonly keepaliveMs?: Millis | undefined;
  /** What age WebSockets reach, as something on the way ends them. */
  readonly lifetimeMs?: Millis | undefined;
  readonly roundTripTimeMs?: Millis | undefined;
}

/** Where it is remembered. Neither call may throw. */
export interface Memory {
  load(): Remembered;
  save(remembered: Remembered): void;
}

/** The end of a WebSocket that has carried a session. */
export interface LineDeath {
  /** How long it has carried it. */
  readonly ageMs: Millis;
  /** How long nothing has been on it, either way. */
  readonly idleMs: Millis;
  /** Whether this end has given it up, as nothing came any more: its times are then those of our own patience. */
  readonly isSilent?: boolean;
}

/** How long WebSockets count as blocked, once they do. People move between networks. */
const BLOCKED_MS = 30 * 60_000;

/** A WebSocket that has carried a session for so long works. What ends it then is no block. Arbitrary. */
export const SOUND_MS: Millis = 60_000;

/** Deaths that are so far apart have nothing to do with each other. Arbitrary. */
const SUSPICION_MS = 10 * 60_000;
const DEATHS_MAX = 3;
/** Two lives that are shorter together say as much as three. */
const SHORT_LIVES_MS = 5000;

/** Lives, or silences, that differ by no more than this from their mean were ended by the same clock. */
const LIKENESS = 0.1;
/** Nothing is sent more often than this to keep a line alive. */
const KEEPALIVE_MIN_MS = 2000;
/** The share of a deadly silence after which the line is used. Two in it, should one be late, would cost twice as much. */
const KEEPALIVE_SHARE = 0.6;
/** Silences that are longer do not happen, as the server sends something before. */
const KEEPALIVE_MAX_MS = 25_000;
/** WebSockets that live shorter are not worth replacing, again and again: they are as good as blocked. */
const LIFETIME_MIN_MS = 10_000;

/**
 * What a client has learnt about WebSockets to its server: whether they are blocked, how often they need something to
 * carry, how old they get. It outlives sessions, and through its memory also pages.
 */
export class Outlook {
  readonly #memory: Memory | undefined;
  #blockedUntil: Millis = Number.NEGATIVE_INFINITY;
  #deaths: (LineDeath & { readonly at: Millis })[] = [];
  #keepaliveMs: Millis | undefined;
  #lifetimeMs: Millis | undefined;
  #roundTripTimeMs: Millis | undefined;

  constructor(memory: Memory | undefined, now: Millis) {
    this.#memory = memory;
    const { blockedForMs, keepaliveMs, lifetimeMs, roundTripTimeMs } = memory?.load() ?? {};
    if (blockedForMs !== undefined) this.#blockedUntil = now + Math.min(blockedForMs, BLOCKED_MS);
    if (keepaliveMs !== undefined) this.#keepaliveMs = Math.max(keepaliveMs, KEEPALIVE_MIN_MS);
    if (lifetimeMs !== undefined) this.#lifetimeMs = Math.max(lifetimeMs, LIFETIME_MIN_MS);
    this.#roundTripTimeMs = roundTripTimeMs;
  }

  /** Something else carries the session, and a WebSocket could not. */
  block(now: Millis): void {
    this.#blockedUntil = now + BLOCKED_MS;
    this.#deaths = [];
    this.#save(now);
  }

  /** WebSockets work after all. */
  unblock(now: Millis): void {
    if (!this.isBlocked(now)) return;
    this.#blockedUntil = Number.NEGATIVE_INFINITY;
    this.#save(now);
  }

  /** What has ended WebSockets would have ended anything. */
  absolve(): void {
    this.#deaths = [];
  }

  /** A WebSocket that has carried the session has broken off. */
  handleDeath(death: LineDeath, now: Millis): void {
    const kept = this.#deaths.slice(1 - DEATHS_MAX);
    this.#deaths = [...kept, { ...death, at: now }];
    if (this.#deaths.length < DEATHS_MAX || this.#deaths.some(({ isSilent }) => isSilent)) return;
    const idleMs = likeness(this.#deaths.map((each) => each.idleMs));
    const ageMs = likeness(this.#deaths.map((each) => each.ageMs));
    if (idleMs !== undefined && idleMs >= KEEPALIVE_MIN_MS && idleMs < KEEPALIVE_MAX_MS) {
      this.#keepaliveMs = Math.max(KEEPALIVE_MIN_MS, Math.floor(idleMs * KEEPALIVE_SHARE));
    } else if (ageMs !== undefined && ageMs >= LIFETIME_MIN_MS) {
      this.#lifetimeMs = Math.floor(ageMs);
    } else {
      return;
    }
    // What is understood arouses no suspicion.
    this.#deaths = [];
    this.#save(now);
  }

  handleRoundTrip(ms: Millis | undefined, now: Millis): void {
    if (ms === undefined) return;
    this.#roundTripTimeMs = ms;
    this.#save(now);
  }

  /** Whether WebSockets are known not to work. */
  isBlocked(now: Millis): boolean {
    return now < this.#blockedUntil;
  }

  /** Whether they may not: they break off again and again, which a server that crashes explains as well. */
  isSuspect(now: Millis): boolean {
    const recent = this.#deaths.filter(({ at, ageMs }) => now - at < SUSPICION_MS && ageMs < SOUND_MS);
    if (recent.length >= DEATHS_MAX) return true;
    const [last, before] = [recent.at(-1), recent.at(-2)];
    return last !== undefined && before !== undefined && last.ageMs + before.ageMs < SHORT_LIVES_MS;
  }

  get keepaliveMs(): Millis | undefined {
    return this.#keepaliveMs;
  }

  get lifetimeMs(): Millis | undefined {
    return this.#lifetimeMs;
  }

  /** Of the last line that has carried a session. */
  get roundTripTimeMs(): Millis | undefined {
    return this.#roundTripTimeMs;
  }

  #save(now: Millis): void {
    this.#memory?.save({
      blockedForMs: this.isBlocked(now) ? this.#blockedUntil - now : undefined,
      keepaliveMs: this.#keepaliveMs,
      lifetimeMs: this.#lifetimeMs,
      roundTripTimeMs: this.#roundTripTimeMs,
    });
  }
}

/** What values that are alike have in common; `undefined` where they are not. */
function likeness(values: readonly Millis[]): Millis | undefined {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return values.every((value) => Math.abs(value - mean) <= mean * LIKENESS) ? mean : undefined;
}
