import { randomBytes } from "node:crypto";
import type { RawData, WebSocket } from "ws";
import { SluiceError } from "../core/error.js";
import type { Stats } from "../driver/conversation.js";
import { Gates } from "../driver/gate.js";
import { PendingMessage } from "../driver/pending-message.js";
import { type Receipt, ReceiptControl } from "../driver/receipt.js";
import { type SendBounds, SendBudget } from "../driver/send-bounds.js";
import type { TransportName } from "../transport/transport.js";
import type { ConnectionView } from "./connection-view.js";
import { payloadOf, type ServerSendData } from "./payload.js";
import { type PlainLimits, PlainOutflow } from "./plain-outflow.js";
import { nodeHost } from "./platform.js";
import { neverWritten, refusedSend } from "./send-outcome.js";
import type { ServerChannel } from "./server-channel.js";
import {
  checkedClose,
  type PingData,
  pingArguments,
  type SendCallback,
  type ServerSendOptions,
  ServerSocket,
  sendCallbackOf,
  sendOptionsOf,
} from "./server-socket.js";

/** What may wait for a consumer before nothing more is read: as far as a client of ours may be ahead. */
const HELD_BYTES_MAX = 256 * 1024;

/** What a message weighs besides its bytes, so that empty ones are not free. */
const MESSAGE_HELD_BYTES = 64;

/** An ordinary WebSocket client, shown as any other socket. It acknowledges nothing and knows no channels. */
export class PlainSocket extends ServerSocket {
  readonly mode = "plain";
  readonly id: string = randomBytes(16).toString("hex");
  readonly principal: unknown;
  readonly #socket: WebSocket;
  /** What `ws` has not handed to the kernel. */
  readonly #budget: SendBudget;
  readonly #outflow: PlainOutflow;
  /** Of messages that have come and that nobody has taken. */
  #heldBytes = 0;
  readonly #counts = { messagesReceived: 0, bytesReceived: 0 };

  constructor(socket: WebSocket, principal: unknown, bounds: SendBounds, limits: PlainLimits) {
    const gates = new Gates(bounds);
    const budget = new SendBudget(bounds.maxBufferedAmount);
    super(gates, budget);
    this.#budget = budget;
    this.#socket = socket;
    this.principal = principal;
    this.#outflow = new PlainOutflow(socket, limits, () => gates.handleTurn());
    socket.on("message", (data, isBinary) => {
      const buffer = bufferOf(data);
      this.#counts.messagesReceived += 1;
      this.#counts.bytesReceived += buffer.length;
      const cost = buffer.length + MESSAGE_HELD_BYTES;
      this.#heldBytes += cost;
      this.inlet.handle({ type: "message", text: !isBinary, data: buffer, cost });
      this.#regulate();
    });
    socket.on("ping", (data) => this.emit("ping", data));
    socket.on("pong", (data) => this.emit("pong", data));
    socket.on("close", (code, reason) => {
      this.#outflow.handleClosed();
      this.handleEnd();
      const error = code === 1006 ? new SluiceError("ERR_CONNECTION_LOST", "The connection was lost") : undefined;
      this.inlet.end(error, () => this.emit("close", code, reason));
    });
    this.inlet.open();
    socket.on("error", (cause) => {
      // An `error` that nobody listens to would end the process, and this one a peer can cause.
      if (this.listenerCount("error") === 0) return;
      this.emit("error", new SluiceError("ERR_PEER_VIOLATION", "The WebSocket connection failed", { cause }));
    });
  }

  override send(data: ServerSendData, options?: ServerSendOptions | SendCallback, callback?: SendCallback): Receipt {
    const sendOptions = sendOptionsOf(options);
    const onAccepted = sendCallbackOf(options, callback);
    try {
      return this.#post(data, sendOptions, onAccepted);
    } catch (error) {
      return refusedSend(error, onAccepted, () => this.terminate());
    }
  }

  protected override write(data: ServerSendData): Receipt {
    return this.#post(data, {}, undefined);
  }

  #post(data: ServerSendData, sendOptions: ServerSendOptions, onAccepted: SendCallback | undefined): Receipt {
    const message = new PendingMessage(payloadOf(data, sendOptions.binary), sendOptions, nodeHost.now());
    if (this.readyState !== this.OPEN) {
      const never = neverWritten();
      if (onAccepted !== undefined) queueMicrotask(() => onAccepted(never));
      return ReceiptControl.ended("never-written", never);
    }
    if (sendOptions.signal?.aborted) {
      const cancelled = new SluiceError("ERR_CANCELLED", "The message was cancelled");
      if (onAccepted !== undefined) queueMicrotask(() => onAccepted(cancelled));
      return ReceiptControl.ended("cancelled", cancelled);
    }
    this.#budget.require(message, undefined);
    this.#budget.hold(message);
    this.#outflow.send({ message, data, onAccepted });
    this.handleSent();
    return message.receipt;
  }

  override close(code?: number, reason?: string | Buffer): void {
    // As with `ws`: who passes on the end of another socket, 1006 perhaps, may be late.
    const isLate = this.readyState >= ServerSocket.CLOSING;
    const checked = isLate ? { code: 1005, reason: "" } : checkedClose(code, reason);
    this.inlet.leave("socket");
    this.#outflow.end(() => {
      if (checked.code === 1005) this.#socket.close();
      else this.#socket.close(checked.code, checked.reason);
    });
  }

  override terminate(): void {
    this.inlet.leave("socket");
    this.#socket.terminate();
  }

  override ping(data?: PingData | SendCallback, mask?: boolean | SendCallback, callback?: SendCallback): void {
    const [payload, onAccepted] = pingArguments(data, mask, callback);
    if (this.#socket.readyState === this.#socket.OPEN) {
      this.#socket.ping(payload, false, (error: Error) => onAccepted?.(error ?? undefined));
    } else if (onAccepted !== undefined) {
      queueMicrotask(() => onAccepted(neverWritten()));
    }
  }

  override pong(data?: PingData | SendCallback, mask?: boolean | SendCallback, callback?: SendCallback): void {
    const [payload, onAccepted] = pingArguments(data, mask, callback);
    if (this.#socket.readyState === this.#socket.OPEN) {
      this.#socket.pong(payload, false, (error: Error) => onAccepted?.(error ?? undefined));
    } else if (onAccepted !== undefined) {
      queueMicrotask(() => onAccepted(neverWritten()));
    }
  }

  override pause(): void {
    super.pause();
    this.#regulate();
  }

  override resume(): void {
    super.resume();
    this.#regulate();
  }

  override channel(): ServerChannel {
    throw new SluiceError("ERR_NOT_SLUICE", "An ordinary WebSocket client knows no channels");
  }

  override stats(): Stats {
    return {
      transport: this.transport,
      roundTripTimeMs: undefined,
      bandwidthBitsPerSecond: undefined,
      windowBytes: Number.POSITIVE_INFINITY,
      inFlightBytes: 0,
      queuedBytes: this.bufferedAmount,
      ...this.#counts,
      ...this.#outflow.counts,
      resumes: 0,
      channels: {
        "": {
          bufferedAmount: this.bufferedAmount,
          priority: "normal",
          waitingFor: this.bufferedAmount > 0 ? "transport" : null,
        },
      },
    };
  }

  override get readyState(): 0 | 1 | 2 | 3 {
    const { readyState, OPEN, CLOSING } = this.#socket;
    return readyState === OPEN && this.#outflow.isEnding ? CLOSING : readyState;
  }

  override get protocol(): string {
    return this.#socket.protocol;
  }

  /** That of `ws`, a `net.Socket`. */
  override get _socket(): ConnectionView | null {
    return (this.#socket as unknown as { _socket: ConnectionView | null })._socket;
  }

  override get extensions(): string {
    return this.#socket.extensions;
  }

  override get transport(): TransportName | null {
    return this.#socket.readyState === this.#socket.CLOSED ? null : "websocket";
  }

  /** What is in the WebSocket has not left: its buffer is all that is known of the line. */
  protected override get queuedAmount(): number {
    return this.bufferedAmount;
  }

  override get bufferedAmount(): number {
    return this.#socket.bufferedAmount + this.#outflow.waitingBytes;
  }

  /** There is nobody to tell: what comes is whole messages, and what slows the client down is its connection. */
  protected override handleConsumer(): void {}

  protected override handleTaken(cost: number): void {
    this.#heldBytes -= cost;
    this.#regulate();
  }

  /** Reads from the connection while somebody takes what comes. */
  #regulate(): void {
    const isFull = this.isPaused || this.#heldBytes > HELD_BYTES_MAX;
    if (isFull === this.#socket.isPaused) return;
    if (isFull) this.#socket.pause();
    else this.#socket.resume();
  }
}

function bufferOf(data: RawData): Buffer {
  if (Array.isArray(data)) return Buffer.concat(data);
  return data instanceof ArrayBuffer ? Buffer.from(data) : data;
}
