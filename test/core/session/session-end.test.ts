import { describe, expect, it } from "vitest";
import type { ClosingState } from "../../../src/core/session/closing.js";
import type { HandshakeState } from "../../../src/core/session/handshake.js";
import { endOf } from "../../../src/core/session/session-end.js";

const LOST = { wasClean: false, code: 1006, reason: "" };
const CLEAN = { wasClean: true, code: 4321, reason: "going" };
const INFO = { code: 4001, reason: "bye" };
const OPEN: ClosingState = { name: "open" };
const ESTABLISHED: HandshakeState = { name: "established" };

describe("endOf", () => {
  it.each<HandshakeState>([{ name: "idle" }, { name: "awaiting-greeting" }])(
    "CLS-08: a line lost while $name: no connection could be made",
    (state) => {
      expect(endOf(LOST, OPEN, state)).toMatchObject({
        code: 1006,
        reason: "",
        wasClean: false,
        error: { code: "ERR_CONNECT_FAILED", retryable: true },
      });
    },
  );

  it.each<HandshakeState>([
    { name: "awaiting-auth" },
    { name: "awaiting-welcome" },
    { name: "awaiting-hello" },
    { name: "authenticating", held: [], heldBytes: 0 },
    ESTABLISHED,
  ])("CLS-08: a line lost while $name: the connection was lost", (state) => {
    expect(endOf(LOST, OPEN, state)).toMatchObject({
      code: 1006,
      wasClean: false,
      error: { code: "ERR_CONNECTION_LOST", retryable: true },
    });
  });

  it.each<ClosingState>([
    OPEN,
    { name: "flushing", info: INFO },
    { name: "awaiting-peer", info: INFO },
    { name: "replying", info: INFO },
  ])("CLS-08: a transport that closes by itself while $name: its code, no error", (closing) => {
    expect(endOf(CLEAN, closing, ESTABLISHED)).toEqual({ ...CLEAN, error: undefined, transportCode: 1000 });
    expect(endOf(LOST, closing, ESTABLISHED)).toMatchObject({ code: 1006, wasClean: false });
  });

  it("takes no 1006 for clean", () => {
    expect(endOf({ ...CLEAN, code: 1006 }, OPEN, ESTABLISHED)).toMatchObject({
      wasClean: false,
      code: 1006,
      reason: "",
    });
  });

  it.each([
    [LOST, "lingering"],
    [CLEAN, "lingering"],
    [LOST, "settling"],
    [CLEAN, "settling"],
  ] as const)("CLS-05: after both CLOSEs it has ended cleanly, however the transport went", (death, name) => {
    expect(endOf(death, { name, info: INFO }, ESTABLISHED)).toEqual({
      ...INFO,
      wasClean: true,
      error: undefined,
      transportCode: 1000,
    });
  });
});
