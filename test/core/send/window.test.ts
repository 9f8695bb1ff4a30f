import { describe, expect, it } from "vitest";
import { FixedWindow } from "../../../src/core/send/window.js";

describe("FixedWindow", () => {
  it("stays as it is, whatever the acks say", () => {
    const window = new FixedWindow(65_536);
    window.handleAck();
    expect(window.windowBytes).toBe(65_536);
  });
});
