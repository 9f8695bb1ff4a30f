import { decodeBase64Url } from "./base64url.js";

/** What comes down an event stream. */
export type StreamEvent =
  | { readonly type: "batch"; readonly position: number; readonly batch: Uint8Array }
  /** Nothing follows; a close code. */
  | { readonly type: "close"; readonly code: number };

/** Opens a stream: 2 KiB, as some proxies and antivirus products hold back what is less. */
export const PRELUDE: string = `:${" ".repeat(2046)}\n\n`;

/** Keeps a silent stream alive. */
export const COMMENT = ":\n\n";

/** @param data the batch in base64url */
export function batchEvent(position: number, data: string): string {
  return `id: ${position}\ndata: ${data}\n\n`;
}

export function closeEvent(code: number): string {
  return `event: close\ndata: ${code}\n\n`;
}

const LF = 0x0a;
const CR = 0x0d;
const COLON = 0x3a;
const SPACE = 0x20;

/** Room for the name of a field and a number beside a batch. */
const FIELD_BYTES = 64;

/**
 * Reads an event stream (WHATWG HTML, 9.2.6), in pieces of any size: of its fields those that carry batches. An
 * incomplete event at the end is dropped, as the standard says.
 *
 * Invariant: holds at most one line and one field of data, each of a batch in base64url and 64 bytes.
 */
export class EventStreamReader {
  readonly #line: Uint8Array;
  #lineBytes = 0;
  /** A comment is not kept, whatever its length. */
  #isComment = false;
  /** A line has ended with CR: a LF right behind it belongs to that end. */
  #endedWithCr = false;
  #name = "";
  #id = "";
  #data: Uint8Array | undefined;
  #comments = 0;
  #isViolated = false;

  constructor(batchBytesMax: number) {
    this.#line = new Uint8Array(Math.ceil((batchBytesMax * 4) / 3) + FIELD_BYTES);
  }

  /** Takes the next piece and returns the events that it completes. */
  push(piece: Uint8Array): StreamEvent[] {
    const events: StreamEvent[] = [];
    let start = 0;
    for (let i = 0; i < piece.length && !this.#isViolated; i++) {
      const byte = piece[i];
      if (byte !== LF && byte !== CR) continue;
      const isRestOfEnd = byte === LF && i === start && this.#endedWithCr;
      if (!isRestOfEnd) {
        this.#append(piece.subarray(start, i));
        this.#endLine(events);
      }
      this.#endedWithCr = byte === CR;
      start = i + 1;
    }
    if (start < piece.length) {
      this.#append(piece.subarray(start));
      this.#endedWithCr = false;
    }
    return events;
  }

  /** The stream is not one of ours; nothing behind that place is read. */
  get isViolated(): boolean {
    return this.#isViolated;
  }

  /** Comments that have come, the prelude included. */
  get comments(): number {
    return this.#comments;
  }

  #append(part: Uint8Array): void {
    if (this.#isViolated || part.length === 0) return;
    if (this.#lineBytes === 0 && part[0] === COLON) this.#isComment = true;
    if (this.#isComment) return;
    if (this.#lineBytes + part.length > this.#line.length) {
      this.#isViolated = true;
      return;
    }
    this.#line.set(part, this.#lineBytes);
    this.#lineBytes += part.length;
  }

  #endLine(events: StreamEvent[]): void {
    const isComment = this.#isComment;
    const line = this.#line.subarray(0, this.#lineBytes);
    this.#lineBytes = 0;
    this.#isComment = false;
    if (isComment) this.#comments += 1;
    else if (line.length > 0) this.#readField(line);
    else this.#dispatch(events);
  }

  #readField(line: Uint8Array): void {
    const colon = line.indexOf(COLON);
    const name = ascii(colon === -1 ? line : line.subarray(0, colon));
    const value =
      colon === -1 ? line.subarray(line.length) : line.subarray(colon + (line[colon + 1] === SPACE ? 2 : 1));
    if (name === "event") this.#name = ascii(value);
    else if (name === "id") this.#id = ascii(value);
    // A server of ours writes one line of data.
    else if (name === "data" && this.#data !== undefined) this.#isViolated = true;
    else if (name === "data") this.#data = value.slice();
  }

  #dispatch(events: StreamEvent[]): void {
    const data = this.#data;
    const name = this.#name;
    const id = this.#id;
    this.#data = undefined;
    this.#name = "";
    this.#id = "";
    if (data === undefined) return;
    const event = name === "close" ? closeOf(data) : name === "" ? batchOf(id, data) : undefined;
    if (event === undefined) this.#isViolated = true;
    else events.push(event);
  }
}

const NUMBER = /^[1-9][0-9]{0,14}$/;
const CODE = /^[1-4][0-9]{3}$/;

function batchOf(id: string, data: Uint8Array): StreamEvent | undefined {
  const batch = decodeBase64Url(data);
  const isOurs = NUMBER.test(id) && batch !== undefined && batch.length > 0;
  return isOurs ? { type: "batch", position: Number(id), batch } : undefined;
}

function closeOf(data: Uint8Array): StreamEvent | undefined {
  const code = ascii(data);
  return CODE.test(code) ? { type: "close", code: Number(code) } : undefined;
}

/** The first bytes as text: what is longer is none of the words that are looked for. */
function ascii(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.subarray(0, FIELD_BYTES));
}
