/** A reading of a monotonic clock, in milliseconds since an arbitrary start. May have a fraction. */
export type Millis = number;

/** Whether a time has come; `undefined` stands for one that never does. */
export function isDue(deadline: Millis | undefined, now: Millis): boolean {
  return deadline !== undefined && now >= deadline;
}

/** The first of two times; `undefined` stands for one that never comes. */
export function sooner(one: Millis | undefined, other: Millis | undefined): Millis | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return Math.min(one, other);
}

/** Clocks on the wire count in steps of 100 µs: 2^30 of them, four bytes as a varint, last for 29 hours (ACK-03). */
const TICKS_PER_MS = 10;

export function millisToTicks(millis: Millis): number {
  return Math.max(0, Math.round(millis * TICKS_PER_MS));
}

export function ticksToMillis(ticks: number): Millis {
  return ticks / TICKS_PER_MS;
}
