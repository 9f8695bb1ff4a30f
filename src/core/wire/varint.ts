/**
 * Variable-length integers of RFC 9000, section 16: the two top bits of the first byte tell the length
 * (1, 2, 4 or 8 bytes). Values stay below 2^53, so that they are exact in a JavaScript number (WIRE-02).
 */
export const VARINT_MAX: number = Number.MAX_SAFE_INTEGER;

const TWO_POW_32 = 0x1_0000_0000;

/** Bytes that `value` takes on the wire. */
export function varintBytes(value: number): 1 | 2 | 4 | 8 {
  if (value < 0x40) return 1;
  if (value < 0x4000) return 2;
  return value < 0x4000_0000 ? 4 : 8;
}

/** Writes `value` (an integer, 0 to 2^53 − 1) at `offset` and returns the offset behind it. */
export function writeVarint(target: Uint8Array, offset: number, value: number): number {
  const size = varintBytes(value);
  let rest = value;
  for (let i = size - 1; i >= 0; i--) {
    target[offset + i] = rest % 0x100;
    rest = Math.floor(rest / 0x100);
  }
  target[offset] = (target[offset] as number) | (Math.log2(size) << 6);
  return offset + size;
}

/**
 * Reads the integer at `offset`. Returns `undefined` when the bytes end before it does, or when it is 2^53 or more;
 * the caller knows the size from `varintBytesAt` when it needs to tell the two apart.
 */
export function readVarint(source: Uint8Array, offset: number): number | undefined {
  const size = varintBytesAt(source, offset);
  if (size === undefined || offset + size > source.length) return undefined;
  let high = (source[offset] as number) & 0x3f;
  if (size < 8) {
    for (let i = 1; i < size; i++) high = high * 0x100 + (source[offset + i] as number);
    return high;
  }
  for (let i = 1; i < 4; i++) high = high * 0x100 + (source[offset + i] as number);
  if (high > 0x1f_ffff) return undefined;
  let low = 0;
  for (let i = 4; i < 8; i++) low = low * 0x100 + (source[offset + i] as number);
  return high * TWO_POW_32 + low;
}

/** The size that the integer at `offset` announces, or `undefined` past the end. */
export function varintBytesAt(source: Uint8Array, offset: number): 1 | 2 | 4 | 8 | undefined {
  const first = source[offset];
  return first === undefined ? undefined : ((1 << (first >> 6)) as 1 | 2 | 4 | 8);
}
