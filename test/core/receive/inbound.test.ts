import { describe, expect, it } from "vitest";
import { DEFAULT_LIMITS } from "../../../src/core/limits.js";
import { Inbound } from "../../../src/core/receive/inbound.js";
import { chunk } from "../../support/frame-table.js";
import { testPorts } from "../../support/ports.js";

const inbound = () => new Inbound(DEFAULT_LIMITS, testPorts);
const utf8 = (text: string) => testPorts.encodeUtf8(text);

describe("Inbound", () => {
  it("BAT-04: accepts each batch once and in order, and wants to acknowledge what came", () => {
    const incoming = inbound();
    expect([incoming.acceptBatch(2, 10, 0), incoming.acks.nextDeadline]).toEqual(["gap", undefined]);
    expect([incoming.acceptBatch(1, 10, 5), incoming.acks.nextDeadline]).toEqual(["next", 25]);
    incoming.acks.handleSent();
    expect([incoming.acceptBatch(1, 10, 50), incoming.acks.nextDeadline]).toEqual(["duplicate", 50]);
    expect(incoming.acks.peek(50)).toMatchObject({ number: 1, bytes: 10 });
    expect([incoming.receivedNumber, incoming.receivedBytes]).toEqual([1, 10]);
  });

  it("gives text as text and bytes as bytes", () => {
    const incoming = inbound();
    expect(incoming.handleChunk(chunk({ text: true, payload: utf8("grüße") }))).toEqual({
      message: { text: true, data: "grüße" },
    });
    expect(incoming.handleChunk(chunk({ payload: Uint8Array.of(255) }))).toEqual({
      message: { text: false, data: Uint8Array.of(255) },
    });
  });

  it("MSG-05: reads text as a whole: a character may lie across two chunks", () => {
    const incoming = inbound();
    const bytes = utf8("ü".repeat(1000));
    expect(incoming.handleChunk(chunk({ text: true, last: false, payload: bytes.subarray(0, 1025) }))).toBeUndefined();
    expect(incoming.heldBytes).toBe(1025);
    expect(incoming.handleChunk(chunk({ first: false, payload: bytes.subarray(1025) }))).toEqual({
      message: { text: true, data: "ü".repeat(1000) },
    });
  });

  it.each([
    ["a lone continuation byte", [0x80]],
    ["a character cut short", [0xc3]],
    ["a surrogate", [0xed, 0xa0, 0x80]],
    ["an overlong form", [0xc0, 0xaf]],
    ["beyond U+10FFFF", [0xf4, 0x90, 0x80, 0x80]],
  ])("MSG-05: text with %s is a violation", (_, bytes) => {
    expect(inbound().handleChunk(chunk({ text: true, payload: Uint8Array.from(bytes) }))).toMatchObject({
      violation: { code: 1007 },
    });
    expect(inbound().handleChunk(chunk({ payload: Uint8Array.from(bytes) }))).toHaveProperty("message");
  });

  it("passes on what reassembly refuses", () => {
    expect(inbound().handleChunk(chunk({ first: false }))).toMatchObject({ violation: { code: 1002 } });
  });

  it("MSG-07, CHN-05: a message under way may be taken back, not cut off by the end of its channel", () => {
    const incoming = inbound();
    expect([incoming.handleReset(3)?.code, incoming.handleChannelClose(3)]).toEqual([1002, undefined]);
    incoming.handleChunk(chunk({ channel: 3, last: false, payload: new Uint8Array(1024) }));
    expect(incoming.handleChannelClose(3)?.code).toBe(1002);
    expect(incoming.handleReset(3)).toBeUndefined();
    expect([incoming.heldBytes, incoming.handleChannelClose(3)]).toEqual([0, undefined]);
  });

  it("forgets what has come in part", () => {
    const incoming = inbound();
    incoming.handleChunk(chunk({ last: false, payload: new Uint8Array(1024) }));
    incoming.clear();
    expect(incoming.heldBytes).toBe(0);
  });
});
