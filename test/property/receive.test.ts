import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CHANNEL_CREDIT_BYTES, DEFAULT_LIMITS } from "../../src/core/limits.js";
import { BatchOrder } from "../../src/core/receive/batch-order.js";
import { Inbound, type InboundEvent } from "../../src/core/receive/inbound.js";
import { chunk } from "../support/frame-table.js";

const KIB = 1024;
const LIMITS = {
  ...DEFAULT_LIMITS,
  messageBytesMax: 200 * KIB,
  reassemblyBytesMax: 400 * KIB,
  channelCreditBytesMax: 512 * KIB,
  sessionCreditBytesMax: 600 * KIB,
};
const CHANNELS = 4;

/** What may happen: the peer sends a chunk of some message, or takes one back; an application takes, or begins to. */
const steps = fc.array(
  fc.oneof(
    {
      arbitrary: fc.record({
        type: fc.constant("send" as const),
        channel: fc.nat(CHANNELS - 1),
        size: fc.oneof(fc.nat(3000), fc.integer({ min: 1, max: 260 * KIB })),
        isKnown: fc.boolean(),
        piece: fc.integer({ min: 1024, max: 32 * KIB }),
        isCancelled: fc.boolean(),
      }),
      weight: 6,
    },
    { arbitrary: fc.record({ type: fc.constant("go-on" as const), channel: fc.nat(CHANNELS - 1) }), weight: 8 },
    {
      arbitrary: fc.record({
        type: fc.constant("take" as const),
        channel: fc.nat(CHANNELS - 1),
        share: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
      weight: 6,
    },
    {
      arbitrary: fc.record({
        type: fc.constant("receive" as const),
        channel: fc.nat(CHANNELS - 1),
        mode: fc.constantFrom("messages" as const, "incoming" as const),
      }),
      weight: 1,
    },
    { arbitrary: fc.record({ type: fc.constant("scarcity" as const), isScarce: fc.boolean() }), weight: 1 },
  ),
  { minLength: 30, maxLength: 120 },
);

/** An honest sender of one channel, and what the receiver has made of it. */
class Line {
  readonly queue: { size: number; isKnown: boolean; piece: number; isCancelled: boolean }[] = [];
  readonly expected: number[] = [];
  readonly got: number[] = [];
  mode: "undecided" | "messages" | "incoming" = "undecided";
  credit = CHANNEL_CREDIT_BYTES;
  used = 0;
  sent = 0;
  begun = 0;
  rejected = 0;
  untaken = 0;
  #streamed = 0;

  handle(event: InboundEvent): void {
    if (event.type === "message") this.#done(event.data.length, event.cost);
    if (event.type === "incoming") this.#streamed = 0;
    if (event.type === "incoming-reset") this.#streamed = 0;
    if (event.type !== "piece") return;
    this.#streamed += event.data.length;
    this.untaken += event.cost;
    if (event.last) this.got.push(this.#streamed);
  }

  #done(size: number, cost: number): void {
    this.got.push(size);
    this.untaken += cost;
  }
}

class World {
  readonly lines = Array.from({ length: CHANNELS }, () => new Line());
  readonly inbound: Inbound;

  constructor() {
    this.inbound = new Inbound(
      { limits: LIMITS, ports: { readText: (bytes) => bytes }, roundTripMs: () => 50 },
      (event) => this.#line(event.channel).handle(event),
      (frame) => {
        if (frame.type === "reject") this.#line(frame.channel).rejected = frame.message;
      },
    );
    this.#line(0).mode = "messages";
    for (let channel = 1; channel < CHANNELS; channel++) this.inbound.open(channel, channel);
  }

  /** Sends as much of the first message as there is credit for, at most a few chunks. Returns whether anything left. */
  goOn(channel: number): boolean {
    const line = this.#line(channel);
    const message = line.queue[0];
    if (message === undefined) return false;
    const isFirst = line.sent === 0;
    if (isFirst) line.begun += line.rejected === line.begun + 1 ? 0 : 1;
    const rest = message.size - line.sent;
    const room = line.credit - line.used - (isFirst ? 32 : 0);
    const size = Math.min(rest, message.piece);
    const isLast = size === rest;
    if (room < size) {
      if (isFirst) line.begun -= 1;
      return false;
    }
    line.used += size + (isFirst ? 32 : 0);
    const totalBytes = isFirst && !isLast && message.isKnown ? message.size : undefined;
    const init = { channel, first: isFirst, last: isLast, totalBytes, payload: new Uint8Array(size) };
    expect(this.inbound.handleChunk(chunk(init), 0)).toBeUndefined();
    line.sent += size;
    const isRejected = line.rejected === line.begun;
    if (!isLast && (message.isCancelled || isRejected)) {
      expect(this.inbound.handleReset(channel)).toBeUndefined();
      this.#next(line);
    } else if (isLast) {
      if (!isRejected) line.expected.push(message.size);
      this.#next(line);
    }
    return true;
  }

  take(channel: number, share: number): void {
    const line = this.#line(channel);
    const cost = Math.ceil(line.untaken * share);
    line.untaken -= cost;
    this.inbound.take(channel, cost);
  }

  receive(channel: number, mode: "messages" | "incoming"): void {
    const line = this.#line(channel);
    if (line.mode !== "undecided") return;
    line.mode = mode;
    this.inbound.receive(channel, mode);
    // The verdict on the message under way reaches its sender.
    if (line.sent > 0 && line.rejected === line.begun) {
      this.inbound.handleReset(channel);
      this.#next(line);
    }
  }

  /** The peer learns of its credit, and the bounds hold. */
  settle(): void {
    for (const frame of this.inbound.pollCredit()) {
      if (frame.type === "channel-credit") this.#line(frame.channel).credit = frame.bytes;
    }
    const bound = CHANNELS * CHANNEL_CREDIT_BYTES + LIMITS.sessionCreditBytesMax + LIMITS.reassemblyBytesMax;
    expect(this.inbound.untakenBytes).toBeLessThanOrEqual(bound + CHANNELS * 32);
  }

  #next(line: Line): void {
    line.queue.shift();
    line.sent = 0;
  }

  #line(channel: number): Line {
    return this.lines[channel] as Line;
  }
}

describe("CRD: Inbound under credit", () => {
  it("an honest peer never goes too far, memory stays bounded, nothing is lost, and when all is taken nobody waits", () => {
    let messages = 0;
    fc.assert(
      fc.property(steps, (list) => {
        const world = new World();
        for (const step of list) {
          if (step.type === "send") world.lines[step.channel]?.queue.push(step);
          if (step.type === "go-on") while (world.goOn(step.channel)) world.settle();
          if (step.type === "take") world.take(step.channel, step.share);
          if (step.type === "receive") world.receive(step.channel, step.mode);
          if (step.type === "scarcity") world.inbound.handleScarcity(step.isScarce);
          world.settle();
        }
        // Every application takes from here on.
        for (let channel = 1; channel < CHANNELS; channel++) world.receive(channel, "messages");
        for (let rounds = 0; world.lines.some(({ queue }) => queue.length > 0); rounds++) {
          if (rounds > 10_000) throw new Error("somebody waits for ever");
          for (let channel = 0; channel < CHANNELS; channel++) {
            world.take(channel, 1);
            world.settle();
            world.goOn(channel);
          }
        }
        for (const { got, expected } of world.lines) {
          expect(got).toEqual(expected);
          messages += got.length;
        }
      }),
      { numRuns: 400 },
    );
    expect(messages).toBeGreaterThan(1000);
  });

  it("MSG-05: puts together what was cut anywhere", () => {
    fc.assert(
      fc.property(fc.nat(8000), fc.array(fc.nat(8000), { maxLength: 6 }), (size, cuts) => {
        const got: Uint8Array[] = [];
        const inbound = new Inbound(
          { limits: LIMITS, ports: { readText: (bytes) => bytes }, roundTripMs: () => 50 },
          (event) => event.type === "message" && got.push(event.data as Uint8Array),
          () => {},
        );
        const bytes = new Uint8Array(size).map((_, i) => i * 31);
        const places = [0, ...cuts.map((cut) => cut % (size + 1)).sort((a, b) => a - b), size];
        for (let i = 1; i < places.length; i++) {
          const payload = bytes.subarray(places[i - 1], places[i]);
          inbound.handleChunk(chunk({ first: i === 1, last: i === places.length - 1, payload }), 0);
          expect(got).toHaveLength(i < places.length - 1 ? 0 : 1);
        }
        expect(Buffer.compare(got[0] as Uint8Array, bytes)).toBe(0);
        expect(inbound.reassemblyBytes).toBe(0);
      }),
      { numRuns: 300 },
    );
  });
});

describe("BAT-04: BatchOrder", () => {
  it("accepts each number once and in order, whatever comes", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 8 }), { maxLength: 60 }), (numbers) => {
        const order = new BatchOrder();
        const accepted = numbers.filter((number, i) => order.accept(number, number, i) === "next");
        expect(accepted).toEqual(accepted.map((_, i) => i + 1));
        expect(order.number).toBe(accepted.length);
        expect(order.bytes).toBe(accepted.reduce((sum, number) => sum + number, 0));
      }),
      { numRuns: 500 },
    );
  });
});
