import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";

/** Of every answer: nothing of a line may be kept, changed, held back, or taken for a document. */
const COMMON_HEADERS: OutgoingHttpHeaders = {
  "Cache-Control": "no-store, no-transform",
  "X-Accel-Buffering": "no",
  "X-Content-Type-Options": "nosniff",
  "Content-Security-Policy": "sandbox",
};

/** How long a request body that nobody wants may go on, ms: many clients read no answer before they have sent it all. */
const DRAIN_MS = 1000;

/** Begins an answer; headers that are set already (of CORS, of the application) stay. */
export function begin(response: ServerResponse, status: number, headers: OutgoingHttpHeaders): void {
  response.writeHead(status, { ...COMMON_HEADERS, ...headers });
}

/** Gives a whole answer. */
export function answer(
  response: ServerResponse,
  status: number,
  headers: OutgoingHttpHeaders,
  body: Uint8Array | string = "",
): void {
  if (response.headersSent || response.destroyed) return;
  // RFC 9110, 8.6: none in a 204.
  begin(response, status, status === 204 ? headers : { ...headers, "Content-Length": Buffer.byteLength(body) });
  response.end(body);
}

/**
 * Gives a whole answer to a request whose body may not have been read to its end. The rest is thrown away, and the
 * connection kept: one that is closed on bytes that nobody has read takes the answer along.
 */
export function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  headers: OutgoingHttpHeaders = {},
): void {
  answer(response, status, headers);
  if (request.complete || !hasBody(request)) return;
  request.on("error", () => {});
  request.resume();
  const timer = setTimeout(() => request.destroy(), DRAIN_MS);
  // Once it is answered, nothing tells that its connection has gone.
  timer.unref();
  request.once("end", () => clearTimeout(timer)).once("close", () => clearTimeout(timer));
}

/**
 * Cuts the connection of an answer that has not been taken to its end by then: of a client that has vanished, or does not read,
 * it would be kept for as long as the system tries, a quarter of an hour and more.
 */
export function cutUnread(response: ServerResponse, delayMs: number): void {
  if (response.writableFinished || response.destroyed) return;
  const timer = setTimeout(() => response.destroy(), delayMs);
  timer.unref();
  response.once("close", () => clearTimeout(timer));
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers["transfer-encoding"] !== undefined || (headers["content-length"] ?? "0") !== "0";
}
