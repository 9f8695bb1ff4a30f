import { ReadableStream } from "node:stream/web";
import { describe, expect, it } from "vitest";
import { SluiceError } from "../../src/core/error.js";
import { MessageBody } from "../../src/driver/message-body.js";
import { StreamedMessage } from "../../src/driver/streamed-message.js";
import { reactions } from "../support/event-loop.js";

const platform = {
  streamOf: (source: MessageBody) => new ReadableStream<Uint8Array>(source, { highWaterMark: 0 }),
  blobOf: (parts: readonly Uint8Array[]) => parts.map((part) => [...part]),
  decodeText: (bytes: Uint8Array) => new TextDecoder().decode(bytes),
};
type Message = StreamedMessage<ReadableStream<Uint8Array>, number[][]>;
const InsideMessage = StreamedMessage as unknown as new (body: MessageBody, of: typeof platform) => Message;

function message(pieces: readonly (string | Uint8Array)[], text = true) {
  const body = new MessageBody({ text, totalBytes: 7 }, () => {});
  pieces.forEach((data, index) => {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    body.handlePiece({ data: bytes, isLast: index === pieces.length - 1, taken: () => {} });
  });
  return new InsideMessage(body, platform);
}

const used = { name: "TypeError" };

describe("StreamedMessage", () => {
  it("says what it is", () => {
    expect(message([])).toMatchObject({ type: "text", size: 7, bodyUsed: false });
    expect(message([], false).type).toBe("binary");
  });

  it("is one stream", async () => {
    const one = message([Uint8Array.of(1), Uint8Array.of(2)], false);
    expect(one.body).toBe(one.body);
    const read: number[] = [];
    for await (const part of one.body) read.push(...part);
    expect([read, one.bodyUsed]).toEqual([[1, 2], true]);
  });

  it("is read whole, as text also where a character is cut in two", async () => {
    const [first, second] = [Uint8Array.of(0x67, 0xc3), Uint8Array.of(0xbc, 0x6e)];
    expect(await message([first, second]).text()).toBe("gün");
    expect(new Uint8Array(await message([first, second]).arrayBuffer())).toEqual(Uint8Array.of(0x67, 0xc3, 0xbc, 0x6e));
    expect(await message([Uint8Array.of(1), Uint8Array.of(2)]).blob()).toEqual([[1], [2]]);
    expect(await message(['{"a"', ":1}"]).json()).toEqual({ a: 1 });
    expect(await message([""]).text()).toBe("");
  });

  it("says that it is no JSON", async () => {
    await expect(message(["{"]).json()).rejects.toMatchObject({ name: "SyntaxError" });
  });

  it("can be used once", async () => {
    const twice = message(["a"]);
    const [first, second] = [twice.text(), twice.text()];
    await expect(second).rejects.toMatchObject(used);
    expect(await first).toBe("a");
    await expect(twice.arrayBuffer()).rejects.toMatchObject(used);

    const locked = message(["a"]);
    locked.body.getReader();
    await expect(locked.blob()).rejects.toMatchObject(used);

    const released = message(["a", "b"]);
    const reader = released.body.getReader();
    await reader.read();
    reader.releaseLock();
    await expect(released.text()).rejects.toMatchObject(used);

    const cancelled = message(["a"]);
    await cancelled.body.cancel();
    await expect(cancelled.json()).rejects.toMatchObject(used);
  });

  it("fails when its sender takes it back", async () => {
    const body = new MessageBody({ text: true, totalBytes: undefined }, () => {});
    const text = new InsideMessage(body, platform).text();
    body.handlePiece({ data: Uint8Array.of(1), isLast: false, taken: () => {} });
    await reactions();
    body.reset(new SluiceError("ERR_CANCELLED", "taken back"));
    await expect(text).rejects.toMatchObject({ code: "ERR_CANCELLED" });
  });
});
