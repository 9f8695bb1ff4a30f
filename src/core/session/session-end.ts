import { SluiceError } from "../error.js";
import type { Violation } from "../wire/frame.js";
import type { CloseInfo } from "./closing.js";

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

/** Both ends have said CLOSE; how the transport went afterwards is of no interest (CLS-05). */
export function cleanEnd({ code, reason }: CloseInfo): SessionEnd {
  return { code, reason, wasClean: true, error: undefined, transportCode: 1000 };
}

/** What applications see when a line is cut: 1006. */
export function uncleanEnd(error: SluiceError, transportCode = 1000): SessionEnd {
  return { code: 1006, reason: "", wasClean: false, error, transportCode };
}

/** The end that an ABORT of the peer makes. */
export function abortedEnd(code: number, reason: string, error?: SluiceError): SessionEnd {
  return { code: code === 0 ? 1005 : code, reason, wasClean: true, error, transportCode: 1000 };
}

/** Codes of a server that wants to be asked again (ERR-01; RFC 6455, IANA registry). */
export const TRY_LATER: ReadonlySet<number> = new Set([1012, 1013]);

export function connectFailed(message: string): SluiceError {
  return new SluiceError("ERR_CONNECT_FAILED", message, { retryable: true });
}

export function connectionLost(): SluiceError {
  return new SluiceError("ERR_CONNECTION_LOST", "The connection was lost", { retryable: true });
}

export function sessionLost(message: string): SluiceError {
  return new SluiceError("ERR_SESSION_LOST", message, { retryable: true });
}

/** Credentials that the server would refuse are refused here, where the application learns why (BAT-08). */
export function authTooLarge(): SluiceError {
  return new SluiceError("ERR_MESSAGE_TOO_LARGE", "`auth` is over the limit of the server");
}

export function violationError({ reason }: Violation): SluiceError {
  return new SluiceError("ERR_PEER_VIOLATION", `The peer broke the protocol: ${reason}`);
}
