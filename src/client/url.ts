import { PROTOCOL_NAME, SUBPROTOCOL } from "../transport/transport.js";

/**
 * The URL to connect to (WHATWG WebSockets, "get a url record"): relative ones against the page, http as ws.
 * @throws DOMException `SyntaxError`
 */
export function parseUrl(url: string | URL): string {
  // A worker has no document.
  const base = globalThis.document?.baseURI ?? globalThis.location?.href;
  let parsed: URL;
  try {
    parsed = new URL(url, base);
  } catch {
    throw syntaxError(`The URL "${url}" is invalid.`);
  }
  if (parsed.protocol === "http:") parsed.protocol = "ws:";
  if (parsed.protocol === "https:") parsed.protocol = "wss:";
  if (parsed.protocol !== "ws:" && parsed.protocol !== "wss:") {
    throw syntaxError(`The URL's scheme must be "http", "https", "ws" or "wss". "${parsed.protocol}" is not allowed.`);
  }
  if (parsed.hash !== "" || parsed.href.endsWith("#")) {
    throw syntaxError("The URL contains a fragment identifier. Fragments are not allowed in WebSocket URLs.");
  }
  return parsed.href;
}

/** The query parameter by which balancers can find the server of a session. It gives no right to anything (RES-08). */
const SESSION_PARAMETER = "sluice-session";

/** The URL to resume a session at. */
export function withSession(url: string, sessionId: Uint8Array | undefined): string {
  if (sessionId === undefined) return url;
  const id = Array.from(sessionId, (byte) => byte.toString(16).padStart(2, "0")).join("");
  // By hand: `searchParams` would write the application's own query anew.
  return `${url}${url.includes("?") ? "&" : "?"}${SESSION_PARAMETER}=${id}`;
}

/**
 * The application's protocols, in its order of preference.
 * @throws DOMException `SyntaxError` for what is no HTTP token (RFC 9110, 5.6.2), stands twice, or is ours
 */
export function parseProtocols(protocols: unknown): string[] {
  // As WebIDL tells a sequence from a string: `null` is "null".
  const isSequence = Object(protocols) === protocols && Symbol.iterator in (protocols as object);
  const list = Array.from(isSequence ? (protocols as Iterable<unknown>) : [protocols], (item) => `${item}`);
  for (const [index, protocol] of list.entries()) {
    if (!PROTOCOL_NAME.test(protocol)) {
      const hint = isSequence || typeof protocols !== "object" ? "" : " Options are the third argument.";
      throw syntaxError(`The subprotocol "${protocol}" is invalid.${hint}`);
    }
    if (list.indexOf(protocol) !== index) throw syntaxError(`The subprotocol "${protocol}" is duplicated.`);
    if (protocol === SUBPROTOCOL) throw syntaxError(`The subprotocol "${SUBPROTOCOL}" is Sluice's own.`);
  }
  return list;
}

export function syntaxError(message: string): DOMException {
  return new DOMException(message, "SyntaxError");
}
