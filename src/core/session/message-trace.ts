import type { MessageId } from "../send/outgoing-message.js";
import type { ChannelKey } from "../send/send-channel.js";
import type { Millis } from "../time.js";
import type { Trace, TraceEvent } from "../trace.js";
import type { SessionEvent } from "./events.js";

interface Traced {
  readonly channel: ChannelKey;
  readonly totalBytes: number | undefined;
  readonly queuedAt: Millis;
}

type State = Extract<TraceEvent, { type: "message" }>["state"];

/** Tells a trace what becomes of messages, from the events that the session has for its host anyway. */
export class MessageTrace {
  readonly #trace: Trace;
  readonly #messages = new Map<MessageId, Traced>();

  constructor(trace: Trace) {
    this.#trace = trace;
  }

  handleSent(message: MessageId, channel: ChannelKey, totalBytes: number | undefined, now: Millis): void {
    this.#messages.set(message, { channel, totalBytes, queuedAt: now });
    this.#tell(message, "queued", now);
  }

  handleEvent(event: SessionEvent, now: Millis): void {
    if (event.type === "started" || event.type === "written") this.#tell(event.message, event.type, now);
    if (event.type !== "delivered" && event.type !== "dropped") return;
    this.#tell(event.message, event.type === "dropped" ? event.fate : event.type, now);
    this.#messages.delete(event.message);
  }

  #tell(message: MessageId, state: State, now: Millis): void {
    const known = this.#messages.get(message);
    if (known === undefined) return;
    const { channel, totalBytes, queuedAt } = known;
    this.#trace({ type: "message", at: now, channel, message, state, totalBytes, waitedMs: now - queuedAt });
  }
}
