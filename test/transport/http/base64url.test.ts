import { describe, expect, it } from "vitest";
import { decodeBase64Url } from "../../../src/transport/http/base64url.js";

const ascii = (text: string) => new Uint8Array(Buffer.from(text, "latin1"));

describe("base64url", () => {
  it("gives the bytes of every length and value", () => {
    for (let length = 0; length < 70; length++) {
      const bytes = Uint8Array.from({ length }, (_, i) => (i * 37 + length * 11) & 0xff);
      expect(decodeBase64Url(ascii(Buffer.from(bytes).toString("base64url")))).toEqual(bytes);
    }
  });

  it.each(["A", "AAAAA", "A=", "AA==", "A+AA", "A/AA", "AA A", "AA\n", "\u00c0AAA", "AB", "AAB"])(
    "refuses %j",
    (text) => {
      expect(decodeBase64Url(ascii(text))).toBeUndefined();
    },
  );
});
