import { WebSocket as MockWebSocket, Server } from "mock-socket";
import { browserHost } from "../../src/client/platform.js";
import { DEFAULT_LIMITS } from "../../src/core/limits.js";
import { SUBPROTOCOL, type Transport, type TransportHandler } from "../../src/transport/transport.js";
import { MemoryServer } from "./memory-server.js";

export { MockWebSocket };

/** What mock-socket hands to a server: its types leave half of it out. */
interface MockSocket {
  on(type: string, listener: (data: never) => void): void;
  send(data: ArrayBuffer): void;
  close(options?: { code: number; reason: string; wasClean: boolean }): void;
}

/** The server's end of a connection of mock-socket. */
class MockTransport implements Transport {
  readonly name = "websocket";
  readonly greets = true;
  readonly requests = "none";
  readonly isBusy = false;
  readonly batchBytesMax: number = DEFAULT_LIMITS.batchBytesMax;
  readonly bufferedBytes = 0;
  readonly #socket: MockSocket;

  constructor(socket: MockSocket) {
    this.#socket = socket;
  }

  start(handler: TransportHandler): void {
    this.#socket.on("message", (data: Uint8Array) => handler.handleBatch(data.slice()));
    this.#socket.on("close", () => handler.handleClosed({ wasClean: false, code: 1006, reason: "" }));
    handler.handleOpen({ subprotocol: SUBPROTOCOL, extensions: "" });
  }

  send(batch: Uint8Array): void {
    // Views arrive as strings: mock-socket takes whole buffers only.
    this.#socket.send(batch.slice().buffer);
  }

  close(code: number, reason: string): void {
    this.#socket.close({ code, reason, wasClean: true });
  }

  terminate(): void {
    this.#socket.close();
  }
}

/** A server of mock-socket that speaks `sluice.v1`, and what comes to it. */
export class MockServer extends MemoryServer {
  readonly #server: Server;

  constructor(url: string, protocol = "") {
    super(browserHost(), { protocol });
    this.#server = new Server(url, { mock: false, selectProtocol: () => SUBPROTOCOL });
    this.#server.on("connection", (socket) => this.receive(new MockTransport(socket as unknown as MockSocket)));
  }

  stop(): void {
    this.#server.stop();
  }
}
