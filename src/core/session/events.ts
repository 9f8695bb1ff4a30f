import type { LineKind } from "../dial/chooser.js";
import type { SluiceError } from "../error.js";
import type { InboundEvent } from "../receive/inbound.js";
import type { SendEvent } from "../send/outgoing-messages.js";
import type { ChannelKey } from "../send/send-channel.js";
import type { Priority } from "../wire/frame.js";

/** What the session tells its host, in order. */
export type SessionEvent =
  | SendEvent
  | InboundEvent
  /**
   * Open a transport of this kind, and report what it does under this number. It may be for the session alone, or beside
   * others. Client only.
   */
  | {
      readonly type: "dial";
      readonly line: number;
      readonly kind: LineKind;
      readonly sessionId: Uint8Array | undefined;
    }
  /** The server on this transport speaks `sluice.v1`. The first one means "open": messages may flow. Client only. */
  | { readonly type: "greeted"; readonly line: number; readonly protocol: string }
  /** HELLO may leave on this transport: the host brings the credentials for it, with `provideAuth`. Client only. */
  | { readonly type: "introduce"; readonly line: number }
  /** The session exists, and has a transport. */
  | { readonly type: "established"; readonly sessionId: Uint8Array }
  /** This transport is given up, and can be ended with this code; the session waits for another one. */
  | { readonly type: "detached"; readonly line: number; readonly transportCode: number }
  /** This transport is given up as well; what carries the session, or is to, is another one. Client only. */
  | { readonly type: "abandoned"; readonly line: number; readonly transportCode: number }
  /** Another transport carries the session on. */
  | { readonly type: "resumed"; readonly line: number }
  /** The client has its WELCOME: what it came in with is of no use any more (RES-02). Server only. */
  | { readonly type: "confirmed" }
  /** The peer has opened a channel that this end does not know. */
  | { readonly type: "channel"; readonly channel: ChannelKey; readonly name: string; readonly priority: Priority }
  /** The peer has ended a channel: what is queued on it still leaves, and nothing more is taken. */
  | { readonly type: "channel-closing"; readonly channel: ChannelKey }
  /** Both directions of a channel have ended. */
  | { readonly type: "channel-closed"; readonly channel: ChannelKey }
  | { readonly type: "ping" | "pong"; readonly payload: Uint8Array }
  /** The peer has begun to close; its code and reason come with `closed`. */
  | { readonly type: "closing" }
  /** The end, once. `error` tells why, when it was no close handshake. */
  | {
      readonly type: "closed";
      readonly code: number;
      readonly reason: string;
      readonly wasClean: boolean;
      readonly error: SluiceError | undefined;
      /** What to end the transport with, once everything polled has been handed to it. */
      readonly transportCode: number;
    };
