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
      const high = this.#pickHigh(ask, this.#tokens);
      if (high === "held") return undefined;
      if (high !== undefined) {
        this.#isTaking = ask(high, 0) !== "ready" || this.#isSomebodyWaiting(ask);
        return high;
      }
    }
    const fair = this.#pickFair(ask);
    if (fair === "held") return undefined;
    if (fair !== undefined || !isHighThere || this.#tokens > 0) return fair;
    const behind = this.#pickHigh(ask, 0);
    return behind === "held" ? undefined : behind;
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

  #pickHigh(ask: Ask, overdraftBytes: number): Pick {
    const { high } = this.#lists;
    for (let i = 0; i < high.length; ) {
      const channel = high[i] as SendChannel;
      if (!channel.isBacklogged) {
        this.#leave(channel);
        continue;
      }
      const readiness = ask(channel, overdraftBytes);
      if (readiness === "ready") return channel;
      if (readiness === "no-room") return "held";
      i += 1;
    }
    return undefined;
  }

  /** Whether some other channel than the high ones would send now, room or not. */
  #isSomebodyWaiting(ask: Ask): boolean {
    const isWaiting = (channel: SendChannel) => channel.isBacklogged && ask(channel, 0) !== "not-ready";
    return this.#lists.fresh.some(isWaiting) || this.#lists.old.some(isWaiting);
  }

  #pickFair(ask: Ask): Pick {
    const fresh = this.#pickFrom(this.#lists.fresh, ask, false);
    if (fresh !== undefined && fresh !== "held") return fresh;
    return this.#pickFrom(this.#lists.old, ask, fresh === "held");
  }

  /**
   * While somebody whose turn it is lacks nothing but room, the round stands still: if it went on, those behind would gain
   * weight, or become fresh again, with every look at a full window.
   */
  #pickFrom(list: SendChannel[], ask: Ask, isHeldBefore: boolean): Pick {
    let isHeld = isHeldBefore;
    // Those before `i` may not cut now. They keep their places, outside the rounds: a round of nothing else would never end.
    for (let i = 0; i < list.length; ) {
      const channel = list[i] as SendChannel;
      if (channel.deficitBytes > 0 && channel.isBacklogged) {
        const readiness = ask(channel, 0);
        if (readiness === "ready") return channel;
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
    return isHeld ? "held" : undefined;
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

/** `held`: nobody, as somebody waits for nothing but room. No object: it is asked for with each small message. */
type Pick = SendChannel | "held" | undefined;
