// @ts-check

/**
 * Bytes that look random and are the same everywhere for one seed. It travels into pages as text, so it uses nothing
 * from outside.
 * @param {number} length
 * @param {number} seed
 */
export function seededBytes(length, seed) {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = seed | 1;
  for (let index = 0; index < words.length; index += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state;
  }
  return new Uint8Array(words.buffer, 0, length);
}
