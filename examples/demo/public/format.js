/** Numbers as people read them. A value and its unit come apart where they are set in different sizes. */

export function duration(ms) {
  if (!Number.isFinite(ms)) return { value: "–", unit: "" };
  if (ms < 1000) return { value: String(Math.max(0, Math.round(ms))), unit: "ms" };
  return { value: (ms / 1000).toFixed(ms < 100_000 ? 1 : 0), unit: "s" };
}

export function bytes(count) {
  if (!Number.isFinite(count)) return "–";
  if (count < 1024) return `${Math.round(count)} B`;
  if (count < 1024 * 1024) return `${Math.round(count / 1024)} KB`;
  return `${(count / 1024 / 1024).toFixed(1)} MB`;
}

export function megabit(bitsPerSecond) {
  return `${(bitsPerSecond / 1e6).toFixed(bitsPerSecond < 10e6 ? 2 : 1)} Mbit/s`;
}

export function text({ value, unit }) {
  return unit === "" ? value : `${value} ${unit}`;
}
