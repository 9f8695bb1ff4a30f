/** Bytes as something that can be compared, and be the key of a map. */
export function keyOf(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

/** `view`, or a copy where it would keep a buffer alive that is much larger: a batch holds many messages. */
export function owned(view: Uint8Array): Uint8Array {
  return view.length * 2 >= view.buffer.byteLength ? view : view.slice();
}

/** `view`, or a copy where it shares its memory: others would see what becomes of it. */
export function alone(view: Uint8Array): Uint8Array {
  return view.length === view.buffer.byteLength ? view : view.slice();
}
