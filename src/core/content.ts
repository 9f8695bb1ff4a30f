/**
 * A text that is encoded when it leaves. One that leaves whole is written straight into its batch: bytes of its own would
 * cost a small one more than all that happens to them, and a large one a copy.
 */
export interface UnencodedText {
  readonly text: string;
  /** Of its UTF-8, bytes. */
  readonly length: number;
  /** Writes its UTF-8, lone surrogates replaced, from `offset` on: exactly `length` bytes. */
  writeTo(target: Uint8Array, offset: number): void;
  /** The same in bytes of its own. */
  encode(): Uint8Array;
}

/** A message as it was given, or a piece of it. */
export type Content = Uint8Array | UnencodedText;

export function isUnencoded(content: Content): content is UnencodedText {
  return "writeTo" in content;
}

/** All of it as bytes. */
export function encoded(content: Content): Uint8Array {
  return isUnencoded(content) ? content.encode() : content;
}
