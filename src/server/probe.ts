import type { IncomingMessage, ServerResponse } from "node:http";
import { isOriginAllowed, type Origins } from "./origins.js";

/** What a client asks for that wants to know whether this is a Sluice server (NEG-10). */
const PROBE_TYPE = "application/vnd.sluice";

export function isProbe(request: IncomingMessage): boolean {
  return request.method === "GET" && request.headers.accept === PROBE_TYPE;
}

/**
 * Says that this is a Sluice server, to every page that may connect. It tells nothing else, and needs no session and no
 * credentials.
 */
export function answerProbe(request: IncomingMessage, response: ServerResponse, origins: Origins | undefined): void {
  const { origin } = request.headers;
  const isReadable = origin !== undefined && isAllowed(origins, request);
  response.writeHead(200, {
    "Content-Type": PROBE_TYPE,
    "Content-Length": 0,
    "Cache-Control": "no-store",
    Vary: "Origin, Accept",
    ...(isReadable ? { "Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true" } : {}),
  });
  response.end();
}

function isAllowed(origins: Origins | undefined, request: IncomingMessage): boolean {
  try {
    return isOriginAllowed(origins, request);
  } catch {
    return false;
  }
}
