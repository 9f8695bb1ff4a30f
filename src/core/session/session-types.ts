import type { Limits } from "../limits.js";
import type { Ports } from "../ports.js";
import type { BatchMemory } from "../send/batch-memory.js";
import type { Millis } from "../time.js";
import type { Trace } from "../trace.js";
import type { CloseFrame, Frame, HandshakeFrame } from "../wire/frame.js";
import type { Hello } from "../wire/handshake.js";

/** Who sends batches in requests, or in answers to them, one at a time: over HTTP (HTTP-03). Each of them costs. */
export type Requests = "none" | "own" | "peer" | "both";

/** The frames that only one of the two ends takes. */
export type RoleFrame =
  | HandshakeFrame
  | CloseFrame
  | Extract<Frame, { type: "detach" }>
  | Extract<Frame, { type: "goaway" }>;

export interface SessionOptions {
  readonly limits: Limits;
  readonly ports: Ports;
  /** Is told what happens. Must not call back. */
  readonly trace?: Trace | undefined;
  /** Of this session alone, where transports copy what they send. */
  readonly memory?: BatchMemory | undefined;
}

/** A batch that waits for the application's decision. */
export interface HeldBatch {
  readonly batch: Uint8Array;
  readonly receivedAt: Millis;
}

/** A transport whose client has been let in, for the server's end of its session. */
export interface Admission {
  readonly hello: Hello;
  /** What the client needs for the next resume; `undefined` where there is to be none. */
  readonly token: Uint8Array | undefined;
  /** The largest batch that the transport carries. */
  readonly batchBytesMax: number;
  /** What has come behind the HELLO. */
  readonly held: readonly HeldBatch[];
  /** Names the server's memory, where no GREETING has: WELCOME says all that it would have said (HTTP-04). */
  readonly instance?: Uint8Array | undefined;
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
  /** What the application has not taken yet, as cost (CRD-01), unfinished messages included. */
  readonly untakenBytes: number;
  /** Bytes of numbered batches, each counted once. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** How often another transport has carried the session on. */
  readonly resumes: number;
}
