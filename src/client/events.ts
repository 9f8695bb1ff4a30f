import type { SluiceError } from "../core/error.js";
import type { ConversationClosed } from "../driver/conversation.js";
import type { Receipt } from "../driver/receipt.js";
import type { Channel } from "./channel.js";
import type { Handler } from "./event-handlers.js";

/** What `close` events are. Node 20 has no `CloseEvent`. */
export interface SluiceCloseEvent extends Event {
  /** As in RFC 6455, 7.4; 1005 for none, 1006 for an end without a close handshake. */
  readonly code: number;
  readonly reason: string;
  /** Whether both ends have taken leave, and everything was delivered. */
  readonly wasClean: boolean;
}

/** Comes before `close` when the socket ends otherwise than by a close handshake; `error` says why. */
export interface SluiceErrorEvent extends Event {
  readonly error: SluiceError;
  readonly message: string;
}

/** The peer has opened a channel that this end has not. */
export interface ChannelEvent extends Event {
  readonly channel: Channel;
}

/** What is known of the messages of a session that cannot be resumed, each list in the order of `send`. */
export interface SessionLoss {
  /** Nothing of them has been read. Under `onSessionLost: "reopen"` they go into the next session. */
  readonly neverWritten: readonly Receipt[];
  /** They have left, in part or whole, and nobody knows whether they have arrived. They are not sent again. */
  readonly unknown: readonly Receipt[];
}

/** A session could not be resumed. */
export interface SessionLostEvent extends Event {
  readonly detail: SessionLoss;
}

/** The events of a `SluiceSocket`, by their names. */
export interface SluiceSocketEventMap {
  /** A session is open: the first one, and under `onSessionLost: "reopen"` each that follows one that was lost. */
  open: Event;
  /** A message on the default channel: `data` is a string, or what `binaryType` says. */
  message: MessageEvent;
  /** Why the socket has ended; `close` follows. */
  error: SluiceErrorEvent;
  /** The end, once. A line that is cut is none. */
  close: SluiceCloseEvent;
  /** The server has opened a channel. */
  channel: ChannelEvent;
  /** A session could not be resumed, and a new one is dialled, or `close` follows: see `onSessionLost`. */
  sessionlost: SessionLostEvent;
  /** Less than the high-water mark has yet to leave again. */
  drain: Event;
  /** `transport` is another one. */
  transportchange: Event;
  /** `connectionState` is another one. */
  connectionstatechange: Event;
}

/** The event handler attributes of a `SluiceSocket`. */
export interface SluiceSocketHandlers {
  onopen: Handler<Event>;
  onmessage: Handler<MessageEvent>;
  // Read as the native ones are, whose events have fewer members: our class goes where the type of a native one is asked for.
  get onerror(): Handler;
  set onerror(value: Handler<SluiceErrorEvent>);
  get onclose(): Handler;
  set onclose(value: Handler<SluiceCloseEvent>);
  onchannel: Handler<ChannelEvent>;
  ondrain: Handler<Event>;
  onsessionlost: Handler<SessionLostEvent>;
}

/** The events of a `Channel`, by their names. */
export interface ChannelEventMap {
  /** `data` is a string, or what `binaryType` says. */
  message: MessageEvent;
  /** The channel has ended in both directions, or with its session. */
  close: Event;
  /** Less than the high-water mark has yet to leave again. */
  drain: Event;
}

/** The event handler attributes of a `Channel`. */
export interface ChannelHandlers {
  onmessage: Handler<MessageEvent>;
  ondrain: Handler<Event>;
  onclose: Handler<Event>;
}

export function closeEvent(end: { code: number; reason: string; wasClean: boolean }): SluiceCloseEvent {
  const init = { code: end.code, reason: end.reason, wasClean: end.wasClean };
  if (typeof CloseEvent === "function") return new CloseEvent("close", init);
  return eventWith("close", init);
}

/** Not an `ErrorEvent`: on a native WebSocket, `error` is a plain `Event`. */
export function errorEvent(error: SluiceError): SluiceErrorEvent {
  return eventWith("error", { error, message: error.message });
}

export function channelEvent(channel: Channel): ChannelEvent {
  return eventWith("channel", { channel });
}

/** What the end of a session means for its messages. */
export function lossOf({ losses }: ConversationClosed): SessionLoss {
  return { neverWritten: losses.neverWritten.map(({ message }) => message.receipt), unknown: losses.unknown };
}

/** A plain event with a `detail`, as a `CustomEvent` has it; Node 18 and jsdom know that one differently. */
export function sessionLostEvent(detail: SessionLoss): SessionLostEvent {
  return eventWith("sessionlost", { detail });
}

function eventWith<T extends object>(type: string, members: T): Event & T {
  const event = new Event(type);
  for (const [name, value] of Object.entries(members)) Object.defineProperty(event, name, { value, enumerable: true });
  return event as Event & T;
}
