import { describe, expect, it } from "vitest";
import { SluiceError } from "../../src/core/error.js";
import { collect, StreamSource } from "../../src/driver/stream-source.js";
import { reactions } from "../support/event-loop.js";

const KIB = 1024;
const stopped = new SluiceError("ERR_CANCELLED", "stopped");

/** A stream of these pieces, and how often it was asked. */
function streamOf(pieces: unknown[]) {
  const seen = { pulls: 0, cancelled: undefined as unknown };
  const stream = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const piece = pieces[seen.pulls];
        seen.pulls += 1;
        if (piece === undefined) controller.close();
        else if (piece instanceof Error) controller.error(piece);
        else controller.enqueue(piece as Uint8Array);
      },
      cancel(reason) {
        seen.cancelled = reason;
      },
    },
    { highWaterMark: 0 },
  );
  return { stream, seen };
}

const bytes = (...values: number[]) => Uint8Array.from(values);

/** Everything from `offset` on. */
async function rest(source: StreamSource, offset = 0): Promise<number[]> {
  const all: number[] = [];
  for (let piece = await source.read(offset); piece.length > 0; piece = await source.read(offset + all.length)) {
    all.push(...piece);
  }
  return all;
}

describe("StreamSource", () => {
  it("refuses a stream that somebody else reads", () => {
    const { stream } = streamOf([]);
    stream.getReader();
    expect(() => new StreamSource(stream)).toThrow(TypeError);
  });

  it("leaves the stream to its owner until somebody accepts it, and then locks it", () => {
    const { stream } = streamOf([]);
    const source = new StreamSource(stream);
    source.cancel(stopped);
    expect(stream.locked).toBe(false);
    source.start();
    expect(stream.locked).toBe(true);
    expect(() => new StreamSource(stream)).toThrow(TypeError);
  });

  it("reads one piece for each that is asked for, skips empty ones, and ends with an empty one", async () => {
    const { stream, seen } = streamOf([bytes(1, 2), bytes(), bytes(3)]);
    const source = new StreamSource(stream);
    expect([...(await source.read(0))]).toEqual([1, 2]);
    expect(seen.pulls).toBe(1);
    expect([...(await source.read(2))]).toEqual([3]);
    expect(await source.read(3)).toHaveLength(0);
    expect(await source.read(3)).toHaveLength(0);
  });

  it("begins anew for the next session, with a read under way as well", async () => {
    const { stream } = streamOf([bytes(1, 2), bytes(3), bytes(4)]);
    const source = new StreamSource(stream);
    await source.read(0);
    const late = source.read(2);
    expect(await rest(source)).toEqual([1, 2, 3, 4]);
    expect([...(await late)]).toEqual([3]);
  });

  it("keeps no more than the beginning: behind that nobody begins anew", async () => {
    const pieces = Array.from({ length: 10 }, () => new Uint8Array(128 * KIB));
    const source = new StreamSource(streamOf(pieces).stream);
    for (let offset = 0; offset < 512 * KIB; offset += 128 * KIB) await source.read(offset);
    expect(await source.read(0)).toHaveLength(128 * KIB);
    await source.read(512 * KIB);
    await expect(source.read(0)).rejects.toThrow("twice");
  });

  it.each<[string, unknown]>([
    ["a string", "text"],
    ["a buffer", new ArrayBuffer(1)],
    ["a wider view", new Uint16Array(1)],
    ["null", null],
  ])("fails at a piece that is %s", async (_, piece) => {
    await expect(new StreamSource(streamOf([piece]).stream).read(0)).rejects.toBeInstanceOf(TypeError);
  });

  it("passes on why the stream has failed", async () => {
    await expect(new StreamSource(streamOf([new Error("gone")]).stream).read(0)).rejects.toThrow("gone");
  });

  it("cancels the stream, whatever that says to it", async () => {
    const { stream, seen } = streamOf([bytes(1)]);
    const source = new StreamSource(stream);
    source.start();
    source.cancel(stopped);
    expect(seen.cancelled).toBe(stopped);
    const failing = new StreamSource(new ReadableStream({ cancel: () => Promise.reject(new Error("no")) }));
    failing.start();
    failing.cancel(stopped);
    // A rejection that nobody takes fails the test run.
    await reactions();
  });
});

describe("collect", () => {
  it("gives all of a stream", async () => {
    const { stream } = streamOf([bytes(1, 2), bytes(3)]);
    expect([...(await collect(new StreamSource(stream), 3))]).toEqual([1, 2, 3]);
  });

  it("reads no further than the limit", async () => {
    const { stream, seen } = streamOf([bytes(1, 2), bytes(3, 4), bytes(5)]);
    const error = expect.objectContaining({ code: "ERR_MESSAGE_TOO_LARGE" });
    await expect(collect(new StreamSource(stream), 3)).rejects.toEqual(error);
    expect(seen.pulls).toBe(2);
  });

  it("says why it could not", async () => {
    const cause = new Error("gone");
    const error = expect.objectContaining({ code: "ERR_SOURCE_FAILED", cause });
    await expect(collect(new StreamSource(streamOf([bytes(1), cause]).stream), 3)).rejects.toEqual(error);
  });
});
