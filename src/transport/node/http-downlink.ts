import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import { batchEvent, COMMENT, closeEvent, PRELUDE } from "../http/event-stream.js";
import { BATCHES_TYPE, EVENTS_TYPE } from "../http/headers.js";
import { answer, begin } from "./http-answers.js";

/** What may wait inside the response of an event stream, bytes. */
const UNWRITTEN_BYTES_MAX = 64 * 1024;

/** The answer to a GET that takes what goes down. */
interface DownlinkInit {
  /** The position of the last batch that the client had when it asked. */
  readonly received: number;
  /** It takes no more: answered, or its connection is gone. */
  readonly onGone: () => void;
}

/** An event stream: stays open, one event for each batch (HTTP-16). */
export class EventStream {
  readonly type = "stream";
  /** Of the last batch written. */
  position: number;
  readonly #response: ServerResponse;
  readonly #comments: NodeJS.Timeout;

  constructor(
    response: ServerResponse,
    headers: OutgoingHttpHeaders,
    init: DownlinkInit & { readonly commentMs: number; readonly onDrain: () => void },
  ) {
    this.position = init.received;
    this.#response = response;
    begin(response, 200, { ...headers, "Content-Type": EVENTS_TYPE });
    response.write(PRELUDE);
    this.#comments = setInterval(() => response.write(COMMENT), init.commentMs);
    response.on("drain", init.onDrain);
    response.once("close", () => {
      clearInterval(this.#comments);
      init.onGone();
    });
    response.on("error", () => {});
  }

  write(position: number, batch: Uint8Array): void {
    const data = Buffer.from(batch.buffer, batch.byteOffset, batch.length).toString("base64url");
    this.#response.write(batchEvent(position, data), "latin1");
    this.position = position;
  }

  /** Ends it behind a last event. */
  close(code: number): void {
    this.#end(closeEvent(code));
  }

  /** Ends it in order: another one follows. */
  finish(): void {
    this.#end("");
  }

  /** Whether it takes more. */
  get isReady(): boolean {
    return !this.#response.writableEnded && this.#response.writableLength < UNWRITTEN_BYTES_MAX;
  }

  get unwrittenBytes(): number {
    return this.#response.writableLength;
  }

  #end(last: string): void {
    if (this.#response.writableEnded) return;
    clearInterval(this.#comments);
    this.#response.end(last);
  }
}

/** A poll: answered once, at once where there is something to bring (HTTP-17). */
export class LongPoll {
  readonly type = "poll";
  readonly received: number;
  readonly unwrittenBytes = 0;
  readonly #response: ServerResponse;
  readonly #hold: NodeJS.Timeout;
  readonly #onGone: () => void;

  constructor(
    response: ServerResponse,
    init: DownlinkInit & { readonly holdMs: number; readonly onTimeout: () => void },
  ) {
    this.received = init.received;
    this.#response = response;
    this.#onGone = init.onGone;
    this.#hold = setTimeout(init.onTimeout, init.holdMs);
    response.once("close", () => {
      clearTimeout(this.#hold);
      init.onGone();
    });
    response.on("error", () => {});
  }

  answer(status: number, headers: OutgoingHttpHeaders, body?: Uint8Array): void {
    clearTimeout(this.#hold);
    answer(this.#response, status, { ...headers, "Content-Type": BATCHES_TYPE }, body);
    this.#onGone();
  }
}
