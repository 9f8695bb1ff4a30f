import { SluiceError } from "../core/error.js";
import { MessageBody, type Piece } from "./message-body.js";
import { type BodyPlatform, type ByteStream, StreamedMessage } from "./streamed-message.js";
import { Supply } from "./supply.js";
import { SupplyIterator } from "./supply-iterator.js";

/** How a message begins. */
export interface MessageStart {
  readonly text: boolean;
  readonly totalBytes: number | undefined;
}

/** The messages of a channel as they begin, one at a time: the next is handed over when the one before is through. */
export class Incoming<Stream extends ByteStream, Binary> implements AsyncIterable<StreamedMessage<Stream, Binary>> {
  readonly #platform: BodyPlatform<Stream, Binary>;
  readonly #onIdle: () => void;
  readonly #supply: Supply<MessageBody> = new Supply();
  /** What the next piece belongs to. */
  #latest: MessageBody | undefined;
  /** What was handed over last. */
  #current: MessageBody | undefined;
  #iterators = 0;
  #isDiscarding = false;

  /** @param onIdle nobody may be there any more who reads */
  constructor(platform: BodyPlatform<Stream, Binary>, onIdle: () => void) {
    this.#platform = platform;
    this.#onIdle = onIdle;
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<StreamedMessage<Stream, Binary>> {
    this.#iterators += 1;
    return new SupplyIterator(
      this.#supply,
      (body) => this.#hand(body),
      () => {
        this.#iterators -= 1;
        this.#onIdle();
      },
    );
  }

  handleStart(start: MessageStart): void {
    const body: MessageBody = new MessageBody(start, () => this.#handleFinished(body));
    this.#latest = body;
    if (this.#isDiscarding) body.cancel();
    else this.#supply.push(body);
  }

  handlePiece(piece: Piece): void {
    this.#latest?.handlePiece(piece);
    if (piece.isLast) this.#latest = undefined;
  }

  /** The sender of the message that was coming has taken it back. */
  handleReset(): void {
    const body = this.#cut();
    body?.reset(new SluiceError("ERR_CANCELLED", "Its sender has taken the message back"));
  }

  /** What was coming does not come any more; other messages may follow. */
  interrupt(error: SluiceError): void {
    this.#cut()?.interrupt(error);
  }

  /** No more messages come. */
  end(error: SluiceError | undefined): void {
    this.interrupt(
      error ?? new SluiceError("ERR_CONNECTION_LOST", "The channel has ended in the middle of the message"),
    );
    this.#supply.end(error);
  }

  /** Nobody is there to read: lets go by what waits and what comes. */
  discard(): void {
    this.#isDiscarding = true;
    for (let body = this.#supply.shift(); body !== undefined; body = this.#supply.shift()) body.cancel();
  }

  /** Whether somebody iterates, or has a message to read. */
  get isBusy(): boolean {
    return this.#iterators > 0 || this.#current !== undefined;
  }

  /** Ends the message that was coming; returns it if somebody has seen it. */
  #cut(): MessageBody | undefined {
    const body = this.#latest;
    this.#latest = undefined;
    if (body === undefined || !this.#supply.retract(body)) return body;
    body.cancel();
    return undefined;
  }

  #hand(body: MessageBody): StreamedMessage<Stream, Binary> {
    if (!body.isFinished) {
      this.#current = body;
      this.#supply.shut();
    }
    return new StreamedMessage(body, this.#platform);
  }

  #handleFinished(body: MessageBody): void {
    if (this.#current !== body) return;
    this.#current = undefined;
    this.#supply.open();
    this.#onIdle();
  }
}
