import { syntaxError } from "./url.js";

/**
 * What of the arguments of `close()` goes to the peer (WHATWG WebSockets); 1005 stands for no code.
 * @throws DOMException `InvalidAccessError` for a code that is not the application's, `SyntaxError` for a longer reason
 */
export function closeArguments(
  code: unknown,
  reason: unknown,
  encodeUtf8: (text: string) => Uint8Array,
): { readonly code: number; readonly reason: string } {
  const checked = code === undefined ? undefined : clampedUnsignedShort(code);
  if (checked !== undefined && checked !== 1000 && (checked < 3000 || checked > 4999)) {
    const message = `The close code must be either 1000, or between 3000 and 4999. ${checked} is neither.`;
    throw new DOMException(message, "InvalidAccessError");
  }
  // A template, as `String` would let symbols through.
  const text = reason === undefined ? "" : `${reason}`;
  if (encodeUtf8(text).length > 123) throw syntaxError("The close reason must not be longer than 123 bytes.");
  // A reason without a code goes as 1000, as in the standard's close frame.
  return { code: checked ?? (text === "" ? 1005 : 1000), reason: text };
}

/** WebIDL `[Clamp] unsigned short`. */
function clampedUnsignedShort(value: unknown): number {
  // A plus, as `Number` would let a BigInt through.
  const number = Math.min(Math.max(+(value as number), 0), 65_535);
  if (Number.isNaN(number)) return 0;
  // Halves go to the even neighbour.
  const rounded = Math.round(number);
  return rounded - number === 0.5 && rounded % 2 === 1 ? rounded - 1 : rounded;
}
