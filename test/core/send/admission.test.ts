import { describe, expect, it } from "vitest";
import { Admission } from "../../../src/core/send/admission.js";
import { sourceMessage } from "../../support/outgoing.js";

const LIMITS = { messageBytesMax: 100, reassemblyBytesMax: 250, reassemblyMessagesMax: 3 };

function begun(...sizes: (number | undefined)[]) {
  const admission = new Admission();
  const messages = sizes.map((size) => sourceMessage(size));
  for (const message of messages) admission.begin(message, LIMITS);
  return { admission, messages };
}

describe("LIM-05: Admission", () => {
  it.each([
    { what: "the first", reserved: [], size: 100, admitted: true },
    { what: "what fills the room", reserved: [100, 50], size: 100, admitted: true },
    { what: "one byte more", reserved: [100, 51], size: 100, admitted: false },
    { what: "as many messages as allowed", reserved: [1, 1], size: 1, admitted: true },
    { what: "one message more", reserved: [1, 1, 1], size: 1, admitted: false },
    { what: "an unknown length, as the largest message", reserved: [100, 50], size: undefined, admitted: true },
    {
      what: "an unknown length where the largest message has no room",
      reserved: [100, 51],
      size: undefined,
      admitted: false,
    },
    { what: "a small one beside two unknown lengths", reserved: [undefined, undefined], size: 50, admitted: true },
    { what: "a larger one beside two unknown lengths", reserved: [undefined, undefined], size: 51, admitted: false },
  ])("$what: $admitted", ({ reserved, size, admitted }) => {
    expect(begun(...reserved).admission.admits(sourceMessage(size), LIMITS)).toBe(admitted);
  });

  it("always lets go on what has begun, and reserves it once", () => {
    const { admission, messages } = begun(100, 100, 50);
    for (const message of messages) {
      admission.begin(message, LIMITS);
      expect(admission.admits(message, { ...LIMITS, reassemblyBytesMax: 1, reassemblyMessagesMax: 1 })).toBe(true);
    }
    admission.end(messages[0] as never);
    expect(admission.admits(sourceMessage(100), LIMITS)).toBe(true);
    expect(admission.admits(sourceMessage(101), LIMITS)).toBe(false);
  });

  it("gives back exactly what it reserved, also when the limits have changed since", () => {
    const { admission, messages } = begun(undefined, 100);
    admission.end(messages[0] as never);
    const small = { ...LIMITS, messageBytesMax: 7, reassemblyBytesMax: 107 };
    expect(admission.admits(sourceMessage(7), small)).toBe(true);
    expect(admission.admits(sourceMessage(8), small)).toBe(false);
  });

  it("takes no notice of the end of what never began", () => {
    const { admission } = begun(100, 100);
    admission.end(sourceMessage(100));
    expect(admission.admits(sourceMessage(51), LIMITS)).toBe(false);
  });
});
