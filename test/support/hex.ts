/** Bytes written as hex; blanks are for the reader. */
export function unhex(text: string): Uint8Array {
  const plain = text.replaceAll(" ", "");
  if (!/^([0-9a-f]{2})*$/.test(plain)) throw new Error(`no hex: ${text}`);
  return Uint8Array.from(Buffer.from(plain, "hex"));
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

/** Any value as text, bytes as hex: comparing strings is much faster than comparing thousands of bytes one by one. */
export function told(read: unknown): string {
  return JSON.stringify(read, (_, value) => {
    if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
    return value instanceof Map ? [...value] : value;
  });
}
