import { SluiceError } from "../core/error.js";
import type { Payload } from "../driver/pending-message.js";
import { type Receipt, ReceiptControl } from "../driver/receipt.js";
import { nodeHost } from "./platform.js";
import type { SendCallback } from "./server-socket.js";

/**
 * A message over this end's own limit is the application's affair, whoever it goes to.
 * @throws SluiceError `ERR_MESSAGE_TOO_LARGE`
 */
export function requireSize(payload: Payload, messageBytesMax: number): void {
  const size = payload.type === "source" ? 0 : payload.bytes.length;
  if (size <= messageBytesMax) return;
  throw new SluiceError("ERR_MESSAGE_TOO_LARGE", `A message of ${size} bytes is over the limit of ${messageBytesMax}`);
}

/**
 * The receipt of a message that the client has kept out, by not reading or by what it says it takes. `send` does not throw
 * for that: thrown in a listener it would end the process, and any client could do so. Who gave a callback learns of it there;
 * else the session cannot go on, as nothing may be missing in it.
 * @param giveUp ends it
 * @throws what is the application's own fault
 */
export function refusedSend(
  cause: unknown,
  onRefused: SendCallback | undefined,
  giveUp: (error: SluiceError) => void,
): Receipt {
  if (!isOfClient(cause)) throw cause;
  nodeHost.defer(() => (onRefused ?? giveUp)(cause));
  return ReceiptControl.ended("never-written", cause);
}

/** What to end a session with that a client keeps messages out of. */
export function refusedSendCode(error: SluiceError): 1009 | 1013 {
  return error.code === "ERR_MESSAGE_TOO_LARGE" ? 1009 : 1013;
}

function isOfClient(cause: unknown): cause is SluiceError {
  if (!(cause instanceof SluiceError)) return false;
  switch (cause.code) {
    case "ERR_MESSAGE_TOO_LARGE":
    case "ERR_TOO_MANY_CHANNELS":
      return true;
    case "ERR_BUFFER_FULL":
      // One that is larger than the whole buffer never fits.
      return cause.retryable;
    default:
      return false;
  }
}

/** What the callback of a message is told: as with `ws`, who waits to send the next one learns when this one was lost. */
export function failureOf({ state }: Receipt): SluiceError | undefined {
  switch (state) {
    case "cancelled":
      return new SluiceError("ERR_CANCELLED", "The message was cancelled");
    case "never-written":
      return neverWritten();
    case "unknown":
      return new SluiceError("ERR_DELIVERY_UNKNOWN", "The session ended before the client acknowledged the message");
    default:
      return undefined;
  }
}

export function neverWritten(): SluiceError {
  return new SluiceError("ERR_NEVER_WRITTEN", "The socket is closing or closed");
}
