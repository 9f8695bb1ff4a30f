import { SluiceError } from "../core/error.js";
import type { MessageId } from "../core/send/outgoing-message.js";
import type { ChannelKey } from "../core/send/send-channel.js";
import type { Fate, SendEvent } from "../core/send/sender.js";
import type { Host } from "./host.js";
import { type Receipt, ReceiptControl } from "./receipt.js";
import type { SessionDriver } from "./session-driver.js";

/** Bytes read from a source at a time: Chromium reads Blobs six times slower in pieces of 16 KiB. */
const SLAB_BYTES = 256 * 1024;

/** What is sent. The library owns the bytes from here on. */
export type Payload =
  | { readonly type: "text" | "binary"; readonly bytes: Uint8Array }
  | { readonly type: "source"; readonly source: Source };

/** Something that is read piece by piece, only as far ahead as the line asks: a Blob or File. */
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

interface Entry {
  readonly control: ReceiptControl;
  readonly source: Source | undefined;
  readonly totalBytes: number;
  readonly onprogress: ((progress: SendProgress) => void) | undefined;
  /** Why the library itself has taken the message back. */
  failure: SluiceError | undefined;
}

/** The messages under way: their receipts, and the sources that are still being read. */
export class Outbox {
  readonly #driver: SessionDriver;
  readonly #host: Host;
  readonly #entries = new Map<MessageId, Entry>();

  constructor(driver: SessionDriver, host: Host) {
    this.#driver = driver;
    this.#host = host;
  }

  /** @throws SluiceError as `Session.send` does */
  send(channel: ChannelKey, payload: Payload, options: SendOptions): Receipt {
    const { signal, onprogress } = options;
    if (signal?.aborted) return ReceiptControl.ended("cancelled", cancelled());
    const source = payload.type === "source" ? payload.source : undefined;
    const totalBytes = payload.type === "source" ? payload.source.totalBytes : payload.bytes.length;
    let id: MessageId | undefined;
    const control = new ReceiptControl(() => id !== undefined && this.#cancel(id));
    // The entry is there before the engine's first event about it is handed on.
    id = this.#driver.command((session, now) => {
      const message = session.send(
        channel,
        {
          text: payload.type === "text",
          totalBytes,
          wantsProgress: onprogress !== undefined,
          ...(payload.type === "source" ? {} : { bytes: payload.bytes }),
        },
        now,
      );
      this.#entries.set(message, { control, source, totalBytes, onprogress, failure: undefined });
      return message;
    });
    if (signal !== undefined) {
      const onAbort = () => control.cancel();
      signal.addEventListener("abort", onAbort);
      control.onSettled(() => signal.removeEventListener("abort", onAbort));
    }
    return control.receipt;
  }

  handle(event: SendEvent): void {
    const entry = this.#entries.get(event.message);
    if (entry === undefined) return;
    switch (event.type) {
      case "started":
        entry.control.writing();
        return;
      case "written":
        entry.control.handleWritten();
        return;
      case "progress":
        entry.onprogress?.({ loaded: event.ackedBytes, total: entry.totalBytes });
        return;
      case "delivered":
        this.#entries.delete(event.message);
        entry.control.handleDelivered();
        return;
      case "dropped": {
        this.#entries.delete(event.message);
        const [state, error] = endOf(event.fate);
        entry.control.fail(state, entry.failure ?? error);
        return;
      }
      case "pull":
        if (entry.source !== undefined) this.#pull(event.message, entry, entry.source, event.offset);
    }
  }

  /** The session has ended. Messages that it has not told of by now it never will: a defect has ended it. */
  handleEnd(): void {
    const [state, error] = endOf("unknown");
    for (const { control } of this.#entries.values()) control.fail(state, error);
    this.#entries.clear();
  }

  /** Messages that have not ended. */
  get size(): number {
    return this.#entries.size;
  }

  #cancel(id: MessageId): boolean {
    return this.#entries.has(id) && this.#driver.command((session, now) => session.cancel(id, now));
  }

  #pull(id: MessageId, entry: Entry, source: Source, offset: number): void {
    const size = Math.min(SLAB_BYTES, source.totalBytes - offset);
    source
      .read(offset, size)
      .then(
        (piece) => {
          if (!this.#entries.has(id)) return;
          if (piece.length !== size) {
            this.#fail(id, entry, new Error(`${piece.length} bytes where ${size} were asked for`));
            return;
          }
          this.#driver.input((session, now) => session.supply(id, piece, offset + size === source.totalBytes, now));
        },
        (cause: unknown) => this.#fail(id, entry, cause),
      )
      .catch((error: unknown) => this.#host.report(error));
  }

  #fail(id: MessageId, entry: Entry, cause: unknown): void {
    entry.failure = new SluiceError("ERR_SOURCE_FAILED", "The Blob or File could not be read", { cause });
    this.#cancel(id);
  }
}

function cancelled(): SluiceError {
  return new SluiceError("ERR_CANCELLED", "The message was cancelled");
}

function endOf(fate: Fate): ["cancelled" | "never-written" | "unknown", SluiceError] {
  switch (fate) {
    case "cancelled":
      return ["cancelled", cancelled()];
    case "never-written":
      return ["never-written", new SluiceError("ERR_NEVER_WRITTEN", "The session ended before the message was sent")];
    case "too-large":
      return ["never-written", new SluiceError("ERR_MESSAGE_TOO_LARGE", "The message is over the peer's limit")];
    case "unknown":
      return [
        "unknown",
        new SluiceError("ERR_DELIVERY_UNKNOWN", "The session ended before the peer acknowledged the message"),
      ];
  }
}
