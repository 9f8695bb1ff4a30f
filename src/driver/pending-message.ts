import type { Content } from "../core/content.js";
import { SluiceError } from "../core/error.js";
import type { MessageId, OutgoingInit } from "../core/send/outgoing-message.js";
import { type ChannelKey, DEFAULT_CHANNEL } from "../core/send/send-channel.js";
import type { Millis } from "../core/time.js";
import { type Keeper, type Receipt, ReceiptControl } from "./receipt.js";

/** What is sent. The library owns the bytes from here on. */
export type Payload =
  | { readonly type: "text" | "binary"; readonly bytes: Content }
  | { readonly type: "source"; readonly source: Source };

/** Something that is read piece by piece, only as far ahead as the line asks: a Blob, File or stream. */
export interface Source {
  /** `undefined` where only the end tells. */
  readonly totalBytes: number | undefined;
  /** What the platform can send by itself, and as a whole; `undefined` where there is no such thing. */
  readonly blob?: { readonly size: number } | undefined;
  /** Somebody is going to read it. */
  start?(): void;
  /**
   * What stands at `offset`: exactly `size` bytes, which it has; or, where the length is not known, as many as there are at a
   * time, and none at the end. Each piece follows the one before; a session that starts anew begins at 0.
   */
  read(offset: number, size: number): Promise<Uint8Array>;
  /** Nothing more will be read. */
  cancel?(reason: SluiceError): void;
}

/** How far a message has come. */
export interface SendProgress {
  /** Bytes that the peer has acknowledged. */
  readonly loaded: number;
  /** `undefined` for a stream, whose length only its end tells. */
  readonly total: number | undefined;
}

/** The part of `AbortSignal` that is used. */
export interface SignalLike {
  readonly aborted: boolean;
  addEventListener(type: "abort", listener: () => void): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

export interface SendOptions {
  /** How long the message may wait until its first piece leaves, ms; then it is dropped, and its receipt is `expired`. */
  readonly ttl?: number | undefined;
  /**
   * The message takes the place of one with the same key on its channel that waits and of which nothing has left. The
   * receipt of that one is `cancelled`, with `ERR_SUPERSEDED`.
   */
  readonly key?: string | undefined;
  /** Takes the message back when aborted, also in its middle. */
  readonly signal?: SignalLike | undefined;
  /** Called when more of the message has been acknowledged by the peer. */
  readonly onprogress?: ((progress: SendProgress) => void) | undefined;
}

/** What few senders ask for. */
interface Wishes {
  readonly key: string | undefined;
  readonly expiresAt: Millis | undefined;
  readonly onprogress: ((progress: SendProgress) => void) | undefined;
  readonly signal: SignalLike | undefined;
}

/** A source is the message's own from the first time that somebody accepts it until it has ended. */
interface Reading {
  readonly source: Source;
  isStarted: boolean;
  failure: SluiceError | undefined;
}

const NO_WISHES: Wishes = { key: undefined, expiresAt: undefined, onprogress: undefined, signal: undefined };

/**
 * A message that has not ended, wherever it is: with an engine, or waiting for the next session. One object with the
 * library's side of its receipt, and with as little in it as there can be, as tens of thousands of small messages may wait.
 */
export class PendingMessage extends ReceiptControl implements OutgoingInit {
  readonly text: boolean;
  /** `undefined` for a stream. */
  readonly totalBytes: number | undefined;
  /** Kept until the end: the next session may have to send it from its beginning. Nothing is left of it then. */
  #bytes: Content | undefined;
  #reading: Reading | undefined;
  #wishes = NO_WISHES;
  /** The channel that it is on, and what the session calls it: for the outbox that has it. */
  channel: ChannelKey = DEFAULT_CHANNEL;
  id: MessageId = 0;

  /** @throws SluiceError `ERR_USAGE_ARGUMENT` */
  constructor(payload: Payload, options: SendOptions, now: Millis) {
    super();
    checkSendOptions(options);
    const { ttl, key } = options;
    const signal = options.signal ?? undefined;
    const onprogress = options.onprogress ?? undefined;
    if (payload.type === "source") {
      this.text = false;
      this.totalBytes = payload.source.totalBytes;
      this.#reading = { source: payload.source, isStarted: false, failure: undefined };
    } else {
      this.text = payload.type === "text";
      this.totalBytes = payload.bytes.length;
      this.#bytes = payload.bytes;
    }
    if (signal === undefined && onprogress === undefined && ttl === undefined && key === undefined) return;
    this.#wishes = { key, expiresAt: ttl === undefined ? undefined : now + ttl, onprogress, signal };
  }

  /** Somebody has accepted it, and gives it back. One that is refused never listens to its signal. */
  handleAccepted(keeper: Keeper): void {
    this.handleMoved(keeper);
    this.#start();
    const { signal } = this.#wishes;
    if (signal !== undefined) this.#heed(signal);
  }

  /** What it holds in memory until it has ended. A Blob, File or stream is somewhere else. */
  override get heldBytes(): number {
    return this.#bytes?.length ?? 0;
  }

  /** All of it; `undefined` where it is read piece by piece, and once it has ended. */
  get bytes(): Content | undefined {
    return this.#bytes;
  }

  /** What it is read from; `undefined` where all of it is there, and once it has ended. */
  get source(): Source | undefined {
    return this.#reading?.source;
  }

  /** Why the library itself has taken the message back: its source has failed. */
  get failure(): SluiceError | undefined {
    return this.#reading?.failure;
  }

  /** Takes back a message that is read from a source, for this reason. */
  cancelFor(failure: SluiceError): void {
    if (this.#reading !== undefined) this.#reading.failure = failure;
    this.cancel();
  }

  get key(): string | undefined {
    return this.#wishes.key;
  }

  /** When it is dropped, if nothing of it has left by then. The time goes on from one session to the next. */
  get expiresAt(): Millis | undefined {
    return this.#wishes.expiresAt;
  }

  get onprogress(): ((progress: SendProgress) => void) | undefined {
    return this.#wishes.onprogress;
  }

  get wantsProgress(): boolean {
    return this.onprogress !== undefined;
  }

  /** @internal Applications may keep receipts for long, and behind a receipt is this. */
  protected override handleSettled(): void {
    this.#bytes = undefined;
    this.#reading = undefined;
    if (this.#wishes !== NO_WISHES) this.#wishes = { ...NO_WISHES, key: this.key };
  }

  #heed(signal: SignalLike): void {
    this.#wishes = { ...this.#wishes, signal: undefined };
    const onAbort = () => this.cancel();
    signal.addEventListener("abort", onAbort);
    this.onSettled(() => signal.removeEventListener("abort", onAbort));
  }

  #start(): void {
    const reading = this.#reading;
    if (reading === undefined || reading.isStarted) return;
    reading.isStarted = true;
    const { source } = reading;
    source.start?.();
    this.onSettled((error) => {
      if (error !== undefined) source.cancel?.(error);
    });
  }
}

/** @throws SluiceError `ERR_USAGE_ARGUMENT` */
export function checkSendOptions(options: SendOptions): void {
  if (Object(options) !== options) throw misuse("the options of send must be an object");
  const { ttl, key, onprogress, signal } = options;
  if (ttl !== undefined && !(typeof ttl === "number" && Number.isFinite(ttl) && ttl > 0)) {
    throw misuse(`ttl must be a positive number of milliseconds, not ${String(ttl)}`);
  }
  if (key !== undefined && (typeof key !== "string" || key === "")) {
    throw misuse("key must be a string that is not empty");
  }
  if (isGiven(onprogress) && typeof onprogress !== "function") throw misuse("onprogress must be a function");
  if (isGiven(signal) && typeof signal.addEventListener !== "function") throw misuse("signal must be an AbortSignal");
}

/** As elsewhere in the platform, `null` is none. */
function isGiven<T>(value: T | null | undefined): value is T {
  return value !== undefined && value !== null;
}

function misuse(text: string): SluiceError {
  return new SluiceError("ERR_USAGE_ARGUMENT", text);
}

/**
 * The receipt of a message that is not taken any more.
 * @throws SluiceError `ERR_USAGE_ARGUMENT`
 */
export function refused(options: SendOptions, what: "channel" | "socket"): Receipt {
  checkSendOptions(options);
  const error = new SluiceError("ERR_NEVER_WRITTEN", `The ${what} is closing or closed`);
  return ReceiptControl.ended("never-written", error);
}

export function cancelled(): SluiceError {
  return new SluiceError("ERR_CANCELLED", "The message was cancelled");
}

export function superseded(): SluiceError {
  return new SluiceError("ERR_SUPERSEDED", "A newer message of the same key has taken the place of this one");
}

export function expired(): SluiceError {
  return new SluiceError("ERR_EXPIRED", "The time of the message was over before it began to leave");
}
