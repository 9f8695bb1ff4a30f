import type { Millis } from "../../src/core/time.js";

/** What one segment of TCP carries. */
const SEGMENT_BYTES = 1448;

/** The rival backs off to this after a loss, as CUBIC does (RFC 9438, 4.6), and begins with ten segments (RFC 6928). */
const RIVAL_BACKOFF = 0.7;
const RIVAL_START = 10;

export interface BottleneckOptions {
  /** What the line carries, Mbit/s; a function where that changes. */
  readonly mbit: number | ((at: Millis) => number);
  readonly roundTripMs: Millis;
  /** The queue before the line; what finds it full is lost, and TCP sends it again. Default: it has no end. */
  readonly queueBytes?: number;
  /** When a flow that takes all it can get begins to share the line, and when it ends. Default: never. */
  readonly rival?: { readonly from: Millis; readonly until: Millis };
}

interface Segment {
  readonly bytes: number;
  /** What follows when it has come through; `undefined` for the rival's. */
  readonly arrived: (() => void) | undefined;
}

/** A clock, and what happens at which time. */
export class Agenda {
  now: Millis = 0;
  /** A binary heap, the earliest first, and what came first first. */
  readonly #heap: { at: Millis; order: number; run: () => void }[] = [];
  #order = 0;

  at(at: Millis, run: () => void): void {
    this.#order += 1;
    const heap = this.#heap;
    let i = heap.push({ at: Math.max(at, this.now), order: this.#order, run }) - 1;
    while (i > 0 && this.#isBefore(i, (i - 1) >> 1)) i = this.#swap(i, (i - 1) >> 1);
  }

  runUntil(end: Millis): void {
    for (let next = this.#heap[0]; next !== undefined && next.at <= end; next = this.#heap[0]) {
      this.#shift();
      this.now = next.at;
      next.run();
    }
    this.now = end;
  }

  #shift(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    heap[0] = last;
    for (let i = 0; ; ) {
      let least = i;
      for (const child of [2 * i + 1, 2 * i + 2])
        if (child < heap.length && this.#isBefore(child, least)) least = child;
      if (least === i) return;
      i = this.#swap(i, least);
    }
  }

  #isBefore(i: number, j: number): boolean {
    const [a, b] = [this.#heap[i], this.#heap[j]] as [{ at: Millis; order: number }, { at: Millis; order: number }];
    return a.at < b.at || (a.at === b.at && a.order < b.order);
  }

  #swap(i: number, j: number): number {
    const heap = this.#heap;
    [heap[i], heap[j]] = [heap[j] as (typeof heap)[0], heap[i] as (typeof heap)[0]];
    return j;
  }
}

/**
 * A line behind a drop-tail queue, segment by segment, and half a round trip behind that. Our own segments that are lost
 * are sent again a round trip later, and hold up what comes behind them, as TCP does.
 */
export class Bottleneck {
  readonly #agenda: Agenda;
  readonly #options: BottleneckOptions;
  readonly #queue: Segment[] = [];
  #queuedBytes = 0;
  #isBusy = false;
  #rival = {
    windowBytes: RIVAL_START * SEGMENT_BYTES,
    isStarting: true,
    onLineBytes: 0,
    cutAt: Number.NEGATIVE_INFINITY,
  };
  /** What our own TCP lets on the line: it starts with ten segments, and one more for each that is acknowledged. */
  #ownWindow = RIVAL_START;
  #ownSegments = 0;
  readonly #kernel: Segment[] = [];
  /** Until the segment that was lost has come: what came behind it. */
  #heldUntil: Millis = 0;
  /** Bytes of the rival that have come through. */
  rivalBytes = 0;
  /** Segments lost: our own. */
  losses = 0;

  constructor(agenda: Agenda, options: BottleneckOptions) {
    this.#agenda = agenda;
    this.#options = options;
    const { rival } = options;
    if (rival !== undefined) agenda.at(rival.from, () => this.#pumpRival());
  }

  /** Sends bytes; `arrived` is called when all of them have come through. */
  send(bytes: number, arrived: () => void): void {
    const delayMs = this.#options.roundTripMs / 2;
    for (let left = bytes; left > 0; left -= SEGMENT_BYTES) {
      const isLast = left <= SEGMENT_BYTES;
      const segment = {
        bytes: Math.min(left, SEGMENT_BYTES),
        arrived: () => {
          this.#agenda.at(this.#agenda.now + 2 * delayMs, () => {
            this.#ownSegments -= 1;
            this.#ownWindow += 1;
            this.#pump();
          });
          if (!isLast) return;
          this.#agenda.at(Math.max(this.#agenda.now + delayMs, this.#heldUntil), arrived);
        },
      };
      this.#kernel.push(segment);
    }
    this.#pump();
  }

  /** How long a segment that came now would wait. */
  get queueMs(): Millis {
    return this.#queuedBytes / this.#bytesPerMs;
  }

  get #bytesPerMs(): number {
    const { mbit } = this.#options;
    return (typeof mbit === "function" ? mbit(this.#agenda.now) : mbit) * 125;
  }

  #pump(): void {
    while (this.#ownSegments < this.#ownWindow) {
      const segment = this.#kernel.shift();
      if (segment === undefined) return;
      this.#ownSegments += 1;
      if (this.#enter(segment)) continue;
      this.losses += 1;
      // Found missing by what comes behind it, and sent again at once: it finds a place then.
      this.#heldUntil = Math.max(this.#heldUntil, this.#agenda.now + this.queueMs + 1.5 * this.#options.roundTripMs);
      this.#push(segment);
    }
  }

  #enter(segment: Segment): boolean {
    const { queueBytes = Number.POSITIVE_INFINITY } = this.#options;
    if (this.#queuedBytes + segment.bytes > queueBytes) return false;
    this.#push(segment);
    return true;
  }

  #push(segment: Segment): void {
    this.#queue.push(segment);
    this.#queuedBytes += segment.bytes;
    if (!this.#isBusy) this.#serve();
  }

  #serve(): void {
    const segment = this.#queue[0];
    this.#isBusy = segment !== undefined;
    if (segment === undefined) return;
    this.#agenda.at(this.#agenda.now + segment.bytes / this.#bytesPerMs, () => {
      this.#queue.shift();
      this.#queuedBytes -= segment.bytes;
      if (segment.arrived === undefined) {
        this.rivalBytes += segment.bytes;
        this.#agenda.at(this.#agenda.now + this.#options.roundTripMs, () => this.#handleRivalAck());
      } else {
        segment.arrived();
      }
      this.#serve();
    });
  }

  #pumpRival(): void {
    const rival = this.#rival;
    const { until } = this.#options.rival as { until: Millis };
    while (this.#agenda.now < until && rival.onLineBytes + SEGMENT_BYTES <= rival.windowBytes) {
      rival.onLineBytes += SEGMENT_BYTES;
      if (this.#enter({ bytes: SEGMENT_BYTES, arrived: undefined })) continue;
      this.#agenda.at(this.#agenda.now + this.queueMs + this.#options.roundTripMs, () => this.#handleRivalLoss());
    }
  }

  #handleRivalAck(): void {
    const rival = this.#rival;
    rival.onLineBytes -= SEGMENT_BYTES;
    rival.windowBytes += rival.isStarting ? SEGMENT_BYTES : (SEGMENT_BYTES * SEGMENT_BYTES) / rival.windowBytes;
    this.#pumpRival();
  }

  #handleRivalLoss(): void {
    const rival = this.#rival;
    rival.onLineBytes -= SEGMENT_BYTES;
    // Once in a round trip.
    if (this.#agenda.now - rival.cutAt > this.queueMs + this.#options.roundTripMs) {
      rival.cutAt = this.#agenda.now;
      rival.isStarting = false;
      rival.windowBytes = Math.max(2 * SEGMENT_BYTES, rival.windowBytes * RIVAL_BACKOFF);
    }
    this.#pumpRival();
  }
}
