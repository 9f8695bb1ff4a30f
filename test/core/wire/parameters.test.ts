import { describe, expect, it } from "vitest";
import { DEFAULT_LIMITS, HANDSHAKE_BYTES_MIN } from "../../../src/core/limits.js";
import { frameBytes } from "../../../src/core/wire/encode.js";
import { Parameter, type Parameters } from "../../../src/core/wire/frame.js";
import {
  type AnnouncedLimits,
  integer,
  limitParameters,
  padded,
  readLimits,
  UNANNOUNCED_LIMITS,
  varint,
} from "../../../src/core/wire/parameters.js";
import { unhex } from "../../support/hex.js";

const map = (...pairs: [number, Uint8Array][]): Parameters => new Map(pairs);

const LIMITS: AnnouncedLimits = {
  messageBytesMax: 100_000,
  batchBytesMax: 5000,
  channelsMax: 7,
};

describe("limits in a handshake", () => {
  it("come back as they were announced", () => {
    expect(readLimits(new Map(limitParameters(LIMITS)), UNANNOUNCED_LIMITS)).toEqual(LIMITS);
    const { messageBytesMax, batchBytesMax, channelsMax } = DEFAULT_LIMITS;
    expect(readLimits(new Map(limitParameters(DEFAULT_LIMITS)), LIMITS)).toEqual({
      messageBytesMax,
      batchBytesMax,
      channelsMax,
    });
  });

  it("LIM-02: what a peer does not announce stays as it was known", () => {
    expect(readLimits(map(), UNANNOUNCED_LIMITS)).toEqual(UNANNOUNCED_LIMITS);
    expect(readLimits(map([Parameter.CHANNELS_MAX, varint(9)]), LIMITS)).toEqual({ ...LIMITS, channelsMax: 9 });
    expect(UNANNOUNCED_LIMITS.batchBytesMax).toBe(4096);
  });

  it.each<[string, [number, Uint8Array]]>([
    ["batches below what every peer takes", [Parameter.BATCH_BYTES_MAX, varint(4095)]],
    ["no channel at all", [Parameter.CHANNELS_MAX, varint(0)]],
    ["more channels than one byte can name", [Parameter.CHANNELS_MAX, varint(257)]],
    ["an integer with something behind it", [Parameter.MESSAGE_BYTES_MAX, unhex("0505")]],
    ["an integer cut short", [Parameter.CHANNELS_MAX, unhex("40")]],
    ["an integer of no bytes", [Parameter.BATCH_BYTES_MAX, unhex("")]],
    ["an integer of 2^53", [Parameter.MESSAGE_BYTES_MAX, unhex("c020000000000000")]],
  ])("LIM-03: make no sense with %s", (_, pair) => {
    expect(readLimits(map(pair), LIMITS)).toBeUndefined();
  });

  it.each<[number, number]>([
    [Parameter.BATCH_BYTES_MAX, 4096],
    [Parameter.CHANNELS_MAX, 1],
    [Parameter.CHANNELS_MAX, 256],
    [Parameter.MESSAGE_BYTES_MAX, 200_000],
  ])("LIM-03: parameter %i may be %i", (id, value) => {
    expect(readLimits(map([id, varint(value)]), LIMITS)).toBeDefined();
  });
});

describe("integer", () => {
  it.each([
    ["05", 5],
    ["4005", 5],
    ["80010000", 65_536],
    ["", undefined],
    ["0500", undefined],
    ["ffffffffffffffff", undefined],
  ])("%s is %s", (bytes, expected) => {
    expect(integer(map([7, unhex(bytes)]), 7, "absent")).toBe(expected);
  });

  it("tells what is absent from what is wrong", () => {
    expect(integer(map(), 7, "absent")).toBe("absent");
  });
});

describe("HSK-05: padding", () => {
  const sizeOf = (parameters: Parameters) => frameBytes({ type: "hello", parameters });

  it.each([0, 1, 100, 1900, HANDSHAKE_BYTES_MIN - 4])("fills %i bytes up to what proves a path", (length) => {
    const parameters = padded([[Parameter.AUTH, new Uint8Array(length)]]);
    expect(sizeOf(parameters)).toBeGreaterThanOrEqual(HANDSHAKE_BYTES_MIN);
    expect(sizeOf(parameters)).toBeLessThanOrEqual(HANDSHAKE_BYTES_MIN + 8);
    expect(parameters.get(Parameter.PADDING)?.every((byte) => byte === 0)).toBe(true);
    expect(parameters.get(Parameter.AUTH)).toHaveLength(length);
  });

  it.each([HANDSHAKE_BYTES_MIN, 60_000])("adds nothing to %i bytes", (length) => {
    expect(padded([[Parameter.AUTH, new Uint8Array(length)]]).has(Parameter.PADDING)).toBe(false);
  });
});
