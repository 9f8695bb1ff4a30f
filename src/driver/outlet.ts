import type { Gate, Gates } from "./gate.js";
import { type MessageSink, Outflow } from "./outflow.js";
import type { Receipt } from "./receipt.js";
import type { SendBudget } from "./send-bounds.js";

/** The sending side of a channel, as its object on the platform shows it. */
export interface OutletInit<Data, Stream> {
  readonly gates: Gates;
  readonly budget: Pick<SendBudget, "whenReleased">;
  /** Bytes of the channel accepted and not yet acknowledged. */
  readonly bufferedBytes: () => number;
  /** Those of them that have not left. */
  readonly queuedBytes: () => number;
  readonly onDrain: () => void;
  readonly send: (data: Data) => Receipt;
  readonly close: () => void;
  /** Makes a `WritableStream` of the platform over the sink. */
  readonly streamOf: (sink: MessageSink<Data>) => Stream;
}

/** Backpressure as an application meets it: what `ready`, `desiredSize` and `writable` of sockets and channels are. */
export class Outlet<Data, Stream> {
  readonly #init: OutletInit<Data, Stream>;
  readonly #gate: Gate;
  /** Made when somebody asks for it: most never do. */
  #outflow: Outflow<Data, Stream> | undefined;
  #state: "open" | "ended" = "open";

  constructor(init: OutletInit<Data, Stream>) {
    this.#init = init;
    this.#gate = init.gates.add(init);
  }

  /** A message has been accepted. */
  handleSent(): void {
    this.#gate.handleSent();
  }

  /** Nothing is sent any more. */
  end(): void {
    this.#state = "ended";
    this.#gate.end();
    this.#outflow?.end();
  }

  /** Resolved below the high-water mark and once the channel has ended; else it resolves then. */
  get ready(): Promise<void> {
    return this.#gate.ready;
  }

  /** How many bytes there is room for up to the mark; negative above it, 0 once the channel has ended. */
  get desiredSize(): number {
    return this.#gate.desiredSize;
  }

  get stream(): Stream {
    if (this.#outflow === undefined) {
      const { budget, send, close, streamOf } = this.#init;
      this.#outflow = new Outflow({ gate: this.#gate, budget, send, close }, streamOf);
      if (this.#state === "ended") this.#outflow.end();
    }
    return this.#outflow.stream;
  }
}
