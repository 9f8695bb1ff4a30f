import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Draft } from "../../src/core/send/draft.js";
import type { SentBatch } from "../../src/core/send/in-flight.js";
import type { SendEvent } from "../../src/core/send/outgoing-messages.js";
import { HIGH_TOKENS_MAX } from "../../src/core/send/scheduler.js";
import { Sender } from "../../src/core/send/sender.js";
import { frameBytes } from "../../src/core/wire/encode.js";
import type { Priority } from "../../src/core/wire/frame.js";

const BATCH = 16 * 1024;
const QUANTUM = BATCH;
const OTHERS = 4;

/** A channel that is watched: it always has as much as it could send. */
const VICTIM = 0;

interface Step {
  readonly channel: number;
  readonly what: "message" | "source" | "supply" | "end" | "priority" | "nothing";
  readonly bytes: number;
  readonly priority: Priority;
  /** The largest batch from here on, and what the window leaves beyond what is on the line. */
  readonly batchBytes: number;
  readonly windowBytes: number;
  /** Batches that are acknowledged. */
  readonly acks: number;
}

const priorities = fc.constantFrom<Priority>("high", "normal", "low");

const stories: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    channel: fc.integer({ min: 1, max: OTHERS }),
    what: fc.constantFrom<Step["what"]>(
      "message",
      "message",
      "message",
      "source",
      "supply",
      "end",
      "priority",
      "nothing",
    ),
    bytes: fc.oneof(fc.nat(200), fc.nat(120_000)),
    priority: priorities,
    batchBytes: fc.constantFrom(1200, 4 * 1024, BATCH),
    windowBytes: fc.constantFrom(4 * 1024, 16 * 1024, 64 * 1024, 200_000),
    acks: fc.nat(6),
  }),
  { minLength: 150, maxLength: 400, size: "max" },
);

/** What the watched channel has waited for, and what the high ones have had while it waited. */
class Watch {
  /** Bytes of the others since its last turn, and bytes on the line at that time: what may still be acknowledged. */
  waitedBytes = 0;
  longestBytes = 0;
  highBytes = 0;
  ackedBytes = 0;
  turns = 0;

  handleTurn(): void {
    this.turns += 1;
    this.longestBytes = Math.max(this.longestBytes, this.waitedBytes);
    this.waitedBytes = 0;
  }
}

/** Lets the others do as the steps say, on one sender with a window, and tells all that leaves. */
class Model {
  readonly events: SendEvent[] = [];
  readonly sender = new Sender({ chunkBytes: BATCH }, (event) => this.events.push(event));
  readonly priorities: Priority[];
  readonly watch = new Watch();
  readonly line: { draft: Draft; bytes: number }[] = [];
  /** Messages of each channel in the order of `send`, and in the order in which their chunks have left. */
  readonly sentOrder: number[][] = [];
  readonly leftOrder: number[][] = [];
  #open: (number | undefined)[] = [];
  readonly #takenBytes = new Map<number, number>();
  #lineBytes = 0;
  #number = 0;

  constructor(watched: Priority, others: readonly Priority[]) {
    this.priorities = [watched, ...others];
    for (const [key, priority] of this.priorities.entries()) {
      if (key > 0) {
        this.sender.addChannel(key, priority);
        this.sender.announce(key, Uint8Array.of(key));
      }
      this.sender.handleCredit(key, Number.POSITIVE_INFINITY);
      this.sentOrder.push([]);
      this.leftOrder.push([]);
      this.#open.push(undefined);
    }
    this.sender.setPriority(VICTIM, watched);
    this.#send(VICTIM, 16_000_000);
  }

  apply(step: Step): void {
    const { channel, what, bytes } = step;
    const open = this.#open[channel];
    if (what === "message") this.#send(channel, bytes);
    if (what === "source" && open === undefined) {
      this.#open[channel] = this.sender.send(channel, { text: false, totalBytes: undefined, wantsProgress: false });
      this.sentOrder[channel]?.push(this.#open[channel] as number);
    }
    if (what === "supply" && open !== undefined) this.sender.messages.supply(open, new Uint8Array(bytes), false);
    if (what === "end" && open !== undefined) {
      this.sender.messages.supply(open, new Uint8Array(bytes), true);
      this.#open[channel] = undefined;
    }
    if (what === "priority") {
      this.priorities[channel] = step.priority;
      this.sender.setPriority(channel, step.priority);
    }
    this.#poll(step);
    this.#ack(step.acks);
  }

  #send(channel: number, size: number): void {
    const init = { text: false, totalBytes: size, wantsProgress: false, bytes: new Uint8Array(size) };
    this.sentOrder[channel]?.push(this.sender.send(channel, init));
  }

  #poll({ batchBytes, windowBytes }: Step): void {
    for (let left = 1000; ; left--) {
      expect(left).toBeGreaterThan(0);
      const roomBytes = windowBytes - this.#lineBytes;
      const limits = {
        spaceBytes: batchBytes,
        extraBytes: 0,
        roomBytes,
        batchBytesMax: batchBytes,
        isAmple: windowBytes >= 16 * batchBytes,
      };
      const space = { number: this.#number + 1, ...limits };
      const draft = this.sender.pollDraft(space);
      if (draft === undefined) return;
      this.#number += 1;
      const bytes = draft.frames.reduce((sum, frame) => sum + frameBytes(frame), 0);
      if (draft.chunks.some(({ message }) => message.channel.priority !== "high"))
        expect(bytes).toBeLessThanOrEqual(roomBytes);
      this.#lineBytes += bytes;
      this.line.push({ draft, bytes });
      for (const frame of draft.frames) {
        if (frame.type !== "chunk") continue;
        if (frame.channel === VICTIM) this.watch.handleTurn();
        else this.watch.waitedBytes += frameBytes(frame);
        if (this.priorities[frame.channel] === "high") this.watch.highBytes += frameBytes(frame);
      }
      for (const { message, bytes } of draft.chunks) {
        const { channel } = message;
        const takenBytes = (this.#takenBytes.get(message.id) ?? 0) + bytes;
        expect(message.takenBytes).toBe(takenBytes);
        this.#takenBytes.set(message.id, takenBytes);
        const order = this.leftOrder[channel.key] as number[];
        if (order.at(-1) !== message.id) order.push(message.id);
      }
    }
  }

  #ack(count: number): void {
    for (const { draft, bytes } of this.line.splice(0, count)) {
      const { chunks, closes } = draft;
      this.#lineBytes -= bytes;
      this.watch.ackedBytes += bytes;
      this.sender.handleAcked({
        number: 1,
        batch: new Uint8Array(bytes),
        sentAt: 0,
        chunks,
        closes,
        opens: false,
      } as SentBatch);
      // Whenever: what `high` has had while somebody else waited.
      expect(this.watch.highBytes).toBeLessThanOrEqual(HIGH_TOKENS_MAX + BATCH + this.watch.ackedBytes / 2);
    }
  }
}

describe("Sender", () => {
  // Between two of its turns: five rounds of the others for a low one (two for a normal one), in each of them four
  // quanta each; as much again for what `high` has of that; what was on the line; and twice a bucket and a chunk.
  it.each(["normal", "low"] as const)(
    "a %s channel waits for a bounded number of bytes, high gets at most half beside it, and every channel is in order",
    (watched) => {
      const roundsBytes = OTHERS * 4 * QUANTUM * (watched === "low" ? 5 : 2);
      const bound = 2 * roundsBytes + 200_000 + 2 * (HIGH_TOKENS_MAX + BATCH);
      const seen = { turns: 0, high: 0 };
      fc.assert(
        fc.property(fc.array(priorities, { minLength: OTHERS, maxLength: OTHERS }), stories, (others, steps) => {
          const model = new Model(watched, others);
          for (const step of steps) model.apply(step);
          expect(Math.max(model.watch.longestBytes, model.watch.waitedBytes)).toBeLessThanOrEqual(bound);
          for (const [key, order] of model.leftOrder.entries()) {
            expect(order).toEqual(model.sentOrder[key]?.slice(0, order.length));
          }
          seen.turns += model.watch.turns;
          seen.high += model.watch.highBytes;
        }),
        { numRuns: 40 },
      );
      expect(seen.turns).toBeGreaterThan(1000);
      expect(seen.high).toBeGreaterThan(1e6);
    },
  );
});
