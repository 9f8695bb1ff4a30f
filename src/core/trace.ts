import type { Fate } from "./send/outgoing-messages.js";
import type { WindowPhase } from "./send/window.js";
import type { Millis } from "./time.js";
import type { Priority } from "./wire/frame.js";

/** Why nothing more went into a batch. */
export type BatchEnd =
  /** A piece of a message that goes on: it ends its batch (MSG-09). */
  | "chunk"
  /** What comes next is of another priority. */
  | "priority"
  /** Channel control has filled it. */
  | "control"
  /** What comes next has no room: in the batch, or in the window. */
  | "no-room"
  /** Nothing else may leave. */
  | "drained";

/** Why the message at the head of a channel has not left. */
export type WaitingFor =
  /** As much is on the way as the line needs: for acks. */
  | "window"
  /** For a transport, or for the one that there is to pass on what it has. */
  | "transport"
  /** For the peer's application to take what it has. */
  | "credit"
  /** For the Blob or stream that it comes from. */
  | "source"
  /** For its turn. */
  | "other channels";

/** A chunk in a batch. `channel` and `message` count the channels and messages of this end, the default channel is 0. */
export interface TracedChunk {
  readonly channel: number;
  readonly priority: Priority;
  readonly message: number;
  readonly bytes: number;
  readonly last: boolean;
}

/** Something that a session has done, for whoever wants to know why it takes as long as it does. `at`: ms, monotonic. */
export type TraceEvent = { readonly at: Millis } & (
  | {
      readonly type: "batch";
      readonly number: number;
      readonly bytes: number;
      readonly chunks: readonly TracedChunk[];
      /** Why nothing more is in it; `"replay"`: it is sent again as it was. */
      readonly end: BatchEnd | "replay";
      readonly inFlightBytes: number;
      readonly windowBytes: number;
    }
  | {
      readonly type: "ack";
      readonly number: number;
      /** What it covers that no ack has covered before. */
      readonly bytes: number;
      /** Of the newest batch that it covers, without the receiver's delay, ms. */
      readonly roundTripTimeMs: Millis;
      readonly bandwidthBitsPerSecond: number | undefined;
      readonly inFlightBytes: number;
      readonly windowBytes: number;
    }
  /** The window goes on by other rules. */
  | { readonly type: "window"; readonly phase: WindowPhase; readonly windowBytes: number }
  | {
      readonly type: "message";
      readonly channel: number;
      readonly message: number;
      /** `"started"`: its first piece has left, `"written"`: its last. Or how it ended. */
      readonly state: "queued" | "started" | "written" | "delivered" | Fate;
      /** `undefined` for one whose length only its end tells. */
      readonly totalBytes: number | undefined;
      /** Since it was queued, ms. */
      readonly waitedMs: Millis;
    }
  /** `line` counts the transports that the session has had, or tried to have. */
  | { readonly type: "transport"; readonly state: "attached" | "detached"; readonly line: number }
  /** The peer lets so many bytes come on a channel, as it is named on the wire, counted from its beginning (CRD-02). */
  | { readonly type: "credit"; readonly channel: number; readonly bytes: number }
);

/** Is told of what happens, while it happens: must not call back. */
export type Trace = (event: TraceEvent) => void;
