import type { Limits } from "../limits.js";
import { BATCH_BYTES_MIN, CHANNELS_MAX, HANDSHAKE_BYTES_MIN } from "../limits.js";
import { Parameter, type Parameters } from "./frame.js";
import { readVarint, VARINT_MAX, varintBytes, varintBytesAt, writeVarint } from "./varint.js";

/** The revision of `sluice.v1` that this code speaks (HSK-02). Revisions of one version understand each other. */
export const REVISION = 1;

/** The part of `Limits` that the peer has to respect. */
export type AnnouncedLimits = Pick<Limits, "messageBytesMax" | "batchBytesMax" | "channelsMax">;

/** What holds for a peer whose limits are not known yet, or that announces none (LIM-02). */
export const UNANNOUNCED_LIMITS: AnnouncedLimits = {
  messageBytesMax: VARINT_MAX,
  batchBytesMax: BATCH_BYTES_MIN,
  channelsMax: CHANNELS_MAX,
};

export function limitParameters(limits: AnnouncedLimits): [number, Uint8Array][] {
  return [
    [Parameter.MESSAGE_BYTES_MAX, varint(limits.messageBytesMax)],
    [Parameter.BATCH_BYTES_MAX, varint(limits.batchBytesMax)],
    [Parameter.CHANNELS_MAX, varint(limits.channelsMax)],
  ];
}

/** The limits a peer announces, each replacing what was known. `undefined` when one of them makes no sense (LIM-03). */
export function readLimits(parameters: Parameters, known: AnnouncedLimits): AnnouncedLimits | undefined {
  const limits = {
    messageBytesMax: integer(parameters, Parameter.MESSAGE_BYTES_MAX, known.messageBytesMax),
    batchBytesMax: integer(parameters, Parameter.BATCH_BYTES_MAX, known.batchBytesMax),
    channelsMax: integer(parameters, Parameter.CHANNELS_MAX, known.channelsMax),
  };
  const { messageBytesMax, batchBytesMax, channelsMax } = limits;
  const sensible =
    messageBytesMax !== undefined &&
    batchBytesMax !== undefined &&
    batchBytesMax >= BATCH_BYTES_MIN &&
    channelsMax !== undefined &&
    channelsMax >= 1 &&
    channelsMax <= CHANNELS_MAX;
  return sensible ? { messageBytesMax, batchBytesMax, channelsMax } : undefined;
}

/** The integer in parameter `id`, `absent` where it is not given, `undefined` where it is no integer. */
export function integer<T>(parameters: Parameters, id: number, absent: T): number | T | undefined {
  const value = parameters.get(id);
  if (value === undefined) return absent;
  return varintBytesAt(value, 0) === value.length ? readVarint(value, 0) : undefined;
}

export function varint(value: number): Uint8Array {
  const bytes = new Uint8Array(varintBytes(value));
  writeVarint(bytes, 0, value);
  return bytes;
}

/** Fills `parameters` up to the size that proves a path (HSK-05); zeros, so that they cost nothing to make. */
export function padded(parameters: readonly [number, Uint8Array][]): Parameters {
  let size = 0;
  for (const [id, value] of parameters) size += varintBytes(id) + varintBytes(value.length) + value.length;
  const missing = HANDSHAKE_BYTES_MIN - size;
  const all = new Map(parameters);
  if (missing > 0) all.set(Parameter.PADDING, new Uint8Array(missing));
  return all;
}
