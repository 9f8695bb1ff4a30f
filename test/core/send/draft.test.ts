import { describe, expect, it } from "vitest";
import { type ChannelSpace, cutSize, readinessOf } from "../../../src/core/send/draft.js";
import type { OutgoingMessage } from "../../../src/core/send/outgoing-message.js";
import { HIGH_TOKENS_MAX } from "../../../src/core/send/scheduler.js";
import { SendChannel } from "../../../src/core/send/send-channel.js";
import { sourceMessage, wholeMessage } from "../../support/outgoing.js";

const MAX = 64 * 1024;
/** Of the first chunk of a message of some length, in a batch of this size. */
const HEADER = 10;
const AMPLE: ChannelSpace = {
  number: 1,
  spaceBytes: MAX,
  extraBytes: 0,
  roomBytes: 10 * MAX,
  batchBytesMax: MAX,
  isAmple: false,
  overdraftBytes: 0,
  isFirstInBatch: true,
};

/** A channel with one message, and this much credit. */
const withMessage = (message: OutgoingMessage, creditBytes = Number.POSITIVE_INFINITY) => {
  const channel = new SendChannel(1, "normal");
  channel.creditBytes = creditBytes;
  channel.messages.push(message);
  return channel;
};

describe("cutSize", () => {
  it.each<[string, Partial<ChannelSpace>, number | undefined]>([
    ["a window with room", {}, MAX - HEADER],
    ["a window with room for half a batch", { roomBytes: MAX / 2 + HEADER }, MAX / 2],
    ["a window with less", { roomBytes: MAX / 2 + HEADER - 1 }, undefined],
    [
      "an overdraft: in smaller pieces",
      { roomBytes: -1000, overdraftBytes: HIGH_TOKENS_MAX },
      HIGH_TOKENS_MAX - HEADER,
    ],
    ["an overdraft of less than half a piece", { roomBytes: -1000, overdraftBytes: 8000 }, undefined],
    ["no overdraft where the window leaves more", { roomBytes: MAX, overdraftBytes: HIGH_TOKENS_MAX }, MAX - HEADER],
    ["a large window with room for less than a whole batch", { isAmple: true, roomBytes: MAX * 0.9 }, undefined],
    [
      "an overdraft of a large window: in smaller pieces as ever",
      { isAmple: true, roomBytes: -1000, overdraftBytes: HIGH_TOKENS_MAX },
      HIGH_TOKENS_MAX - HEADER,
    ],
    [
      "a transport that takes no more, overdraft or not",
      { roomBytes: Number.NEGATIVE_INFINITY, overdraftBytes: HIGH_TOKENS_MAX },
      undefined,
    ],
  ])("of a large message: %s", (_what, space, size) => {
    expect(cutSize(withMessage(wholeMessage(1_000_000)), { ...AMPLE, ...space })).toBe(size);
  });

  it("gives the end of a message what it may have beyond others, within the window", () => {
    const size = MAX + 500;
    const space = { ...AMPLE, extraBytes: 1024 };
    expect(cutSize(withMessage(wholeMessage(size)), space)).toBe(size);
    expect(cutSize(withMessage(wholeMessage(size)), AMPLE)).toBe(MAX - HEADER);
    expect(cutSize(withMessage(wholeMessage(size)), { ...space, roomBytes: size })).toBe(MAX - HEADER);
    expect(cutSize(withMessage(wholeMessage(MAX + 1024)), space)).toBe(MAX - HEADER);
  });

  it("CRD-01: keeps to the credit, of which the beginning of a message costs 32 bytes", () => {
    expect(cutSize(withMessage(wholeMessage(100), 132), AMPLE)).toBe(100);
    expect(cutSize(withMessage(wholeMessage(100), 131), AMPLE)).toBeUndefined();
    const begun = wholeMessage(100);
    begun.stage = "writing";
    expect(cutSize(withMessage(begun, 100), AMPLE)).toBe(100);
    const used = withMessage(wholeMessage(100), 232);
    used.usedBytes = 101;
    expect(cutSize(used, AMPLE)).toBeUndefined();
  });

  it("is 0 for the end of a channel, which needs two bytes and no verdict to come (CRD-07)", () => {
    const channel = new SendChannel(1, "normal");
    expect(cutSize(channel, { ...AMPLE, roomBytes: -1000 })).toBe(0);
    expect(cutSize(channel, { ...AMPLE, spaceBytes: 1 })).toBeUndefined();
    channel.overLimit = new Map([[1, { message: wholeMessage(10), isAdmitted: false, isAcked: false }]]);
    expect(cutSize(channel, AMPLE)).toBeUndefined();
  });
});

describe("readinessOf", () => {
  it("tells what lacks nothing but room from what lacks something of its own", () => {
    const isReady = (message: OutgoingMessage, space: Partial<ChannelSpace>, creditBytes?: number) =>
      readinessOf(withMessage(message, creditBytes), { ...AMPLE, ...space });
    expect(isReady(wholeMessage(100), {})).toBe("ready");
    expect(isReady(wholeMessage(100), { roomBytes: 50 })).toBe("no-room");
    expect(isReady(wholeMessage(100), { spaceBytes: 50 })).toBe("no-room");
    expect(isReady(wholeMessage(10_000), { isFirstInBatch: false })).toBe("no-room");
    expect(isReady(wholeMessage(100), { roomBytes: 50 }, 50)).toBe("not-ready");
    expect(isReady(sourceMessage(100), { roomBytes: 50 })).toBe("not-ready");
  });

  it("does not wait for room that no batch has: its number takes some of the emptiest", () => {
    const channel = new SendChannel(1, "normal");
    channel.messages.push(wholeMessage(0));
    channel.creditBytes = 32;
    const tiny = { ...AMPLE, spaceBytes: 0, batchBytesMax: 5 };
    expect(readinessOf(channel, { ...tiny, number: 63 })).toBe("no-room");
    expect(readinessOf(channel, { ...tiny, number: 1 << 20 })).toBe("not-ready");
  });

  it("changes nothing, however often it is asked", () => {
    const message = wholeMessage(100_000);
    const channel = withMessage(message);
    for (let i = 0; i < 3; i++)
      expect([readinessOf(channel, AMPLE), cutSize(channel, AMPLE)]).toEqual(["ready", MAX - HEADER]);
    expect([message.availableBytes, message.stage, channel.usedBytes, channel.messages.length]).toEqual([
      100_000,
      "queued",
      0,
      1,
    ]);
  });
});
