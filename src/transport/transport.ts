/** The ways to carry a session. */
export type TransportName = "websocket" | "sse" | "long-poll";

/** How a transport ended: data, not an error, as ending is what transports do. */
export interface TransportDeath {
  /** Whether there was a close handshake. */
  readonly wasClean: boolean;
  /** A WebSocket close code: 1006 where there was no close handshake. */
  readonly code: number;
  readonly reason: string;
  /** The status with which a server, or something in between, has refused a request over HTTP. */
  readonly httpStatus?: number;
}

/**
 * What a transport tells. Calls come one at a time and never from inside a call to the transport, but for
 * `handleOpen`, which a transport that is open already may make from `start`.
 */
export interface TransportHandler {
  /** The transport carries batches from now on. `subprotocol`: what the server has selected; empty for none. */
  handleOpen(opened: { readonly subprotocol: string; readonly extensions: string }): void;
  /** One batch, whole. The callee owns the bytes: no Buffer of Node, whose `slice` does not copy. */
  handleBatch(batch: Uint8Array): void;
  /** `bufferedBytes` has fallen, or `isBusy` is over. A transport that cannot tell never calls it; acknowledgements wake the sender too. */
  handleWritable(): void;
  /** `name` is another one: an HTTP line has found another way down. */
  handleRenamed?(): void;
  /** The last call, made once unless `close` or `terminate` came first. */
  handleClosed(death: TransportDeath): void;
}

/**
 * Moves batches between two ends and knows nothing of sessions. Contract: batches arrive in the order of `send`,
 * whole and unaltered, or the transport dies; a half-duplex one (HTTP) keeps the order by itself.
 */
export interface Transport {
  readonly name: TransportName;
  /** Whether the server speaks first on it (HSK-01). Where it cannot, the client's HELLO begins (HTTP-04). */
  readonly greets: boolean;
  /** The largest batch to make for it, bytes. */
  readonly batchBytesMax: number;
  /** Who sends batches in requests, or in answers to them, one at a time, each of which costs. May change with `name`. */
  readonly requests: "none" | "own" | "peer" | "both";
  /** Whether what is handed over now waits for the next request or answer: what can wait is better decided on then. */
  readonly isBusy: boolean;
  /** Bytes handed over and not yet passed on, as far as the platform tells. */
  readonly bufferedBytes: number;
  /** Begins to connect, or to read where it is connected already. Called once. */
  start(handler: TransportHandler): void;
  /**
   * Hands over a batch of at most `batchBytesMax`, or one that another transport has had before (BAT-05); the transport
   * owns the bytes. Ignored once it has ended.
   */
  send(batch: Uint8Array): void;
  /** Only where batches leave in requests: how much should go into one, bytes. */
  handleRequestBytes?(bytes: number): void;
  /** Ends in order: what was handed over is passed on first. Nothing is told to the handler any more. */
  close(code: number, reason: string): void;
  /** Ends at once. Nothing is told to the handler any more. */
  terminate(): void;
}

/** Names our protocol in `Sec-WebSocket-Protocol` (NEG-01). */
export const SUBPROTOCOL = "sluice.v1";

/** What the name of a subprotocol is made of: an HTTP token (RFC 9110, 5.6.2). One character class, so that matching takes linear time. */
export const PROTOCOL_NAME: RegExp = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
