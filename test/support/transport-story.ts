import type { Transport, TransportDeath, TransportHandler } from "../../src/transport/transport.js";

/** Batches as a test reads them. */
export type Told =
  | { readonly type: "open"; readonly subprotocol: string }
  | { readonly type: "batch"; readonly batch: Uint8Array }
  | { readonly type: "writable" }
  | { readonly type: "renamed"; readonly name: string }
  | { readonly type: "closed"; readonly death: TransportDeath };

/** What a transport has told, and who waits for it. Fails where a transport breaks the rules of its calls. */
export class TransportStory implements TransportHandler {
  readonly told: Told[] = [];
  /** What to do on a batch, beside keeping it. */
  onBatch: (batch: Uint8Array) => void = () => {};
  onWritable: () => void = () => {};
  readonly #transport: Transport;
  #waiting: { isThere: () => boolean; resolve: () => void }[] = [];
  /** Breaches of the contract. */
  readonly breaches: string[] = [];
  #isCalling = false;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Calls a method of the transport, during which nothing may be told. */
  call(run: (transport: Transport) => void): void {
    const wasCalling = this.#isCalling;
    this.#isCalling = true;
    run(this.#transport);
    this.#isCalling = wasCalling;
  }

  handleOpen({ subprotocol }: { readonly subprotocol: string }): void {
    this.#add({ type: "open", subprotocol }, true);
  }

  handleBatch(batch: Uint8Array): void {
    this.#add({ type: "batch", batch });
    this.onBatch(batch);
  }

  handleWritable(): void {
    this.#add({ type: "writable" });
    this.onWritable();
  }

  handleRenamed(): void {
    this.#add({ type: "renamed", name: this.#transport.name });
  }

  handleClosed(death: TransportDeath): void {
    this.#add({ type: "closed", death });
  }

  /** Resolves when `isThere` holds; looked at whenever something is told. */
  until(isThere: () => boolean): Promise<void> {
    if (isThere()) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ isThere, resolve }));
  }

  /** Resolves to the first `count` batches. */
  async batchesWhen(count: number): Promise<Uint8Array[]> {
    await this.until(() => this.batches.length >= count);
    return this.batches;
  }

  async death(): Promise<TransportDeath> {
    await this.until(() => this.deaths.length > 0);
    return this.deaths[0] as TransportDeath;
  }

  get batches(): Uint8Array[] {
    return this.told.flatMap((entry) => (entry.type === "batch" ? [entry.batch] : []));
  }

  get deaths(): TransportDeath[] {
    return this.told.flatMap((entry) => (entry.type === "closed" ? [entry.death] : []));
  }

  of(type: Told["type"]): Told[] {
    return this.told.filter((entry) => entry.type === type);
  }

  #add(entry: Told, mayBeInside = false): void {
    if (this.#isCalling && !mayBeInside) this.breaches.push(`${entry.type} from inside a call`);
    if (this.deaths.length > 0) this.breaches.push(`${entry.type} behind the end`);
    this.told.push(entry);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const entry of waiting) {
      if (entry.isThere()) entry.resolve();
      else this.#waiting.push(entry);
    }
  }
}
