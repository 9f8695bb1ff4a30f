import { SluiceError } from "../error.js";

/**
 * The frames of `sluice.v1`. All numbers are assigned here, also those of frames that a later revision puts to use
 * (PROTOCOL.md, section "Frames").
 */
export const FrameType = {
  GREETING: 0x01,
  HELLO: 0x02,
  WELCOME: 0x03,
  ACK: 0x04,
  CHANNEL_CREDIT: 0x05,
  PING: 0x07,
  PONG: 0x08,
  ABORT: 0x09,
  DETACH: 0x0a,
  GOAWAY: 0x0b,
  CLOSE: 0x10,
  CHANNEL_OPEN: 0x11,
  CHANNEL_CLOSE: 0x12,
  RESET: 0x13,
  REJECT: 0x14,
  ADMIT: 0x15,
  /** The low four bits are flags: FIRST, LAST, TEXT, TOTAL. */
  CHUNK: 0x40,
} as const;

/** Flags of a CHUNK, in the low bits of its type (MSG-02). */
export const ChunkFlag = { FIRST: 0x01, LAST: 0x02, TEXT: 0x04, TOTAL: 0x08 } as const;

/** Parameters of GREETING, HELLO and WELCOME. A receiver ignores those it does not know (HSK-03). */
export const Parameter = {
  PADDING: 0x00,
  REVISION: 0x01,
  PROTOCOL: 0x02,
  ATTEMPT: 0x03,
  AUTH: 0x04,
  SESSION: 0x05,
  RESUME_TOKEN: 0x06,
  EPOCH: 0x07,
  RECEIVED: 0x08,
  HTTP_KEY: 0x09,
  PROTOCOLS_OFFERED: 0x0a,
  INSTANCE: 0x0b,
  OPENING: 0x0c,
  MESSAGE_BYTES_MAX: 0x10,
  BATCH_BYTES_MAX: 0x11,
  CHANNELS_MAX: 0x12,
  HEARTBEAT_MS: 0x17,
  HEARTBEAT_GRACE_MS: 0x18,
  RESUME_WINDOW_MS: 0x19,
} as const;

/** Parameter number to raw value. A `Map`: the numbers come from the peer. */
export type Parameters = ReadonlyMap<number, Uint8Array>;

export type Priority = "high" | "normal" | "low";

export interface HandshakeFrame {
  readonly type: "greeting" | "hello" | "welcome";
  readonly parameters: Parameters;
}

/** What has arrived so far, in absolute values (ACK-01). */
export interface AckFrame {
  readonly type: "ack";
  /** The highest batch number accepted. */
  readonly number: number;
  /** Bytes of all numbered batches accepted. */
  readonly bytes: number;
  /** When batch `number` arrived, on the receiver's clock, in ticks of 100 µs. */
  readonly receivedTicks: number;
  /** From that arrival to the sending of this ack, in ticks of 100 µs. */
  readonly delayTicks: number;
}

export interface ChunkFrame {
  readonly type: "chunk";
  readonly channel: number;
  readonly first: boolean;
  readonly last: boolean;
  /** Meaningful on the first chunk only. */
  readonly text: boolean;
  /** Length of the whole message in bytes; on a first chunk that is not the last, where known. */
  readonly totalBytes: number | undefined;
  readonly payload: Uint8Array;
}

export interface CloseFrame {
  readonly type: "close" | "abort";
  /** A WebSocket close code; 0 stands for none (shown as 1005). */
  readonly code: number;
  readonly reason: Uint8Array;
}

export type Frame =
  | HandshakeFrame
  | AckFrame
  | ChunkFrame
  | CloseFrame
  | { readonly type: "channel-credit"; readonly channel: number; readonly bytes: number }
  | { readonly type: "ping" | "pong"; readonly payload: Uint8Array }
  | { readonly type: "detach" }
  | { readonly type: "goaway"; readonly delayMs: number }
  | { readonly type: "channel-open"; readonly channel: number; readonly priority: Priority; readonly name: Uint8Array }
  | { readonly type: "channel-close"; readonly channel: number }
  | { readonly type: "reset"; readonly channel: number }
  | { readonly type: "reject"; readonly channel: number; readonly message: number; readonly code: number }
  | { readonly type: "admit"; readonly channel: number; readonly message: number };

/** Frames that must not be lost travel in numbered batches only, the others in either kind, or only unnumbered. */
export type Carriage = "numbered" | "unnumbered" | "either";

/** Which kind of batch a frame may travel in (BAT-03). */
export function carriage(type: Frame["type"]): Carriage {
  switch (type) {
    case "chunk":
    case "close":
    case "channel-open":
    case "channel-close":
    case "reset":
    case "reject":
    case "admit":
      return "numbered";
    case "ack":
    case "channel-credit":
      return "either";
    case "greeting":
    case "hello":
    case "welcome":
    case "ping":
    case "pong":
    case "abort":
    case "detach":
    case "goaway":
      return "unnumbered";
  }
}

/** A peer's breach of the protocol, as the outcome of decoding: never thrown. */
export interface Violation {
  /** The close code to answer with (ERR-01). */
  readonly code: 1002 | 1007 | 1008 | 1009;
  /** For our own log; the peer is told the code only. */
  readonly reason: string;
}

/** Their index is their number on the wire (CHN-02). */
export const PRIORITIES: readonly Priority[] = ["high", "normal", "low"];

/**
 * `value` as a priority.
 * @throws SluiceError `ERR_USAGE_ARGUMENT`
 */
export function checkedPriority(value: unknown): Priority {
  const priority = PRIORITIES.find((known) => known === value);
  if (priority !== undefined) return priority;
  throw new SluiceError("ERR_USAGE_ARGUMENT", `A priority is one of ${PRIORITIES.join(", ")}, not ${String(value)}`);
}
