import { SluiceError } from "../core/error.js";
import { ReceiptControl } from "./receipt.js";

/** What is sent. The library owns the bytes from here on. */
export type Payload =
  | { readonly type: "text" | "binary"; readonly bytes: Uint8Array }
  | { readonly type: "source"; readonly source: Source };

/** Something that is read piece by piece, only as far ahead as the line asks, and from any place: a Blob or File. */
export interface Source {
  readonly totalBytes: number;
  read(offset: number, size: number): Promise<Uint8Array>;
}

/** How far a message has come. */
export interface SendProgress {
  /** Bytes that the peer has acknowledged. */
  readonly loaded: number;
  readonly total: number;
}

/** The part of `AbortSignal` that is used. */
export interface SignalLike {
  readonly aborted: boolean;
  addEventListener(type: "abort", listener: () => void): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

export interface SendOptions {
  /** Takes the message back when aborted, also in its middle. */
  readonly signal?: SignalLike | undefined;
  /** Called when more of the message has been acknowledged by the peer. */
  readonly onprogress?: ((progress: SendProgress) => void) | undefined;
}

/** A message that has not ended, wherever it is: with an engine, or waiting for the next session. */
export class PendingMessage {
  /** Kept until the end: the next session may have to send it from its beginning. */
  readonly payload: Payload;
  readonly totalBytes: number;
  readonly control: ReceiptControl;
  readonly onprogress: ((progress: SendProgress) => void) | undefined;
  /** Why the library itself has taken the message back. */
  failure: SluiceError | undefined;
  /** Takes it back from where it is now. `false` when that is too late. */
  #takeBack: () => boolean = () => false;
  /** What has yet to be listened to. */
  #signal: SignalLike | undefined;

  constructor(payload: Payload, { signal, onprogress }: SendOptions) {
    this.payload = payload;
    this.totalBytes = payload.type === "source" ? payload.source.totalBytes : payload.bytes.length;
    this.onprogress = onprogress;
    this.control = new ReceiptControl(() => this.#takeBack());
    this.#signal = signal;
  }

  /** Somebody has accepted it, and takes it back by `takeBack`. One that is refused never listens to its signal. */
  handleAccepted(takeBack: () => boolean): void {
    this.#takeBack = takeBack;
    const signal = this.#signal;
    if (signal === undefined) return;
    this.#signal = undefined;
    const onAbort = () => this.control.cancel();
    signal.addEventListener("abort", onAbort);
    this.control.onSettled(() => signal.removeEventListener("abort", onAbort));
  }
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
