import type { SluiceError } from "../core/error.js";
import type { Conversation } from "./conversation.js";

/** What a page, or the device that it is on, is like at the moment. */
export interface Surroundings {
  /** Timers come late: once a second, or once a minute. */
  readonly isHidden: boolean;
  readonly isOnline: boolean;
}

type Shared =
  | "send"
  | "resend"
  | "openChannel"
  | "setPriority"
  | "closeChannel"
  | "receive"
  | "take"
  | "close"
  | "abort"
  | "fail"
  | "bufferedAmount"
  | "queuedAmount"
  | "stats"
  | "transport"
  | "channelName";

/** The client's end of a conversation, framed or plain: what its socket, and who keeps that connected, need of it. */
export interface ClientConversation extends Pick<Conversation, Shared> {
  /** Begins to connect. */
  begin(surroundings: Surroundings): void;
  /** The page is about to sleep, and may come back. */
  suspend(): void;
  wake(): void;
  handleHidden(isHidden: boolean): void;
  handleOnline(isOnline: boolean): void;
  /** The page is left for good: sends what it still can, and ends because of `error`. */
  leave(error: SluiceError): void;
}
