const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** Six bits by character code; 64 for what is not in the alphabet. */
const VALUES: Uint8Array = new Uint8Array(256).fill(64);
for (let i = 0; i < ALPHABET.length; i++) VALUES[ALPHABET.charCodeAt(i)] = i;

/** The bytes behind `text`, base64url without padding (RFC 4648, 5) in ASCII; `undefined` for anything else. */
export function decodeBase64Url(text: Uint8Array): Uint8Array | undefined {
  const rest = text.length % 4;
  if (rest === 1) return undefined;
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  let offset = 0;
  let bits = 0;
  let wrong = 0;
  for (let i = 0; i < text.length; i++) {
    const value = VALUES[text[i] as number] as number;
    wrong |= value;
    bits = (bits << 6) | (value & 63);
    if (i % 4 === 3) {
      bytes[offset++] = bits >> 16;
      bytes[offset++] = bits >> 8;
      bytes[offset++] = bits;
      bits = 0;
    }
  }
  if (rest === 2) bytes[offset] = bits >> 4;
  if (rest === 3) {
    bytes[offset] = bits >> 10;
    bytes[offset + 1] = bits >> 2;
  }
  // One spelling for each value: unused bits are 0.
  const unused = rest === 2 ? bits & 15 : rest === 3 ? bits & 3 : 0;
  return (wrong & 64) === 0 && unused === 0 ? bytes : undefined;
}
