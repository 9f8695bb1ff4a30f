import { SluiceError } from "../core/error.js";
import { SUBPROTOCOL } from "../transport/transport.js";

/** The platform has none, and the application has given none. */
export function noWebSocket(): SluiceError {
  return new SluiceError("ERR_CONNECT_FAILED", "There is no WebSocket here; pass one as an option");
}

/** Nothing shows that the server is one of ours. */
export function notSluice(): SluiceError {
  return new SluiceError("ERR_NOT_SLUICE", `The server has not selected the subprotocol "${SUBPROTOCOL}"`);
}

/** Nothing has answered that says what it is. */
export function noAnswer(): SluiceError {
  return new SluiceError("ERR_CONNECT_FAILED", "The server has not answered over HTTP", { retryable: true });
}
