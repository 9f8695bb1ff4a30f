import type { Fate } from "../../src/core/send/outgoing-messages.js";
import { Violation } from "./world.js";

/** What may drop a message of which nothing has left. */
export interface Perish {
  readonly key?: string | undefined;
  readonly expiresAt?: number | undefined;
  /** Which of the channels that have had this name, one after the other. */
  readonly generation?: number;
}

/** One message as its sender's application knows it. */
export interface Note {
  readonly id: number;
  readonly channel: string;
  readonly data: string | Uint8Array;
  readonly size: number;
  readonly isPulled: boolean;
  readonly perish: Perish;
  /** Whether the far end may refuse it: it is over the limit, which is only known there. */
  readonly isRefusable: boolean;
  /** Whether the far end's application has got it. */
  isReceived: boolean;
  /** Whether any of it has left, as the sender was told. */
  hasLeft: boolean;
  /** What the sender was told last. */
  fate: "pending" | "delivered" | Fate;
}

/**
 * What one end of one session has sent, and what has become of it: seen from outside, by the two applications. Holds that
 * each message comes exactly once, in the order of its channel, as it was; and that receipts tell the truth.
 */
export class Ledger {
  readonly name: string;
  readonly notes: Note[] = [];
  /** Per channel, in order: what may still come. */
  readonly #expected = new Map<string, Note[]>();
  #pendingCount = 0;

  constructor(name: string) {
    this.name = name;
  }

  send(
    channel: string,
    data: string | Uint8Array,
    size: number,
    isPulled: boolean,
    perish: Perish = {},
    isRefusable = false,
  ): Note {
    const id = this.notes.length + 1;
    const note: Note = {
      id,
      channel,
      data,
      size,
      isPulled,
      perish,
      isRefusable,
      isReceived: false,
      hasLeft: false,
      fate: "pending",
    };
    this.notes.push(note);
    const expected = this.#expected.get(channel);
    if (expected === undefined) this.#expected.set(channel, [note]);
    else expected.splice(this.#placeIn(expected, note), 0, note);
    this.#pendingCount += 1;
    return note;
  }

  /** The far end's application gets a message. */
  receive(channel: string, data: string | Uint8Array): void {
    const expected = this.#expected.get(channel) ?? [];
    let note = expected.shift();
    // What its sender was told would never come.
    while (note !== undefined && (isBanned(note) || (note.isRefusable && !isSame(note.data, data)))) {
      note = expected.shift();
    }
    if (note === undefined || !isSame(note.data, data)) throw this.#mismatch(note, channel, data);
    note.isReceived = true;
  }

  /** The sender is told that the message has arrived. */
  deliver(note: Note): void {
    if (!note.isReceived)
      throw new Violation("fate", `${this.name}: message ${note.id} is "delivered", and never came`);
    this.#settle(note, "delivered");
  }

  /** The sender is told that the message has ended otherwise. */
  drop(note: Note, fate: Fate, now: number = Number.POSITIVE_INFINITY): void {
    if ((fate === "expired" || fate === "superseded") && note.hasLeft) {
      throw new Violation("expiry", `${this.name}: message ${note.id} is "${fate}", and has begun to leave`);
    }
    const { expiresAt } = note.perish;
    if (fate === "expired" && (expiresAt === undefined || now < expiresAt)) {
      throw new Violation("expiry", `${this.name}: message ${note.id} has expired before its time`);
    }
    if (fate === "superseded" && note.perish.key === undefined) {
      throw new Violation("expiry", `${this.name}: message ${note.id} is "superseded", and has no key`);
    }
    if (fate !== "unknown" && note.isReceived) {
      throw new Violation("fate", `${this.name}: message ${note.id} is "${fate}", and came`);
    }
    if (fate === "too-large" && !note.isRefusable) {
      throw new Violation("fate", `${this.name}: message ${note.id} is "too-large", and is not`);
    }
    if (fate === "refused" && !note.hasLeft) {
      throw new Violation("fate", `${this.name}: message ${note.id} is "refused", and nothing of it has left`);
    }
    if (fate === "unknown" && !note.hasLeft) {
      throw new Violation("fate", `${this.name}: message ${note.id} is "unknown", and nothing of it has left`);
    }
    this.#settle(note, fate);
  }

  /** Messages whose sender has not been told how they ended. */
  get pendingCount(): number {
    return this.#pendingCount;
  }

  /** Behind all others, or before the one that it replaces, which does not come any more. */
  #placeIn(expected: readonly Note[], { perish }: Note): number {
    const { key, generation } = perish;
    const place = expected.findIndex(
      ({ perish: old, hasLeft, fate }) =>
        key !== undefined && old.key === key && old.generation === generation && !hasLeft && fate === "pending",
    );
    return place === -1 ? expected.length : place;
  }

  /** Says what is wrong with a message that is not the next one. */
  #mismatch(next: Note | undefined, channel: string, data: string | Uint8Array): Violation {
    const came = this.notes.find((note) => note.channel === channel && isSame(note.data, data));
    const expected = next === undefined ? "nothing" : `message ${next.id}`;
    const where = `${this.name}: on "${channel}", where ${expected} was due, came`;
    if (came === undefined) return new Violation("content", `${where} what was never sent`);
    if (came.isReceived) return new Violation("exactly-once", `${where} message ${came.id} for the second time`);
    if (isBanned(came)) return new Violation("fate", `${where} message ${came.id}, which was ${came.fate}`);
    return new Violation("order", `${where} message ${came.id}`);
  }

  #settle(note: Note, fate: Note["fate"]): void {
    if (note.fate !== "pending") {
      throw new Violation("fate", `${this.name}: message ${note.id} ends as ${fate} after ${note.fate}`);
    }
    note.fate = fate;
    this.#pendingCount -= 1;
  }
}

function isBanned({ fate }: Note): boolean {
  return fate !== "pending" && fate !== "delivered" && fate !== "unknown";
}

function isSame(a: string | Uint8Array, b: string | Uint8Array): boolean {
  if (typeof a === "string" || typeof b === "string") return a === b;
  return a.length === b.length && Buffer.compare(a, b) === 0;
}
