/** Bytes written as hex; blanks are for the reader. */
export function unhex(text: string): Uint8Array {
  const plain = text.replaceAll(" ", "");
  if (!/^([0-9a-f]{2})*$/.test(plain)) throw new Error(`no hex: ${text}`);
  return Uint8Array.from(Buffer.from(plain, "hex"));
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
