import type { SluiceError } from "../core/error.js";
import type { ClientConversation } from "../driver/client-conversation.js";
import type { ConversationClosed, ConversationEvent } from "../driver/conversation.js";
import type { SessionLoss } from "./events.js";

/** What an open socket has been told of its server. */
export interface Opened {
  readonly protocol: string;
  readonly extensions: string;
  readonly mode: "framed" | "plain";
}

export type LifelineEvent = Exclude<
  ConversationEvent,
  { type: "dial" | "greeted" | "introduce" | "abandoned" | "closed" }
>;

/** What the lifeline tells its socket, in order. */
export interface LifelineHandler {
  handleEvent(event: LifelineEvent): void;
  /** A session is open: messages may flow. What was sent before waits for `release`, unless it is the first session. */
  handleOpen(opened: Opened): void;
  /**
   * The next session begins: opens the channels that live on. Those that it does not name have ended.
   * @param error how the session before has ended
   */
  handleReopen(conversation: ClientConversation, error: SluiceError): ReadonlySet<string>;
  /** A session could not be resumed. */
  handleLost(loss: SessionLoss): void;
  /** There is no next session. */
  handleClosed(event: ConversationClosed, error: SluiceError | undefined): void;
}
