import type { SluiceError } from "../../src/core/error.js";
import type { SessionEvent } from "../../src/core/session/events.js";
import type { Session } from "../../src/core/session/session.js";
import type { Millis } from "../../src/core/time.js";
import type { Frame } from "../../src/core/wire/frame.js";
import type { Hello } from "../../src/core/wire/handshake.js";
import type { Line } from "./line.js";
import { naiveDecode } from "./naive-decoder.js";

/** What one end goes through: the events of its session, and at the server those before there is one. */
export type EndEvent =
  | SessionEvent
  | { readonly type: "hello"; readonly hello: Hello; readonly auth: string | undefined }
  /** A transport has ended before it got to a session. */
  | { readonly type: "turned-away"; readonly transportCode: number; readonly error: SluiceError | undefined };

/** The members of a union whose `type` may be `T`; `Extract` does not find those that share a shape among several types. */
type Variant<U, T> = U extends { readonly type: infer All } ? (T extends All ? U : never) : never;

interface SentBatch {
  readonly at: Millis;
  /** Which of the lines it went to, counted from 0. */
  readonly line: number;
  readonly number: number;
  readonly bytes: number;
  readonly frames: Frame[];
}

/** One end, and what it has gone through. */
export class End<S extends Session = Session> {
  readonly name: "client" | "server";
  readonly events: { at: Millis; event: EndEvent }[] = [];
  readonly batchesSent: { at: Millis; batch: Uint8Array; line: Line }[] = [];
  /** What the host of this end does about an event, once all events of one input have been polled. */
  react: ((event: EndEvent) => void) | undefined;
  /** Called whenever a batch has left, before its events are polled. */
  watch: (() => void) | undefined;
  /** Whether the application takes what it is given. */
  takes = true;
  /** What the transport may still buffer. */
  budgetBytes = 1 << 20;
  /** The newest line of this end; the session may have given it up. */
  line: Line | undefined;
  /** Lines by the epoch under which the session knows them. */
  readonly lines = new Map<number, Line>();
  #session: S | undefined;
  readonly #decoded: SentBatch[] = [];

  constructor(name: "client" | "server", session?: S) {
    this.name = name;
    this.#session = session;
  }

  /** A server has one once it has let the client in. */
  get session(): S {
    if (this.#session === undefined) throw new Error(`the ${this.name} has no session yet`);
    return this.#session;
  }

  set session(session: S) {
    this.#session = session;
  }

  /** The process that had the session is gone, and nobody is told. */
  forget(): void {
    this.#session = undefined;
  }

  get hasSession(): boolean {
    return this.#session !== undefined;
  }

  /** The messages received, text as strings. */
  get messages(): (string | Uint8Array)[] {
    return this.of("message").map((event) => event.data);
  }

  of<T extends EndEvent["type"]>(type: T): Variant<EndEvent, T>[] {
    return this.events.map(({ event }) => event).filter((event) => event.type === type) as never;
  }

  at(type: EndEvent["type"]): Millis[] {
    return this.events.filter(({ event }) => event.type === type).map(({ at }) => at);
  }

  /** The types of all events, in order. */
  get story(): EndEvent["type"][] {
    return this.events.map(({ event }) => event.type);
  }

  /** What has left this end, as a decoder reads it that is not ours. */
  get sent(): readonly SentBatch[] {
    for (const { at, batch, line } of this.batchesSent.slice(this.#decoded.length)) {
      const { number, frames, isValid } = naiveDecode(batch);
      if (!isValid) throw new Error(`${this.name} sent a batch that breaks the protocol`);
      this.#decoded.push({ at, line: line.index, number, bytes: batch.length, frames });
    }
    return this.#decoded;
  }

  /** What of it has a number: what the application has said. */
  get numberedSent(): readonly SentBatch[] {
    return this.sent.filter(({ number }) => number > 0);
  }

  get framesSent(): Frame[] {
    return this.sent.flatMap(({ frames }) => frames);
  }

  framesSentOf<T extends Frame["type"]>(type: T): Variant<Frame, T>[] {
    return this.framesSent.filter((frame) => frame.type === type) as never;
  }
}
