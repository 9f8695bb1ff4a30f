import { SluiceError } from "../core/error.js";
import type { MessageId } from "../core/send/outgoing-message.js";
import type { Fate, SendEvent } from "../core/send/outgoing-messages.js";
import type { ChannelKey } from "../core/send/send-channel.js";
import type { Host } from "./host.js";
import { cancelled, expired, type PendingMessage, superseded } from "./pending-message.js";
import type { Receipt } from "./receipt.js";
import type { SessionDriver } from "./session-driver.js";
import { sourceFailed } from "./stream-source.js";

/** Bytes read from a source at a time: Chromium reads Blobs six times slower in pieces of 16 KiB. */
const SLAB_BYTES = 256 * 1024;

/** A message that no session has sent, for the next one. */
export interface Leftover {
  readonly channel: ChannelKey;
  readonly message: PendingMessage;
}

/** What is known of the messages that had not ended when their session did. */
export interface Losses {
  /** Nothing of them was read: sending them again cannot double them. In the order in which they would have left. */
  readonly neverWritten: readonly Leftover[];
  readonly unknown: readonly Receipt[];
}

/** The messages under way: their receipts, and the sources that are still being read. */
export class Outbox {
  readonly #driver: SessionDriver;
  readonly #host: Host;
  readonly #entries = new Map<MessageId, Leftover>();
  #neverWritten: Leftover[] = [];
  readonly #unknown: Receipt[] = [];

  constructor(driver: SessionDriver, host: Host) {
    this.#driver = driver;
    this.#host = host;
  }

  /** @throws SluiceError as `Session.send` does */
  send(channel: ChannelKey, message: PendingMessage): void {
    const { payload, totalBytes, key, expiresAt } = message;
    const old = key === undefined ? undefined : this.#driver.session.superseded(channel, key);
    // The entry is there before the engine's first event about it is handed on.
    const id = this.#driver.command((session, now) => {
      const init = {
        text: payload.type === "text",
        totalBytes,
        wantsProgress: message.onprogress !== undefined,
        expiresAt,
        key,
        bytes: payload.type === "source" ? undefined : payload.bytes,
      };
      const given = session.send(channel, init, now);
      this.#entries.set(given, { channel, message });
      return given;
    });
    message.handleAccepted(this.#takeBack(id));
    // Now, and not with the event: many may follow each other within one tick, and none is kept for longer.
    if (old !== undefined) this.handle({ type: "dropped", message: old, fate: "superseded" });
  }

  /** The message whose place one of this key would take. */
  superseded(channel: ChannelKey, key: string | undefined): PendingMessage | undefined {
    const id = key === undefined ? undefined : this.#driver.session.superseded(channel, key);
    return id === undefined ? undefined : this.#entries.get(id)?.message;
  }

  handle(event: SendEvent): void {
    const entry = this.#entries.get(event.message);
    if (entry === undefined) return;
    const { control, onprogress, totalBytes } = entry.message;
    switch (event.type) {
      case "started":
        control.writing();
        return;
      case "written":
        control.handleWritten();
        return;
      case "progress":
        onprogress?.({ loaded: event.ackedBytes, total: totalBytes });
        return;
      case "delivered":
        this.#entries.delete(event.message);
        control.handleDelivered();
        return;
      case "dropped":
        this.#entries.delete(event.message);
        this.#drop(entry, event.fate);
        return;
      case "pull":
        this.#pull(event.message, entry.message, event.offset);
    }
  }

  /**
   * The session has ended. Messages that it has not told of by now it never will: a defect has ended it. Those that were
   * never written have not ended yet: whoever takes them ends them, by `fail` or by sending them.
   */
  handleEnd(): Losses {
    for (const entry of this.#entries.values()) this.#drop(entry, "unknown");
    this.#entries.clear();
    const neverWritten = this.#neverWritten;
    this.#neverWritten = [];
    return { neverWritten, unknown: this.#unknown };
  }

  /** Messages that have not ended. */
  get size(): number {
    return this.#entries.size;
  }

  /** Made where there is nothing else to remember: one lives as long as each message. */
  #takeBack(id: MessageId): () => boolean {
    return () => this.#cancel(id);
  }

  #cancel(id: MessageId): boolean {
    return this.#entries.has(id) && this.#driver.command((session, now) => session.cancel(id, now));
  }

  #drop(entry: Leftover, fate: Fate): void {
    const { control, failure } = entry.message;
    switch (fate) {
      case "cancelled":
        return control.fail("cancelled", failure ?? cancelled());
      case "superseded":
        return control.fail("cancelled", superseded());
      case "expired":
        return control.fail("expired", expired());
      case "never-written":
        // The session is ending, and whether there is a next one is not for the outbox to know.
        this.#neverWritten.push(entry);
        return;
      case "too-large":
        return control.fail(
          "never-written",
          new SluiceError("ERR_MESSAGE_TOO_LARGE", "The message is over the peer's limit"),
        );
      case "refused":
        return control.fail(
          "never-written",
          new SluiceError("ERR_REFUSED", "The peer did not wait for the rest of it"),
        );
      case "unknown":
        this.#unknown.push(control.receipt);
        return control.fail(
          "unknown",
          new SluiceError("ERR_DELIVERY_UNKNOWN", "The session ended before the peer acknowledged the message"),
        );
    }
  }

  #pull(id: MessageId, message: PendingMessage, offset: number): void {
    if (message.payload.type !== "source") return;
    const { source } = message.payload;
    const size = Math.min(SLAB_BYTES, (source.totalBytes ?? Number.POSITIVE_INFINITY) - offset);
    source
      .read(offset, size)
      .then(
        (piece) => {
          if (!this.#entries.has(id)) return;
          const isKnown = source.totalBytes !== undefined;
          if (isKnown && piece.length !== size) {
            this.#fail(id, message, new Error(`${piece.length} bytes where ${size} were asked for`));
            return;
          }
          const isEnd = isKnown ? offset + size === source.totalBytes : piece.length === 0;
          this.#driver.input((session, now) => session.supply(id, piece, isEnd, now));
        },
        (cause: unknown) => this.#fail(id, message, cause),
      )
      .catch((error: unknown) => this.#host.report(error));
  }

  #fail(id: MessageId, message: PendingMessage, cause: unknown): void {
    if (!this.#entries.has(id)) return;
    message.failure = sourceFailed(cause);
    this.#cancel(id);
  }
}

/** Ends messages that no session will send. */
export function failNeverWritten(leftovers: readonly Leftover[]): void {
  for (const { message } of leftovers) message.control.fail("never-written", neverWritten());
}

export function neverWritten(): SluiceError {
  return new SluiceError("ERR_NEVER_WRITTEN", "The session ended before the message was sent");
}
