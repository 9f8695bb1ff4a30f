/**
 * The one error class. `code` is the contract and follows semantic versioning; messages may change.
 * What to do about each code is listed in the README, section "Errors".
 */
export type SluiceErrorCode =
  /** An argument the API does not take: unknown priority, bad channel name, bad option. */
  | "ERR_USAGE_ARGUMENT"
  /** The messages of the channel are taken in another way already, as by a listener. */
  | "ERR_USAGE_CONSUMER"
  /** `send()` on a channel that is closing or closed. */
  | "ERR_USAGE_CHANNEL_CLOSED"
  /** More channels than both ends allow. */
  | "ERR_TOO_MANY_CHANNELS"
  /** The message is larger than the limit of this end or of the peer. */
  | "ERR_MESSAGE_TOO_LARGE"
  /** The message was cancelled by `cancel()` or by its `signal`. */
  | "ERR_CANCELLED"
  /** The time of the message was over before anything of it had left. */
  | "ERR_EXPIRED"
  /** A newer message of the same key has taken the place of this one. */
  | "ERR_SUPERSEDED"
  /** So much waits to be sent that nothing more is taken. */
  | "ERR_BUFFER_FULL"
  /** The message never left this machine. Sending it again cannot double it. */
  | "ERR_NEVER_WRITTEN"
  /** The message left, and the line was lost before the peer said whether it had arrived. */
  | "ERR_DELIVERY_UNKNOWN"
  /** There is nobody who could acknowledge the message: the other end is an ordinary WebSocket. */
  | "ERR_NO_ACK"
  /** The Blob, File or stream could not be read to its end. */
  | "ERR_SOURCE_FAILED"
  /** No connection could be made, or no greeting came in time. */
  | "ERR_CONNECT_FAILED"
  /** The other end is an ordinary WebSocket: it has not selected the subprotocol `sluice.v1`, or knows no channels. */
  | "ERR_NOT_SLUICE"
  /** The line was cut while the session was closing, or this end has cut it. */
  | "ERR_CONNECTION_LOST"
  /** The session cannot be resumed: it was gone for too long, or the server does not know it any more. */
  | "ERR_SESSION_LOST"
  /** The peer broke the protocol. */
  | "ERR_PEER_VIOLATION"
  /** The server refused the session: authentication failed or took too long. */
  | "ERR_REFUSED"
  /** A defect of this library. Please report it. */
  | "ERR_INTERNAL";

export interface SluiceErrorOptions {
  readonly cause?: unknown;
  /** Whether the same call may succeed later without any change. Default `false`. */
  readonly retryable?: boolean;
}

const BRAND = Symbol.for("sluice.SluiceError");

/** What every failure of Sluice is an instance of, across realms and across two copies of the library. */
export class SluiceError extends Error {
  /** What has happened: what to go by in code. */
  readonly code: SluiceErrorCode;
  /** Whether the same call may succeed later without any change. */
  readonly retryable: boolean;

  constructor(code: SluiceErrorCode, message: string, options: SluiceErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "SluiceError";
    this.code = code;
    this.retryable = options.retryable ?? false;
    Object.defineProperty(this, BRAND, { value: true });
  }

  /** Two bundles of Sluice on one page have two classes; the brand makes `instanceof` hold for both. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === "object" && value !== null && BRAND in value;
  }
}
