import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import type { WebSocket } from "ws";
import { encodeBatch } from "../../src/core/wire/encode.js";
import { type Frame, Parameter } from "../../src/core/wire/frame.js";
import { varint } from "../../src/core/wire/parameters.js";
import { Inbox } from "./inbox.js";
import type { Loopback } from "./loopback.js";
import { naiveDecode } from "./naive-decoder.js";

type FrameOf<T extends Frame["type"]> = Frame & { readonly type: T };

/** What a client written from PROTOCOL.md keeps of its session between two transports. */
export class RawSession {
  readonly attempt: Uint8Array = randomBytes(16);
  epoch = 0;
  /** Of the last WELCOME. */
  id: Uint8Array | undefined;
  token: Uint8Array | undefined;
  /** The number of the last batch sent, and those that are not acknowledged. */
  lastNumber = 0;
  readonly unacknowledged = new Map<number, Uint8Array>();
  /** The number of the last batch accepted, and the bytes of all of them. */
  received = 0;
  receivedBytes = 0;

  /** What `sluice-session` is in a URL. */
  get hexId(): string {
    return Buffer.from(this.id ?? []).toString("hex");
  }

  /** The same, for somebody else: what it does with it does not show here. */
  copy(): RawSession {
    return Object.assign(new RawSession(), this, { unacknowledged: new Map(this.unacknowledged) });
  }

  acknowledge(number: number): void {
    for (const sent of this.unacknowledged.keys()) if (sent <= number) this.unacknowledged.delete(sent);
  }
}

export interface RawClientOptions {
  readonly protocols?: string[];
  readonly headers?: Record<string, string>;
  /** Behind the URL. */
  readonly path?: string;
  /** The session to go on with. */
  readonly session?: RawSession;
}

/** What a HELLO says beside, or instead of, the truth. `undefined` leaves a parameter out. */
export interface RawHello {
  readonly epoch?: number;
  readonly attempt?: Uint8Array;
  readonly session?: Uint8Array | undefined;
  readonly token?: Uint8Array | undefined;
  readonly received?: number | undefined;
  readonly auth?: unknown;
}

/** A client that offers `sluice.v1` and then does as it likes: it knows how to resume, and how not to. */
export class RawClient {
  readonly webSocket: WebSocket;
  /** What the server has sent, but for batches that were accepted before. */
  readonly frames = new Inbox<Frame>();
  /** What has come on this transport, byte for byte. */
  readonly batches: Uint8Array[] = [];
  /** The close code and reason of the WebSocket. */
  readonly closed: Promise<[number, string]>;
  readonly session: RawSession;
  readonly #loopback: Loopback;
  readonly #options: RawClientOptions;

  constructor(loopback: Loopback, options: RawClientOptions = {}) {
    const { protocols = ["sluice.v1"], headers = {}, path = "", session = new RawSession() } = options;
    this.#loopback = loopback;
    this.#options = options;
    this.session = session;
    this.webSocket = loopback.webSocket(protocols, { headers }, path);
    this.webSocket.on("message", (data: Buffer) => this.#handle(Uint8Array.from(data)));
    this.closed = new Promise((resolve) =>
      this.webSocket.on("close", (code, reason) => resolve([code, String(reason)])),
    );
  }

  /** Goes as far as the server's greeting. */
  async greeted(): Promise<this> {
    await this.next("greeting");
    return this;
  }

  /** Goes as far as the server's welcome, and says that it has come. */
  async established(): Promise<this> {
    await this.greeted();
    this.hello();
    await this.next("welcome");
    this.ack();
    return this;
  }

  /** Another transport for the same session, greeted. */
  again(options: RawClientOptions = {}): Promise<RawClient> {
    return new RawClient(this.#loopback, { ...this.#options, ...options, session: this.session }).greeted();
  }

  /** Comes back on another transport, with all that it has to send again, and says that the welcome has come. */
  async resumed(claims: RawHello = {}, options: RawClientOptions = {}): Promise<RawClient> {
    const next = await this.again(options);
    next.resume(claims);
    await next.next("welcome");
    next.ack();
    return next;
  }

  /** A HELLO that wants a new session. */
  hello(parameters: [number, Uint8Array][] = [[Parameter.ATTEMPT, this.session.attempt]]): void {
    this.session.epoch = Math.max(this.session.epoch, 1);
    this.unnumbered({ type: "hello", parameters: new Map(parameters) });
  }

  /** The HELLO of the next epoch for the session known, and what is not acknowledged behind it. */
  resume(claims: RawHello = {}): void {
    const { session } = this;
    const truth = { session: session.id, token: session.token, received: session.received };
    const told = { attempt: session.attempt, epoch: session.epoch + 1, ...truth, ...claims };
    session.epoch = Math.max(session.epoch, told.epoch);
    const parameters = new Map([[Parameter.ATTEMPT as number, told.attempt]]);
    parameters.set(Parameter.EPOCH, varint(told.epoch));
    if (told.session !== undefined) parameters.set(Parameter.SESSION, told.session);
    if (told.token !== undefined) parameters.set(Parameter.RESUME_TOKEN, told.token);
    if (told.received !== undefined) parameters.set(Parameter.RECEIVED, varint(told.received));
    if (told.auth !== undefined) parameters.set(Parameter.AUTH, Buffer.from(JSON.stringify(told.auth)));
    this.unnumbered({ type: "hello", parameters });
    for (const batch of session.unacknowledged.values()) this.send(batch);
  }

  send(data: Uint8Array | string): void {
    this.webSocket.send(data);
  }

  unnumbered(...frames: Frame[]): void {
    this.send(encodeBatch(0, frames));
  }

  /** Sends frames in the next numbered batch. */
  numbered(...frames: Frame[]): void {
    const { session } = this;
    session.lastNumber += 1;
    const batch = encodeBatch(session.lastNumber, frames);
    session.unacknowledged.set(session.lastNumber, batch);
    this.send(batch);
  }

  /** Acknowledges what has come. The first one tells that the WELCOME has. */
  ack(): void {
    const { received: number, receivedBytes: bytes } = this.session;
    this.unnumbered({ type: "ack", number, bytes, receivedTicks: 0, delayTicks: 0 });
  }

  /** Ends the line as a broken one ends: without a word. */
  async cut(): Promise<void> {
    this.line.destroy();
    await this.closed;
  }

  /** The next frame of this type; others that come before are passed over. */
  async next<T extends Frame["type"]>(type: T): Promise<FrameOf<T>> {
    for (;;) {
      const frame = await this.frames.next();
      if (frame.type === type) return frame as never;
    }
  }

  /** The payload of the next message of one chunk, as text. */
  async nextText(): Promise<string> {
    return Buffer.from((await this.next("chunk")).payload).toString();
  }

  /** The frames of this type that have come. */
  of<T extends Frame["type"]>(type: T): FrameOf<T>[] {
    return this.frames.items.filter((frame) => frame.type === type) as never;
  }

  /** The TCP connection. */
  get line(): Socket {
    return (this.webSocket as unknown as { _socket: Socket })._socket;
  }

  #handle(batch: Uint8Array): void {
    this.batches.push(batch);
    const { number, frames, isValid } = naiveDecode(batch);
    if (!isValid) throw new Error("the server sent a batch that breaks the protocol");
    const { session } = this;
    if (number > session.received + 1) throw new Error("the server left out a batch");
    if (number > 0 && number <= session.received) return;
    if (number > 0) {
      session.received = number;
      session.receivedBytes += batch.length;
    }
    for (const frame of frames) this.#read(frame);
  }

  #read(frame: Frame): void {
    if (frame.type === "ack") this.session.acknowledge(frame.number);
    if (frame.type === "welcome") {
      this.session.id = frame.parameters.get(Parameter.SESSION);
      this.session.token = frame.parameters.get(Parameter.RESUME_TOKEN);
      this.session.acknowledge(integerOf(frame.parameters.get(Parameter.RECEIVED)));
    }
    this.frames.push(frame);
  }
}

/** A varint, as RFC 9000 has it; 0 for none. */
export function integerOf(bytes: Uint8Array | undefined): number {
  if (bytes === undefined) return 0;
  return bytes.reduce((value, byte, index) => (index === 0 ? byte & 0x3f : value * 256 + byte), 0);
}
