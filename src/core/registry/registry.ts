import { keyOf } from "../bytes.js";
import { Fifo } from "../fifo.js";
import { invariant } from "../invariant.js";
import type { Millis } from "../time.js";
import type { Hello } from "../wire/handshake.js";
import { Budget, type BudgetLimits } from "./budget.js";
import { Credentials, type Hash } from "./credentials.js";

/** Bounds of what a server keeps for its clients. */
export interface RegistryLimits extends BudgetLimits {
  /** How long a session is kept without a transport, ms. 0: not at all. */
  readonly resumeWindowMs: Millis;
  /** Sessions of one principal. Where there are more, the one that has been parked longest leaves. Default 16. */
  readonly principalSessionsMax: number;
}

/**
 * Attempts remembered beyond the end of their sessions, so that a HELLO that comes late makes no second one (RES-04). The
 * number bounds the memory, some 10 MB.
 */
const ATTEMPTS_MAX = 65_536;

/**
 * For how long at least, ms; where sessions are kept for longer without a transport, for that long. Where they are not
 * kept at all, a client whose first line was cut in the handshake repeats its attempt all the same, with what it has sent.
 */
const ATTEMPT_MEMORY_MS = 120_000;

/** Who a client is, as its server knows it: what a session belongs to (RES-07). */
export interface Owner {
  /** The `Origin` of the request; empty for none. */
  readonly origin: string;
  /** Names the principal; `undefined` where the application knows none. */
  readonly principal: string | undefined;
}

/** What to do with a client that the application has let in. */
export type Decision<Session> =
  | { readonly type: "create" }
  /** Cut the session's transport, then attach this one. */
  | { readonly type: "attach"; readonly entry: Entry<Session> }
  /** The session named does not exist, or is not this client's: it must not learn which (RES-07). */
  | { readonly type: "refuse" }
  /** Not now: too many sessions. */
  | { readonly type: "busy" };

/** One session, as the registry knows it. */
export interface Entry<Session> {
  readonly session: Session;
  readonly idKey: string;
  readonly attemptKey: string;
  readonly owner: Owner;
  readonly credentials: Credentials;
  /** The epoch of its last attachment. */
  epoch: number;
  /** When it expires; `undefined` while it has a transport. */
  expiresAt: Millis | undefined;
}

/** What a session is asked before it is given a transport. */
export type CanAttach<Session> = (session: Session, received: number) => boolean;

/**
 * The sessions of a server: who they belong to, which are parked and until when, which leave when memory runs short.
 * Pure: the host makes ids and tokens, and ends what `pollEvicted` names.
 *
 * Invariant: one entry per session id and per attempt; an attempt is remembered for as long as a copy of its HELLO may come.
 */
export class Registry<Session> {
  readonly #limits: RegistryLimits;
  readonly #hash: Hash;
  /** Names this memory, as a key. */
  readonly #instance: string;
  readonly #canAttach: CanAttach<Session>;
  readonly #budget: Budget<Entry<Session>>;
  readonly #byId = new Map<string, Entry<Session>>();
  /** Entries of sessions that are there, `undefined` for those that have ended. */
  readonly #byAttempt = new Map<string, Entry<Session> | undefined>();
  readonly #endedAttempts: Fifo<{ readonly key: string; readonly forgottenAt: Millis }> = new Fifo();
  /** In the order of parking, and so of expiry. */
  readonly #parked = new Set<Entry<Session>>();
  readonly #byPrincipal = new Map<string, Set<Entry<Session>>>();
  readonly #evicted: Fifo<Entry<Session>> = new Fifo();

  /** @param instance names this server's memory of sessions and attempts (RES-04) */
  constructor(limits: RegistryLimits, hash: Hash, instance: Uint8Array, canAttach: CanAttach<Session>) {
    this.#limits = limits;
    this.#hash = hash;
    this.#instance = keyOf(instance);
    this.#canAttach = canAttach;
    this.#budget = new Budget(limits);
  }

  /** What becomes of a client that has said `hello` and was let in by the application. Changes nothing but who leaves. */
  decide(hello: Hello, owner: Owner, now: Millis): Decision<Session> {
    const { resume, received = 0 } = hello;
    const entry =
      resume === undefined ? this.#byAttempt.get(keyOf(hello.attemptId)) : this.#byId.get(keyOf(resume.sessionId));
    if (entry !== undefined) {
      const knows =
        resume === undefined ? entry.credentials.allowsAttempt : entry.credentials.accepts(this.#hash(resume.token));
      const isOwner = entry.owner.origin === owner.origin && entry.owner.principal === owner.principal;
      const isLater = hello.epoch > entry.epoch;
      if (!knows || !isOwner || !isLater || !this.#canAttach(entry.session, received)) return { type: "refuse" };
      return { type: "attach", entry };
    }
    // A session that is gone, or an attempt whose session is.
    const isKnown = resume !== undefined || this.#byAttempt.has(keyOf(hello.attemptId));
    if (isKnown || this.#isElsewhere(hello)) return { type: "refuse" };
    return this.#hasRoom(owner, now) ? { type: "create" } : { type: "busy" };
  }

  /** A session was made for a client that `decide` has said "create" for. `token`: what it resumes with. */
  add(session: Session, sessionId: Uint8Array, token: Uint8Array, hello: Hello, owner: Owner): Entry<Session> {
    const entry: Entry<Session> = {
      session,
      idKey: keyOf(sessionId),
      attemptKey: keyOf(hello.attemptId),
      owner,
      credentials: new Credentials(this.#hash(token)),
      epoch: hello.epoch,
      expiresAt: undefined,
    };
    invariant(!this.#byId.has(entry.idKey) && !this.#byAttempt.has(entry.attemptKey), "a session is added once");
    this.#byId.set(entry.idKey, entry);
    this.#byAttempt.set(entry.attemptKey, entry);
    this.#peers(owner)?.add(entry);
    return entry;
  }

  /** `entry` gets the transport of a client that `decide` has said "attach" for; `token` replaces the one it came with. */
  attach(entry: Entry<Session>, hello: Hello, token: Uint8Array): void {
    invariant(hello.epoch > entry.epoch, "epochs rise");
    entry.epoch = hello.epoch;
    entry.expiresAt = undefined;
    this.#parked.delete(entry);
    this.#budget.unpark(entry);
    entry.credentials.rotate(hello.resume && this.#hash(hello.resume.token), this.#hash(token));
  }

  /** The client has its newest token: those before are of no use any more. */
  confirm(entry: Entry<Session>): void {
    entry.credentials.confirm();
  }

  /** `entry` has lost its transport; `epoch`: which, where another one may have followed already. */
  park(entry: Entry<Session>, now: Millis, epoch: number = entry.epoch): void {
    if (this.#byId.get(entry.idKey) !== entry || epoch !== entry.epoch) return;
    this.#parked.delete(entry);
    this.#parked.add(entry);
    entry.expiresAt = now + this.#limits.resumeWindowMs;
    this.#budget.park(entry);
    this.#shed(now);
  }

  /** `entry` has ended. */
  remove(entry: Entry<Session>, now: Millis): void {
    if (this.#byId.get(entry.idKey) !== entry) return;
    this.#byId.delete(entry.idKey);
    this.#byAttempt.set(entry.attemptKey, undefined);
    const memoryMs = Math.max(this.#limits.resumeWindowMs, ATTEMPT_MEMORY_MS);
    this.#endedAttempts.push({ key: entry.attemptKey, forgottenAt: now + memoryMs });
    if (this.#endedAttempts.length > ATTEMPTS_MAX) this.#forget();
    this.#parked.delete(entry);
    this.#budget.remove(entry);
    const { principal } = entry.owner;
    const peers = principal === undefined ? undefined : this.#byPrincipal.get(principal);
    peers?.delete(entry);
    if (principal !== undefined && peers?.size === 0) this.#byPrincipal.delete(principal);
  }

  /** The session of `entry` holds so many bytes now. */
  account(entry: Entry<Session>, heldBytes: number, now: Millis): void {
    if (this.#byId.get(entry.idKey) !== entry) return;
    if (this.#budget.account(entry, heldBytes)) this.#shed(now);
  }

  /** Bytes held before there is a session: early data. */
  accountEarly(deltaBytes: number): void {
    this.#budget.accountOther(deltaBytes);
  }

  handleDeadline(now: Millis): void {
    for (const entry of this.#parked) {
      if ((entry.expiresAt ?? now) > now) break;
      this.#evict(entry, now);
    }
    for (let oldest = this.#endedAttempts.peek(); oldest !== undefined && oldest.forgottenAt <= now; ) {
      this.#forget();
      oldest = this.#endedAttempts.peek();
    }
  }

  /** A session that had to go: the host ends it. */
  pollEvicted(): Entry<Session> | undefined {
    return this.#evicted.shift();
  }

  nextDeadline(): Millis | undefined {
    const expiresAt = this.#parked.values().next().value?.expiresAt;
    const forgottenAt = this.#endedAttempts.peek()?.forgottenAt;
    if (expiresAt === undefined || forgottenAt === undefined) return expiresAt ?? forgottenAt;
    return Math.min(expiresAt, forgottenAt);
  }

  /** All sessions that are there. */
  entries(): Iterable<Entry<Session>> {
    return this.#byId.values();
  }

  /** Whether a session of this id is there. */
  has(sessionId: Uint8Array): boolean {
    return this.#byId.has(keyOf(sessionId));
  }

  /** Whether another client would be too much. */
  get isFull(): boolean {
    return this.#budget.isFull;
  }

  get size(): number {
    return this.#byId.size;
  }

  get parkedCount(): number {
    return this.#parked.size;
  }

  /** Attempts known, those of sessions that are there and those remembered. */
  get attemptsCount(): number {
    return this.#byAttempt.size;
  }

  get heldBytes(): number {
    return this.#budget.heldBytes;
  }

  /** Whether another server may have read what the client has sent: only the session that it has made will do (RES-04). */
  #isElsewhere({ received, reader }: Hello): boolean {
    if (received === undefined) return false;
    return reader === undefined || reader.length === 0 || keyOf(reader) !== this.#instance;
  }

  #hasRoom(owner: Owner, now: Millis): boolean {
    if (this.#budget.isFull) return false;
    const peers = owner.principal === undefined ? undefined : this.#byPrincipal.get(owner.principal);
    if (peers === undefined || peers.size < this.#limits.principalSessionsMax) return true;
    const oldest = [...peers]
      .filter(({ expiresAt }) => expiresAt !== undefined)
      .sort((a, b) => (a.expiresAt as number) - (b.expiresAt as number))[0];
    if (oldest === undefined) return false;
    this.#evict(oldest, now);
    return true;
  }

  #peers({ principal }: Owner): Set<Entry<Session>> | undefined {
    if (principal === undefined) return undefined;
    const known = this.#byPrincipal.get(principal);
    if (known !== undefined) return known;
    const peers = new Set<Entry<Session>>();
    this.#byPrincipal.set(principal, peers);
    return peers;
  }

  /** Whoever costs most leaves, until there is room. */
  #shed(now: Millis): void {
    for (let entry = this.#budget.pollExcess(); entry !== undefined; entry = this.#budget.pollExcess()) {
      this.#evict(entry, now);
    }
  }

  /** From here on nobody can resume it; the host learns of it with its next `pollEvicted`. */
  #evict(entry: Entry<Session>, now: Millis): void {
    this.remove(entry, now);
    this.#evicted.push(entry);
  }

  #forget(): void {
    const oldest = this.#endedAttempts.shift();
    if (oldest !== undefined) this.#byAttempt.delete(oldest.key);
  }
}
