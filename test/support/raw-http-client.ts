import { encodeBatch } from "../../src/core/wire/encode.js";
import { type Frame, Parameter } from "../../src/core/wire/frame.js";
import { varint } from "../../src/core/wire/parameters.js";
import { type HttpOptions, httpTransport } from "../../src/transport/browser/http.js";
import type { Transport, TransportDeath, TransportHandler } from "../../src/transport/transport.js";
import { TestPlatform } from "./http-rig.js";
import { Inbox } from "./inbox.js";
import { naiveDecode } from "./naive-decoder.js";
import { RawSession } from "./raw-client.js";

type FrameOf<T extends Frame["type"]> = Frame & { readonly type: T };

export interface RawHttpOptions extends HttpOptions {
  readonly session?: RawSession;
  /** Headers that a page would send, or that a hostile client does. */
  readonly headers?: Record<string, string>;
}

/** A client that speaks over HTTP, and does as it likes. */
export class RawHttpClient implements TransportHandler {
  readonly transport: Transport;
  readonly session: RawSession;
  readonly frames = new Inbox<Frame>();
  readonly platform = new TestPlatform();
  readonly closed: Promise<TransportDeath>;
  readonly #requests = new Set<Promise<unknown>>();
  #close: (death: TransportDeath) => void = () => {};

  constructor(url: string, { session = new RawSession(), headers = {}, ...options }: RawHttpOptions = {}) {
    this.session = session;
    const { fetch } = this.platform;
    this.platform.fetch = (target, init) => {
      const request = fetch(target, { ...init, headers: { ...init?.headers, ...headers } });
      this.#requests.add(request);
      const forget = () => this.#requests.delete(request);
      request.then(forget, forget);
      return request;
    };
    this.transport = httpTransport(this.platform, url, options);
    this.closed = new Promise((resolve) => {
      this.#close = resolve;
    });
    this.transport.start(this);
  }

  /** A HELLO for a new session, or for the one that is known. */
  hello(parameters: [number, Uint8Array][] = []): this {
    const { session } = this;
    session.epoch += 1;
    const said = new Map<number, Uint8Array>([
      [Parameter.ATTEMPT, session.attempt],
      [Parameter.EPOCH, varint(session.epoch)],
    ]);
    if (session.id !== undefined && session.token !== undefined) {
      said.set(Parameter.SESSION, session.id);
      said.set(Parameter.RESUME_TOKEN, session.token);
      said.set(Parameter.RECEIVED, varint(session.received));
    }
    this.send(encodeBatch(0, [{ type: "hello", parameters: new Map([...said, ...parameters]) }]));
    return this;
  }

  /** Goes as far as the welcome, and says that it has come. */
  async established(parameters: [number, Uint8Array][] = []): Promise<this> {
    this.hello(parameters);
    await this.next("welcome");
    this.ack();
    return this;
  }

  numbered(...frames: Frame[]): void {
    this.session.lastNumber += 1;
    this.send(encodeBatch(this.session.lastNumber, frames));
  }

  ack(): void {
    const { received: number, receivedBytes: bytes } = this.session;
    this.send(encodeBatch(0, [{ type: "ack", number, bytes, receivedTicks: 0, delayTicks: 0 }]));
  }

  /** Leaves, and resolves when the server knows. */
  async end(): Promise<void> {
    this.transport.close(1000, "");
    await Promise.allSettled(this.#requests);
  }

  send(batch: Uint8Array): void {
    this.transport.send(batch);
  }

  async next<T extends Frame["type"]>(type: T): Promise<FrameOf<T>> {
    for (;;) {
      const frame = await this.frames.next();
      if (frame.type === type) return frame as never;
    }
  }

  async nextText(): Promise<string> {
    return Buffer.from((await this.next("chunk")).payload).toString();
  }

  handleOpen(): void {}

  handleBatch(batch: Uint8Array): void {
    const { number, frames, isValid } = naiveDecode(batch);
    if (!isValid) throw new Error("the server sent a batch that breaks the protocol");
    const { session } = this;
    if (number > 0 && number <= session.received) return;
    if (number > session.received + 1) throw new Error("the server left out a batch");
    if (number > 0) {
      session.received = number;
      session.receivedBytes += batch.length;
    }
    for (const frame of frames) {
      if (frame.type === "welcome") {
        session.id = frame.parameters.get(Parameter.SESSION);
        session.token = frame.parameters.get(Parameter.RESUME_TOKEN);
      }
      this.frames.push(frame);
    }
  }

  handleWritable(): void {}

  handleClosed(death: TransportDeath): void {
    this.#close(death);
  }
}
