import { SluiceError } from "./error.js";

/**
 * Every bound of the engine in one place. Each end announces those that the other must respect (PROTOCOL.md, LIM),
 * and holds the other to them.
 */
export interface Limits {
  /** Largest message accepted from the peer, bytes. Default 16 MiB. */
  readonly messageBytesMax: number;
  /** Largest batch accepted from the peer, bytes. Default 64 KiB of payload plus 1 KiB for headers. */
  readonly batchBytesMax: number;
  /** Channels of one direction, the default channel included. 1 to 256. Default 256. */
  readonly channelsMax: number;
  /**
   * Bytes of messages above 64 KiB, from their beginning until the application has taken them, per session. Where it is used
   * up, further ones wait. Default 32 MiB.
   */
  readonly reassemblyBytesMax: number;
  /** The most that a channel's sender may be ahead of the application that takes its messages, bytes. Default 4 MiB. */
  readonly channelCreditBytesMax: number;
  /** The same for all channels of a session together, beyond 65 KiB that each has in any case, bytes. Default 16 MiB. */
  readonly sessionCreditBytesMax: number;
  /**
   * How long a message of which a part has come may stand still, though its sender has credit, until it is refused, ms.
   * Default 30,000.
   */
  readonly reassemblyIdleMs: number;
  /**
   * The largest batch, and so the largest chunk, as this end cuts them, bytes; one that ends its message may be a 64th
   * larger. Smaller ones on slower lines: about 10 ms each. Default 64 KiB.
   */
  readonly chunkBytes: number;
  /** The most that may be sent and not yet acknowledged, bytes; what the line needs is found out. Default 16 MiB. */
  readonly windowBytes: number;
  /**
   * Bytes kept because the peer has not acknowledged them, to send them again on another transport. Where they are used
   * up, nothing numbered leaves. Default 1 MiB more than `windowBytes`.
   */
  readonly replayBytesMax: number;
  /**
   * How long the server keeps a session whose transport is gone, ms; 0 for not at all. Default 120,000, as long as a
   * phone takes to leave a tunnel, and what peers do (Ably, Socket.IO).
   */
  readonly resumeWindowMs: number;
  /** How long the server waits between two heartbeats, ms. Default 25,000. */
  readonly heartbeatMs: number;
  /** How long past its due time a heartbeat may be before the line counts as dead, ms. Default 10,000. */
  readonly heartbeatGraceMs: number;
  /** From dialling, on the server from the open transport, to the WELCOME, ms. Default 5,000 on the server, 10,000 on the client. */
  readonly handshakeTimeoutMs: number;
  /** Without progress in a close handshake for this long, the session ends unclean, ms. Default 5,000. */
  readonly closeTimeoutMs: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;

export const DEFAULT_LIMITS: Limits = {
  messageBytesMax: 16 * MIB,
  batchBytesMax: 65 * KIB,
  channelsMax: 256,
  reassemblyBytesMax: 32 * MIB,
  channelCreditBytesMax: 4 * MIB,
  sessionCreditBytesMax: 16 * MIB,
  reassemblyIdleMs: 30_000,
  chunkBytes: 64 * KIB,
  windowBytes: 16 * MIB,
  replayBytesMax: 17 * MIB,
  resumeWindowMs: 120_000,
  heartbeatMs: 25_000,
  heartbeatGraceMs: 10_000,
  handshakeTimeoutMs: 10_000,
  closeTimeoutMs: 5_000,
};

/** Non-final chunks carry at least this much, so that a peer cannot make us keep a record per byte (MSG-06). */
export const CHUNK_BYTES_MIN: number = KIB;

/** What every channel may send before it has been granted more (CRD-02): a message that fits one large chunk, and some. */
export const CHANNEL_CREDIT_BYTES: number = 65 * KIB;

/** What a message costs beside its bytes (CRD-01): of the order of what an empty one weighs that waits. */
export const MESSAGE_COST_BYTES = 32;

/** A client may send this much between HELLO and WELCOME, and a server holds no more (HSK-07). */
export const EARLY_BYTES_MAX: number = 32 * KIB;

/** Bytes of an attempt id, a session id and an instance: 128 bits (HSK-04, HSK-08, RES-04). */
export const ID_BYTES = 16;

/** Bytes of a resume token: 256 bits (RES-02). */
export const TOKEN_BYTES = 32;

/** HELLO and WELCOME are padded to this, and so prove that the path carries real frames both ways (HSK-05). */
export const HANDSHAKE_BYTES_MIN: number = 2 * KIB;

/** One byte names a channel on the wire (CHN-01). */
export const CHANNELS_MAX: number = 256;

/** Longest channel name, bytes of UTF-8. Arbitrary; keeps CHANNEL_OPEN inside any batch. */
export const CHANNEL_NAME_BYTES_MAX: number = 256;

/** Longest reason of a close, bytes of UTF-8: what a WebSocket close frame can hold (RFC 6455, 5.5). */
export const CLOSE_REASON_BYTES_MAX: number = 123;

/** Longest payload of a ping, bytes (RFC 6455, 5.5). */
export const PING_BYTES_MAX: number = 125;

/** Pings that wait for their answer to leave; the oldest gives way, as RFC 6455, 5.5.3 allows. Arbitrary. */
export const PONGS_QUEUED_MAX: number = 16;

/** Parameters in one GREETING, HELLO or WELCOME. Arbitrary, far above what is assigned. */
export const PARAMETERS_MAX: number = 64;

/** The batch size that every peer accepts, and so the largest that may be sent before its limits are known (LIM-02). */
export const BATCH_BYTES_MIN: number = 4 * KIB;

/**
 * The limits that `asked` names, the rest by default; `undefined` and `null` name none. Room for reassembly follows a larger message limit by itself, and
 * room for a replay the window; chunks are at most half a window.
 * @throws SluiceError `ERR_USAGE_ARGUMENT` for limits that cannot work
 */
export function limitsWith(asked: { readonly [Name in keyof Limits]?: number | null | undefined }): Limits {
  const given: Partial<Limits> = Object.fromEntries(Object.entries(asked).filter(([, value]) => value != null));
  const { messageBytesMax = DEFAULT_LIMITS.messageBytesMax } = given;
  const reassemblyBytesMax = Math.max(DEFAULT_LIMITS.reassemblyBytesMax, 2 * messageBytesMax);
  const { windowBytes = DEFAULT_LIMITS.windowBytes } = given;
  const replayBytesMax = windowBytes + MIB;
  const chunkBytes = Math.min(DEFAULT_LIMITS.chunkBytes, Math.max(BATCH_BYTES_MIN, Math.floor(windowBytes / 2)));
  return checkedLimits({ ...DEFAULT_LIMITS, reassemblyBytesMax, replayBytesMax, chunkBytes, ...given });
}

function checkedLimits(limits: Limits): Limits {
  for (const [name, value] of Object.entries(limits)) {
    require(name in DEFAULT_LIMITS, `There is no limit "${name}"`);
    const min = name === "resumeWindowMs" ? 0 : 1;
    require(Number.isSafeInteger(value) && value >= min, `${name} must be an integer of at least ${min}, not ${value}`);
  }
  const { channelsMax, chunkBytes, windowBytes, messageBytesMax, reassemblyBytesMax, batchBytesMax } = limits;
  require(limits.replayBytesMax >= windowBytes + chunkBytes, "replayBytesMax must be at least a window and a chunk");
  require(channelsMax <= CHANNELS_MAX, `channelsMax must be at most ${CHANNELS_MAX}`);
  require(chunkBytes >= BATCH_BYTES_MIN && chunkBytes <= 64 * KIB, "chunkBytes must be between 4096 and 65536");
  require(windowBytes >= 2 * chunkBytes, "windowBytes must be at least two chunks");
  require(reassemblyBytesMax >= messageBytesMax, "reassemblyBytesMax must be at least messageBytesMax");
  require(batchBytesMax >= BATCH_BYTES_MIN, `batchBytesMax must be at least ${BATCH_BYTES_MIN}`);
  return limits;
}

function require(holds: boolean, message: string): void {
  if (!holds) throw new SluiceError("ERR_USAGE_ARGUMENT", message);
}
