// @ts-check

/**
 * Percentiles by nearest rank: every number that is printed was measured.
 * @param {number[]} values
 */
export function summarise(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const rank = (/** @type {number} */ share) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
  return { count: sorted.length, p50: rank(0.5), p95: rank(0.95), p99: rank(0.99), max: rank(1) };
}

/** @param {number[]} values */
export function median(values) {
  return summarise(values).p50;
}
