/** Every tenth item is large: a cut comes in the middle of messages, too. */
const LARGE_CHARACTERS = 60_000;

/**
 * @param {number} index
 * @returns {{ index: number, body: string }}
 */
export function item(index) {
  const length = index % 10 === 5 ? LARGE_CHARACTERS : 20;
  return { index, body: `${index}:`.padEnd(length, String.fromCharCode(97 + (index % 26))) };
}
export function items(count) {
  return Array.from({ length: count }, (_, index) => item(index));
}
