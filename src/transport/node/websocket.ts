import type { RawData, WebSocket } from "ws";
import type { Transport, TransportHandler } from "../transport.js";

/** A transport over a socket of `ws` that is open already: the server's end. */
export function webSocketTransport(socket: WebSocket, batchBytesMax: number): Transport {
  return new NodeWebSocketTransport(socket, batchBytesMax);
}

class NodeWebSocketTransport implements Transport {
  readonly name = "websocket";
  readonly greets = true;
  readonly requests = "none";
  readonly isBusy = false;
  readonly batchBytesMax: number;
  readonly #socket: WebSocket;
  #handler: TransportHandler | undefined;

  constructor(socket: WebSocket, batchBytesMax: number) {
    this.#socket = socket;
    this.batchBytesMax = batchBytesMax;
  }

  start(handler: TransportHandler): void {
    this.#handler = handler;
    const socket = this.#socket;
    socket.on("message", (data, isBinary) => this.#handler?.handleBatch(batchOf(data, isBinary)));
    // `close` always follows, and a process must not end because a peer has sent a bad frame.
    socket.on("error", () => {});
    socket.on("close", (code, reason) => {
      // 1006: `ws` has seen no close frame.
      this.#end()?.handleClosed({ wasClean: code !== 1006, code, reason: reason.toString() });
    });
    handler.handleOpen({ subprotocol: socket.protocol, extensions: socket.extensions });
  }

  send(batch: Uint8Array): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    this.#socket.send(batch, { binary: true }, () => this.#handler?.handleWritable());
  }

  close(code: number, reason: string): void {
    this.#end();
    this.#socket.close(code, reason);
  }

  terminate(): void {
    this.#end();
    this.#socket.terminate();
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  #end(): TransportHandler | undefined {
    const handler = this.#handler;
    this.#handler = undefined;
    return handler;
  }
}

/** A text message carries no batch; an empty one is refused in the same way (BAT-02). */
function batchOf(data: RawData, isBinary: boolean): Uint8Array {
  if (!isBinary) return new Uint8Array(0);
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  const { buffer, byteOffset, byteLength } = Array.isArray(data) ? Buffer.concat(data) : data;
  // Not as a Buffer, whose `slice` copies nothing: who keeps a little of it would keep all that was read with it, 64 KiB.
  return new Uint8Array(buffer, byteOffset, byteLength);
}
