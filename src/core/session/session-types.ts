import type { Limits } from "../limits.js";
import type { Ports } from "../ports.js";
import type { Millis } from "../time.js";
import type { Side } from "./handshake.js";

export interface SessionOptions {
  readonly side: Side;
  readonly limits: Limits;
  readonly ports: Ports;
}

export interface MessageInit {
  readonly text: boolean;
  /** Length in bytes, `undefined` where only the end of the source tells. */
  readonly totalBytes: number | undefined;
  /** Whether `progress` events are wanted. */
  readonly wantsProgress: boolean;
  /** The whole message; without it the engine asks with `pull` events, and `supply` answers. */
  readonly bytes?: Uint8Array;
}

export interface SessionStats {
  /** Smoothed round trip to the peer's session; `undefined` before the first ack. */
  readonly roundTripTimeMs: Millis | undefined;
  readonly bandwidthBitsPerSecond: number | undefined;
  readonly windowBytes: number;
  /** Bytes sent and not yet acknowledged. */
  readonly inFlightBytes: number;
  /** Bytes read from the application and its sources, not yet sent. */
  readonly queuedBytes: number;
  /** Bytes received of messages that are not complete. */
  readonly reassemblyBytes: number;
  /** Bytes of numbered batches. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
}
