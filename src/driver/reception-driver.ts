import type { SluiceError } from "../core/error.js";
import type { Reception, ReceptionEvent } from "../core/registry/reception.js";
import type { HeldBatch } from "../core/session/session-types.js";
import type { Millis } from "../core/time.js";
import type { Hello } from "../core/wire/handshake.js";
import type { Transport, TransportDeath, TransportHandler } from "../transport/transport.js";
import { TIMER_DELAY_MS_MAX } from "./alarm.js";
import type { Host } from "./host.js";

/** What the driver calls when it is done with an input. */
export interface ReceptionHandler {
  /** The client has introduced itself, and offers these protocols: `handOver` or `refuse` follows, now or later. */
  handleHello(hello: Hello, auth: string | undefined, offered: string): void;
  /** So many bytes of early data wait for the decision. */
  handleHeld(bytes: number): void;
  /** The transport is no longer at the door, whoever has it now. `error`: why its client was not let in. */
  handleOver(error?: SluiceError): void;
}

/** What may wait inside the transport of a stranger who does not read, beside what has to be said once, bytes. */
const TRANSPORT_BUFFERED_BYTES_MAX = 16 * 1024;

/** Runs one reception on its transport, until a session takes that over. */
export class ReceptionDriver implements TransportHandler {
  readonly #reception: Reception;
  readonly #transport: Transport;
  readonly #host: Host;
  readonly #handler: ReceptionHandler;
  #cancelTimer: (() => void) | undefined;
  /** Who has taken the transport over. */
  #next: TransportHandler | undefined;

  constructor(reception: Reception, transport: Transport, host: Host, handler: ReceptionHandler) {
    this.#reception = reception;
    this.#transport = transport;
    this.#host = host;
    this.#handler = handler;
  }

  start(): void {
    this.#arm();
    this.#transport.start(this);
  }

  /**
   * The client is let in: a session takes the transport over. `undefined` when the client has gone meanwhile.
   * @param take gets what the client has said and sent, and gives what the transport reports to from here on
   */
  handOver(take: (hello: Hello, held: readonly HeldBatch[]) => TransportHandler): void {
    const over = this.#reception.handOver();
    if (over === undefined) return;
    this.#finish();
    this.#next = take(over.hello, over.held);
  }

  /** Whether the client waits for the decision. */
  get isWaiting(): boolean {
    return !this.#reception.isOver;
  }

  refuse(code: number, reason: string, error: SluiceError): void {
    this.#input(() => this.#reception.refuse(code, reason, error));
  }

  handleOpen(): void {
    this.#input(() => {});
  }

  handleBatch(batch: Uint8Array): void {
    if (this.#next !== undefined) this.#next.handleBatch(batch);
    else this.#input((now) => this.#reception.handleBatch(batch, now));
  }

  handleWritable(): void {
    if (this.#next !== undefined) this.#next.handleWritable();
    else this.#input(() => {});
  }

  handleRenamed(): void {
    this.#next?.handleRenamed?.();
  }

  handleClosed(death: TransportDeath): void {
    if (this.#next !== undefined) this.#next.handleClosed(death);
    else this.#input(() => this.#reception.handleTransportClosed());
  }

  #input(run: (now: Millis) => void): void {
    run(this.#host.now());
    for (let batch = this.#poll(); batch !== undefined; batch = this.#poll()) this.#transport.send(batch);
    for (let event = this.#reception.pollEvent(); event !== undefined; event = this.#reception.pollEvent()) {
      this.#handle(event);
    }
    if (this.#reception.heldBytes > 0) this.#handler.handleHeld(this.#reception.heldBytes);
  }

  #poll(): Uint8Array | undefined {
    return this.#reception.pollTransmit(this.#transport.bufferedBytes < TRANSPORT_BUFFERED_BYTES_MAX);
  }

  #handle(event: ReceptionEvent): void {
    if (event.type === "hello") {
      this.#handler.handleHello(event.hello, event.auth, event.offered);
    } else {
      this.#transport.close(event.transportCode, "");
      this.#finish(event.error);
    }
  }

  #arm(): void {
    const deadline = this.#reception.nextDeadline();
    if (deadline === undefined) return;
    this.#cancelTimer = this.#host.setTimer(
      () => {
        this.#input((now) => this.#reception.handleDeadline(now));
        // Timers of Node may come a little early.
        this.#arm();
      },
      Math.min(Math.max(0, deadline - this.#host.now()), TIMER_DELAY_MS_MAX),
    );
  }

  #finish(error?: SluiceError): void {
    this.#cancelTimer?.();
    this.#handler.handleOver(error);
  }
}
