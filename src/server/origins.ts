import type { IncomingMessage } from "node:http";

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

/** Whether a page may have it as its origin, as browsers write that: no path, no default port, no capitals, no patterns. */
export function isOrigin(value: unknown): boolean {
  if (typeof value !== "string") return false;
  // Those of other schemes, as of extensions and apps, are opaque to us.
  if (!/^https?:/i.test(value)) return value === "null" || /^[a-z][a-z\d+.-]*:\/\/[^/?#\s*]*$/.test(value);
  return !value.includes("*") && URL.canParse(value) && new URL(value).origin === value;
}
