import type { Transport, TransportHandler } from "../transport.js";

/** The part of the standard `WebSocket` that is used, so that Node 20 and tests can inject another. */
export interface WebSocketLike {
  binaryType: string;
  readonly protocol: string;
  readonly extensions: string;
  readonly readyState: number;
  readonly bufferedAmount: number;
  send(data: Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
  addEventListener?(type: "message", listener: () => void): void;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
}

export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;

const OPEN = 1;

/** What messages are handled in. */
export interface EventTask {
  /**
   * Calls `run`, which handles `event`: the platform has begun a task for that.
   * @param followers how many further listeners the event has, each of which calls `follow`
   */
  within(event: { readonly isTrusted?: boolean }, run: () => void, followers: number): void;
  /** Does what has been left for one of them. */
  follow(isLast: boolean): void;
}

/** So few that they cost a message that comes alone next to nothing. */
const FOLLOWERS = 3;

const AT_ONCE: EventTask = { within: (_event, run) => run(), follow: () => {} };

/**
 * A transport over the native WebSocket of a browser.
 * @param task what messages are handled in
 * @throws what the constructor throws, for example a `SecurityError` under a content security policy
 */
export function webSocketTransport(
  WebSocket: WebSocketConstructor,
  url: string,
  protocols: string[],
  task: EventTask = AT_ONCE,
): Transport {
  return new BrowserWebSocketTransport(new WebSocket(url, protocols), task);
}

class BrowserWebSocketTransport implements Transport {
  readonly name = "websocket";
  readonly greets = true;
  readonly requests = "none";
  readonly isBusy = false;
  /** Chromium sends messages up to this as one frame (`kSmallMessageThreshold` is 64 KiB). Header room included. */
  readonly batchBytesMax: number = 65 * 1024;
  readonly #socket: WebSocketLike;
  readonly #task: EventTask;

  constructor(socket: WebSocketLike, task: EventTask) {
    this.#socket = socket;
    this.#task = task;
    socket.binaryType = "arraybuffer";
  }

  start(handler: TransportHandler): void {
    const socket = this.#socket;
    // None are counted on before they have been called.
    let followers = 0;
    socket.onopen = () => handler.handleOpen({ subprotocol: socket.protocol, extensions: socket.extensions ?? "" });
    socket.onmessage = (event: { data: unknown }) => {
      this.#task.within(event as { isTrusted?: boolean }, () => handler.handleBatch(batchOf(event.data)), followers);
    };
    // Behind `onmessage`, and never taken away: what is left for them they must do, whatever becomes of the socket.
    for (let left = FOLLOWERS; left > 0; left--) {
      socket.addEventListener?.("message", () => {
        followers = FOLLOWERS;
        this.#task.follow(left === 1);
      });
    }
    // An `error` event says nothing, and `close` always follows.
    socket.onerror = () => {};
    socket.onclose = (event: { wasClean: boolean; code: number; reason: string }) => {
      const { wasClean, code, reason } = event;
      this.#detach();
      handler.handleClosed({ wasClean, code, reason });
    };
  }

  send(batch: Uint8Array): void {
    if (this.#socket.readyState === OPEN) this.#socket.send(batch as Uint8Array<ArrayBuffer>);
  }

  close(code: number, reason: string): void {
    this.#detach();
    // A page may send no other codes (WHATWG WebSockets, `close()`); the peer has learned ours from the batch before.
    if (code === 1000 || (code >= 3000 && code <= 4999)) this.#socket.close(code, reason);
    else this.#socket.close();
  }

  terminate(): void {
    this.#detach();
    this.#socket.close();
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount ?? 0;
  }

  /** Late events of an old socket must not reach a session that has gone on. */
  #detach(): void {
    const socket = this.#socket;
    socket.onopen = null;
    socket.onmessage = null;
    socket.onclose = null;
    socket.onerror = () => {};
  }
}

/** A text message carries no batch; an empty one is refused in the same way (BAT-02). */
export function batchOf(data: unknown): Uint8Array {
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  // A brand check: under jsdom the buffers come from another realm, and `instanceof` fails.
  const isBuffer = Object.prototype.toString.call(data) === "[object ArrayBuffer]";
  return isBuffer ? new Uint8Array(data as ArrayBuffer) : new Uint8Array(0);
}
