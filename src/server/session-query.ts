import type { IncomingMessage } from "node:http";

/** What a client adds to the URL of a resume, so that balancers can find the server of its session (RES-08). */
const SESSION_PARAMETER = /(?<=[?&])sluice-session=([0-9a-f]{32})(?:&|$)/;

/**
 * Takes the session's id out of the URL: the application sees the URL that it knows. Returns the id in hexadecimal;
 * it gives no right to anything.
 */
export function takeSessionQuery(request: IncomingMessage): string | undefined {
  const url = request.url ?? "/";
  const id = SESSION_PARAMETER.exec(url)?.[1];
  if (id !== undefined) request.url = url.replace(SESSION_PARAMETER, "").replace(/[?&]$/, "");
  return id;
}
