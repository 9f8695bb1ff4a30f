import type { PlainData, PlainHandler, PlainLink } from "../plain.js";
import type { TransportDeath } from "../transport.js";
import type { WebSocketLike } from "./websocket.js";

const OPEN = 1;

/** An open socket that somebody else has dialled, and what it has told since. */
export interface FoundSocket {
  readonly socket: WebSocketLike;
  /** What the application is to see of it. */
  readonly subprotocol: string;
  readonly extensions: string;
  readonly messages: readonly unknown[];
  readonly death: TransportDeath | undefined;
}

/**
 * Connects as any page does.
 * @throws what the constructor throws, for example a `SecurityError` under a content security policy
 */
export function plainLink(socket: WebSocketLike): PlainLink {
  return new BrowserPlainLink(socket, undefined);
}

/** Goes on with a socket that is open. */
export function foundLink(found: FoundSocket): PlainLink {
  return new BrowserPlainLink(found.socket, found);
}

class BrowserPlainLink implements PlainLink {
  readonly #socket: WebSocketLike;
  readonly #found: FoundSocket | undefined;

  constructor(socket: WebSocketLike, found: FoundSocket | undefined) {
    this.#socket = socket;
    this.#found = found;
    socket.binaryType = "arraybuffer";
  }

  start(handler: PlainHandler): void {
    const socket = this.#socket;
    socket.onopen = () => handler.handleOpen({ subprotocol: socket.protocol, extensions: socket.extensions ?? "" });
    socket.onmessage = (event: { data: unknown }) => handler.handleMessage(dataOf(event.data));
    // An `error` event says nothing, and `close` always follows.
    socket.onerror = () => {};
    socket.onclose = (event: TransportDeath) => this.#end(handler, event);
    const found = this.#found;
    if (found === undefined) return;
    handler.handleOpen(found);
    for (const data of found.messages) handler.handleMessage(dataOf(data));
    if (found.death !== undefined) this.#end(handler, found.death);
  }

  send(data: PlainData): void {
    this.#socket.send(data as Uint8Array<ArrayBuffer>);
  }

  close(code: number, reason: string): void {
    if (code === 1005) this.#socket.close();
    else this.#socket.close(code, reason);
  }

  abandon(): void {
    const socket = this.#socket;
    socket.onopen = null;
    socket.onmessage = null;
    socket.onclose = null;
    socket.onerror = () => {};
  }

  terminate(): void {
    this.abandon();
    this.#socket.close();
  }

  get isOpen(): boolean {
    return this.#socket.readyState === OPEN;
  }

  get bufferedBytes(): number {
    return this.#socket.bufferedAmount ?? 0;
  }

  #end(handler: PlainHandler, { wasClean, code, reason }: TransportDeath): void {
    this.abandon();
    handler.handleClosed({ wasClean, code, reason });
  }
}

function dataOf(data: unknown): string | Uint8Array {
  if (typeof data === "string") return data;
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return new Uint8Array(data as ArrayBuffer);
}
