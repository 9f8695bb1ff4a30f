import { EventEmitter } from "node:events";
import type { Socket } from "node:net";

/** The ends of a TCP connection. A copy, since a session outlives its connections and must not hold on to them. */
export interface ConnectionEnds {
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  readonly remoteFamily: string | undefined;
  readonly localAddress: string | undefined;
  readonly localPort: number | undefined;
  readonly encrypted: boolean;
}

export function connectionEnds(socket: Socket): ConnectionEnds {
  const { remoteAddress, remotePort, remoteFamily, localAddress, localPort } = socket;
  const encrypted = (socket as { encrypted?: boolean }).encrypted === true;
  return { remoteAddress, remotePort, remoteFamily, localAddress, localPort, encrypted };
}

/**
 * What libraries read of `_socket`, the connection beneath a socket of `ws`: its addresses, and, as
 * `createWebSocketStream` does, whether everything has left (`_writableState.finished`, event `finish`).
 */
export class ConnectionView extends EventEmitter {
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  readonly remoteFamily: string | undefined;
  readonly localAddress: string | undefined;
  readonly localPort: number | undefined;
  readonly encrypted: boolean;
  readonly _writableState: { finished: boolean } = { finished: false };

  constructor(ends: ConnectionEnds) {
    super();
    this.remoteAddress = ends.remoteAddress;
    this.remotePort = ends.remotePort;
    this.remoteFamily = ends.remoteFamily;
    this.localAddress = ends.localAddress;
    this.localPort = ends.localPort;
    this.encrypted = ends.encrypted;
  }

  /** Nothing leaves any more. */
  finish(): void {
    this._writableState.finished = true;
    this.emit("finish");
  }
}
