import type { WebSocket } from "ws";
import { encoded } from "../core/content.js";
import { SluiceError } from "../core/error.js";
import { Fifo } from "../core/fifo.js";
import type { Millis } from "../core/time.js";
import { cancelled, type PendingMessage } from "../driver/pending-message.js";
import { collect } from "../driver/stream-source.js";
import type { ServerSendData } from "./payload.js";
import { nodeHost } from "./platform.js";
import { neverWritten } from "./send-outcome.js";
import type { SendCallback } from "./server-socket.js";

/** A message for an ordinary client. */
interface Outgoing {
  readonly message: PendingMessage;
  readonly data: ServerSendData;
  readonly onAccepted: SendCallback | undefined;
}

export interface PlainLimits {
  /** Of a stream, which is sent when all of it is there. */
  readonly messageBytesMax: number;
  /** How long an end waits for what does not move, ms. */
  readonly closeTimeoutMs: Millis;
}

/**
 * What leaves for an ordinary client. It is handed to `ws` at once, so no time can be over, and nothing can be replaced;
 * but a stream is one message, and has to be read before it can leave: what comes behind it waits.
 */
export class PlainOutflow {
  readonly counts = { messagesSent: 0, bytesSent: 0 };
  readonly #socket: WebSocket;
  readonly #limits: PlainLimits;
  readonly #onTurn: () => void;
  readonly #waiting: Fifo<Outgoing> = new Fifo();
  /** What streams have given. */
  readonly #collected = new WeakMap<PendingMessage, Uint8Array>();
  #waitingBytes = 0;
  /** What is to be done when nothing waits any more. */
  #onEmpty: (() => void) | undefined;
  /** Stops waiting for what does not move. */
  #cancelTimer: () => void = () => {};

  /** @param onTurn less is buffered than before */
  constructor(socket: WebSocket, limits: PlainLimits, onTurn: () => void) {
    this.#socket = socket;
    this.#limits = limits;
    this.#onTurn = onTurn;
  }

  send(outgoing: Outgoing): void {
    const { message } = outgoing;
    const takeBack = () => {
      // What was handed over has its end, or will have it when `ws` calls back.
      if (message.state !== "queued") return false;
      this.#fail(outgoing, "cancelled", message.failure ?? cancelled());
      return true;
    };
    message.handleAccepted({ takeBack });
    const isStream = message.totalBytes === undefined;
    if (!isStream && this.#waiting.length === 0) return this.#hand(outgoing);
    this.#waiting.push(outgoing);
    this.#waitingBytes += message.totalBytes ?? 0;
    if (this.#waiting.length === 1) void this.#drain().catch((error: unknown) => nodeHost.report(error));
  }

  /** Takes nothing more; calls `run` behind what waits, or when nothing of it moves any more. The first call counts. */
  end(run: () => void): void {
    if (this.isEnding) return;
    this.#onEmpty = run;
    if (this.#waiting.length === 0) run();
    else this.#handleProgress();
  }

  /** The connection is gone. */
  handleClosed(): void {
    this.#giveUp();
  }

  /** Something of what waits has moved. */
  #handleProgress(): void {
    if (!this.isEnding || this.#waiting.length === 0) return;
    this.#cancelTimer();
    const onLate = () => {
      this.#giveUp();
      this.#onEmpty?.();
    };
    this.#cancelTimer = nodeHost.setTimer(onLate, this.#limits.closeTimeoutMs);
  }

  #giveUp(): void {
    this.#cancelTimer();
    this.#waitingBytes = 0;
    for (const outgoing of this.#waiting.drain()) this.#fail(outgoing, "never-written", neverWritten());
  }

  get isEnding(): boolean {
    return this.#onEmpty !== undefined;
  }

  /** Bytes of what waits, as far as its length is known. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  async #drain(): Promise<void> {
    for (let next = this.#waiting.peek(); next !== undefined; next = this.#waiting.peek()) {
      const { message } = next;
      if (message.totalBytes === undefined) await this.#read(next);
      // The connection may have ended meanwhile, and with it everything that waits.
      if (this.#waiting.peek() !== next) return;
      this.#waiting.shift();
      this.#waitingBytes -= message.totalBytes ?? 0;
      if (message.state === "queued") this.#hand(next);
      this.#handleProgress();
    }
    this.#cancelTimer();
    this.#onEmpty?.();
  }

  /** Reads a stream to its end; one that fails ends here. */
  async #read(outgoing: Outgoing): Promise<void> {
    const { message } = outgoing;
    const { source } = message;
    if (source === undefined || message.state !== "queued") return;
    const read = async (offset: number, size: number): Promise<Uint8Array> => {
      const piece = await source.read(offset, size);
      this.#handleProgress();
      return piece;
    };
    try {
      const { messageBytesMax } = this.#limits;
      this.#collected.set(message, await collect({ totalBytes: undefined, read }, messageBytesMax));
    } catch (error) {
      // One that was taken back fails, too.
      if (message.state !== "queued") return;
      message.cancelFor(error as SluiceError);
    }
  }

  #hand(outgoing: Outgoing): void {
    const { message, data, onAccepted } = outgoing;
    const { bytes, text } = message;
    const collected = this.#collected.get(message);
    message.writing();
    const onSent = (error?: Error) => {
      if (error === undefined || error === null) {
        message.handleWritten();
        message.fail("unknown", new SluiceError("ERR_NO_ACK", "An ordinary WebSocket client acknowledges nothing"));
      } else {
        message.fail("never-written", neverWritten());
      }
      this.#onTurn();
      onAccepted?.(error);
    };
    this.counts.messagesSent += 1;
    this.counts.bytesSent += collected?.length ?? message.totalBytes ?? 0;
    if (collected !== undefined) this.#socket.send(collected, { binary: true }, onSent);
    else if (bytes === undefined) this.#socket.send(data as Blob, { binary: true }, onSent);
    else this.#socket.send(encoded(bytes), { binary: !text }, onSent);
  }

  #fail(outgoing: Outgoing, state: "cancelled" | "never-written", error: SluiceError): void {
    const { message, onAccepted } = outgoing;
    if (message.state !== "queued") return;
    message.fail(state, error);
    this.#onTurn();
    onAccepted?.(error);
  }
}
