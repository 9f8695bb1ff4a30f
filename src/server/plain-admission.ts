import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { SluiceError } from "../core/error.js";
import { TIMER_DELAY_MS_MAX } from "../driver/alarm.js";
import type { SluiceServerOptions } from "./options.js";
import { nodeHost } from "./platform.js";
import { isAdmitted, notAdmitted, refusal } from "./principal.js";
import { refuseUpgrade } from "./refusal.js";

export interface PlainVisit {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  /** The option: without it, none is let in where there is an `authenticate`. */
  readonly plainClients: boolean;
  /** How long `authenticate` may take, ms. */
  readonly timeoutMs: number;
}

/**
 * Asks `authenticate` about an ordinary client, which has as long as a client with a session.
 * @param onRefused is told why it was refused, once it has been answered
 * @returns `undefined` where it is not let in, or has gone
 */
export async function admitPlain(
  { request, socket, plainClients, timeoutMs }: PlainVisit,
  authenticate: NonNullable<SluiceServerOptions["authenticate"]>,
  onRefused: (error: SluiceError) => void,
): Promise<{ readonly principal: unknown } | undefined> {
  const refuse = (status: 401 | 503, error: SluiceError): undefined => {
    refuseUpgrade(socket, status);
    onRefused(error);
  };
  if (!plainClients) return refuse(401, noPlainClients());
  // Who is late is told to come again, and looked at no more.
  const cancel = nodeHost.setTimer(() => refuse(503, late()), Math.min(timeoutMs, TIMER_DELAY_MS_MAX));
  let principal: unknown;
  let error: SluiceError | undefined;
  try {
    principal = await authenticate({ request, auth: undefined });
    if (!isAdmitted(principal)) error = notAdmitted();
  } catch (cause) {
    error = refusal(cause);
  }
  cancel();
  if (!socket.writable) return undefined;
  return error === undefined ? { principal } : refuse(401, error);
}

function late(): SluiceError {
  return new SluiceError("ERR_CONNECT_FAILED", "`authenticate` took too long", { retryable: true });
}

function noPlainClients(): SluiceError {
  return new SluiceError("ERR_REFUSED", "Ordinary clients, which give no `auth`, are let in with `plainClients`");
}
