import { SluiceError } from "../error.js";
import type { ClosingState } from "./closing.js";
import type { HandshakeState } from "./handshake.js";

/** How a transport ended, as its API tells. */
export interface Death {
  readonly wasClean: boolean;
  /** A WebSocket close code: 1006 where there was no close handshake. */
  readonly code: number;
  readonly reason: string;
}

/** How a session ended. */
export interface SessionEnd extends Death {
  readonly error: SluiceError | undefined;
  /** What to end the transport with, if it is still there. */
  readonly transportCode: number;
}

/** What the death of its only transport, or of the line below it, means for a session. */
export function endOf(death: Death, closing: ClosingState, handshake: HandshakeState): SessionEnd {
  if (closing.name === "lingering" || closing.name === "settling") {
    // Both sides have said CLOSE; how the transport went afterwards is of no interest (CLS-05).
    return { ...closing.info, wasClean: true, error: undefined, transportCode: 1000 };
  }
  if (death.wasClean && death.code !== 1006) return { ...death, error: undefined, transportCode: 1000 };
  const neverOpen = handshake.name === "idle" || handshake.name === "awaiting-greeting";
  const error = neverOpen
    ? new SluiceError("ERR_CONNECT_FAILED", "No connection could be made", { retryable: true })
    : new SluiceError("ERR_CONNECTION_LOST", "The connection was lost", { retryable: true });
  return { code: 1006, reason: "", wasClean: false, error, transportCode: 1000 };
}
