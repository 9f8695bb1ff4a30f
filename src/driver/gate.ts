const NOW: Promise<void> = Promise.resolve();

/** What a gate goes by, and whom it tells. */
export interface GateInit {
  /** Bytes of the channel accepted and not yet acknowledged. */
  readonly bufferedBytes: () => number;
  /** There is room again. */
  readonly onDrain: () => void;
}

/** The gates of all channels of a socket: only those that are shut are looked at when something has moved. */
export class Gates {
  readonly #markBytes: number;
  readonly #shut = new Set<Gate>();

  constructor(markBytes: number) {
    this.#markBytes = markBytes;
  }

  add(init: GateInit): Gate {
    return new Gate(this.#markBytes, init, this.#shut);
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

/** Backpressure towards the application of one channel: shut from the high-water mark on, open again below it. */
export class Gate {
  readonly #markBytes: number;
  readonly #init: GateInit;
  readonly #shut: Set<Gate>;
  #state: "open" | "shut" | "ended" = "open";
  /** What everybody waits for who has asked while it is shut. */
  #ready = NOW;
  #resolve: (() => void) | undefined;

  constructor(markBytes: number, init: GateInit, shut: Set<Gate>) {
    this.#markBytes = markBytes;
    this.#init = init;
    this.#shut = shut;
  }

  /** A message has been accepted. */
  handleSent(): void {
    if (this.#state !== "open" || this.#isBelow) return;
    this.#state = "shut";
    this.#shut.add(this);
  }

  handleTurn(): void {
    if (this.#state !== "shut" || !this.#isBelow) return;
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
    return this.#state === "ended" ? 0 : this.#markBytes - this.#init.bufferedBytes();
  }

  get #isBelow(): boolean {
    return this.#init.bufferedBytes() < this.#markBytes;
  }

  #release(): void {
    this.#shut.delete(this);
    this.#resolve?.();
    this.#resolve = undefined;
  }
}
