import { BASE_BYTES } from "./path-model.js";

const KIB = 1024;

/** A chunk takes about this long on the line, ms: nobody waits for one for longer. */
const CHUNK_MS = 10;

/** Room for what stands around a chunk's payload, bytes: else a batch of the smallest chunk could not hold it (MSG-06). */
export const HEADER_BYTES = 128;

/**
 * Chunks on slow lines, bytes, below a bandwidth in bytes per ms (0.5, 1.5 and 2 Mbit/s): less is not worth its headers.
 * The second fills one segment of TCP, with the headers of WebSocket and TLS.
 */
const CHUNK_FLOORS = [
  { below: 62, bytes: KIB },
  { below: 190, bytes: KIB + 256 },
  { below: 250, bytes: 2 * KIB },
] as const;
const CHUNK_FLOOR_BYTES = 4 * KIB;

/** The chunks of start-up are a fourth of the window, bytes, so that its acks are many, and no larger than 8 KiB. */
const START_CHUNKS = 4;
const START_CHUNK_BYTES_MAX = 8 * KIB;

/** @param rate the bandwidth, in bytes per ms, as far as it is known: a chunk is a power of two, or what a slow line can bear */
export function chunkBytesAt(rate: number | undefined): number {
  if (rate === undefined) return BASE_BYTES;
  return Math.max(chunkFloorBytes(rate) + HEADER_BYTES, 2 ** Math.floor(Math.log2(rate * CHUNK_MS)));
}

/** @param peak what the line has shown that it could carry, in bytes per ms */
export function startChunkBytes(windowBytes: number, peak: number | undefined): number {
  const shortBytes = peak === undefined ? BASE_BYTES : Math.max(chunkFloorBytes(peak), peak * CHUNK_MS);
  const bytes = Math.min(windowBytes / START_CHUNKS - HEADER_BYTES, shortBytes, START_CHUNK_BYTES_MAX);
  return Math.max(KIB + HEADER_BYTES, Math.floor(bytes));
}

/** The smallest chunk that is worth its headers on a line of this bandwidth, in bytes per ms. */
export function chunkFloorBytes(rate: number): number {
  return CHUNK_FLOORS.find(({ below }) => rate < below)?.bytes ?? CHUNK_FLOOR_BYTES;
}
