import { SluiceError } from "../core/error.js";
import { neverWritten } from "./outbox.js";
import { cancelled, type Payload, PendingMessage, type SendOptions } from "./pending-message.js";
import { type Receipt, ReceiptControl } from "./receipt.js";

interface Waiting {
  readonly channel: string;
  readonly message: PendingMessage;
}

/**
 * Messages between two sessions, in their order: those that the one before has never written, and what is sent until the
 * next one is open.
 */
export class Backlog {
  readonly #waiting = new Set<Waiting>();
  readonly #messageBytesMax: number;

  /** @param messageBytesMax the limit of this end: that of the next peer is not known yet */
  constructor(messageBytesMax: number) {
    this.#messageBytesMax = messageBytesMax;
  }

  /** Takes over a message that no session has sent. Its receipt goes on. */
  add(channel: string, message: PendingMessage): void {
    const waiting = { channel, message };
    this.#waiting.add(waiting);
    message.control.requeue();
    message.handleAccepted(() => {
      if (!this.#waiting.delete(waiting)) return false;
      message.control.fail("cancelled", cancelled());
      return true;
    });
  }

  /** @throws SluiceError `ERR_MESSAGE_TOO_LARGE` */
  send(channel: string, payload: Payload, options: SendOptions): Receipt {
    if (options.signal?.aborted) return ReceiptControl.ended("cancelled", cancelled());
    const message = new PendingMessage(payload, options);
    if (message.totalBytes > this.#messageBytesMax) {
      const text = `A message of ${message.totalBytes} bytes is over the limit of ${this.#messageBytesMax}`;
      throw new SluiceError("ERR_MESSAGE_TOO_LARGE", text);
    }
    this.add(channel, message);
    return message.control.receipt;
  }

  /** Hands everything on, oldest first. What `post` takes back meanwhile is left out. */
  release(post: (channel: string, message: PendingMessage) => void): void {
    for (const waiting of this.#waiting) {
      this.#waiting.delete(waiting);
      post(waiting.channel, waiting.message);
    }
  }

  /** There is no next session. */
  fail(): void {
    this.release((_channel, message) => message.control.fail("never-written", neverWritten()));
  }

  bufferedBytes(channel: string): number {
    let bytes = 0;
    for (const waiting of this.#waiting) if (waiting.channel === channel) bytes += waiting.message.totalBytes;
    return bytes;
  }
}
