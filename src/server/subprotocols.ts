import type { IncomingMessage } from "node:http";
import { SluiceError } from "../core/error.js";
import { PROTOCOL_NAME, SUBPROTOCOL } from "../transport/transport.js";
import type { SluiceServerOptions } from "./options.js";

/**
 * Longest name that can be chosen, bytes: a GREETING with it is within what every client takes (LIM-02), and it is kept for as
 * long as the session.
 */
const CHOSEN_BYTES_MAX = 3 * 1024;

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

/**
 * The application's choice, by default the first that is offered; `false` for none. It sees no names that could be none.
 * @throws SluiceError `ERR_USAGE_ARGUMENT` for a choice that is no name; what `handleProtocols` throws
 */
export function chooseProtocol(
  offered: readonly string[],
  request: IncomingMessage,
  handleProtocols: SluiceServerOptions["handleProtocols"],
): string | false {
  const isChoice = (name: string) =>
    name !== SUBPROTOCOL && name.length <= CHOSEN_BYTES_MAX && PROTOCOL_NAME.test(name);
  const own = new Set(offered.filter(isChoice));
  if (own.size === 0) return false;
  if (!handleProtocols) return own.values().next().value ?? false;
  const chosen: unknown = handleProtocols(own, request);
  // As with `ws`, whatever is falsy stands for none.
  if (!chosen) return false;
  if (typeof chosen === "string" && PROTOCOL_NAME.test(chosen)) return chosen;
  throw new SluiceError(
    "ERR_USAGE_ARGUMENT",
    "`handleProtocols` must return the name of a protocol or false, and not later",
  );
}
