import { SluiceError } from "../core/error.js";
import type { ChannelOptions } from "./channel.js";
import type { SluiceSocketOptions } from "./options.js";

/** All names that an object of options may have: the compiler sees to it that none is missing. */
type Names<Options> = Readonly<Record<keyof Options, 1>>;

export const SOCKET_NAMES: Names<SluiceSocketOptions> = {
  auth: 1,
  backoff: 1,
  closeTimeoutMs: 1,
  connectTimeoutMs: 1,
  fetch: 1,
  highWaterMark: 1,
  limits: 1,
  maxBufferedAmount: 1,
  mode: 1,
  onSessionLost: 1,
  storage: 1,
  trace: 1,
  transports: 1,
  WebSocket: 1,
};

export const CHANNEL_NAMES: Names<ChannelOptions> = { priority: 1 };

/**
 * Finds out what is misspelt, and what stands in a wrong place.
 * @throws SluiceError `ERR_USAGE_ARGUMENT`
 */
export function requireNames(what: string, given: object, names: object): void {
  if (Object(given) !== given) throw new SluiceError("ERR_USAGE_ARGUMENT", `${what} must be an object, not ${given}`);
  for (const name of Object.keys(given)) {
    if (!(name in names)) throw new SluiceError("ERR_USAGE_ARGUMENT", `There is no "${name}" in ${what}`);
  }
}
