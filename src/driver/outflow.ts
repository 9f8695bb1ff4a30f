import { SluiceError } from "../core/error.js";
import type { Gate } from "./gate.js";
import { cancelled } from "./pending-message.js";
import type { Receipt } from "./receipt.js";
import type { SendBudget } from "./send-bounds.js";

/** The channel that a stream writes to. */
export interface OutflowTarget<Data> {
  readonly gate: Gate;
  readonly budget: Pick<SendBudget, "whenReleased">;
  send(data: Data): Receipt;
  close(): void;
}

/** The part of `WritableStreamDefaultController` that is used: the type itself belongs to the platforms. */
interface Controller {
  /** Tells of an abort while a write is waiting; the sink's own `abort` waits for that. Safari has it from 16.4 on. */
  readonly signal?: { addEventListener(type: "abort", listener: () => void): void };
  error(reason: unknown): void;
}

/** An `UnderlyingSink` (WHATWG Streams): one message for each write. */
export interface MessageSink<Data> {
  start(controller: Controller): void;
  write(data: Data): Promise<void>;
  close(): Promise<void>;
  abort(): void;
}

/**
 * The `writable` of a channel, made when somebody asks for it. Closing it closes the channel, and waits until everything
 * has been delivered. Aborting it takes back what has not left, and leaves the channel open: who asks then gets another
 * stream. A message that is lost breaks the stream, with the same consequence, and so does the end of the channel, behind
 * which there are broken streams only.
 */
export class Outflow<Data, Stream> {
  readonly #target: OutflowTarget<Data>;
  readonly #make: (sink: MessageSink<Data>) => Stream;
  /** What is shown to who asks; the stream before it may still be ending. */
  #current: { readonly sink: ChannelSink<Data>; readonly stream: Stream } | undefined;
  #state: "open" | "ended" = "open";

  /** @param make a `WritableStream` of the platform, over the sink */
  constructor(target: OutflowTarget<Data>, make: (sink: MessageSink<Data>) => Stream) {
    this.#target = target;
    this.#make = make;
  }

  get stream(): Stream {
    if (this.#current === undefined) {
      const sink: ChannelSink<Data> = new ChannelSink(this.#target, () => {
        if (this.#current?.sink === sink) this.#current = undefined;
      });
      this.#current = { sink, stream: this.#make(sink) };
      if (this.#state === "ended") sink.end();
    }
    return this.#current.stream;
  }

  /** The channel has ended. */
  end(): void {
    this.#state = "ended";
    this.#current?.sink.end();
  }
}

class ChannelSink<Data> implements MessageSink<Data> {
  readonly #target: OutflowTarget<Data>;
  readonly #onBroken: () => void;
  /** What has been written and has not ended. */
  readonly #pending = new Set<Receipt>();
  #controller: Controller | undefined;
  #state: "open" | "aborted" = "open";
  /** Wakes the write that waits for room, if there is one: they come one at a time. */
  #wake: () => void = () => {};

  /** @param onBroken nothing more can be written to it */
  constructor(target: OutflowTarget<Data>, onBroken: () => void) {
    this.#target = target;
    this.#onBroken = onBroken;
  }

  start(controller: Controller): void {
    this.#controller = controller;
    controller.signal?.addEventListener("abort", () => this.abort());
  }

  async write(data: Data): Promise<void> {
    try {
      await this.#write(data);
    } catch (error) {
      this.#onBroken();
      throw error;
    }
  }

  async close(): Promise<void> {
    const deliveries = [...this.#pending].map(delivery);
    this.#target.close();
    await Promise.all(deliveries);
  }

  abort(): void {
    this.#state = "aborted";
    this.#onBroken();
    this.#wake();
    for (const receipt of this.#pending) receipt.cancel();
  }

  /** The channel has ended. A close that is under way goes by its messages all the same (Streams, "erroring"). */
  end(): void {
    this.#controller?.error(closed());
  }

  async #write(data: Data): Promise<void> {
    const receipt = await this.#accepted(data);
    this.#pending.add(receipt);
    void delivery(receipt)
      .catch((error: unknown) => {
        this.#onBroken();
        this.#controller?.error(error);
      })
      .then(() => this.#pending.delete(receipt));
    const { gate } = this.#target;
    // Rejects at once when the message fails meanwhile.
    if (isUnderWay(receipt)) await Promise.race([gate.ready, delivery(receipt).then(() => gate.ready)]);
    if (!isUnderWay(receipt)) await receipt.written;
  }

  /** Where others have filled the buffer, they will make room: a stream waits for that. */
  async #accepted(data: Data): Promise<Receipt> {
    while (this.#state !== "aborted") {
      try {
        return this.#target.send(data);
      } catch (error) {
        if (!(error instanceof SluiceError && error.code === "ERR_BUFFER_FULL" && error.retryable)) throw error;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        void this.#target.budget.whenReleased().then(resolve);
      });
    }
    throw cancelled();
  }
}

/** An ordinary WebSocket acknowledges nothing: there, what is written counts. */
async function delivery(receipt: Receipt): Promise<void> {
  try {
    await receipt.delivered;
  } catch (error) {
    if ((error as SluiceError).code !== "ERR_NO_ACK") throw error;
  }
}

function isUnderWay({ state }: Receipt): boolean {
  return state === "queued" || state === "writing" || state === "delivered";
}

function closed(): SluiceError {
  return new SluiceError("ERR_NEVER_WRITTEN", "The channel is closing or closed");
}
