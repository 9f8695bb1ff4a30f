import { SluiceError } from "../../src/core/error.js";
import type { ChannelKey } from "../../src/core/send/send-channel.js";
import type { SessionEvent } from "../../src/core/session/events.js";
import type { Session } from "../../src/core/session/session.js";
import type { Priority } from "../../src/core/wire/frame.js";
import { TestText } from "../support/ports.js";
import { Consumer } from "./consumer.js";
import type { Ledger, Note } from "./ledger.js";
import { Violation, type World } from "./world.js";

/** What an application does next. */
export type Deed =
  | {
      readonly type: "send";
      readonly channel: string;
      readonly size: number;
      readonly as: "bytes" | "text" | "source";
      readonly ttl?: number | undefined;
      readonly key?: string | undefined;
    }
  | { readonly type: "cancel" }
  | { readonly type: "close-channel"; readonly channel: string }
  | { readonly type: "prioritize"; readonly channel: string; readonly priority: Priority };

/** What becomes of the deeds of all applications. */
export interface Tally {
  messages: number;
  received: number;
  cancelled: number;
  expired: number;
  superseded: number;
}

const PRIORITIES: Record<string, Priority> = { h: "high", H: "high", n: "normal", l: "low" };

const encoder = new TextEncoder();

/** High messages up to this size leave in one chunk, and are watched for what overtakes them. */
const WATCHED_BYTES = 512;

/**
 * The application at one end of one session. It knows what an application knows: what it has sent, what it was told, and
 * what it gets.
 */
export class App {
  readonly session: Session;
  readonly out: Ledger;
  readonly #world: World;
  readonly #tally: Tally;
  readonly #input: (run: () => void) => void;
  readonly #consumer: Consumer;
  readonly #notes = new Map<number, Note>();
  readonly #keys = new Map<string, ChannelKey>([["", 0]]);
  readonly #names = new Map<ChannelKey, string>([[0, ""]]);
  /** Small messages of high channels that wait to leave, and the bytes of new batches that have left meanwhile. */
  readonly #urgent = new Map<number, number>();
  /** Other messages of high channels that have not all left: they take their turns with the small ones. */
  readonly #high = new Set<number>();
  #hasHighBulk = false;
  /** From then on, what is high cannot be told by the name of a channel. */
  #isReprioritized = false;
  /** What the events of the newest batch have told. */
  #hasUrgentLeft = false;
  #hasOtherLeft = false;

  /** @param input makes something an input of the session's host, which then lets everything follow */
  constructor(
    world: World,
    tally: Tally,
    session: Session,
    ledgers: { out: Ledger; incoming: () => Ledger },
    input: (run: () => void) => void,
  ) {
    this.#world = world;
    this.#tally = tally;
    this.session = session;
    this.out = ledgers.out;
    this.#input = input;
    this.#consumer = new Consumer(
      world,
      session,
      (channel, data) => {
        tally.received += 1;
        ledgers.incoming().receive(this.#name(channel), data);
      },
      input,
      () => this.#hostNow(),
    );
    this.#consumer.open(0);
  }

  do(deed: Deed, now: number): void {
    switch (deed.type) {
      case "send":
        return this.#send(deed, now);
      case "cancel":
        return this.#cancel(now);
      case "close-channel": {
        const key = this.#keys.get(deed.channel);
        if (key !== undefined && key !== 0) this.session.closeChannel(key, now);
        return;
      }
      case "prioritize": {
        const key = this.#keys.get(deed.channel);
        if (key !== undefined) this.session.setPriority(key, deed.priority, now);
        this.#isReprioritized = true;
      }
    }
  }

  handleEvent(event: SessionEvent): void {
    switch (event.type) {
      case "message":
      case "incoming":
      case "piece":
      case "incoming-reset":
        return this.#consumer.handle(event);
      case "channel":
        this.#keys.set(event.name, event.channel);
        this.#names.set(event.channel, event.name);
        this.#consumer.open(event.channel);
        return;
      case "channel-closed": {
        const name = this.#name(event.channel);
        this.#keys.delete(name);
        return;
      }
      case "started":
      case "written":
        this.#handleLeft(this.#note(event.message));
        if (event.type === "written") this.#high.delete(event.message);
        if (this.#urgent.delete(event.message)) this.#hasUrgentLeft = true;
        if (PRIORITIES[this.#note(event.message).channel] !== "high") this.#hasOtherLeft = true;
        return;
      case "delivered":
        return this.out.deliver(this.#note(event.message));
      case "dropped":
        this.#urgent.delete(event.message);
        this.#high.delete(event.message);
        if (event.fate === "expired" || event.fate === "superseded") this.#tally[event.fate] += 1;
        return this.out.drop(this.#note(event.message), event.fate, this.#hostNow());
      case "pull":
        return this.#pull(event.message, event.offset);
      default:
    }
  }

  /**
   * A numbered batch has left for the first time, and its events have been handled. Where an urgent message was waiting
   * before that, and is still, it has been overtaken: one chunk may do so, as it may have been cut already (PRI).
   */
  handleNewBatch(bytes: number, wasUrgent: boolean, chunkBytes: number): void {
    // Of the middle of a message no event tells: where another high one is under way it may be the one.
    const isHighs = this.#high.size > 0 && !this.#hasOtherLeft;
    const isTurn = this.#hasUrgentLeft || isHighs || this.#isReprioritized;
    this.#hasUrgentLeft = false;
    this.#hasOtherLeft = false;
    if (!wasUrgent) return;
    for (const [message, waitedBytes] of this.#urgent) {
      const overtakingBytes = isTurn ? 0 : waitedBytes + bytes;
      this.#urgent.set(message, overtakingBytes);
      // Where high messages have been large, they have had their half, and others have theirs in turn.
      const chunks = this.#hasHighBulk ? 4 : 1;
      if (overtakingBytes <= chunks * chunkBytes + 64) continue;
      throw new Violation("priority", `${this.out.name}: ${overtakingBytes} bytes have overtaken a high message`);
    }
  }

  get isUrgent(): boolean {
    return this.#urgent.size > 0;
  }

  #send(deed: Extract<Deed, { type: "send" }>, now: number): void {
    let name = deed.channel;
    let key = this.#open(name, now);
    if (key === undefined || this.session.isSendClosed(key)) [name, key] = ["", 0];
    if (this.session.isSendClosed(key)) return;
    const { data, bytes } = content(this.out.notes.length + 1, deed, this.#world);
    const given = typeof data === "string" ? new TestText(data) : bytes;
    const isWhole = deed.as !== "source";
    const totalBytes = isWhole || this.#world.random.chance(0.5) ? bytes.length : undefined;
    const expiresAt = deed.ttl === undefined ? undefined : now + deed.ttl;
    const perish = { key: deed.key, expiresAt, generation: key };
    const isRefusable = !isWhole && bytes.length > this.session.messageBytesMax;
    const note = this.out.send(name, data, bytes.length, !isWhole, perish, isRefusable);
    this.#tally.messages += 1;
    const text = typeof data === "string";
    const init = { text, totalBytes, wantsProgress: note.id % 4 === 0, expiresAt, key: deed.key };
    const id = this.session.send(key, isWhole ? { ...init, bytes: given } : init, now);
    this.#notes.set(id, note);
    const isHigh = PRIORITIES[name] === "high" && !this.#isReprioritized;
    const isWatched = isHigh && isWhole && bytes.length <= WATCHED_BYTES && this.#isAlone(name);
    if (isWatched) this.#urgent.set(id, 0);
    else if (isHigh) this.#high.add(id);
    if (isHigh && bytes.length > WATCHED_BYTES) this.#hasHighBulk = true;
    this.#world.tell?.(`${this.out.name} sends ${note.id} on "${name}", ${bytes.length} bytes as ${deed.as}`);
  }

  #handleLeft(note: Note): void {
    if (!note.hasLeft && this.#hostNow() >= (note.perish.expiresAt ?? Number.POSITIVE_INFINITY)) {
      throw new Violation("expiry", `${this.out.name}: message ${note.id} begins to leave when its time is over`);
    }
    note.hasLeft = true;
  }

  /** Whether nothing large or slow is ahead on the same channel, or may come to be. */
  #isAlone(name: string): boolean {
    for (const note of this.#notes.values()) {
      if (
        note.channel === name &&
        note.fate === "pending" &&
        (note.size > WATCHED_BYTES || note.isPulled || note.perish.key !== undefined)
      )
        return false;
    }
    return true;
  }

  #open(name: string, now: number): ChannelKey | undefined {
    const known = this.#keys.get(name);
    if (known !== undefined) return known;
    try {
      const key = this.session.openChannel(name, PRIORITIES[name] ?? "normal", now);
      this.#keys.set(name, key);
      this.#names.set(key, name);
      this.#consumer.open(key);
      return key;
    } catch (error) {
      if (error instanceof SluiceError && error.code === "ERR_USAGE_CHANNEL_CLOSED") return undefined;
      throw error;
    }
  }

  #cancel(now: number): void {
    const pending = [...this.#notes].filter(([, note]) => note.fate === "pending");
    if (pending.length === 0) return;
    const [id, note] = this.#world.random.pick(pending);
    const isBack = this.session.cancel(id, now);
    this.#world.tell?.(`${this.out.name} cancels ${note.id}: ${isBack}`);
    if (isBack) this.#tally.cancelled += 1;
    if (isBack && note.isReceived) throw new Violation("fate", `${this.out.name}: ${note.id} is taken back, and came`);
  }

  /** A source answers at once, or some time later, with as much as it likes. */
  #pull(id: number, offset: number): void {
    const note = this.#note(id);
    const { data } = note;
    if (typeof data === "string") return;
    const end = Math.min(data.length, offset + this.#world.random.between(1, 3000));
    const supply = () => {
      if (note.fate !== "pending") return;
      const piece = data.slice(offset, end);
      this.#input(() => this.session.supply(id, piece, end === data.length, this.#hostNow()));
    };
    this.#world.after(this.#world.random.chance(0.7) ? 0 : this.#world.random.scale(1, 300), supply);
  }

  /** Set by the host: its clock. */
  hostNow: (() => number) | undefined;

  #hostNow(): number {
    return this.hostNow?.() ?? this.#world.now;
  }

  #name(key: ChannelKey): string {
    const name = this.#names.get(key);
    if (name === undefined)
      throw new Violation("api", `${this.out.name}: an event of channel ${key}, which never opened`);
    return name;
  }

  #note(id: number): Note {
    const note = this.#notes.get(id);
    if (note === undefined)
      throw new Violation("api", `${this.out.name}: an event of message ${id}, which was never sent`);
    return note;
  }
}

/** Random bytes that every message takes its own from: making them anew for each would cost more than all the rest. */
const NOISE = makeNoise(256 * 1024);

function makeNoise(size: number): Uint8Array {
  const noise = new Uint8Array(size);
  let state = 1;
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    noise[i] = state >>> 16;
  }
  return noise;
}

/** A message that differs from all others of its end, if it has the room. */
function content(
  id: number,
  deed: { size: number; as: string },
  world: World,
): { data: string | Uint8Array; bytes: Uint8Array } {
  if (deed.as === "text") {
    const data = `${id}:ü`.padEnd(deed.size, "sluice ").slice(0, deed.size);
    return { data, bytes: encoder.encode(data) };
  }
  const from = world.random.below(NOISE.length - deed.size);
  const data = NOISE.slice(from, from + deed.size);
  if (data.length >= 2) [data[0], data[1]] = [id & 0xff, id >> 8];
  // The engine owns what it is given; a view of the same bytes is what applications hand over, too.
  return { data, bytes: data };
}
