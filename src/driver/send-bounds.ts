import { SluiceError } from "../core/error.js";
import type { PendingMessage } from "./pending-message.js";
import type { Holder } from "./receipt.js";

/** What an application may queue. */
export interface SendBounds {
  /** From so many bytes of a channel on that have yet to leave, `ready` waits, and `drain` tells when there are fewer again. */
  readonly highWaterMark: number;
  /** Bytes held in memory for all channels together; `send` throws above that. */
  readonly maxBufferedAmount: number;
}

/** Four chunks of a file, enough to fill the line until the application is there again: 20 ms at 100 Mbit/s. */
const HIGH_WATER_MARK = 256 * 1024;

/** A message weighs about so much beside its bytes: the number of messages has a bound, too, be they empty. */
const MESSAGE_BYTES_MIN = 64;

/** Messages that may wait however low the bound on their bytes is. Arbitrary. */
const MESSAGES_MIN = 1024;

/** @throws SluiceError `ERR_USAGE_ARGUMENT` */
export function sendBoundsOf(
  options: { readonly highWaterMark?: number | undefined; readonly maxBufferedAmount?: number | undefined },
  maxBufferedAmountDefault: number,
): SendBounds {
  const { highWaterMark = HIGH_WATER_MARK, maxBufferedAmount = maxBufferedAmountDefault } = options;
  const bounds = { highWaterMark, maxBufferedAmount };
  requirePositive(bounds);
  return bounds;
}

/** @throws SluiceError `ERR_USAGE_ARGUMENT` for a value that is no positive integer, with its name */
export function requirePositive(values: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(values)) {
    if (Number.isSafeInteger(value) && value > 0) continue;
    throw new SluiceError("ERR_USAGE_ARGUMENT", `${name} must be a positive integer, not ${String(value)}`);
  }
}

/** What a socket holds of its messages until they have ended, in whichever session or between two of them. */
export class SendBudget implements Holder {
  readonly #bytesMax: number;
  readonly #messagesMax: number;
  #bytes = 0;
  #messages = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
    this.#messagesMax = Math.max(MESSAGES_MIN, Math.floor(bytesMax / MESSAGE_BYTES_MIN));
  }

  /**
   * Makes sure that there is room for `message`.
   * @param replaced whose place it takes
   * @throws SluiceError `ERR_BUFFER_FULL`
   */
  require(message: PendingMessage, replaced: PendingMessage | undefined): void {
    const bytes = this.#bytes + message.heldBytes - (replaced?.heldBytes ?? 0);
    const messages = this.#messages + (replaced === undefined ? 1 : 0);
    if (bytes <= this.#bytesMax && messages <= this.#messagesMax) return;
    const { heldBytes } = message;
    const text = `${this.#bytes} bytes wait to be sent, and ${heldBytes} more are too much for maxBufferedAmount, ${this.#bytesMax}`;
    // What is larger than the whole bound will not fit later either.
    throw new SluiceError("ERR_BUFFER_FULL", text, { retryable: heldBytes <= this.#bytesMax });
  }

  /** Counts `message` until it has ended. */
  hold(message: PendingMessage): void {
    this.#bytes += message.heldBytes;
    this.#messages += 1;
    message.heldBy(this);
  }

  /** A message has ended that was held. */
  release(bytes: number): void {
    this.#bytes -= bytes;
    this.#messages -= 1;
    if (this.#waiting.length > 0) for (const run of this.#waiting.splice(0)) run();
  }

  /** Resolves when another message has ended: there may be room then. */
  whenReleased(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  get heldBytes(): number {
    return this.#bytes;
  }

  /** Messages that have not ended. */
  get size(): number {
    return this.#messages;
  }
}
