import type { SendBounds } from "./send-bounds.js";

const NOW: Promise<void> = Promise.resolve();

/** What a gate goes by, and whom it tells. */
export interface GateInit {
  /** Bytes of the channel accepted and not yet acknowledged. */
  readonly bufferedBytes: () => number;
  /** Those of them that have not left: what is on its way is as much as the line needs, which may be more than any mark. */
  readonly queuedBytes: () => number;
  /** There is room again. */
  readonly onDrain: () => void;
}

/** A gate leaves room for another message below `maxBufferedAmount`, however much is on its way. */
const FULL_SHARE = 3 / 4;

/** The gates of all channels of a socket: only those that are shut are looked at when something has moved. */
export class Gates {
  readonly #bounds: SendBounds;
  readonly #shut = new Set<Gate>();

  constructor(bounds: SendBounds) {
    this.#bounds = bounds;
  }

  add(init: GateInit): Gate {
    return new Gate(this.#bounds, init, this.#shut);
  }

  /** Fewer bytes may be buffered than before. */
  handleTurn(): void {
    for (const gate of [...this.#shut]) gate.handleTurn();
  }

  /** How many channels are above the mark. */
  get shutCount(): number {
    return this.#shut.size;
  }
}

/**
 * Backpressure towards the application of one channel: shut from the high-water mark on, open again below it. It goes by what
 * has yet to leave: with what is on its way it would hold a long line to one mark for each round trip.
 */
export class Gate {
  readonly #bounds: SendBounds;
  readonly #init: GateInit;
  readonly #shut: Set<Gate>;
  #state: "open" | "shut" | "ended" = "open";
  /** What everybody waits for who has asked while it is shut. */
  #ready = NOW;
  #resolve: (() => void) | undefined;

  constructor(bounds: SendBounds, init: GateInit, shut: Set<Gate>) {
    this.#bounds = bounds;
    this.#init = init;
    this.#shut = shut;
  }

  /** A message has been accepted. */
  handleSent(): void {
    if (this.#state !== "open" || this.#roomBytes > 0) return;
    this.#state = "shut";
    this.#shut.add(this);
  }

  handleTurn(): void {
    if (this.#state !== "shut" || this.#roomBytes <= 0) return;
    this.#state = "open";
    this.#release();
    this.#init.onDrain();
  }

  /** The channel has ended: nobody has to wait for it any more. */
  end(): void {
    this.#state = "ended";
    this.#release();
  }

  /** Resolved below the mark and once the channel has ended; else it resolves then. */
  get ready(): Promise<void> {
    if (this.#state === "shut" && this.#resolve === undefined) {
      this.#ready = new Promise((resolve) => {
        this.#resolve = resolve;
      });
    }
    return this.#ready;
  }

  /** How many bytes there is room for up to the mark; negative above it, 0 once the channel has ended. */
  get desiredSize(): number {
    return this.#state === "ended" ? 0 : this.#roomBytes;
  }

  get #roomBytes(): number {
    const { highWaterMark, maxBufferedAmount } = this.#bounds;
    const { queuedBytes, bufferedBytes } = this.#init;
    return Math.min(highWaterMark - queuedBytes(), maxBufferedAmount * FULL_SHARE - bufferedBytes());
  }

  #release(): void {
    this.#shut.delete(this);
    this.#resolve?.();
    this.#resolve = undefined;
  }
}
