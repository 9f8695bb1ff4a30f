import type { Priority } from "../wire/frame.js";
import type { SendChannel } from "./send-channel.js";

/** Deficit round robin with weights 4 : 1; a low channel needs four rounds for one chunk. */
const LOW_SHARE = 4;

/** Whether a channel may cut a chunk now, or would if there were room, or waits for something of its own. */
export type Readiness = "ready" | "no-room" | "not-ready";

/**
 * Decides which channel sends next: `high` before the rest, in turn among themselves; `normal` and `low` by deficit
 * round robin (Shreedhar and Varghese, 1995). A channel that becomes backlogged goes before those that have been
 * for longer, for one quantum, and joins them afterwards, as in RFC 8290, 4.1: a chat line does not wait for the
 * round of the uploads, and cannot gain more than its share by pausing.
 *
 * Invariant: a channel is in the list that its `turn` names and in no other; every backlogged channel is in one.
 */
export class Scheduler {
  readonly #quantumBytes: number;
  readonly #lists: { high: SendChannel[]; fresh: SendChannel[]; old: SendChannel[] } = { high: [], fresh: [], old: [] };

  constructor(quantumBytes: number) {
    this.#quantumBytes = quantumBytes;
  }

  /** Call whenever a channel may have got something to send. */
  handleBacklog(channel: SendChannel): void {
    if (channel.turn !== "none" || !channel.isBacklogged) return;
    channel.deficitBytes = this.#quantum(channel.priority);
    this.#enter(channel, channel.priority === "high" ? "high" : "fresh");
  }

  /** Call after a change of `channel.priority`, also in the middle of a message. */
  handlePriority(channel: SendChannel): void {
    if (channel.turn === "none") return;
    this.#leave(channel);
    this.handleBacklog(channel);
  }

  /**
   * The channel whose turn it is, among those that are ready. A high one that lacks nothing but room holds everybody: what
   * little there is would else go to smaller messages of less urgency, again and again. Changes nothing that `ask` sees.
   */
  pick(ask: (channel: SendChannel) => Readiness): SendChannel | undefined {
    const high = this.#lists.high;
    for (let i = 0; i < high.length; i++) {
      const channel = high[i] as SendChannel;
      if (!channel.isBacklogged) {
        this.#leave(channel);
        i -= 1;
        continue;
      }
      const readiness = ask(channel);
      if (readiness === "ready") return channel;
      if (readiness === "no-room") return undefined;
    }
    return this.#pickFair(ask);
  }

  /** Charges `bytes` to the channel that was picked. */
  charge(channel: SendChannel, bytes: number): void {
    channel.deficitBytes -= bytes;
    if (channel.turn !== "high") return;
    this.#leave(channel);
    this.#enter(channel, "high");
  }

  remove(channel: SendChannel): void {
    if (channel.turn !== "none") this.#leave(channel);
  }

  #pickFair(ask: (channel: SendChannel) => Readiness): SendChannel | undefined {
    // Channels that may not cut now wait outside the rounds: a round with nothing else would never end.
    const waiting = new Set<SendChannel>();
    // While somebody whose turn it is lacks nothing but room, the round stands still: if it went on, those behind would
    // gain weight, or become fresh again, with every look at a full window.
    let isHeld = false;
    for (;;) {
      const channel = this.#next(waiting);
      if (channel === undefined) return undefined;
      if (channel.deficitBytes > 0 && channel.isBacklogged) {
        const readiness = ask(channel);
        if (readiness === "ready") return channel;
        if (readiness === "no-room") isHeld = true;
        waiting.add(channel);
      } else if (isHeld) {
        waiting.add(channel);
      } else if (channel.deficitBytes <= 0) {
        channel.deficitBytes += this.#quantum(channel.priority);
        this.#leave(channel);
        this.#enter(channel, "old");
      } else {
        // From fresh to old first: leaving at once would make it fresh again with its next message.
        const next = channel.turn === "fresh" && this.#lists.old.length > 0 ? "old" : "none";
        this.#leave(channel);
        if (next === "old") this.#enter(channel, "old");
      }
    }
  }

  #next(waiting: ReadonlySet<SendChannel>): SendChannel | undefined {
    const isFree = (channel: SendChannel) => !waiting.has(channel);
    return this.#lists.fresh.find(isFree) ?? this.#lists.old.find(isFree);
  }

  #enter(channel: SendChannel, list: "high" | "fresh" | "old"): void {
    channel.turn = list;
    this.#lists[list].push(channel);
  }

  #leave(channel: SendChannel): void {
    if (channel.turn === "none") return;
    const list = this.#lists[channel.turn];
    list.splice(list.indexOf(channel), 1);
    channel.turn = "none";
  }

  #quantum(priority: Priority): number {
    return priority === "low" ? Math.ceil(this.#quantumBytes / LOW_SHARE) : this.#quantumBytes;
  }
}
