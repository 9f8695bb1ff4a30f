/** Bytes as something that can be compared, and be the key of a map. */
export function keyOf(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
