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
 * stream. A message that is lost breaks the stream, and so does the end of the channel.
 */
export class Outflow<Data, Stream> {
  readonly #target: OutflowTarget<Data>;
  readonly #make: (sink: MessageSink<Data>) => Stream;
  /** What is shown to who asks; the stream before it may still be ending. */
  #current: { readonly stream: Stream; readonly fail: () => void } | undefined;
  #state: "open" | "ended" = "open";

  /** @param make a `WritableStream` of the platform, over the sink */
  constructor(target: OutflowTarget<Data>, make: (sink: MessageSink<Data>) => Stream) {
    this.#target = target;
    this.#make = make;
  }

  get stream(): Stream {
    this.#current ??= this.#open();
    return this.#current.stream;
  }

  /** The channel has ended. */
  end(): void {
    this.#state = "ended";
    this.#current?.fail();
  }

  #open(): { stream: Stream; fail: () => void } {
    const pending = new Set<Receipt>();
    let controller: Controller | undefined;
    let isClosing = false;
    let stopWaiting = () => {};
    const stopped = new Promise<void>((resolve) => {
      stopWaiting = resolve;
    });
    let isAborted = false;
    const fail = (error: unknown) => controller?.error(error);
    const abort = () => {
      if (this.#current === opened) this.#current = undefined;
      isAborted = true;
      stopWaiting();
      for (const receipt of pending) receipt.cancel();
    };
    const sink: MessageSink<Data> = {
      start: (given) => {
        controller = given;
        controller.signal?.addEventListener("abort", abort);
        if (this.#state === "ended") fail(closed());
      },
      write: async (data) => {
        let receipt = this.#trySend(data);
        // Others have filled the buffer, and will make room: a stream waits for that.
        for (; receipt === undefined; receipt = this.#trySend(data)) {
          await Promise.race([this.#target.budget.whenReleased(), stopped]);
          if (isAborted) throw cancelled();
        }
        const given = receipt;
        pending.add(receipt);
        void delivery(receipt)
          .catch(fail)
          .then(() => pending.delete(given));
        if (isUnderWay(receipt)) await this.#room(receipt);
        if (!isUnderWay(receipt)) await receipt.written;
      },
      close: async () => {
        // The end that follows has been asked for.
        isClosing = true;
        const deliveries = [...pending].map(delivery);
        this.#target.close();
        await Promise.all(deliveries);
      },
      abort,
    };
    const opened = {
      stream: this.#make(sink),
      fail: () => {
        if (!isClosing) fail(closed());
      },
    };
    return opened;
  }

  /** `undefined` when there is no room now. */
  #trySend(data: Data): Receipt | undefined {
    try {
      return this.#target.send(data);
    } catch (error) {
      if (error instanceof SluiceError && error.code === "ERR_BUFFER_FULL" && error.retryable) return undefined;
      throw error;
    }
  }

  /** Resolves below the mark; rejects when the message has failed before. */
  #room(receipt: Receipt): Promise<void> {
    const { gate } = this.#target;
    return Promise.race([gate.ready, delivery(receipt).then(() => gate.ready)]);
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
