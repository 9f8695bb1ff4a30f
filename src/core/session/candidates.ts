import { isDue, type Millis, sooner } from "../time.js";
import { encodeBatch } from "../wire/encode.js";
import type { ClientLine } from "./client-line.js";

/** A batch for one of several transports. */
export interface LineBatch {
  readonly line: number;
  readonly batch: Uint8Array;
}

/**
 * The transports of a client that are in their handshake beside the one that carries the session, or is about to. There
 * are as many as kinds of transport at the most.
 */
export class Candidates {
  readonly #lines = new Map<number, ClientLine>();
  /** What is to leave on lines that are given up, before they end. */
  #farewells: LineBatch[] = [];

  add(line: ClientLine): void {
    this.#lines.set(line.number, line);
  }

  delete(line: ClientLine): void {
    this.#lines.delete(line.number);
  }

  /** The last thing to say on a line. */
  bid(line: number, batch: Uint8Array): void {
    this.#farewells.push({ line, batch });
  }

  /** The session is over: those that may still get it learn that nobody wants it. */
  abort(code: number): void {
    for (const line of this.#lines.values()) {
      if (line.hasSpoken) line.unnumbered.push({ type: "abort", code, reason: new Uint8Array(0) });
    }
  }

  /** Nothing more comes of them. */
  end(): void {
    for (const { attachment } of this.#lines.values()) attachment.end();
  }

  get(number: number): ClientLine | undefined {
    return this.#lines.get(number);
  }

  /** All of them, as they are now. */
  all(): ClientLine[] {
    return [...this.#lines.values()];
  }

  get size(): number {
    return this.#lines.size;
  }

  /** Who has come farthest: the last HELLO that is not answered, else whoever has been dialled first. */
  get best(): ClientLine | undefined {
    return this.all().sort((a, b) => (b.askedEpoch ?? 0) - (a.askedEpoch ?? 0) || a.number - b.number)[0];
  }

  /** What has to leave on any of them now. A HELLO is not looked at: `helloBytesMax` is the caller's affair. */
  pollTransmit(): LineBatch | undefined {
    const farewell = this.#farewells.shift();
    if (farewell !== undefined) return farewell;
    for (const { number, attachment, unnumbered } of this.#lines.values()) {
      const frame = attachment.pollFrame();
      const batch = frame === undefined ? unnumbered.pollBatch() : encodeBatch(0, [frame]);
      if (batch !== undefined) return { line: number, batch };
    }
    return undefined;
  }

  /** Those whose handshake has taken too long. */
  overdue(now: Millis): ClientLine[] {
    return this.all().filter(({ attachment }) => isDue(attachment.handshakeDeadline, now));
  }

  get nextDeadline(): Millis | undefined {
    let next: Millis | undefined;
    for (const { attachment } of this.all()) next = sooner(next, attachment.handshakeDeadline);
    return next;
  }
}
