import { CHANNEL_CREDIT_BYTES } from "../limits.js";
import { LinkedQueue } from "../linked-queue.js";
import type { Priority } from "../wire/frame.js";
import type { OutgoingMessage } from "./outgoing-message.js";

/** Names a channel inside one engine; not on the wire. 0 is the default channel. Never reused in a session. */
export type ChannelKey = number;

export const DEFAULT_CHANNEL: ChannelKey = 0;

/** A message over the peer's limit. */
export interface Contest {
  readonly message: OutgoingMessage;
  /** Whether the peer takes it all the same. */
  isAdmitted: boolean;
  /** Whether the peer has all of it. */
  isAcked: boolean;
}

/** Which list of the scheduler a channel waits in. */
export type Turn = "none" | "high" | "fresh" | "old";

/** The outgoing side of a channel: its messages in strict order (MSG-01), and its place with the scheduler. */
export class SendChannel {
  readonly key: ChannelKey;
  /** The wire id this end has given the channel; `undefined` until its first frame is due. */
  id: number | undefined;
  priority: Priority;
  readonly messages: LinkedQueue<OutgoingMessage> = new LinkedQueue();
  /** Those of them that have not started and may be replaced, by their keys. Most channels never have any. */
  keyed: Map<string, OutgoingMessage> | undefined;
  /** What follows the last message, once the channel is being closed; `"seen"`: the peer has acknowledged it. */
  end: "none" | "due" | "sent" | "seen" = "none";
  /** Bytes accepted and not yet acknowledged. */
  bufferedBytes = 0;
  /** Those of them that have left. */
  inFlightBytes = 0;
  /** What the peer has granted, and what has been used of it: absolute sums of cost (CRD-01). */
  creditBytes: number = CHANNEL_CREDIT_BYTES;
  usedBytes = 0;
  /** Messages that have begun to leave. */
  messagesBegun = 0;
  /** Those that are over the peer's message limit, until it has said what becomes of them (CRD-07). */
  overLimit: Map<number, Contest> | undefined;
  turn: Turn = "none";
  deficitBytes = 0;

  constructor(key: ChannelKey, priority: Priority) {
    this.key = key;
    this.priority = priority;
  }

  /** Whether the peer has yet to say what becomes of some of its messages. */
  get awaitsVerdict(): boolean {
    return (this.overLimit?.size ?? 0) > 0;
  }

  get isBacklogged(): boolean {
    return this.messages.length > 0 || this.end === "due";
  }
}
