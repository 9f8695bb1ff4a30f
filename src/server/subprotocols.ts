import type { IncomingMessage } from "node:http";
import { PROTOCOL_NAME, SUBPROTOCOL } from "../transport/transport.js";
import type { SluiceServerOptions } from "./options.js";

// Which of its own protocols the application speaks with a client. Invariant: ours is never among them, for either side to see.

/** What a client offers in `Sec-WebSocket-Protocol`. `ws` refuses malformed lists itself. */
export function offeredProtocols(request: IncomingMessage): string[] {
  return protocolsIn(request.headers["sec-websocket-protocol"] ?? "");
}

/** The names of a list that is separated by commas. */
export function protocolsIn(list: string): string[] {
  return list.split(",").map((protocol) => protocol.trim());
}

/**
 * Puts into a request over HTTP what one for a WebSocket has in its header, where applications look for it: what the client
 * offers, which it says later there (HTTP-04). Nothing but names may get into a header.
 */
export function setOfferedProtocols(request: IncomingMessage, offered: readonly string[]): void {
  const names = offered.filter((protocol) => PROTOCOL_NAME.test(protocol) && protocol !== SUBPROTOCOL);
  if (names.length > 0) request.headers["sec-websocket-protocol"] = names.join(", ");
  else delete request.headers["sec-websocket-protocol"];
}

/** The application's choice, by default the first that is offered; `false` for none. Throws what `handleProtocols` throws. */
export function chooseProtocol(
  offered: readonly string[],
  request: IncomingMessage,
  handleProtocols: SluiceServerOptions["handleProtocols"],
): string | false {
  const own = new Set(offered.filter((protocol) => protocol !== SUBPROTOCOL && protocol !== ""));
  if (own.size === 0) return false;
  if (handleProtocols) return handleProtocols(own, request);
  return own.values().next().value ?? false;
}
