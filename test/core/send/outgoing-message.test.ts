import { describe, expect, it } from "vitest";
import { encoded } from "../../../src/core/content.js";
import type { OutgoingMessage } from "../../../src/core/send/outgoing-message.js";
import { messageOf, sourceMessage, wholeMessage } from "../../support/outgoing.js";
import { binary, text } from "../../support/pair.js";

const bytesOf = (message: OutgoingMessage, size: number) => encoded(message.take(size));

describe("OutgoingMessage", () => {
  it("counts what is there and what has been taken", () => {
    const message = wholeMessage(100);
    expect([message.suppliedBytes, message.availableBytes, message.takenBytes, message.isEnded]).toEqual([
      100,
      100,
      0,
      true,
    ]);
    message.take(30);
    expect([message.suppliedBytes, message.availableBytes, message.takenBytes]).toEqual([100, 70, 30]);
  });

  it("is empty and ended when an empty piece ends it", () => {
    const message = sourceMessage(undefined);
    message.supply(new Uint8Array(0), true);
    expect(message.isEnded).toBe(true);
    expect(message.take(0)).toHaveLength(0);
  });

  it.each([1, 7, 64, 99, 100, 101, 250, 1000])("gives the bytes in order in cuts of %i, slabs of 100", (cut) => {
    const { bytes } = binary(1000);
    const message = sourceMessage(1000);
    for (let i = 0; i < 1000; i += 100) message.supply(bytes.slice(i, i + 100), i === 900);
    const out: number[] = [];
    while (message.availableBytes > 0) out.push(...bytesOf(message, Math.min(cut, message.availableBytes)));
    expect(out).toEqual([...bytes]);
  });

  it("copies only where a cut spans two pieces", () => {
    const message = sourceMessage(20);
    const [a, b] = [binary(10).bytes, binary(10, 2).bytes];
    message.supply(a, false);
    message.supply(b, true);
    expect(bytesOf(message, 4).buffer).toBe(a.buffer);
    const across = bytesOf(message, 8);
    expect(across.buffer).not.toBe(a.buffer);
    expect([...across]).toEqual([...a.subarray(4), ...b.subarray(0, 2)]);
    expect(bytesOf(message, 8).buffer).toBe(b.buffer);
  });

  it("gives up what it has given: an empty piece in between holds nothing back", () => {
    const message = sourceMessage(undefined);
    message.supply(new Uint8Array(0), false);
    message.supply(Uint8Array.of(1), false);
    message.supply(new Uint8Array(0), true);
    expect([...bytesOf(message, 1)]).toEqual([1]);
    expect(message.availableBytes).toBe(0);
  });

  it("gives a text as it is where it leaves whole, and else as bytes", () => {
    const init = text("täglich");
    const whole = messageOf(init);
    expect([whole.isSource, whole.isEnded, whole.availableBytes]).toEqual([false, true, 8]);
    expect(whole.take(8)).toBe(init.bytes);
    const cut = messageOf(init);
    const pieces = [3, 0, 4, 1].map((size) => bytesOf(cut, size));
    expect(Buffer.concat(pieces).toString()).toBe("täglich");
    expect(cut.availableBytes).toBe(0);
  });

  it("is as long as it says", () => {
    expect(() => messageOf({ ...text("ä"), totalBytes: 1 })).toThrow();
  });

  it("asks for more once, when less is there than it should read ahead", () => {
    const message = sourceMessage(1000);
    expect(message.asksForMore(100)).toBe(true);
    expect(message.asksForMore(100)).toBe(false);
    message.supply(new Uint8Array(100), false);
    expect(message.asksForMore(100)).toBe(false);
    message.take(1);
    expect(message.asksForMore(100)).toBe(true);
    message.supply(new Uint8Array(900), true);
    message.take(900);
    expect(message.asksForMore(100)).toBe(false);
  });

  it.each<[string, () => void]>([
    ["taking more than is there", () => wholeMessage(5).take(6)],
    ["a piece behind the end", () => wholeMessage(5).supply(new Uint8Array(1), false)],
    ["an end before the announced length", () => sourceMessage(5).supply(new Uint8Array(4), true)],
    ["an end behind the announced length", () => sourceMessage(5).supply(new Uint8Array(6), true)],
    ["more than the announced length", () => sourceMessage(5).supply(new Uint8Array(6), false)],
  ])("trips over %s", (_, run) => {
    expect(run).toThrow(expect.objectContaining({ code: "ERR_INTERNAL" }));
  });
});
