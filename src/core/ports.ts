/** What the engine cannot make itself: every platform has it, under another name. */
export interface Ports {
  /** UTF-8, lone surrogates replaced. */
  encodeUtf8(text: string): Uint8Array;
  /** `undefined` for what is not UTF-8. */
  decodeUtf8(bytes: Uint8Array): string | undefined;
  /** A random number, 0 <= x < 1: for jitter, not for secrets. */
  random(): number;
  /** A text message as this platform's application takes it, `undefined` for what is not UTF-8. */
  readText(bytes: Uint8Array): string | Uint8Array | undefined;
}
