import type { Millis } from "../time.js";

/** One acknowledgement as the controller sees it. */
export interface AckSample {
  /** When the acknowledged batch arrived, on the receiver's clock. */
  readonly receivedAt: Millis;
  /** From handing the batch to the transport to its ack, without the receiver's ack delay. */
  readonly roundTripTimeMs: Millis;
  /** Bytes acknowledged in the session so far. */
  readonly ackedBytes: number;
}

/** How many bytes may be sent and not yet acknowledged. */
export interface WindowController {
  handleAck(sample: AckSample, now: Millis): void;
  readonly windowBytes: number;
}

/** A window of constant size: right for one product of bandwidth and delay, and a bound for all others. */
export class FixedWindow implements WindowController {
  readonly windowBytes: number;

  constructor(windowBytes: number) {
    this.windowBytes = windowBytes;
  }

  handleAck(): void {
    // Nothing that a fixed window could learn.
  }
}
