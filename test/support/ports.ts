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

/** The platform, as far as the engine needs it. */
export const testPorts: Ports = {
  encodeUtf8: (text) => encoder.encode(text),
  decodeUtf8: decode,
  readText: decode,
};
