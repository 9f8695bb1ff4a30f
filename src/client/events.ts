import type { SluiceError } from "../core/error.js";
import type { Channel } from "./channel.js";

/** What `close` events are. Node 20 has no `CloseEvent`. */
export interface SluiceCloseEvent extends Event {
  readonly code: number;
  readonly reason: string;
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

/** The events of a `SluiceSocket`, by their names. */
export interface SluiceSocketEventMap {
  open: Event;
  message: MessageEvent;
  error: SluiceErrorEvent;
  close: SluiceCloseEvent;
  channel: ChannelEvent;
  transportchange: Event;
  connectionstatechange: Event;
}

/** The events of a `Channel`, by their names. */
export interface ChannelEventMap {
  message: MessageEvent;
  close: Event;
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

function eventWith<T extends object>(type: string, members: T): Event & T {
  const event = new Event(type);
  for (const [name, value] of Object.entries(members)) Object.defineProperty(event, name, { value, enumerable: true });
  return event as Event & T;
}
