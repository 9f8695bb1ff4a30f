import { owned } from "../core/bytes.js";
import { SluiceError } from "../core/error.js";
import { Incoming, type MessageStart } from "./incoming.js";
import type { BodyPlatform, ByteStream, StreamedMessage } from "./streamed-message.js";
import { Supply } from "./supply.js";
import { SupplyIterator } from "./supply-iterator.js";
import { type ReadSource, SupplySource } from "./supply-stream.js";

/** The channel of a session as whoever takes its messages sees it. */
export interface InletTarget {
  /** How messages are to come from now on: whole, or as they begin. */
  receive(mode: "messages" | "incoming"): void;
  /** The application has what cost so much of the peer's credit. May be called for each message. */
  take(cost: number): void;
}

/** A whole message. */
export interface Arrival {
  readonly text: boolean;
  readonly data: string | Uint8Array;
  readonly cost: number;
}

/** What comes on a channel: whole messages, or the parts of those that are handed on as they come. */
export type InletEvent =
  | ({ readonly type: "message" } & Arrival)
  | ({ readonly type: "incoming" } & MessageStart)
  | { readonly type: "piece"; readonly data: Uint8Array; readonly last: boolean; readonly cost: number }
  /** The sender of the message that was coming has taken it back. */
  | { readonly type: "incoming-reset" };

/** What inlets need of the platform, the same for all of them. */
export interface InletPlatform<Value, Stream, Body extends ByteStream, Binary> {
  /** Runs what may call the application, when its script has ended. */
  readonly defer: (run: () => void) => void;
  readonly encodeUtf8: (text: string) => Uint8Array;
  /** Makes a `ReadableStream` of the platform over the source, which is asked for nothing ahead. */
  readonly streamOf: (source: ReadSource<Value>) => Stream;
  readonly bodies: BodyPlatform<Body, Binary>;
}

/** The receiving side of a channel, as its object on the platform shows it. */
export interface InletInit<Value> {
  /** Shows a message to the listeners, whether there are any or not. Does not throw. */
  readonly dispatch: (message: Arrival) => void;
  /** What iteration and streams give for a message. */
  readonly toValue: (message: Arrival) => Value;
  /** Runs a dispatch when its turn has come: at once, or in a task of its own. */
  readonly schedule: (run: () => void) => void;
  /** Whether listeners hear what comes after the application has closed. */
  readonly isHeardClosing: boolean;
}

type Consumer = "listeners" | "iteration" | "readable" | "incoming";

/** Whole message and the session it came from, which alone can have its credit back. */
interface Held extends Arrival {
  readonly target: InletTarget;
}

/**
 * Who takes the messages of a channel: what listeners, iteration, `readable` and `incoming` of sockets and channels are. The
 * first kind that is asked for has the channel. What nobody has taken waits, and the peer's credit with it.
 */
export class Inlet<Value, Stream, Body extends ByteStream, Binary> {
  readonly #platform: InletPlatform<Value, Stream, Body, Binary>;
  readonly #init: InletInit<Value>;
  readonly #supply: Supply<Held> = new Supply();
  #target: InletTarget;
  #consumer: Consumer | undefined;
  /** Whether events go to whoever listens. */
  #isOpen = false;
  #isPaused = false;
  /** Dispatches that are on their way. */
  #scheduled = 0;
  #iterators = 0;
  #readable: { readonly source: SupplySource<Held, Value>; readonly stream: Stream } | undefined;
  #incoming: Incoming<Body, Binary> | undefined;
  #end: { readonly error: SluiceError | undefined } | undefined;
  /** What waits until the listeners have had everything. */
  #onFinished: (() => void) | undefined;
  /** What the application has ended; `"left"` once nobody takes anything any more. */
  #leaving: "no" | "channel" | "socket" | "left" = "no";

  constructor(platform: InletPlatform<Value, Stream, Body, Binary>, init: InletInit<Value>, target: InletTarget) {
    this.#platform = platform;
    this.#init = init;
    this.#target = target;
  }

  /** Something has come. */
  handle(event: InletEvent): void {
    switch (event.type) {
      case "message":
        return this.#handleMessage(event);
      case "incoming":
        return this.#incoming?.handleStart(event);
      case "piece": {
        const target = this.#target;
        const { data, last, cost } = event;
        return this.#incoming?.handlePiece({ data, isLast: last, taken: () => target.take(cost) });
      }
      case "incoming-reset":
        return this.#incoming?.handleReset();
    }
  }

  /** The channel goes on in another session; what has come in the one before is still handed on. */
  rebind(target: InletTarget, error: SluiceError): void {
    this.#target = target;
    this.#incoming?.interrupt(error);
    if (this.#consumer !== undefined) target.receive(modeOf(this.#consumer));
  }

  /**
   * No more messages come. Iteration and streams end behind what is held.
   * @param error why, if that was not the plan
   * @param run what has to wait until the listeners have had everything; at once if there is nobody to wait for
   */
  end(error: SluiceError | undefined, run: () => void): void {
    this.#end = { error };
    this.#supply.end(error);
    this.#incoming?.end(error);
    this.#readable?.source.handleEnd();
    this.#onFinished = run;
    this.#checkLeft();
    this.#settle();
  }

  /** Events go to whoever listens from now on, be it nobody. */
  open(): void {
    this.#isOpen = true;
    this.#platform.defer(this.#flush);
  }

  /** Somebody listens: from now on the channel belongs to listeners. A no-op when it belongs to others. */
  listen(): void {
    if (this.#consumer === undefined) this.#claim("listeners");
  }

  /** Listeners hear nothing until `resume`; what comes waits. */
  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#platform.defer(this.#flush);
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Whether messages wait to be taken. */
  get isHolding(): boolean {
    return this.#supply.length > 0;
  }

  /**
   * The application itself ends the channel, or the socket with all its channels. What nobody is there to take must not hold
   * up the end: it goes by.
   */
  leave(what: "channel" | "socket"): void {
    if (this.#leaving === "no" || (this.#leaving === "channel" && what === "socket")) this.#leaving = what;
    this.#checkLeft();
  }

  /** @throws SluiceError `ERR_USAGE_CONSUMER` */
  iterator(): AsyncIterableIterator<Value> {
    this.#claim("iteration");
    this.#iterators += 1;
    return new SupplyIterator(
      this.#supply,
      (held) => this.#take(held),
      () => {
        this.#iterators -= 1;
        this.#checkLeft();
      },
    );
  }

  /** @throws SluiceError `ERR_USAGE_CONSUMER` */
  get readable(): Stream {
    this.#claim("readable");
    if (this.#readable === undefined) {
      const source: SupplySource<Held, Value> = new SupplySource(
        this.#supply,
        (held) => this.#take(held),
        () => {
          this.#readable = undefined;
          this.#checkLeft();
        },
      );
      this.#readable = { source, stream: this.#platform.streamOf(source) };
    }
    return this.#readable.stream;
  }

  /** @throws SluiceError `ERR_USAGE_CONSUMER` */
  get incoming(): AsyncIterable<StreamedMessage<Body, Binary>> {
    this.#claim("incoming");
    if (this.#incoming === undefined) {
      const incoming = new Incoming(this.#platform.bodies, () => this.#checkLeft());
      this.#incoming = incoming;
      for (let held = this.#supply.shift(); held !== undefined; held = this.#supply.shift()) {
        this.#handleWhole(incoming, held);
      }
      if (this.#end !== undefined) incoming.end(this.#end.error);
    }
    return this.#incoming;
  }

  get #isFlowing(): boolean {
    return this.#isOpen && !this.#isPaused && (this.#consumer ?? "listeners") === "listeners";
  }

  #claim(consumer: Consumer): void {
    if (this.#consumer === consumer) return;
    if (this.#consumer !== undefined) {
      const text = `Messages are taken by ${this.#consumer} already, and cannot be taken by ${consumer} as well`;
      throw new SluiceError("ERR_USAGE_CONSUMER", text);
    }
    this.#consumer = consumer;
    if (this.#end === undefined) this.#target.receive(modeOf(consumer));
    this.#settle();
  }

  #handleMessage(message: Arrival): void {
    if (this.#leaving === "left") return this.#target.take(message.cost);
    const { text, cost } = message;
    const isNext = this.#supply.isAwaited || (this.#isFlowing && this.#supply.length === 0);
    const data = isNext || typeof message.data === "string" ? message.data : owned(message.data);
    const held: Held = { text, data, cost, target: this.#target };
    if (this.#incoming !== undefined) return this.#handleWhole(this.#incoming, held);
    this.#supply.push(held);
    if (this.#isFlowing) this.#schedule();
  }

  #handleWhole(incoming: Incoming<Body, Binary>, { text, data, cost, target }: Held): void {
    const bytes = typeof data === "string" ? this.#platform.encodeUtf8(data) : data;
    incoming.handleStart({ text, totalBytes: bytes.length });
    incoming.handlePiece({ data: bytes, isLast: true, taken: () => target.take(cost) });
  }

  #take(held: Held): Value {
    const value = this.#init.toValue(held);
    held.target.take(held.cost);
    return value;
  }

  readonly #flush = (): void => {
    if (!this.#isFlowing) return;
    for (let missing = this.#supply.length - this.#scheduled; missing > 0; missing -= 1) this.#schedule();
    this.#settle();
  };

  #schedule(): void {
    this.#scheduled += 1;
    this.#init.schedule(this.#dispatchNext);
  }

  readonly #dispatchNext = (): void => {
    this.#scheduled -= 1;
    const held = this.#isFlowing ? this.#supply.shift() : undefined;
    if (held === undefined) return;
    this.#init.dispatch(held);
    held.target.take(held.cost);
    this.#settle();
  };

  /** Lets go on what waits for the listeners, once nobody is left to wait for. */
  #settle(): void {
    const isWaiting = this.#supply.length > 0 && (this.#consumer ?? "listeners") === "listeners";
    if (isWaiting) return;
    const run = this.#onFinished;
    this.#onFinished = undefined;
    run?.();
  }

  #checkLeft(): void {
    if (this.#leaving === "no" || this.#leaving === "left" || this.#isAttended()) return;
    this.#leaving = "left";
    for (let held = this.#supply.shift(); held !== undefined; held = this.#supply.shift()) held.target.take(held.cost);
    this.#incoming?.discard();
    this.#settle();
  }

  /** Whether somebody takes what comes, now that the application has ended it. */
  #isAttended(): boolean {
    switch (this.#consumer) {
      case undefined:
        // Messages of a channel wait for the first listener, also behind its end.
        return this.#isOpen ? this.#isHeard : this.#leaving === "channel";
      case "listeners":
        return this.#isHeard;
      case "iteration":
        return this.#iterators > 0;
      case "readable":
        return this.#readable !== undefined;
      case "incoming":
        return this.#incoming?.isBusy ?? false;
    }
  }

  /** Who has closed does not wait for listeners that are paused. */
  get #isHeard(): boolean {
    return this.#init.isHeardClosing && !(this.#isPaused && this.#end !== undefined);
  }
}

function modeOf(consumer: Consumer): "messages" | "incoming" {
  return consumer === "incoming" ? "incoming" : "messages";
}
