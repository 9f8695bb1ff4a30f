import { type Content, encoded, isUnencoded } from "../core/content.js";
import { SluiceError } from "../core/error.js";
import { Fifo } from "../core/fifo.js";
import type { Millis } from "../core/time.js";
import type { PlainData, PlainLink } from "../transport/plain.js";
import { Backlog } from "./backlog.js";
import { DrainPace } from "./drain-pace.js";
import type { Host } from "./host.js";
import type { Losses } from "./outbox.js";
import type { Payload, PendingMessage, SendOptions, Source } from "./pending-message.js";
import type { Receipt } from "./receipt.js";
import type { SendBudget } from "./send-bounds.js";
import { collect } from "./stream-source.js";

/** Nothing is handed to a WebSocket that holds more than this: behind that it could not be taken back or replaced. */
const GATE_BYTES = 128 * 1024;

/** In a hidden page, whose timers come once a second: as much as keeps a line of 32 Mbit/s busy for so long. */
const HIDDEN_GATE_BYTES = 4 * 1024 * 1024;

/** How many of the messages handed over last a lost connection can name. Arbitrary. */
const RECENT_MAX = 1024;

const CHANNEL = "";

export interface PlainOutboxOptions {
  readonly host: Host;
  readonly budget: SendBudget;
  /** The longest stream. */
  readonly messageBytesMax: number;
  /** Something has ended while it waited, or can leave now. */
  readonly onTurn: () => void;
}

/** A stream at the head of the queue, and all of it once it has been read. */
interface Collected {
  readonly message: PendingMessage;
  bytes: Uint8Array | undefined;
}

/** Messages for an ordinary server, in their order, until they are handed to the WebSocket: late, and each as a whole. */
export class PlainOutbox {
  readonly counts = { messagesSent: 0, bytesSent: 0 };
  /** Timers come late: more is handed over at a time. */
  isHidden = false;
  readonly #options: PlainOutboxOptions;
  readonly #queue: Backlog;
  readonly #pace = new DrainPace();
  /** Receipts of what was handed over last: whether it has arrived, nobody knows. */
  readonly #recent: Fifo<Receipt> = new Fifo();
  #collected: Collected | undefined;

  constructor(options: PlainOutboxOptions) {
    const { host, budget, onTurn } = options;
    this.#options = options;
    // What a server takes is its own affair, and it says so by closing with 1009.
    this.#queue = new Backlog({ host, budget, messageBytesMax: Number.POSITIVE_INFINITY, onTurn });
  }

  /** @throws SluiceError `ERR_BUFFER_FULL`, `ERR_USAGE_ARGUMENT` */
  send(payload: Payload, options: SendOptions): Receipt {
    return this.#queue.send(CHANNEL, payload, options);
  }

  /** Takes over a message that nobody has sent. */
  add(message: PendingMessage): void {
    this.#queue.add(CHANNEL, message);
  }

  /**
   * Hands over what may leave now.
   * @param extraBytes what may leave beyond the gate
   */
  pump(link: PlainLink, extraBytes = 0): void {
    const gateBytes = this.#gateBytes + extraBytes;
    this.#queue.pump((message) => {
      if (!link.isOpen || link.bufferedBytes > gateBytes) return undefined;
      const data = this.#dataOf(message);
      return data === undefined ? undefined : () => this.#hand(link, message, data);
    });
  }

  /** When to look at the buffer again; `undefined` while nobody waits for it. */
  pollDeadline(isAwaited: boolean, bufferedBytes: number): Millis | undefined {
    if (!isAwaited || bufferedBytes === 0) {
      this.#pace.rest();
      return undefined;
    }
    const excessBytes = bufferedBytes > this.#gateBytes ? bufferedBytes - this.#gateBytes : bufferedBytes;
    return this.#pace.next(this.passedBytes(bufferedBytes), excessBytes, this.#options.host.now());
  }

  /** The connection is lost. Whoever gets the rest ends it. */
  end(): Losses {
    const neverWritten = this.#queue.drain().map((message) => ({ channel: 0, message }));
    this.#collected = undefined;
    return { neverWritten, unknown: this.#recent.drain() };
  }

  /** Bytes that a buffer of so many bytes has passed on. */
  passedBytes(bufferedBytes: number): number {
    return this.counts.bytesSent - bufferedBytes;
  }

  get isEmpty(): boolean {
    return this.#queue.size === 0;
  }

  /** Bytes that wait, as far as their length is known. */
  get queuedBytes(): number {
    return this.#queue.bufferedBytes(CHANNEL);
  }

  get #gateBytes(): number {
    return this.isHidden ? HIDDEN_GATE_BYTES : GATE_BYTES;
  }

  /** What is to be handed over; `undefined` while it has to be read. */
  #dataOf(message: PendingMessage): PlainData | undefined {
    const { bytes, source, text } = message;
    if (bytes !== undefined) return text ? this.#textOf(bytes) : encoded(bytes);
    if (source === undefined) return undefined;
    // A native WebSocket reads a Blob itself, and keeps it in its place.
    if (source.blob !== undefined) return source.blob;
    if (this.#collected?.message !== message) this.#collect(message, source);
    return this.#collected?.bytes;
  }

  /** What the native `send()` makes the same bytes of. */
  #textOf(bytes: Content): string {
    return isUnencoded(bytes) ? bytes.text : (this.#options.host.decodeUtf8(bytes) ?? "");
  }

  #collect(message: PendingMessage, source: Source): void {
    const collected: Collected = { message, bytes: undefined };
    this.#collected = collected;
    const { messageBytesMax, onTurn, host } = this.#options;
    collect(source, messageBytesMax)
      .then(
        (bytes) => {
          collected.bytes = bytes;
        },
        (error: SluiceError) => {
          message.cancelFor(error);
        },
      )
      .then(onTurn)
      .catch((error: unknown) => host.report(error));
  }

  #hand(link: PlainLink, message: PendingMessage, data: PlainData): void {
    this.#collected = undefined;
    link.send(data);
    this.counts.messagesSent += 1;
    this.counts.bytesSent += message.totalBytes ?? (data as Uint8Array).length;
    message.handleWritten();
    message.fail("unknown", new SluiceError("ERR_NO_ACK", "An ordinary WebSocket server acknowledges nothing"));
    this.#recent.push(message.receipt);
    if (this.#recent.length > RECENT_MAX) this.#recent.shift();
  }
}
