import type { TransportDeath } from "./transport.js";

/** What can be handed to a WebSocket; a Blob is whatever the platform takes for one. */
export type PlainData = string | Uint8Array | { readonly size: number };

/** What a plain link tells, in order; the first calls may come from inside of `start`. */
export interface PlainHandler {
  handleOpen(opened: { readonly subprotocol: string; readonly extensions: string }): void;
  handleMessage(data: string | Uint8Array): void;
  /** The last call, unless `close` was followed by `abandon`, or `terminate` came first. */
  handleClosed(death: TransportDeath): void;
}

/** A WebSocket as it is, to a server that knows nothing of us: messages, not batches. */
export interface PlainLink {
  /** Whether what is handed over now can leave. */
  readonly isOpen: boolean;
  /** Bytes handed over and not yet passed on, as far as the platform tells. */
  readonly bufferedBytes: number;
  /** Begins to tell. Called once. */
  start(handler: PlainHandler): void;
  /** Hands over one message; the link owns it. Only while it is open. */
  send(data: PlainData): void;
  /** Begins the close handshake, behind what was handed over. 1005 stands for no code. `handleClosed` follows. */
  close(code: number, reason: string): void;
  /** Tells nothing more, and leaves the end to the platform. */
  abandon(): void;
  /** Ends as soon as the platform lets it, and tells nothing more. */
  terminate(): void;
}
