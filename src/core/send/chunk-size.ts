const KIB = 1024;

/** A chunk takes about this long on the line, ms: nobody waits for one for longer. */
export const CHUNK_MS = 10;

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

/** The smallest chunk that is worth its headers on a line of this bandwidth, in bytes per ms. */
export function chunkFloorBytes(rate: number): number {
  return CHUNK_FLOORS.find(({ below }) => rate < below)?.bytes ?? CHUNK_FLOOR_BYTES;
}
