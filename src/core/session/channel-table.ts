import type { ChannelKey } from "../send/send-channel.js";

/** The incoming direction of a channel. */
export type Incoming = "unopened" | "open" | "ended";

export interface ChannelEntry {
  readonly key: ChannelKey;
  readonly name: string;
  incoming: Incoming;
  /** The wire id the peer has given it; valid while `incoming` is `"open"`. */
  incomingId: number | undefined;
}

/**
 * Names, keys and the peer's wire ids of the channels of one session. The default channel has no entry.
 *
 * Invariant: one entry per name, one per key, one per open incoming id.
 */
export class ChannelTable {
  readonly #byName = new Map<string, ChannelEntry>();
  readonly #byKey = new Map<ChannelKey, ChannelEntry>();
  readonly #byIncomingId = new Map<number, ChannelEntry>();
  #lastKey: ChannelKey = 0;

  add(name: string): ChannelEntry {
    this.#lastKey += 1;
    const entry: ChannelEntry = { key: this.#lastKey, name, incoming: "unopened", incomingId: undefined };
    this.#byName.set(name, entry);
    this.#byKey.set(entry.key, entry);
    return entry;
  }

  bind(entry: ChannelEntry, incomingId: number): void {
    entry.incoming = "open";
    entry.incomingId = incomingId;
    this.#byIncomingId.set(incomingId, entry);
  }

  unbind(entry: ChannelEntry): void {
    this.#byIncomingId.delete(entry.incomingId as number);
    entry.incoming = "ended";
    entry.incomingId = undefined;
  }

  remove(entry: ChannelEntry): void {
    this.#byName.delete(entry.name);
    this.#byKey.delete(entry.key);
  }

  named(name: string): ChannelEntry | undefined {
    return this.#byName.get(name);
  }

  keyed(key: ChannelKey): ChannelEntry | undefined {
    return this.#byKey.get(key);
  }

  incoming(id: number): ChannelEntry | undefined {
    return this.#byIncomingId.get(id);
  }

  /** Channels beside the default one. */
  get size(): number {
    return this.#byKey.size;
  }

  /** Those of them whose incoming direction is open. */
  get incomingCount(): number {
    return this.#byIncomingId.size;
  }
}
