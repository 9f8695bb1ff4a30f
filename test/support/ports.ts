import type { UnencodedText } from "../../src/core/content.js";
import type { Ports } from "../../src/core/ports.js";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function decode(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** The platform, as far as the engine needs it. Its chance is always in the middle. */
export const testPorts: Ports = {
  encodeUtf8: (text) => encoder.encode(text),
  decodeUtf8: decode,
  random: () => 0.5,
  readText: decode,
};

/** A text that is encoded when it leaves. */
export class TestText implements UnencodedText {
  readonly text: string;
  readonly length: number;

  constructor(text: string) {
    this.text = text;
    this.length = this.encode().length;
  }

  writeTo(target: Uint8Array, offset: number): void {
    target.set(this.encode(), offset);
  }

  encode(): Uint8Array {
    return encoder.encode(this.text);
  }
}

/** Stands for SHA-256: as long, and not what was put in. */
export function testHash(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, i) => ((bytes[i] ?? 0) * 167 + 13 * i + bytes.length) & 0xff);
}
