import { describe, expect, it } from "vitest";
import { SluiceError } from "../../../src/core/error.js";
import {
  abortedEnd,
  cleanEnd,
  connectFailed,
  connectionLost,
  sessionLost,
  uncleanEnd,
  violationError,
} from "../../../src/core/session/session-end.js";

describe("the ends of a session", () => {
  it("CLS-05: after both CLOSEs it has ended cleanly, with the code that was agreed on", () => {
    expect(cleanEnd({ code: 4001, reason: "bye" })).toEqual({
      code: 4001,
      reason: "bye",
      wasClean: true,
      error: undefined,
      transportCode: 1000,
    });
  });

  it("CLS-08: whatever else happens is 1006 to the application, and a code of its own to the transport", () => {
    const error = new SluiceError("ERR_PEER_VIOLATION", "no");
    expect(uncleanEnd(error)).toEqual({ code: 1006, reason: "", wasClean: false, error, transportCode: 1000 });
    expect(uncleanEnd(error, 1009)).toEqual({ code: 1006, reason: "", wasClean: false, error, transportCode: 1009 });
  });

  it("ERR-01: an ABORT ends with what it says, and without a code as 1005", () => {
    const end = { wasClean: true, error: undefined, transportCode: 1000 };
    expect(abortedEnd(1012, "later")).toEqual({ ...end, code: 1012, reason: "later" });
    expect(abortedEnd(0, "")).toEqual({ ...end, code: 1005, reason: "" });
  });

  it("names what the peer has done to this end's application", () => {
    const error = violationError({ code: 1002, reason: "close twice" });
    expect(error).toMatchObject({ code: "ERR_PEER_VIOLATION", message: "The peer broke the protocol: close twice" });
  });

  it.each([
    [connectFailed("why"), "ERR_CONNECT_FAILED", "why"],
    [connectionLost(), "ERR_CONNECTION_LOST", "The connection was lost"],
    [sessionLost("why"), "ERR_SESSION_LOST", "why"],
  ])("%s may succeed when it is tried again", (error, code, message) => {
    expect(error).toBeInstanceOf(SluiceError);
    expect(error).toMatchObject({ code, message, retryable: true });
  });
});
