import type { SluiceError } from "../core/error.js";
import type { ClientSession } from "../core/session/client-session.js";
import type { ClientConversation, Surroundings } from "../driver/client-conversation.js";
import { Conversation } from "../driver/conversation.js";

/** A session with a server of ours, and what its page goes through meanwhile. */
export class FramedConversation extends Conversation<ClientSession> implements ClientConversation {
  begin({ isHidden, isOnline }: Surroundings): void {
    this.command((session, now) => {
      session.handleTimers(!isHidden, now);
      session.handleOffline(!isOnline, now);
      session.start(now);
    });
  }

  suspend(): void {
    this.input((session, now) => session.suspend(now));
  }

  wake(): void {
    this.input((session, now) => session.wake(now));
  }

  handleHidden(isHidden: boolean): void {
    this.input((session, now) => {
      session.handleTimers(!isHidden, now);
      if (!isHidden) session.hurry("same", now);
    });
  }

  handleOnline(isOnline: boolean): void {
    this.input((session, now) => {
      session.handleOffline(!isOnline, now);
      if (isOnline) session.hurry("changed", now);
    });
  }

  leave(error: SluiceError): void {
    this.input((session, now) => session.farewell(now));
    this.input((session, now) => session.abort(1001, "", error, now));
  }

  /** The attempt on this line has failed, and another may follow. */
  failAttempt(line: number, error: SluiceError): void {
    const death = { wasClean: false, code: 1006, reason: "" };
    this.input((session, now) => session.handleTransportClosed(line, death, now, error));
  }
}
