import { readFileSync } from "node:fs";
import type { Frame, Parameters } from "../../src/core/wire/frame.js";

/** Reads one of the files beside this one. */
export function vectors<T>(file: string): T {
  return JSON.parse(readFileSync(new URL(file, import.meta.url), "utf8")) as T;
}

/** The bytes that a vector writes as hex, where `00{5}` stands for five zeros. */
export function bytesOf(notation: string): Uint8Array {
  const plain = notation.replace(/([0-9a-f]{2})\{(\d+)\}/g, (_, byte: string, count: string) =>
    byte.repeat(Number(count)),
  );
  if (!/^([0-9a-f]{2})*$/.test(plain)) throw new Error(`no hex: ${notation}`);
  return Uint8Array.from(Buffer.from(plain, "hex"));
}

/** The notation of `bytes`. Runs shorter than 16 are written out. */
export function notationOf(bytes: Uint8Array): string {
  const runs =
    Buffer.from(bytes)
      .toString("hex")
      .match(/(..)\1*?(?=(?!\1)..|$)/g) ?? [];
  return runs.map((run) => (run.length < 32 ? run : `${run.slice(0, 2)}{${run.length / 2}}`)).join("");
}

/** A frame as the vectors write it: what is bytes in `Frame` is notation, parameters are a list of pairs. */
export type FrameVector = Readonly<Record<string, unknown>> & { readonly type: Frame["type"] };

const BYTES = ["payload", "reason", "name"];

export function frameOf(vector: FrameVector): Frame {
  const entries = Object.entries(vector).map(([key, value]) => {
    if (key === "parameters") return [key, parametersOf(value as [number, string][])];
    return [key, BYTES.includes(key) ? bytesOf(value as string) : value];
  });
  const frame = Object.fromEntries(entries);
  return vector.type === "chunk" ? { totalBytes: undefined, ...frame } : frame;
}

export function frameVectorOf(frame: Frame): FrameVector {
  const entries = Object.entries(frame).filter(([, value]) => value !== undefined);
  return Object.fromEntries(
    entries.map(([key, value]) => {
      if (value instanceof Uint8Array) return [key, notationOf(value)];
      return [key, value instanceof Map ? [...value].map(([id, bytes]) => [id, notationOf(bytes)]) : value];
    }),
  ) as FrameVector;
}

function parametersOf(pairs: readonly [number, string][]): Parameters {
  return new Map(pairs.map(([id, value]) => [id, bytesOf(value)]));
}
