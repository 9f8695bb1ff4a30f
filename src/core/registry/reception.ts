import { SluiceError } from "../error.js";
import { Fifo } from "../fifo.js";
import { EARLY_BYTES_MAX, type Limits } from "../limits.js";
import { Machine, type Transitions } from "../machine.js";
import type { Ports } from "../ports.js";
import type { HeldBatch } from "../session/session-types.js";
import { UnnumberedQueue } from "../session/unnumbered-queue.js";
import type { Millis } from "../time.js";
import { BatchReader } from "../wire/decode.js";
import { encodeBatch } from "../wire/encode.js";
import type { Frame, HandshakeFrame, Violation } from "../wire/frame.js";
import { greetingFrame, type Hello, isViolation, readHello } from "../wire/handshake.js";
import { UNANNOUNCED_LIMITS } from "../wire/parameters.js";

/** A transport at the server's door (PROTOCOL.md, HSK): nobody knows yet whose it is. */
export type ReceptionState =
  | { readonly name: "awaiting-hello" }
  /** Early data waits until the application has decided; at most `EARLY_BYTES_MAX`. */
  | {
      readonly name: "deciding";
      readonly hello: Hello;
      readonly held: HeldBatch[];
      readonly heldBytes: number;
      /** Of the last batch held; what is not beyond it has come before (BAT-04). */
      readonly heldNumber: number;
    }
  /** A session has taken the transport over. */
  | { readonly name: "handed-over" }
  | { readonly name: "ended" };

export type ReceptionInput = "hello" | "hold" | "hand-over" | "end";

export const RECEPTION_TRANSITIONS: Transitions<ReceptionState["name"], ReceptionInput> = {
  "awaiting-hello": { hello: ["deciding"], end: ["ended"] },
  deciding: { hold: ["deciding"], "hand-over": ["handed-over"], end: ["ended"] },
  "handed-over": {},
  ended: {},
};

/** What the reception tells its host, in order. */
export type ReceptionEvent =
  /** The client has introduced itself: the host answers with `handOver` or `refuse`. */
  | {
      readonly type: "hello";
      readonly hello: Hello;
      readonly auth: string | undefined;
      /** The application protocols that HELLO offers, where no request has (HTTP-04); empty for none. */
      readonly offered: string;
    }
  /** The end, once: the transport is to be ended with this code, once everything polled has been handed to it. */
  | { readonly type: "closed"; readonly transportCode: number; readonly error: SluiceError | undefined };

export interface ReceptionOptions {
  readonly limits: Limits;
  readonly ports: Ports;
  /** The application protocol chosen, UTF-8; empty for none. */
  readonly protocol: Uint8Array;
  /** Names this server's memory of sessions (RES-04). */
  readonly instance: Uint8Array;
  /** Whether the transport lets the server speak first: where not, there is no GREETING (HTTP-04). Default `true`. */
  readonly greets?: boolean;
}

/**
 * The server's end of a transport before it belongs to a session: greets where it can, takes the HELLO, and keeps what comes behind it
 * until the application has decided. Pure and synchronous, with the same contract as `Session`.
 *
 * Invariant: holds at most `EARLY_BYTES_MAX` bytes and one HELLO.
 */
export class Reception {
  readonly #limits: Limits;
  readonly #ports: Ports;
  readonly #machine = new Machine<ReceptionState, ReceptionInput>(RECEPTION_TRANSITIONS, { name: "awaiting-hello" });
  readonly #unnumbered = new UnnumberedQueue();
  readonly #events: Fifo<ReceptionEvent> = new Fifo();
  readonly #deadline: Millis;
  readonly #greets: boolean;
  #greeting: HandshakeFrame | undefined;

  /** The transport is open. */
  constructor(options: ReceptionOptions, now: Millis) {
    this.#limits = options.limits;
    this.#ports = options.ports;
    this.#greets = options.greets ?? true;
    this.#greeting = this.#greets ? greetingFrame(options) : undefined;
    this.#deadline = now + options.limits.handshakeTimeoutMs;
  }

  /**
   * The client is let in: what it has said and sent, for the session that takes the transport over. `undefined` when it
   * has gone meanwhile.
   */
  handOver(): { hello: Hello; held: readonly HeldBatch[] } | undefined {
    const { state } = this;
    if (state.name !== "deciding") return undefined;
    this.#machine.enter("hand-over", { name: "handed-over" });
    return { hello: state.hello, held: state.held };
  }

  /** The client is not let in. What was wrong must not show (HSK-06). */
  refuse(code: number, reason: string, error: SluiceError): void {
    this.#end(code, reason, error);
  }

  /** A batch has arrived, whole. Never throws, whatever is in it. */
  handleBatch(batch: Uint8Array, now: Millis): void {
    if (this.isOver) return;
    if (batch.length > this.#limits.batchBytesMax) return this.#fail({ code: 1009, reason: "batch too large" });
    const reader = new BatchReader(batch);
    if (reader.number > 0 && reader.violation === undefined) return this.#hold(reader.number, batch, now);
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
      const violation = this.#handleFrame(frame);
      if (violation !== undefined) return this.#fail(violation);
      if (this.isOver) return;
    }
    if (reader.violation !== undefined) this.#fail(reader.violation);
  }

  /** The transport has ended. */
  handleTransportClosed(): void {
    if (!this.isOver) this.#close(1000, undefined);
  }

  handleDeadline(now: Millis): void {
    if (this.isOver || now < this.#deadline) return;
    this.#end(1013, "", new SluiceError("ERR_CONNECT_FAILED", "The handshake took too long", { retryable: true }));
  }

  /**
   * The next batch to hand to the transport.
   * @param mayAnswer whether answers to pings leave: where the client does not read, they wait
   */
  pollTransmit(mayAnswer = true): Uint8Array | undefined {
    const greeting = this.#greeting;
    this.#greeting = undefined;
    return greeting === undefined ? this.#unnumbered.pollBatch(mayAnswer) : encodeBatch(0, [greeting]);
  }

  pollEvent(): ReceptionEvent | undefined {
    return this.#events.shift();
  }

  nextDeadline(): Millis | undefined {
    return this.isOver ? undefined : this.#deadline;
  }

  /** Whether the transport is no longer at the door. */
  get isOver(): boolean {
    return this.state.name === "ended" || this.state.name === "handed-over";
  }

  /** Bytes of early data. */
  get heldBytes(): number {
    return this.state.name === "deciding" ? this.state.heldBytes : 0;
  }

  get state(): ReceptionState {
    return this.#machine.state;
  }

  #hold(number: number, batch: Uint8Array, receivedAt: Millis): void {
    const { state } = this;
    if (state.name === "deciding" && number <= state.heldNumber) return;
    const heldBytes = this.heldBytes + batch.length;
    // A client that has not been greeted does not know yet what its server takes (HTTP-06).
    if (state.name !== "deciding" || heldBytes > EARLY_BYTES_MAX || !this.#greets) {
      return this.#fail({ code: 1002, reason: "batch before the handshake is done" });
    }
    // A view would keep the buffer that the network stack has read into.
    state.held.push({ batch: batch.slice(), receivedAt });
    this.#machine.enter("hold", { ...state, heldBytes, heldNumber: number });
  }

  #handleFrame(frame: Frame): Violation | undefined {
    switch (frame.type) {
      case "hello":
        return this.#handleHello(frame);
      case "ping":
        this.#unnumbered.pushPong(frame.payload);
        return undefined;
      case "greeting":
      case "welcome":
      case "goaway":
        return { code: 1002, reason: `${frame.type} out of turn` };
      case "abort":
        this.#close(1000, undefined);
        return undefined;
      case "ack":
        return { code: 1002, reason: "ack before the handshake is done" };
      default:
        return undefined;
    }
  }

  #handleHello(frame: HandshakeFrame): Violation | undefined {
    if (this.state.name !== "awaiting-hello") return { code: 1002, reason: "hello out of turn" };
    const hello = readHello(frame.parameters, UNANNOUNCED_LIMITS);
    if (isViolation(hello)) return hello;
    const auth = hello.auth === undefined ? undefined : this.#ports.decodeUtf8(hello.auth);
    if (hello.auth !== undefined && auth === undefined) return { code: 1007, reason: "auth is not UTF-8" };
    const offered = hello.protocolsOffered === undefined ? "" : this.#ports.decodeUtf8(hello.protocolsOffered);
    if (offered === undefined) return { code: 1007, reason: "protocols are not UTF-8" };
    this.#machine.enter("hello", { name: "deciding", hello, held: [], heldBytes: 0, heldNumber: 0 });
    this.#events.push({ type: "hello", hello, auth, offered });
    return undefined;
  }

  #fail({ code, reason }: Violation): void {
    this.#end(code, "", new SluiceError("ERR_PEER_VIOLATION", `The peer broke the protocol: ${reason}`));
  }

  #end(code: number, reason: string, error: SluiceError): void {
    if (this.isOver) return;
    this.#close(code, error);
    this.#unnumbered.push({ type: "abort", code, reason: this.#ports.encodeUtf8(reason) });
  }

  #close(transportCode: number, error: SluiceError | undefined): void {
    this.#machine.enter("end", { name: "ended" });
    this.#unnumbered.clear();
    this.#greeting = undefined;
    this.#events.push({ type: "closed", transportCode, error });
  }
}
