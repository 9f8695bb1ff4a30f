import type { Millis } from "../time.js";

/**
 * The queue that is let stand in the line so that it is never idle, ms. With 15 a line of 10 Mbit/s and 40 ms is 98 % full;
 * 20 gain half a percent and cost every chat line 5 ms.
 */
export const QUEUE_MS = 15;

/** On quick lines it is shorter, bytes, ms: many routers and switches queue 256 KiB at most, and lose what finds that full. */
const QUEUE_BYTES_MAX = 128 * 1024;
const QUEUE_MS_MIN = 8;

/**
 * On slow lines it holds two chunks all the same: two are acknowledged together. Of those that take so long, ms, that each is
 * acknowledged by itself (ACK-06), one and a half.
 */
export const QUEUE_CHUNKS = 2;
const QUEUE_CHUNKS_SLOW = 1.5;
const SLOW_CHUNK_MS = 8;

/** The queue that keeps a line of this bandwidth, in bytes per ms, busy while acks come a little unevenly. */
export function unevenQueueMs(rate: number): Millis {
  return Math.min(QUEUE_MS, Math.max(QUEUE_MS_MIN, QUEUE_BYTES_MAX / rate));
}

/**
 * The queue that is meant to stand in a line of this bandwidth, in bytes per ms.
 * @param requestMs how long chunks wait for a request; 0: they leave at once
 */
export function queueTargetMs(rate: number, chunkBytes: number, requestMs: Millis): Millis {
  const chunkMs = chunkBytes / rate;
  const isSlow = chunkMs >= SLOW_CHUNK_MS && requestMs === 0;
  const chunks = isSlow ? QUEUE_CHUNKS_SLOW : QUEUE_CHUNKS;
  return requestMs + Math.max(unevenQueueMs(rate), chunks * chunkMs);
}
