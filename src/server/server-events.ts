import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { SluiceError } from "../core/error.js";
import type { ServerSocket } from "./server-socket.js";

/** The events of a `SluiceServer`, by their names, with what their listeners get. */
export interface SluiceServerEvents {
  connection: [socket: ServerSocket, request: IncomingMessage];
  headers: [headers: string[], request: IncomingMessage];
  /** An upgrade request that is none; with a listener, answering it is the application's task, as with `ws`. */
  wsClientError: [error: Error, socket: Duplex, request: IncomingMessage];
  /** A client was not let in: `error` says why, and its `cause` is what a function of the application has thrown. */
  refused: [error: SluiceError, request: IncomingMessage];
  listening: [];
  error: [error: Error];
  close: [];
}
