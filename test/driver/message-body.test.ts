import { ReadableStream } from "node:stream/web";
import { beforeEach, describe, expect, it } from "vitest";
import { SluiceError } from "../../src/core/error.js";
import { MessageBody } from "../../src/driver/message-body.js";
import { reactions } from "../support/event-loop.js";

const lost = new SluiceError("ERR_SESSION_LOST", "lost");
let body: MessageBody;
let stream: ReadableStream<Uint8Array>;
let taken: string[];
let finished: number;

beforeEach(() => {
  taken = [];
  finished = 0;
  body = new MessageBody({ text: false, totalBytes: 6 }, () => {
    finished += 1;
  });
  stream = new ReadableStream(body, { highWaterMark: 0 });
});

function piece(bytes: number[], isLast = false): void {
  body.handlePiece({ data: Uint8Array.from(bytes), isLast, taken: () => taken.push(bytes.join()) });
}

const read = (bytes: number[]) => ({ done: false, value: Uint8Array.from(bytes) });

describe("MessageBody", () => {
  it("gives a piece for each read, and says of each that it was taken", async () => {
    piece([1, 2]);
    piece([3]);
    await reactions();
    expect([taken, body.isDisturbed]).toEqual([[], false]);
    const reader = stream.getReader();
    expect(await reader.read()).toEqual(read([1, 2]));
    await reactions();
    expect([taken, body.isDisturbed, finished]).toEqual([["1,2"], true, 0]);
    expect(await reader.read()).toEqual(read([3]));
    const waiting = reader.read();
    await reactions();
    piece([4], true);
    expect(await waiting).toEqual(read([4]));
    await reader.closed;
    expect([taken, finished, body.isFinished]).toEqual([["1,2", "3", "4"], 1, true]);
  });

  it("keeps no more alive than it holds", async () => {
    const batch = new Uint8Array(100);
    body.handlePiece({ data: batch.subarray(0, 3), isLast: false, taken: () => {} });
    expect((await stream.getReader().read()).value?.buffer.byteLength).toBe(3);
  });

  it("gives pieces of their own, which can be changed and sent away without harm to what came along with them", async () => {
    const batch = Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 7);
    const other = new MessageBody({ text: false, totalBytes: 5 }, () => {});
    const reader = stream.getReader();
    const waiting = reader.read();
    await reactions();
    other.handlePiece({ data: batch.subarray(3), isLast: true, taken: () => {} });
    body.handlePiece({ data: batch.subarray(1, 3), isLast: false, taken: () => {} });
    body.handlePiece({ data: batch.subarray(1), isLast: false, taken: () => {} });
    for (const read of [await waiting, await reader.read()]) {
      const { buffer, byteOffset } = read.value as Uint8Array<ArrayBuffer>;
      expect([byteOffset, buffer.byteLength]).toEqual([0, read.value?.byteLength]);
      structuredClone(buffer, { transfer: [buffer] });
    }
    const rest = new ReadableStream(other, { highWaterMark: 0 }).getReader();
    expect(await rest.read()).toEqual(read([3, 4, 5, 6, 7]));
    // What has its memory for itself is not copied.
    const whole = Uint8Array.of(1);
    body.handlePiece({ data: whole, isLast: true, taken: () => {} });
    expect((await reader.read()).value).toBe(whole);
  });

  it("passes over pieces without bytes, and ends with the last", async () => {
    piece([]);
    const reader = stream.getReader();
    const first = reader.read();
    await reactions();
    piece([1]);
    expect(await first).toEqual(read([1]));
    const last = reader.read();
    await reactions();
    piece([], true);
    expect(await last).toEqual({ done: true, value: undefined });
    expect([taken, finished]).toEqual([["", "1", ""], 1]);
  });

  it("lets everything go by once it is cancelled", async () => {
    piece([1]);
    await stream.cancel();
    expect([taken, finished]).toEqual([["1"], 0]);
    piece([2]);
    piece([3], true);
    expect([taken, finished]).toEqual([["1", "2", "3"], 1]);
  });

  it("is through at once when it is cancelled whole", async () => {
    piece([1], true);
    await stream.cancel();
    expect([taken, finished]).toEqual([["1"], 1]);
  });

  it("ends a read that waits when it is cancelled", async () => {
    const reader = stream.getReader();
    const waiting = reader.read();
    await reactions();
    await reader.cancel();
    expect(await waiting).toEqual({ done: true, value: undefined });
  });

  it("fails behind what is held when the rest does not come", async () => {
    piece([1]);
    body.interrupt(lost);
    const reader = stream.getReader();
    expect(await reader.read()).toEqual(read([1]));
    await expect(reader.read()).rejects.toBe(lost);
    expect([taken, finished]).toEqual([["1"], 1]);
  });

  it("fails for who waits when the rest does not come", async () => {
    const waiting = stream.getReader().read();
    await reactions();
    body.interrupt(lost);
    await expect(waiting).rejects.toBe(lost);
    expect(finished).toBe(1);
  });

  it("fails at once when it is taken back, and keeps nothing", async () => {
    piece([1]);
    body.reset(lost);
    expect([taken, finished]).toEqual([["1"], 1]);
    await expect(stream.getReader().read()).rejects.toBe(lost);
  });

  it("fails for who asks for its stream after that", async () => {
    const late = new MessageBody({ text: true, totalBytes: undefined }, () => {});
    late.reset(lost);
    await expect(new ReadableStream(late, { highWaterMark: 0 }).getReader().read()).rejects.toBe(lost);
  });

  it("is through when what was cancelled is taken back", async () => {
    await stream.cancel();
    body.reset(lost);
    expect(finished).toBe(1);
  });

  it("cannot fail any more once it is whole", async () => {
    piece([1], true);
    body.interrupt(lost);
    body.reset(lost);
    expect(await stream.getReader().read()).toEqual(read([1]));
  });
});
