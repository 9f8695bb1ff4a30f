import type { IncomingMessage } from "node:http";
import { SluiceError } from "../core/error.js";

/**
 * Which pages may connect. Default: those of the same host. `"*"` lets everybody in: only for services that neither use
 * cookies nor trust the network they are on.
 */
export type Origins = readonly string[] | "*" | ((origin: string, request: IncomingMessage) => boolean);

/** Longer than any, with a name of 253 letters: an origin is kept for as long as the session that it has made. */
const ORIGIN_LENGTH_MAX = 512;

/**
 * Whether a request may open a session, judged by its `Origin` alone (RFC 6455, 10.2). What sends none is no browser,
 * and could send any: it is let through, and left to `authenticate`.
 */
export function isOriginAllowed(origins: Origins | null | undefined, request: IncomingMessage): boolean {
  const { origin } = request.headers;
  if (origin === undefined) return true;
  if (origin.length > ORIGIN_LENGTH_MAX) return false;
  if (origins === "*") return true;
  // A promise is no answer, and lets nobody in.
  if (typeof origins === "function") return origins(origin, request) === true;
  // In a string, parts of it would be found.
  if (origins !== undefined && origins !== null) return Array.isArray(origins) && origins.includes(origin);
  // Host and port, compared exactly; the scheme may have been ended by a proxy in front of us.
  return URL.canParse(origin) && new URL(origin).host === request.headers.host?.toLowerCase();
}

/** @throws SluiceError `ERR_USAGE_ARGUMENT` for what is none of the three */
export function checkOrigins(origins: Origins | null | undefined): void {
  const isKnown = (origins ?? "*") === "*" || typeof origins === "function" || Array.isArray(origins);
  if (!isKnown) throw new SluiceError("ERR_USAGE_ARGUMENT", 'origins must be a list, "*" or a function');
}
