import { SluiceError } from "../core/error.js";
import { IdTable } from "../core/id-table.js";
import type { Fate, SendEvent } from "../core/send/outgoing-messages.js";
import type { ChannelKey } from "../core/send/send-channel.js";
import type { Millis } from "../core/time.js";
import type { Host } from "./host.js";
import { cancelled, expired, type PendingMessage, superseded } from "./pending-message.js";
import type { Keeper, Receipt } from "./receipt.js";
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
export class Outbox implements Keeper {
  readonly #driver: SessionDriver;
  readonly #host: Host;
  readonly #messages = new IdTable<PendingMessage>();
  #neverWritten: Leftover[] = [];
  readonly #unknown: Receipt[] = [];

  constructor(driver: SessionDriver, host: Host) {
    this.#driver = driver;
    this.#host = host;
  }

  /** @throws SluiceError as `Session.send` does */
  send(channel: ChannelKey, message: PendingMessage, now: Millis = this.#host.now()): void {
    const { key } = message;
    const old = key === undefined ? undefined : this.#driver.session.superseded(channel, key);
    const id = this.#driver.send(channel, message, now);
    // The engine's first event about it is handed on later.
    message.channel = channel;
    message.id = id;
    this.#messages.set(id, message);
    message.handleAccepted(this);
    // Now, and not with the event: many may follow each other within one tick, and none is kept for longer.
    if (old !== undefined) this.handle({ type: "dropped", message: old, fate: "superseded" });
  }

  /** The message whose place one of this key would take. */
  superseded(channel: ChannelKey, key: string | undefined): PendingMessage | undefined {
    const id = key === undefined ? undefined : this.#driver.session.superseded(channel, key);
    return id === undefined ? undefined : this.#messages.get(id);
  }

  handle(event: SendEvent): void {
    const message = this.#messages.get(event.message);
    if (message === undefined) return;
    switch (event.type) {
      case "started":
        message.writing();
        return;
      case "written":
        message.handleWritten();
        return;
      case "progress":
        message.onprogress?.({ loaded: event.ackedBytes, total: message.totalBytes });
        return;
      case "delivered":
        this.#messages.delete(event.message);
        message.handleDelivered();
        return;
      case "dropped":
        this.#messages.delete(event.message);
        this.#drop(message, event.fate);
        return;
      case "pull":
        this.#pull(message, event.offset);
    }
  }

  /**
   * The session has ended. Messages that it has not told of by now it never will: a defect has ended it. Those that were
   * never written have not ended yet: whoever takes them ends them, by `fail` or by sending them.
   */
  handleEnd(): Losses {
    for (const message of this.#messages.values()) this.#drop(message, "unknown");
    this.#messages.clear();
    const neverWritten = this.#neverWritten;
    this.#neverWritten = [];
    return { neverWritten, unknown: this.#unknown };
  }

  /** Messages that have not ended. */
  get size(): number {
    return this.#messages.size;
  }

  /** `false` when all of it has left, or it has ended already. */
  takeBack(message: PendingMessage): boolean {
    const { id } = message;
    return this.#messages.get(id) === message && this.#driver.command((session, now) => session.cancel(id, now));
  }

  #drop(message: PendingMessage, fate: Fate): void {
    switch (fate) {
      case "cancelled":
        return message.fail("cancelled", message.failure ?? cancelled());
      case "superseded":
        return message.fail("cancelled", superseded());
      case "expired":
        return message.fail("expired", expired());
      case "never-written":
        // The session is ending, and whether there is a next one is not for the outbox to know.
        this.#neverWritten.push({ channel: message.channel, message });
        return;
      case "too-large":
        return message.fail(
          "never-written",
          new SluiceError("ERR_MESSAGE_TOO_LARGE", "The message is over the peer's limit"),
        );
      case "refused":
        return message.fail(
          "never-written",
          new SluiceError("ERR_REFUSED", "The peer did not wait for the rest of it"),
        );
      case "unknown":
        this.#unknown.push(message.receipt);
        return message.fail(
          "unknown",
          new SluiceError("ERR_DELIVERY_UNKNOWN", "The session ended before the peer acknowledged the message"),
        );
    }
  }

  #pull(message: PendingMessage, offset: number): void {
    const { id, source } = message;
    if (source === undefined) return;
    const size = Math.min(SLAB_BYTES, (source.totalBytes ?? Number.POSITIVE_INFINITY) - offset);
    source
      .read(offset, size)
      .then(
        (piece) => {
          if (this.#messages.get(id) !== message) return;
          const isKnown = source.totalBytes !== undefined;
          if (isKnown && piece.length !== size) {
            this.#fail(message, new Error(`${piece.length} bytes where ${size} were asked for`));
            return;
          }
          const isEnd = isKnown ? offset + size === source.totalBytes : piece.length === 0;
          this.#driver.input((session, now) => session.supply(id, piece, isEnd, now));
        },
        (cause: unknown) => this.#fail(message, cause),
      )
      .catch((error: unknown) => this.#host.report(error));
  }

  #fail(message: PendingMessage, cause: unknown): void {
    if (this.#messages.get(message.id) !== message) return;
    message.cancelFor(sourceFailed(cause));
  }
}

/** Ends messages that no session will send. */
export function failNeverWritten(leftovers: readonly Leftover[]): void {
  for (const { message } of leftovers) message.fail("never-written", neverWritten());
}

export function neverWritten(): SluiceError {
  return new SluiceError("ERR_NEVER_WRITTEN", "The session ended before the message was sent");
}
