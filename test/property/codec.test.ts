import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Limits } from "../../src/core/limits.js";
import { BatchReader } from "../../src/core/wire/decode.js";
import { encodeBatch, frameBytes } from "../../src/core/wire/encode.js";
import { type Frame, type HandshakeFrame, Parameter } from "../../src/core/wire/frame.js";
import {
  greetingFrame,
  helloFrame,
  isViolation,
  readGreeting,
  readHello,
  readWelcome,
  welcomeFrame,
} from "../../src/core/wire/handshake.js";
import { UNANNOUNCED_LIMITS } from "../../src/core/wire/parameters.js";
import { readVarint, varintBytes, varintBytesAt, writeVarint } from "../../src/core/wire/varint.js";
import {
  batches,
  frames,
  greetings,
  handshakes,
  hellos,
  limits,
  mutated,
  varints,
  welcomes,
} from "../support/arbitraries.js";
import { told } from "../support/hex.js";
import { naiveDecode } from "../support/naive-decoder.js";

function readAll(batch: Uint8Array): { number: number; frames: Frame[]; isValid: boolean } {
  const reader = new BatchReader(batch);
  const read: Frame[] = [];
  for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
    read.push(frame);
    // A frame takes a byte at least: reading comes to an end.
    if (read.length > batch.length) throw new Error("more frames than bytes");
  }
  if (reader.next() !== undefined) throw new Error("a frame behind the end");
  const isValid = reader.violation === undefined;
  return { number: reader.number, frames: read, isValid };
}

/** What a frame must keep to, whatever bytes it was made from. */
function expectBounds(frame: Frame, batch: Uint8Array): void {
  const bound = (bytes: Uint8Array, max: number) => {
    expect(bytes.length).toBeLessThanOrEqual(Math.min(max, batch.length));
    // A view: nothing is held but the batch.
    expect(bytes.buffer).toBe(batch.buffer);
  };
  if ("payload" in frame) bound(frame.payload, frame.type === "chunk" ? batch.length : 125);
  if ("reason" in frame) bound(frame.reason, 123);
  if ("name" in frame) bound(frame.name, 256);
  if ("parameters" in frame) {
    expect(frame.parameters.size).toBeLessThanOrEqual(64);
    for (const value of frame.parameters.values()) bound(value, batch.length);
  }
  if (frame.type === "chunk" && !frame.last) expect(frame.payload.length).toBeGreaterThanOrEqual(1024);
  for (const value of Object.values(frame)) {
    if (typeof value === "number") expect(Number.isSafeInteger(value) && value >= 0).toBe(true);
  }
}

const encoded = batches.map(({ number, frames }) => encodeBatch(number, frames));

const noise = fc.oneof(
  fc.tuple(encoded, fc.uint8Array({ maxLength: 8 })).map(([batch, rest]) => Uint8Array.of(...batch, ...rest)),
  fc.uint8Array({ maxLength: 40 }),
  fc.uint8Array({ maxLength: 3000, size: "max" }),
  // A valid type behind a number leads deeper than noise alone.
  fc
    .tuple(
      fc.constantFrom(0, 1),
      fc.constantFrom(...[...Array(0x15).keys()], ...Array.from({ length: 16 }, (_, i) => 0x40 + i)),
      fc.uint8Array({ maxLength: 60 }),
    )
    .map(([number, type, rest]) => Uint8Array.of(number, type, ...rest)),
);

describe("codec", () => {
  it("WIRE-02: integers come back as they were written, in their size", () => {
    fc.assert(
      fc.property(varints, fc.nat(5), (value, offset) => {
        const target = new Uint8Array(offset + 8);
        const end = writeVarint(target, offset, value);
        expect(end - offset).toBe(varintBytes(value));
        expect(varintBytesAt(target, offset)).toBe(varintBytes(value));
        expect(readVarint(target, offset)).toBe(value);
        expect(readVarint(target.subarray(0, end - 1), offset)).toBeUndefined();
      }),
      { numRuns: 1000 },
    );
  });

  it("BAT-01: batches come back as they were written", () => {
    fc.assert(
      fc.property(batches, ({ number, frames }) => {
        const batch = encodeBatch(number, frames);
        expect(batch.length).toBe(varintBytes(number) + frames.reduce((sum, frame) => sum + frameBytes(frame), 0));
        expect(told(readAll(batch))).toBe(told({ number, frames, isValid: true }));
        expect(told(naiveDecode(batch))).toBe(told({ number, frames, isValid: true }));
      }),
      { numRuns: 600 },
    );
  });

  it("every kind of frame is as long as it says", () => {
    const kinds = new Set<string>();
    fc.assert(
      fc.property(frames, (frame) => {
        kinds.add(frame.type);
        expect(encodeBatch(1, [frame]).length).toBe(1 + frameBytes(frame));
      }),
      { numRuns: 800 },
    );
    expect(kinds.size).toBe(17);
  });

  it("FRM-06: a batch that is cut anywhere gives the frames before the cut and a violation, or nothing was cut off", () => {
    fc.assert(
      fc.property(batches, fc.nat(), ({ number, frames }, where) => {
        const batch = encodeBatch(number, frames);
        const cut = where % batch.length;
        const read = readAll(batch.subarray(0, cut));
        expect(told(read.frames)).toBe(told(frames.slice(0, read.frames.length)));
        const kept = frames
          .slice(0, read.frames.length)
          .reduce((sum, frame) => sum + frameBytes(frame), varintBytes(number) as number);
        expect(read.isValid).toBe(kept === cut && read.frames.length > 0);
      }),
      { numRuns: 600 },
    );
  });

  it("ERR-04: noise gives frames within their bounds or a violation, and what a second decoder gives", () => {
    const seen = { valid: 0, invalid: 0 };
    fc.assert(
      fc.property(noise, (batch) => {
        const read = readAll(batch);
        for (const frame of read.frames) expectBounds(frame, batch);
        expect(told(naiveDecode(batch))).toBe(told(read));
        seen[read.isValid ? "valid" : "invalid"] += 1;
      }),
      { numRuns: 3000 },
    );
    expect(Math.min(seen.valid, seen.invalid)).toBeGreaterThan(20);
  });

  it("ERR-04: so do good batches that were tampered with", () => {
    const seen = { valid: 0, invalid: 0 };
    fc.assert(
      fc.property(mutated(encoded), (batch) => {
        const read = readAll(batch);
        for (const frame of read.frames) expectBounds(frame, batch);
        expect(told(naiveDecode(batch))).toBe(told(read));
        seen[read.isValid ? "valid" : "invalid"] += 1;
      }),
      { numRuns: 1500 },
    );
    expect(Math.min(seen.valid, seen.invalid)).toBeGreaterThan(20);
  });
});

describe("handshake", () => {
  /** Through the codec, as the other end reads it. */
  const sent = (frame: HandshakeFrame): HandshakeFrame => {
    const { frames, isValid } = readAll(encodeBatch(0, [frame]));
    expect([isValid, frames.length]).toEqual([true, 1]);
    return frames[0] as HandshakeFrame;
  };
  const announced = ({ messageBytesMax, batchBytesMax, channelsMax }: Limits) => ({
    messageBytesMax,
    batchBytesMax,
    channelsMax,
  });

  it("HSK-01: a GREETING comes back as it was written", () => {
    fc.assert(
      fc.property(limits, greetings, (own, greeting) => {
        const { heartbeatMs, heartbeatGraceMs } = own;
        const { parameters } = sent(greetingFrame({ limits: own, ...greeting }));
        const read = readGreeting(parameters, UNANNOUNCED_LIMITS, { heartbeatMs: 1, heartbeatGraceMs: 1 });
        expect(told(read)).toBe(told({ limits: announced(own), ...greeting, heartbeatMs, heartbeatGraceMs }));
      }),
      { numRuns: 300 },
    );
  });

  it("HSK-04, RES-05: a HELLO comes back as it was written", () => {
    fc.assert(
      fc.property(limits, hellos, (own, hello) => {
        const frame = sent(helloFrame({ limits: own, ...hello }));
        expect(frameBytes(frame)).toBeGreaterThanOrEqual(2048);
        const read = readHello(frame.parameters, UNANNOUNCED_LIMITS);
        expect(read).toEqual({ limits: announced(own), ...hello });
      }),
      { numRuns: 300 },
    );
  });

  it("HSK-08, RES-02: a WELCOME comes back as it was written", () => {
    fc.assert(
      fc.property(limits, welcomes, (own, welcome) => {
        const frame = sent(welcomeFrame({ limits: own, ...welcome }));
        expect(frameBytes(frame)).toBeGreaterThanOrEqual(2048);
        const { protocol, ...said } = welcome;
        expect(frame.parameters.get(Parameter.PROTOCOL) ?? new Uint8Array(0)).toEqual(protocol);
        expect(readWelcome(frame.parameters, UNANNOUNCED_LIMITS)).toEqual({ limits: announced(own), ...said });
      }),
      { numRuns: 300 },
    );
  });

  it("ERR-04: any parameters at all are read, or are a violation with a code, and never more", () => {
    const seen = { read: 0, refused: 0 };
    const tampered = fc
      .tuple(
        fc.oneof(
          fc.tuple(limits, hellos).map(([own, hello]) => helloFrame({ limits: own, ...hello })),
          fc.tuple(limits, welcomes).map(([own, welcome]) => welcomeFrame({ limits: own, ...welcome })),
          fc.tuple(limits, greetings).map(([own, greeting]) => greetingFrame({ limits: own, ...greeting })),
          handshakes,
        ),
        fc.array(fc.tuple(fc.constantFrom(...Object.values(Parameter)), fc.option(fc.uint8Array({ maxLength: 33 }))), {
          maxLength: 3,
        }),
      )
      .map(([{ parameters }, changes]) => {
        const all = new Map(parameters);
        for (const [id, value] of changes) {
          if (value === null) all.delete(id);
          else all.set(id, value);
        }
        return all;
      });
    fc.assert(
      fc.property(tampered, (parameters) => {
        const absent = { heartbeatMs: 5, heartbeatGraceMs: 5 };
        const hello = readHello(parameters, UNANNOUNCED_LIMITS);
        const welcome = readWelcome(parameters, UNANNOUNCED_LIMITS);
        const greeting = readGreeting(parameters, UNANNOUNCED_LIMITS, absent);
        for (const read of [hello, welcome, greeting]) {
          if (isViolation(read)) expect(read.code).toBe(1002);
          seen[isViolation(read) ? "refused" : "read"] += 1;
        }
        if (!isViolation(hello)) {
          expect(hello.attemptId).toHaveLength(16);
          expect(hello.epoch).toBeGreaterThanOrEqual(1);
          if (hello.resume !== undefined) {
            expect([hello.resume.sessionId.length, hello.resume.token.length]).toEqual([16, 32]);
            expect(hello.received).toBeGreaterThanOrEqual(0);
          }
        }
        if (!isViolation(welcome)) expect([undefined, 32]).toContain(welcome.token?.length);
        if (!isViolation(greeting)) {
          expect(greeting.instance.length).toBeLessThanOrEqual(16);
          expect(greeting.heartbeatMs).toBeGreaterThan(0);
        }
      }),
      { numRuns: 1000 },
    );
    expect(Math.min(seen.read, seen.refused)).toBeGreaterThan(100);
  });
});
