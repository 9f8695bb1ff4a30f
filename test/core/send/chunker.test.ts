import { describe, expect, it } from "vitest";
import { CHUNK_BYTES_MIN } from "../../../src/core/limits.js";
import { cutBytes, cutChunk } from "../../../src/core/send/chunker.js";
import { frameBytes } from "../../../src/core/wire/encode.js";
import { sourceMessage, wholeMessage } from "../../support/outgoing.js";

const MAX = 16 * 1024;
const creditBytes = Number.POSITIVE_INFINITY;
const first = (spaceBytes: number, batchBytesMax = MAX) => ({
  spaceBytes,
  wholeBytes: spaceBytes,
  batchBytesMax,
  isAmple: false,
  isFirstInBatch: true,
  creditBytes,
});
const later = (spaceBytes: number, batchBytesMax = MAX) => ({
  ...first(spaceBytes, batchBytesMax),
  isFirstInBatch: false,
});
const roomy = (extraBytes: number) => ({ ...first(MAX), wholeBytes: MAX + extraBytes });
const ample = (spaceBytes: number, creditBytes = Number.POSITIVE_INFINITY) => ({
  ...first(spaceBytes),
  isAmple: true,
  creditBytes,
});
const credited = (creditBytes: number) => ({ ...first(MAX), creditBytes });

describe("cutBytes", () => {
  it.each([
    { what: "an empty message", size: 0, space: first(3), cut: 0 },
    { what: "an empty message without room for its header", size: 0, space: first(2), cut: undefined },
    { what: "a small message that just fits", size: 10, space: first(13), cut: 10 },
    { what: "a small message one byte short", size: 10, space: first(12), cut: undefined },
    { what: "a small message behind another", size: 10, space: later(13), cut: 10 },
    { what: "the largest that joins others", size: 4096, space: later(MAX), cut: 4096 },
    { what: "one byte more: it waits for a batch of its own", size: 4097, space: later(MAX), cut: undefined },
    { what: "the same at the front of a batch", size: 4097, space: first(MAX), cut: 4097 },
    { what: "the largest message that is one chunk", size: MAX - 4, space: first(MAX), cut: MAX - 4 },
    { what: "a message one byte too large for one chunk", size: MAX - 3, space: first(MAX), cut: MAX - 8 },
    { what: "the same where the end of a message has more room", size: MAX - 3, space: roomy(256), cut: MAX - 3 },
    { what: "all of that room", size: MAX + 250, space: roomy(256), cut: MAX + 250 },
    { what: "a message that would need more: it is cut as ever", size: MAX + 251, space: roomy(256), cut: MAX - 10 },
    {
      what: "more room is for the first in a batch only",
      size: 10,
      space: { ...later(12), wholeBytes: 20 },
      cut: undefined,
    },
    { what: "a large message behind another", size: 100_000, space: later(MAX), cut: undefined },
    { what: "half a batch of room", size: 100_000, space: first(MAX / 2 + 8), cut: MAX / 2 },
    { what: "less than half a batch of room: it waits", size: 100_000, space: first(MAX / 2 + 7), cut: undefined },
    { what: "a whole batch of room, in a large window", size: 100_000, space: ample(MAX), cut: MAX - 10 },
    { what: "the same but for what stands around it", size: 100_000, space: ample(MAX * (15 / 16) + 8), cut: 15_360 },
    {
      what: "less of room, in a large window: it waits",
      size: 100_000,
      space: ample(MAX * (15 / 16) + 7),
      cut: undefined,
    },
    { what: "less than all of a message, in a large window", size: 10_000, space: ample(9999), cut: undefined },
    { what: "all of it, in a large window", size: 10_000, space: ample(10_005), cut: 10_000 },
    { what: "half a batch of credit, in a large window", size: 100_000, space: ample(MAX, MAX / 2), cut: MAX / 2 },
    { what: "a message of just the credit", size: 5000, space: credited(5000), cut: 5000 },
    {
      what: "a message of more than the credit, which is too little for a chunk",
      size: 5000,
      space: credited(4999),
      cut: undefined,
    },
    { what: "half a batch of credit", size: 100_000, space: credited(MAX / 2), cut: MAX / 2 },
    { what: "an empty message without credit", size: 0, space: credited(-1), cut: undefined },
    { what: "no room", size: 100_000, space: first(0), cut: undefined },
    { what: "an overdrawn window", size: 1, space: first(-5000), cut: undefined },
  ])("$what", ({ size, space, cut }) => {
    const message = wholeMessage(size);
    const bytes = cutBytes(message, space);
    expect(bytes).toBe(cut);
    if (bytes !== undefined) expect(frameBytes(cutChunk(0, message, bytes))).toBeLessThanOrEqual(space.wholeBytes);
  });

  it("cuts a source only when there is enough for a chunk that is worth its header", () => {
    const message = sourceMessage(100_000);
    message.supply(new Uint8Array(MAX / 2 - 1), false);
    expect(cutBytes(message, first(MAX))).toBeUndefined();
    message.supply(new Uint8Array(1), false);
    expect(cutBytes(message, first(MAX))).toBe(MAX / 2);
  });

  it("a source that has ended leaves with whatever it has", () => {
    const message = sourceMessage(undefined);
    message.supply(new Uint8Array(5), false);
    expect(cutBytes(message, first(MAX))).toBeUndefined();
    message.supply(new Uint8Array(0), true);
    expect(cutBytes(message, first(MAX))).toBe(5);
  });

  it("MSG-06: no chunk but the last is shorter than the least, however small the batches", () => {
    for (const batchBytesMax of [1100, 1500, 2048, 4096, MAX, 65_536]) {
      for (let spaceBytes = 0; spaceBytes <= batchBytesMax; spaceBytes += 409) {
        const message = wholeMessage(200_000);
        const bytes = cutBytes(message, first(spaceBytes, batchBytesMax));
        if (bytes !== undefined) expect(bytes).toBeGreaterThanOrEqual(Math.max(CHUNK_BYTES_MIN, batchBytesMax / 2 - 1));
      }
    }
  });

  it("MSG-06: cuts any message into chunks that fit and are not too short, and loses nothing", () => {
    for (const size of [1023, 1024, 4000, 4087, 4088, 4089, 4090, 4091, 4092, 4093, 4096, 8192, 65_535, 123_457]) {
      const message = wholeMessage(size);
      let sum = 0;
      for (
        let cut = cutBytes(message, first(4096, 4096));
        message.stage !== "written";
        cut = cutBytes(message, first(4096, 4096))
      ) {
        const chunk = cutChunk(3, message, cut as number);
        expect(frameBytes(chunk)).toBeLessThanOrEqual(4096);
        if (!chunk.last) expect(chunk.payload.length).toBeGreaterThanOrEqual(CHUNK_BYTES_MIN);
        expect(chunk.first).toBe(sum === 0);
        sum += chunk.payload.length;
      }
      expect(sum).toBe(size);
    }
  });
});

describe("cutChunk", () => {
  it("marks a whole message as first and last, and announces no length", () => {
    const message = wholeMessage(5);
    expect(cutChunk(7, message, 5)).toMatchObject({
      channel: 7,
      first: true,
      last: true,
      text: false,
      totalBytes: undefined,
    });
    expect(message.stage).toBe("written");
  });

  it("MSG-04: announces the length on the first chunk of several, where it is known", () => {
    const message = wholeMessage(5000);
    const chunks = [2000, 2000, 1000].map((size) => cutChunk(1, message, size));
    expect(chunks.map(({ first, last, totalBytes }) => [first, last, totalBytes])).toEqual([
      [true, false, 5000],
      [false, false, undefined],
      [false, true, undefined],
    ]);
    const unknown = sourceMessage(undefined, true);
    unknown.supply(new Uint8Array(2000), false);
    expect(cutChunk(1, unknown, 2000)).toMatchObject({ first: true, last: false, text: true, totalBytes: undefined });
  });

  it("is in the middle of a message between its first and its last chunk", () => {
    const message = wholeMessage(3000);
    expect(message.stage).toBe("queued");
    cutChunk(1, message, 1500);
    expect(message.stage).toBe("writing");
    cutChunk(1, message, 1500);
    expect(message.stage).toBe("written");
  });

  it("ends a source of unknown length with an empty chunk when the end comes alone", () => {
    const message = sourceMessage(undefined);
    message.supply(new Uint8Array(10_000), false);
    expect(cutChunk(1, message, 10_000).last).toBe(false);
    message.supply(new Uint8Array(0), true);
    expect(cutBytes(message, first(MAX))).toBe(0);
    expect(cutChunk(1, message, 0)).toMatchObject({ first: false, last: true, payload: new Uint8Array(0) });
  });
});
