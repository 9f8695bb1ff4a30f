import type { Priority } from "../wire/frame.js";
import type { SendChannel } from "./send-channel.js";

/** Deficit round robin with weights 4 : 1; a low channel needs four rounds for one chunk. */
const LOW_SHARE = 4;

/**
 * What `high` may take from the others at once, and send beyond a full window, bytes. A screenful of chat lines; the
 * others lose 13 ms on a line of 10 Mbit/s, 130 ms on one of 1 Mbit/s.
 */
export const HIGH_TOKENS_MAX: number = 16 * 1024;

/** The part of what comes through that `high` may have while others wait. */
const HIGH_SHARE = 1 / 2;

/** Whether a channel may cut a chunk now, or would if there were room, or waits for something of its own. */
export type Readiness = "ready" | "no-room" | "not-ready";

/** @param overdraftBytes what the channel may send even where the window is full */
export type Ask = (channel: SendChannel, overdraftBytes: number) => Readiness;

/**
 * Decides which channel sends next: `high` before the rest, in turn among themselves; `normal` and `low` by deficit
 * round robin (Shreedhar and Varghese, 1995). A channel that becomes backlogged goes before those that have been
 * for longer, for one quantum, and joins them afterwards, as in RFC 8290, 4.1: a chat line does not wait for the
 * round of the uploads, and cannot gain more than its share by pausing.
 *
 * What `high` takes from the others it pays for from a bucket, which acks fill with half of what has come through, so
 * that no timer is needed. While the bucket is empty it goes behind them: what they leave is its own.
 *
 * Invariant: a channel is in the list that its `turn` names and in no other; every backlogged channel is in one.
 * `-tokens` is less than a chunk.
 */
export class Scheduler {
  readonly #quantumBytes: number;
  readonly #lists: { high: SendChannel[]; fresh: SendChannel[]; old: SendChannel[] } = { high: [], fresh: [], old: [] };
  /** What `high` may still take from the others, bytes. The last chunk may take it below zero. */
  #tokens = HIGH_TOKENS_MAX;
  /** Whether the channel that was picked has taken the place of another, or room that is not there. */
  #isTaking = false;

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
    const { turn, priority } = channel;
    if (turn === "none" || (turn === "high") === (priority === "high")) {
      // It keeps its place: who could go to the front by this would never have to leave it.
      channel.deficitBytes = Math.min(channel.deficitBytes, this.#quantum(priority));
      return;
    }
    this.#leave(channel);
    if (!channel.isBacklogged) return;
    channel.deficitBytes = this.#quantum(priority);
    this.#enter(channel, priority === "high" ? "high" : "old");
  }

  /** So much has come through. */
  handleAcked(bytes: number): void {
    this.#tokens = Math.min(HIGH_TOKENS_MAX, this.#tokens + Math.floor(bytes * HIGH_SHARE));
  }

  /**
   * The channel whose turn it is, among those that are ready. A high one that lacks nothing but room holds everybody: what
   * little there is would else go to smaller messages of less urgency, again and again. Changes nothing that `ask` sees.
   */
  pick(ask: Ask): SendChannel | undefined {
    this.#isTaking = false;
    const isHighThere = this.#lists.high.length > 0;
    if (isHighThere && this.#tokens > 0) {
      const { channel, isHeld } = this.#pickHigh((candidate) => ask(candidate, this.#tokens));
      if (channel !== undefined) {
        this.#isTaking = ask(channel, 0) !== "ready" || this.#isSomebodyWaiting(ask);
        return channel;
      }
      if (isHeld) return undefined;
    }
    const fair = this.#pickFair((candidate) => ask(candidate, 0));
    if (fair.channel !== undefined || fair.isHeld || !isHighThere || this.#tokens > 0) return fair.channel;
    return this.#pickHigh((candidate) => ask(candidate, 0)).channel;
  }

  /** Charges `bytes` to the channel that was picked. */
  charge(channel: SendChannel, bytes: number): void {
    channel.deficitBytes -= bytes;
    if (channel.turn !== "high") return;
    if (this.#isTaking) this.#tokens -= bytes;
    this.#leave(channel);
    this.#enter(channel, "high");
  }

  remove(channel: SendChannel): void {
    if (channel.turn !== "none") this.#leave(channel);
  }

  /** What a channel may send now even where the window is full. */
  overdraftBytes(channel: SendChannel): number {
    return channel.turn === "high" ? Math.max(0, this.#tokens) : 0;
  }

  #pickHigh(ask: (channel: SendChannel) => Readiness): Pick {
    const { high } = this.#lists;
    for (let i = 0; i < high.length; ) {
      const channel = high[i] as SendChannel;
      if (!channel.isBacklogged) {
        this.#leave(channel);
        continue;
      }
      const readiness = ask(channel);
      if (readiness === "ready") return { channel, isHeld: false };
      if (readiness === "no-room") return { channel: undefined, isHeld: true };
      i += 1;
    }
    return NOBODY;
  }

  /** Whether some other channel than the high ones would send now, room or not. */
  #isSomebodyWaiting(ask: Ask): boolean {
    const isWaiting = (channel: SendChannel) => channel.isBacklogged && ask(channel, 0) !== "not-ready";
    return this.#lists.fresh.some(isWaiting) || this.#lists.old.some(isWaiting);
  }

  #pickFair(ask: (channel: SendChannel) => Readiness): Pick {
    // While somebody whose turn it is lacks nothing but room, the round stands still: if it went on, those behind would
    // gain weight, or become fresh again, with every look at a full window.
    let isHeld = false;
    for (const list of [this.#lists.fresh, this.#lists.old]) {
      // Those before `i` may not cut now. They keep their places, outside the rounds: a round of nothing else would never end.
      for (let i = 0; i < list.length; ) {
        const channel = list[i] as SendChannel;
        if (channel.deficitBytes > 0 && channel.isBacklogged) {
          const readiness = ask(channel);
          if (readiness === "ready") return { channel, isHeld };
          if (readiness === "no-room") isHeld = true;
          i += 1;
        } else if (isHeld) {
          i += 1;
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
    return { channel: undefined, isHeld };
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

interface Pick {
  readonly channel: SendChannel | undefined;
  /** Whether somebody waits for nothing but room. */
  readonly isHeld: boolean;
}

const NOBODY: Pick = { channel: undefined, isHeld: false };
