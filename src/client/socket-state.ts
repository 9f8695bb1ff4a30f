import type { TransportName } from "../transport/transport.js";
import type { Opened } from "./lifeline-events.js";

/**
 * `"connecting"` until the first session is open; `"reconnecting"`: the line was cut, and the session, or the next one, is on its
 * way back; `"closed"` once `close` is told.
 */
export type ConnectionState = "connecting" | "connected" | "reconnecting" | "closed";

/** 0 connecting, 1 open, 2 closing, 3 closed. */
export type ReadyState = 0 | 1 | 2 | 3;

const CONNECTING = 0;
const OPEN = 1;
const CLOSING = 2;
const CLOSED = 3;

/**
 * What a socket shows of itself. Only the application sees it: how the session is, its engine knows.
 *
 * Invariant: `readyState` goes back from open to connecting where a session is lost, and else only on. Every change of
 * `transport` and of `connectionState` is told when it has been made, in this order.
 */
export class SocketState {
  readyState: ReadyState = CONNECTING;
  connectionState: ConnectionState = "connecting";
  transport: TransportName | null = null;
  protocol = "";
  extensions = "";
  mode: Opened["mode"] | null = null;
  readonly #tell: (change: "transportchange" | "connectionstatechange") => void;

  constructor(tell: (change: "transportchange" | "connectionstatechange") => void) {
    this.#tell = tell;
  }

  /** A session is open. `false` where nobody waits for that any more. */
  handleOpen({ protocol, extensions, mode }: Opened, transport: TransportName | null): boolean {
    if (this.readyState !== CONNECTING) return false;
    this.readyState = OPEN;
    this.protocol = protocol;
    this.extensions = extensions;
    this.mode = mode;
    if (transport !== null) this.#set("connected", transport);
    return true;
  }

  /** Before the first `open` it is still connecting, however often it takes. */
  handleDetached(): void {
    const isBefore = this.connectionState === "connecting" || this.connectionState === "closed";
    if (!isBefore) this.#set("reconnecting", null);
  }

  handleAttached(transport: TransportName | null): void {
    const isBefore = this.connectionState === "connecting" && this.readyState !== OPEN;
    if (transport !== null && this.readyState !== CLOSED && !isBefore) this.#set("connected", transport);
  }

  /** The session is lost, and the socket begins anew. */
  handleReopen(): void {
    if (this.readyState === OPEN) this.readyState = CONNECTING;
    if (this.connectionState === "connected") this.#set("reconnecting", null);
  }

  /** The end has begun, by either side. */
  handleClosing(): void {
    if (this.readyState < CLOSING) this.readyState = CLOSING;
  }

  handleClosed(): void {
    this.readyState = CLOSED;
    this.#set("closed", null);
  }

  /** Whether nothing is sent any more. */
  get isClosing(): boolean {
    return this.readyState >= CLOSING;
  }

  #set(state: ConnectionState, transport: TransportName | null): void {
    const isOther = transport !== this.transport;
    const isNews = state !== this.connectionState;
    this.connectionState = state;
    this.transport = transport;
    if (isOther) this.#tell("transportchange");
    if (isNews) this.#tell("connectionstatechange");
  }
}
